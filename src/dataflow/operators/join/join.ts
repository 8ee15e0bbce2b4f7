/**
 * Inner join, one side's delta at a time against the other side as it stands.
 *
 *     δ(L ⋈ R) from δL = δL ⋈ R          δ(L ⋈ R) from δR = L ⋈ δR
 *
 * When one push changes both sides, the caller steps them one after the other, and the side stepped first is applied (by itself if it is the join's own, by
 * the table if shared) before the second is stepped: (L + δL) ⋈ (R + δR) = L ⋈ R + δL ⋈ R + (L + δL) ⋈ δR. No old copies, no correction terms.
 * Ports: 0 = left, 1 = right. Input: consolidated. State: the own sides' arrangements. Cost: one probe a changed row, one pair a match.
 * The pair function holds the sides' filters, ON and what was fused from above. NULL keys match nothing.
 */
import type { ErrorSink } from '../../../values/space.ts';
import type { DeltaBlock } from '../../arrangement/delta-block.ts';
import { Probe } from '../../arrangement/probe.ts';
import type { Effort } from '../../effort.ts';
import type { BlockFunction } from '../../expression/contract.ts';
import { SideFilter, type JoinSide } from './join-side.ts';
import type { Flush } from './flush.ts';
import type { Operator } from '../operator.ts';
import type { Plan } from '../../../plan/plan.ts';

export class InnerJoin implements Operator {
  readonly #left: JoinSide;
  readonly #right: JoinSide;
  readonly #pairs: BlockFunction;
  /** Left deltas against the right arrangement, and the other way round. */
  readonly #intoRight: Probe;
  readonly #intoLeft: Probe;
  readonly #filter = new SideFilter();
  /** Set by its node for a step that may go out in parts (`flush.ts`). */
  flush: Flush | null = null;

  constructor(left: JoinSide, right: JoinSide, pairs: BlockFunction, effort?: Effort, plan?: Plan) {
    this.#left = left;
    this.#right = right;
    this.#pairs = pairs;
    this.#intoRight = new Probe(right.arrangement, right.index, left.layout, left.index.columns, effort, plan);
    this.#intoLeft = new Probe(left.arrangement, left.index, right.layout, right.index.columns, effort, plan);
  }

  step(port: number, input: DeltaBlock, output: DeltaBlock, errors: ErrorSink): void {
    const [side, other, probe] = port === 0 ? [this.#left, this.#right, this.#intoRight] : [this.#right, this.#left, this.#intoLeft];
    if (other.limit > 0) {
      const { memory } = other.arrangement;
      const wanted = this.#filter.rows(side, input);
      probe.run(
        input,
        side.unread === null ? wanted : side.unread.leaveOut(input, wanted),
        (n) => {
          if (port === 0) this.#pairs(input, probe.deltaRows, memory, probe.rows, probe.weights, n, output, errors);
          else this.#pairs(memory, probe.rows, input, probe.deltaRows, probe.weights, n, output, errors);
          if (this.flush !== null && output.usedBytes > this.flush.bytesMax) this.flush.now();
        },
        other.limit,
      );
    }
    if (!side.shared) side.arrangement.apply(input);
  }

  stateBytes(): number {
    return ownBytes(this.#left) + ownBytes(this.#right);
  }
}

export function ownBytes(side: JoinSide): number {
  return side.shared ? 0 : side.arrangement.bytes();
}
