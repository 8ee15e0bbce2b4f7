/**
 * Left join: the inner join's pairs, and each left row without a match once more, padded with NULLs.
 *
 *     m(l) = Σ weights of the right rows that match l        L ⟕ R = L ⋈ R + { (l, NULL…) : m(l) = 0 }
 *     δ from δL: its pairs; padded where m(l) = 0            δ from δR: its pairs; ± padded where m(l) leaves or reaches 0
 *
 * m is kept a left row, by its row id; a row *matches* if keys are equal and ON holds. A pair on which ON fails is an error and no match.
 * When one push changes both sides: as in `join.ts`. On a shared left side the new rows' ids are known only once the table has applied its delta: `settle`.
 * Ports: 0 = left, 1 = right. Input: consolidated. State: own sides, 8 bytes a left row. Cost: one probe a changed row, one pair a match.
 */
import { multiplicity } from '../../fault.ts';
import type { ErrorSink } from '../../../values/space.ts';
import type { Arrangement } from '../../arrangement/arrangement.ts';
import type { DeltaBlock } from '../../arrangement/delta-block.ts';
import { Probe } from '../../arrangement/probe.ts';
import type { Effort } from '../../effort.ts';
import type { BlockFunction, PredicateFunction } from '../../expression/contract.ts';
import type { Plan } from '../../../plan/plan.ts';
import type { Flush } from './flush.ts';
import { ownBytes } from './join.ts';
import { SideFilter, type JoinSide } from './join-side.ts';
import type { Operator } from '../operator.ts';

const PAIRS_MAX = 1024;

export interface LeftJoinFunctions {
  /** Sides' filters and ON; null = equal keys are enough. */
  readonly matches: PredicateFunction | null;
  /** What was fused from above, over a matching pair, and over a left row alone. */
  readonly pairs: BlockFunction;
  readonly padded: BlockFunction;
}

export class LeftJoin implements Operator {
  readonly #left: JoinSide;
  readonly #right: JoinSide;
  readonly #functions: LeftJoinFunctions;
  readonly #intoRight: Probe;
  readonly #intoLeft: Probe;
  readonly #filter = new SideFilter();
  /** Set by its node for a step that may go out in parts (`flush.ts`): of a left delta only, a right one's padded rows leave after the pairs that replace them. */
  flush: Flush | null = null;
  readonly #pass = new Uint8Array(PAIRS_MAX);
  readonly #rows = new Int32Array(PAIRS_MAX);
  readonly #weights = new Int32Array(PAIRS_MAX);
  /** By left row id: m, and the number of the step that touched it last. */
  #matches = new Int32Array(64);
  #stamps = new Int32Array(64);
  #stamp = 0;
  /** Left rows touched by this step, and their m before it. */
  #touched = new Int32Array(64);
  #before = new Int32Array(64);
  /** m of each row of the left delta stepped last. */
  #counts = new Int32Array(64);

  constructor(left: JoinSide, right: JoinSide, functions: LeftJoinFunctions, effort?: Effort, plan?: Plan) {
    this.#left = left;
    this.#right = right;
    this.#functions = functions;
    this.#intoRight = new Probe(right.arrangement, right.index, left.layout, left.index.columns, effort, plan);
    this.#intoLeft = new Probe(left.arrangement, left.index, right.layout, right.index.columns, effort, plan);
  }

  step(port: number, input: DeltaBlock, output: DeltaBlock, errors: ErrorSink): void {
    if (port === 0) this.#stepLeft(input, output, errors);
    else this.#stepRight(input, output, errors);
  }

  /** The left delta stepped last has been applied to the left arrangement (own sides: done by `step`), where its rows met these. Notes m under their ids. */
  settle(delta: DeltaBlock, { ids, before }: Pick<Arrangement, 'ids' | 'before'>): void {
    const { memory } = this.#left.arrangement;
    this.#matches = grown(this.#matches, memory.idEnd);
    this.#stamps = grown(this.#stamps, memory.idEnd);
    for (let i = 0; i < delta.length; i++) {
      if (before[i]! + delta.weights[i]! > 0) this.#matches[ids[i]!] = this.#counts[i]!;
    }
  }

