/**
 * Every kind of join, one side's delta at a time against the other side as it stands.
 *
 *     J = π(L ⋈ R) + shown(L) + shown(R)
 *     δJ from δL = π(δL ⋈ R) + shown(δL) + δ shown(R)          δJ from δR: the same, sides exchanged
 *
 *                 pairs   left rows shown               right rows shown
 *     inner         ✓
 *     left          ✓     alone: padded with NULLs
 *     full          ✓     alone: padded                 alone: padded
 *     semi                matched
 *     anti                alone
 *     mark                all, and a boolean: matched true, unknown NULL, alone false
 *
 * A row *matches* where keys are equal and ON is true. Keys are two-valued (NULL equals nothing), ON is three-valued: `match-counts.ts` says how a row stands for it, and what of
 * it is shown. A pair on which ON fails is an error, and no match.
 * When one push changes both sides they are stepped one after the other, and the first is applied before the second is stepped:
 * (L + δL) ⋈ (R + δR) = L ⋈ R + δL ⋈ R + (L + δL) ⋈ δR. No old copies, no correction terms. `before` and `run` keep that order.
 * Input: consolidated. State: the own sides' arrangements, and counts. Cost: one probe a changed row, one pair a match.
 */
import type { ErrorSink } from '../../../values/space.ts';
import type { DeltaBlock } from '../../arrangement/delta-block.ts';
import { PAIRS_MAX, Probe } from '../../arrangement/probe.ts';
import type { RowMemory } from '../../arrangement/row-memory.ts';
import type { Effort } from '../../effort.ts';
import type { BlockFunction, PredicateFunction } from '../../expression/contract.ts';
import type { Plan } from '../../../plan/plan.ts';
import { allPositive, type Flush } from './flush.ts';
import type { JoinSide } from './join-side.ts';

export interface JoinFunctions {
  /** Sides' filters and ON, over a pair; null: equal keys are enough, or no side counts and `pairs` asks. */
  readonly matches: PredicateFunction | null;
  /** Mark joins: sides' filters hold and ON is NULL. Does not tell of what fails. */
  readonly unknown: PredicateFunction | null;
  /** What was fused from above, over a matching pair; null: pairs are not shown. */
  readonly pairs: BlockFunction | null;
}

/** `matches` tells of it. */
const TOLD: ErrorSink = { add: () => {} };

export class Join {
  /** Set while it is hydrated: where a step's output goes before the step has ended. */
  flush: Flush | null = null;
  readonly #sides: readonly [JoinSide, JoinSide];
  readonly #functions: JoinFunctions;
  /** Finds the rows of that side. */
  readonly #into: readonly [Probe, Probe];
  readonly #withItself: boolean;
  readonly #pass = new Uint8Array(PAIRS_MAX);
  /** The side that `before` has stepped. */
  #ahead: 0 | 1 | null = null;

