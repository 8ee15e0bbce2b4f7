/**
 * Rows of a delta against the rows of an arrangement with equal keys, as lists of pairs: the inner loop of every join.
 *
 *     run(δ) = { (d, r, w(d) × w(r)) : d ∈ δ, r ∈ A, key(d) = key(r), no key column NULL }
 *
 * Works in stages over blocks of 128 delta rows: hash all, touch all, find all heads, then step all chains together, one row each a round, so that the
 * loads of different chains overlap. Pairs are handed over in lists of at most 1,024, each told to the view's `Effort` first, which may end it all by a throw.
 * The arrangement must not change meanwhile. Called by joins.
 */
import { Effort } from '../effort.ts';
import { multiplicity } from '../fault.ts';
import type { Plan } from '../../plan/plan.ts';
import type { RowLayout } from '../../values/layout.ts';
import type { HashFunction, SameFunction } from '../expression/contract.ts';
import { compileHash, compileSame } from '../expression/rows.ts';
import type { Arrangement } from './arrangement.ts';
import type { DeltaBlock } from './delta-block.ts';
import type { RowIndex } from './row-index.ts';

const STAGE_ROWS = 128;
export const PAIRS_MAX = 1024;

/** Pairs 0 … n − 1 in the lists of the Probe; gone after the call. */
export type VisitPairs = (n: number) => void;

export class Probe {
  readonly arrangement: Arrangement;
  readonly index: RowIndex;
  /** The lists: number and word address in the delta, id and word address in the arrangement, product of the weights. */
  readonly delta = new Int32Array(PAIRS_MAX);
  readonly deltaRows = new Int32Array(PAIRS_MAX);
  readonly ids = new Int32Array(PAIRS_MAX);
  readonly rows = new Int32Array(PAIRS_MAX);
  readonly weights = new Int32Array(PAIRS_MAX);

  readonly #effort: Effort;
  readonly #operator: Plan | undefined;
  readonly #hash: HashFunction;
  readonly #same: SameFunction;
  /** Pairs of bitmap word offset and bit, one a key column. */
  readonly #nulls: Int32Array;
  readonly #numbers = new Int32Array(STAGE_ROWS);
  readonly #hashes = new Int32Array(STAGE_ROWS);
  readonly #chains = new Int32Array(STAGE_ROWS);

  /** Rows of `layout` are matched by `columns` with the index's columns, in order. */
  constructor(
    arrangement: Arrangement,
    index: RowIndex,
    layout: RowLayout,
    columns: readonly number[],
    effort: Effort = new Effort(),
    operator?: Plan,
  ) {
    this.#effort = effort;
    this.#operator = operator;
    this.arrangement = arrangement;
    this.index = index;
    this.#hash = compileHash(layout, columns);
    this.#same = compileSame(layout, columns, arrangement.layout, index.columns);
    this.#nulls = new Int32Array(
      columns.flatMap((column) => {
        const { nullWord, nullBit } = layout.columns[column]!;
        return [nullWord, nullBit];
      }),
    );
  }

  /** `pass`: only rows with pass[i] ≠ 0. `limit`: only rows of the arrangement with ids below count as there (a side whose rows are still being brought). */
  run(delta: DeltaBlock, pass: Uint8Array | null, visit: VisitPairs, limit = Infinity): void {
    if (this.arrangement.count === 0 || limit === 0) return;
    if (limit !== Infinity) {
      // Beside the inner loop, which knows of no limit: what lies beyond is taken out of the finished lists.
      this.run(delta, pass, (n) => {
        const seen = this.#below(limit, n);
        if (seen > 0) visit(seen);
      });
      return;
    }
    const n = delta.length;
    let pairs = 0;
    let held = 0;
    for (let i = 0; i < n; i++) {
      if (pass !== null && pass[i] === 0) continue;
      if (this.#hasNull(delta.words, i * delta.stride)) continue;
      this.#numbers[held++] = i;
      if (held === STAGE_ROWS) {
        pairs = this.#stage(delta, held, pairs, visit);
        held = 0;
      }
    }
    if (held > 0) pairs = this.#stage(delta, held, pairs, visit);
    if (pairs === 0) return;
    this.#effort.spend(pairs, this.#operator);
    visit(pairs);
  }

  #below(limit: number, n: number): number {
    let kept = 0;
    for (let k = 0; k < n; k++) if (this.ids[k]! < limit) this.move(k, kept++);
    return kept;
  }

  /** Moves a pair within the lists: whoever sorts some out moves the others to the front. */
  move(from: number, to: number): void {
    if (from === to) return;
    this.delta[to] = this.delta[from]!;
    this.deltaRows[to] = this.deltaRows[from]!;
    this.ids[to] = this.ids[from]!;
    this.rows[to] = this.rows[from]!;
    this.weights[to] = this.weights[from]!;
  }

  #hasNull(words: Int32Array, row: number): boolean {
    const nulls = this.#nulls;
    for (let k = 0; k < nulls.length; k += 2) if ((words[row + nulls[k]!]! & nulls[k + 1]!) !== 0) return true;
    return false;
  }

  #stage(delta: DeltaBlock, n: number, pairsBefore: number, visit: VisitPairs): number {
    const { memory } = this.arrangement;
    const { words, stride, headerWords } = memory;
    const { table, link, unique } = this.index;
    const links = this.index.linksIn(memory);
    const linkStride = this.index.linkStride(memory);
    const numbers = this.#numbers;
    const hashes = this.#hashes;
    const chains = this.#chains;
    for (let i = 0; i < n; i++) hashes[i] = this.#hash(delta, numbers[i]! * delta.stride);
    this.index.readAhead(memory, hashes, n, chains);
    let live = 0;
    for (let i = 0; i < n; i++) {
      const number = numbers[i]!;
      const row = number * delta.stride;
      let head = chains[i]!;
      if (head !== 0 && !this.#same(delta, row, memory, head * stride + headerWords)) {
        // Another key of this hash.
        table.find(hashes[i]!);
        do head = table.findNext();
        while (head !== 0 && !this.#same(delta, row, memory, head * stride + headerWords));
      }
      if (head === 0) continue;
      chains[live] = head;
      numbers[live++] = number;
    }
    let pairs = pairsBefore;
    while (live > 0) {
      let still = 0;
      for (let k = 0; k < live; k++) {
        const id = chains[k]!;
        const number = numbers[k]!;
        const at = id * stride;
        this.delta[pairs] = number;
        this.deltaRows[pairs] = number * delta.stride;
        this.ids[pairs] = id;
        this.rows[pairs] = at + headerWords;
        this.weights[pairs] = multiplicity(delta.weights[number]! * words[at]!);
        if (++pairs === PAIRS_MAX) {
          this.#effort.spend(pairs, this.#operator);
          visit(pairs);
          pairs = 0;
        }
        const next = unique ? 0 : links[id * linkStride + link]!;
        if (next !== 0) {
          chains[still] = next;
          numbers[still++] = number;
        }
      }
      live = still;
    }
    return pairs;
  }
}