  stateBytes(): number {
    return ownBytes(this.#left) + ownBytes(this.#right) + this.#matches.byteLength + this.#stamps.byteLength;
  }

  #stepLeft(input: DeltaBlock, output: DeltaBlock, errors: ErrorSink): void {
    const n = input.length;
    if (n > this.#counts.length) this.#counts = new Int32Array(2 * n);
    const counts = this.#counts;
    counts.fill(0, 0, n);
    const pass = this.#filter.rows(this.#left, input);
    if (this.#right.limit > 0) {
      const probe = this.#intoRight;
      const { memory } = this.#right.arrangement;
      const visit = (pairs: number): void => {
        const matching = this.#matching(probe, input, memory, true, pairs, errors);
        for (let k = 0; k < matching; k++) {
          const i = probe.delta[k]!;
          counts[i] = multiplicity(counts[i]! + memory.weight(probe.ids[k]!));
        }
        this.#functions.pairs(input, probe.deltaRows, memory, probe.rows, probe.weights, matching, output, errors);
        if (this.flush !== null && output.usedBytes > this.flush.bytesMax) this.flush.now();
      };
      probe.run(input, pass, visit, this.#right.limit);
    }
    let alone = 0;
    for (let i = 0; i < n; i++) {
      if (counts[i] !== 0 || (pass !== null && pass[i] === 0)) continue;
      this.#rows[alone] = i * input.stride;
      this.#weights[alone++] = input.weights[i]!;
      if (alone < PAIRS_MAX && i < n - 1) continue;
      this.#functions.padded(input, this.#rows, input, this.#rows, this.#weights, alone, output, errors);
      alone = 0;
    }
    if (alone > 0) this.#functions.padded(input, this.#rows, input, this.#rows, this.#weights, alone, output, errors);
    if (!this.#left.shared) {
      this.#left.arrangement.apply(input);
      this.settle(input, this.#left.arrangement);
    }
  }

  #stepRight(input: DeltaBlock, output: DeltaBlock, errors: ErrorSink): void {
    const left = this.#left.arrangement;
    const { memory } = left;
    if (this.#left.limit > 0 && left.count > 0) {
      this.#matches = grown(this.#matches, memory.idEnd);
      this.#stamps = grown(this.#stamps, memory.idEnd);
      const stamp = ++this.#stamp;
      let touched = 0;
      const probe = this.#intoLeft;
      const visit = (pairs: number): void => {
        const matching = this.#matching(probe, memory, input, false, pairs, errors);
        for (let k = 0; k < matching; k++) {
          const id = probe.ids[k]!;
          const was = this.#matches[id]!;
          if (this.#stamps[id] !== stamp) {
            this.#stamps[id] = stamp;
            this.#touched = grown(this.#touched, touched + 1);
            this.#before = grown(this.#before, touched + 1);
            this.#touched[touched] = id;
            this.#before[touched++] = was;
          }
          this.#matches[id] = multiplicity(was + input.weights[probe.delta[k]!]!);
        }
        this.#functions.pairs(memory, probe.rows, input, probe.deltaRows, probe.weights, matching, output, errors);
      };
      const wanted = this.#filter.rows(this.#right, input);
      const { unread } = this.#right;
      probe.run(input, unread === null ? wanted : unread.leaveOut(input, wanted), visit, this.#left.limit);
      this.#emitCrossings(touched, output, errors);
    }
    if (!this.#right.shared) this.#right.arrangement.apply(input);
  }

  #emitCrossings(touched: number, output: DeltaBlock, errors: ErrorSink): void {
    const { memory } = this.#left.arrangement;
    let n = 0;
    for (let t = 0; t < touched; t++) {
      const id = this.#touched[t]!;
      const was = this.#before[t] === 0;
      const is = this.#matches[id] === 0;
      if (was === is) continue;
      this.#rows[n] = memory.address(id);
      this.#weights[n++] = is ? memory.weight(id) : -memory.weight(id);
      if (n < PAIRS_MAX) continue;
      this.#functions.padded(memory, this.#rows, memory, this.#rows, this.#weights, n, output, errors);
      n = 0;
    }
    if (n > 0) this.#functions.padded(memory, this.#rows, memory, this.#rows, this.#weights, n, output, errors);
  }

  /** Moves the pairs that match to the front of the probe's lists; returns how many. */
  #matching(
    probe: Probe,
    a: DeltaBlock | JoinSide['arrangement']['memory'],
    b: DeltaBlock | JoinSide['arrangement']['memory'],
    deltaIsLeft: boolean,
    pairs: number,
    errors: ErrorSink,
  ): number {
    const { matches } = this.#functions;
    if (matches === null) return pairs;
    const rowsA = deltaIsLeft ? probe.deltaRows : probe.rows;
    const rowsB = deltaIsLeft ? probe.rows : probe.deltaRows;
    matches(a, rowsA, b, rowsB, probe.weights, pairs, this.#pass, errors);
    let kept = 0;
    for (let k = 0; k < pairs; k++) {
      if (this.#pass[k] !== 0) probe.move(k, kept++);
    }
    return kept;
  }
}

function grown(array: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  if (length <= array.length) return array;
  const larger = new Int32Array(Math.max(length, 2 * array.length));
  larger.set(array);
  return larger;
}