  constructor(left: JoinSide, right: JoinSide, functions: JoinFunctions, effort?: Effort, plan?: Plan) {
    this.#sides = [left, right];
    this.#functions = functions;
    this.#into = [
      new Probe(left.arrangement, left.index, right.arrangement.layout, right.index.columns, effort, plan),
      new Probe(right.arrangement, right.index, left.arrangement.layout, left.index.columns, effort, plan),
    ];
    this.#withItself = left.arrangement === right.arrangement;
  }

  /**
   * Live pushes, ahead of the table's arrangement. One of an arrangement with itself steps a side while the other one is as it was: a whole one, because what the delta
   * means to a side of which a part has been brought is known only when it is applied.
   */
  before(output: DeltaBlock, errors: ErrorSink): void {
    if (!this.#withItself) return;
    const [left, right] = this.#sides;
    this.#ahead = limitOf(left) === Infinity ? 0 : limitOf(right) === Infinity ? 1 : null;
    if (this.#ahead !== null) this.#step(this.#ahead, false, null, output, errors);
  }

  /** Shared sides have been applied, own sides are applied by their step: so a shared one goes first. */
  run(isLive: boolean, output: DeltaBlock, errors: ErrorSink): void {
    const flush = isLive ? null : this.flush;
    const [left, right] = this.#sides;
    let first: 0 | 1 = right.shared !== null && left.shared === null ? 1 : 0;
    if (isLive && this.#ahead !== null) {
      first = this.#ahead;
      const delta = this.#sides[first].inlet.take();
      if (delta !== null) settle(this.#sides[first], delta);
    } else this.#step(first, true, flush, output, errors);
    this.#step(first === 0 ? 1 : 0, true, flush, output, errors);
  }

  stateBytes(): number {
    let bytes = 0;
    for (const { arrangement, shared, counts } of this.#sides)
      bytes += (shared === null ? arrangement.bytes() : 0) + (counts?.stateBytes() ?? 0);
    return bytes;
  }

  /** `isApplied`: a shared side's arrangement has taken the delta. */
  #step(port: 0 | 1, isApplied: boolean, flush: Flush | null, output: DeltaBlock, errors: ErrorSink): void {
    const side = this.#sides[port];
    const input = side.inlet.take();
    if (input === null) return;
    const other = this.#sides[1 - port]!;
    const { memory } = other.arrangement;
    const probe = this.#into[1 - port]!;
    const { counts } = side;
    const others = other.counts;
    counts?.begin(input.length);
    others?.beginOther(memory.idEnd);
    // What meets nothing, and shows nothing of itself, is not asked about.
    const limit = limitOf(other);
    const wanted = side.filter === null || (counts === null && limit === 0) ? null : side.filter.rows(input);
    const { pairs, unknown, matches } = this.#functions;
    const parts = flush !== null && allPositive(input) ? flush : null;
    const visit = (n: number): void => {
      if (unknown !== null) this.#ask(unknown, port, input, memory, probe, n, TOLD);
      if (unknown !== null) counts?.deltaMeets(probe, n, true, this.#pass);
      if (unknown !== null) others?.rowsMeet(probe, n, input.weights, true, this.#pass);
      const matching = matches === null ? n : this.#matching(matches, port, input, memory, probe, n, errors);
      counts?.deltaMeets(probe, matching, false, null);
      others?.rowsMeet(probe, matching, input.weights, false, null);
      if (pairs !== null) {
        if (port === 0) pairs(input, probe.deltaRows, memory, probe.rows, probe.weights, matching, output, errors);
        else pairs(memory, probe.rows, input, probe.deltaRows, probe.weights, matching, output, errors);
      }
      if (parts === null || output.usedBytes <= parts.bytesMax) return;
      others?.showChanged(memory, output, errors);
      parts.now();
    };
    probe.run(input, side.unread === null ? wanted : side.unread.leaveOut(input, wanted), visit, limit);
    counts?.showDelta(input, wanted, output, errors);
    others?.showChanged(memory, output, errors);
    if (side.shared === null) side.arrangement.apply(input);
    if (isApplied) settle(side, input);
  }

  /** Moves the pairs that match to the front of the probe's lists; returns how many. */
  #matching(
    matches: PredicateFunction,
    port: 0 | 1,
    input: DeltaBlock,
    memory: RowMemory,
    probe: Probe,
    n: number,
    errors: ErrorSink,
  ): number {
    this.#ask(matches, port, input, memory, probe, n, errors);
    let kept = 0;
    for (let k = 0; k < n; k++) if (this.#pass[k] !== 0) probe.move(k, kept++);
    return kept;
  }

  #ask(what: PredicateFunction, port: 0 | 1, input: DeltaBlock, memory: RowMemory, probe: Probe, n: number, errors: ErrorSink): void {
    if (port === 0) what(input, probe.deltaRows, memory, probe.rows, probe.weights, n, this.#pass, errors);
    else what(memory, probe.rows, input, probe.deltaRows, probe.weights, n, this.#pass, errors);
  }
}

/** Rows with ids below are there for the join. */
function limitOf({ shared }: JoinSide): number {
  return shared === null ? Infinity : shared.limit;
}

/** The side's delta has been applied: its rows have their ids. */
function settle({ arrangement, shared, counts }: JoinSide, delta: DeltaBlock): void {
  counts?.settle(delta, shared?.met ?? arrangement, arrangement.memory.idEnd);
}
