/**
 * A node of a view's graph: an operator with the blocks that it reads and the one that it appends to, and all that it depends on.
 * Whoever has state reads its input consolidated, and in tests guarded (`validator.ts`): an *intake*. Made by `build.ts` and `build-join.ts`, run by `view-graph.ts`.
 */
import type { ErrorSink } from '../../values/space.ts';
import type { Consolidate } from '../arrangement/consolidate.ts';
import type { DeltaBlock } from '../arrangement/delta-block.ts';
import type { Join } from '../operators/join/join.ts';
import type { Inlet } from '../operators/join/join-side.ts';
import type { Operator } from '../operators/operator.ts';
import type { Plan } from '../../plan/plan.ts';
import { Port, type Stream } from './port.ts';
import type { Validator } from './validator.ts';

export interface GraphNode {
  readonly output: DeltaBlock;
  readonly ports: ReadonlySet<Port>;
  readonly tables: ReadonlySet<string>;
  /** Blocks of other nodes that it takes. Each is taken by one node. */
  readonly reads: readonly DeltaBlock[];
  /** What it is, where it has state or may make many rows of few. */
  readonly plan: Plan | undefined;
  /** While it is hydrated its output may go before its step has ended. */
  readonly join?: Pick<Join, 'flush'>;
  /** Rows over empty inputs. */
  start?(): void;
  /** Live pushes only, before the pushed table's arrangement changes. */
  before?(): void;
  run(isLive: boolean): void;
  stateBytes(): number;
}

export class Intake implements Inlet {
  readonly #stream: Stream;
  readonly #consolidate: Consolidate | undefined;
  readonly #guard: Validator | undefined;

  constructor(stream: Stream, consolidate?: Consolidate, guard?: Validator) {
    this.#stream = stream;
    this.#consolidate = consolidate;
    this.#guard = guard;
  }

  take(): DeltaBlock | null {
    const { block } = this.#stream;
    if (block.length === 0) return null;
    this.#consolidate?.(block);
    this.#guard?.check(block);
    return block.length === 0 ? null : block;
  }
}

/** What a node of these inputs depends on. */
function dependencies(inputs: readonly Stream[]): Pick<GraphNode, 'ports' | 'tables' | 'reads'> {
  return {
    ports: new Set(inputs.flatMap(({ ports }) => [...ports])),
    tables: new Set(inputs.flatMap(({ tables }) => [...tables])),
    // A port's block is emptied by the port.
    reads: inputs.filter((input) => !(input instanceof Port)).map(({ block }) => block),
  };
}

/** An operator with one input, or none. */
export function stepNode(
  operator: Operator,
  input: Stream | null,
  output: DeltaBlock,
  errors: ErrorSink,
  intake: Inlet | null = input === null ? null : new Intake(input),
  plan?: Plan,
): GraphNode {
  return {
    ...dependencies(input === null ? [] : [input]),
    output,
    plan,
    start: () => operator.start?.(output, errors),
    run() {
      const delta = intake?.take() ?? null;
      if (delta !== null) operator.step(delta, output, errors);
    },
    stateBytes: () => operator.stateBytes(),
  };
}

export function joinNode(join: Join, inputs: readonly [Stream, Stream], output: DeltaBlock, errors: ErrorSink, plan: Plan): GraphNode {
  return {
    ...dependencies(inputs),
    output,
    plan,
    join,
    before: () => join.before(output, errors),
    run: (isLive) => join.run(isLive, output, errors),
    stateBytes: () => join.stateBytes(),
  };
}
