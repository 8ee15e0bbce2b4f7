/**
 * Rows in the order that a query asks for, sorted a piece at a time beside everybody else's work.
 *
 *     add: runs of RUN_ROWS_MAX rows, each sorted when it is full          read: the runs merged, by a heap of their first rows
 *
 * With a small `rowsMax` (LIMIT and OFFSET) only so many rows are kept: what comes behind the last of them is not even copied. Rows that are equal in the order stand
 * in any order, as in Postgres. State: copies of the rows, bounded in bytes. Called by `result-rows.ts`.
 */
import { millraceError } from '../../base/errors.ts';
import { DeltaBlock } from '../../dataflow/arrangement/delta-block.ts';
import type { CompareFunction, CopyFunction } from '../../dataflow/expression/contract.ts';
import { compileCompare, compileCopy, type RowSortKey } from '../../dataflow/expression/rows.ts';
import type { RowLayout } from '../../values/layout.ts';
import type { RowSpace } from '../../values/space.ts';
import type { Visit } from './view-cursor.ts';

/** Sorted in some 5 ms. */
const RUN_ROWS_MAX = 4_096;
const RUN_BYTES_MAX = 16 << 20;
/** Up to here the first rows are kept, and the others dropped: a quarter of a run, so that it is cut back seldom. */
const FIRST_ROWS_MAX = RUN_ROWS_MAX / 4;

interface Run {
  readonly rows: DeltaBlock;
  /** Indexes of its rows, in order. */
  readonly order: Uint32Array;
  at: number;
}

export class SortedRows {
  readonly #layout: RowLayout;
  readonly #compare: CompareFunction;
  readonly #copy: CopyFunction;
  readonly #rowsMax: number;
  readonly #bytesMax: number;
  #filling: DeltaBlock;
  #bytes = 0;
  #runs: Run[] = [];
  #isMerging = false;
  /** Of the kept rows, when so many as are wanted are there: the last one's address. */
  #last: number | undefined;

  constructor(layout: RowLayout, order: readonly RowSortKey[], rowsMax: number, bytesMax: number) {
    this.#layout = layout;
    this.#compare = compileCompare(layout, order);
    this.#copy = compileCopy(layout);
    this.#rowsMax = rowsMax;
    this.#bytesMax = bytesMax;
    this.#filling = new DeltaBlock(layout);
  }

  add(space: RowSpace, row: number, weight: number): void {
    if (this.#last !== undefined && this.#compare(space, row, this.#filling, this.#last) >= 0) return;
    const rows = this.#filling;
    this.#copy(space, row, rows, rows.push(weight));
    if (this.#bytes + rows.usedBytes > this.#bytesMax) throw millraceError('QUERY_TOO_LARGE', { bytesMax: this.#bytesMax });
    const isLong = rows.usedBytes > RUN_BYTES_MAX;
    if (this.#rowsMax > FIRST_ROWS_MAX) {
      if (isLong || rows.length >= RUN_ROWS_MAX) this.#endRun();
    } else if (rows.length >= RUN_ROWS_MAX || (isLong && rows.length > 4 * this.#rowsMax)) this.#keepFirst();
  }

  /** Everything was added. Visits rows in order until `visit` returns false; true at the end. */
  read(visit: Visit): boolean {
    if (!this.#isMerging) this.#beginMerge();
    const runs = this.#runs;
    while (runs.length > 0) {
      const run = runs[0]!;
      const index = run.order[run.at++]!;
      const goOn = visit(run.rows, index * run.rows.stride, run.rows.weights[index]!);
      if (run.at === run.order.length) {
        const last = runs.pop()!;
        if (runs.length > 0) runs[0] = last;
      }
      this.#sink(0);
      if (!goOn) break;
    }
    return runs.length === 0;
  }

  #sorted(rows: DeltaBlock): Uint32Array {
    const { stride } = rows;
    return Uint32Array.from({ length: rows.length }, (_, i) => i).sort((a, b) => this.#compare(rows, a * stride, rows, b * stride));
  }

  #endRun(): void {
    const rows = this.#filling;
    if (rows.length === 0) return;
    this.#runs.push({ rows, order: this.#sorted(rows), at: 0 });
    this.#bytes += rows.usedBytes;
    this.#filling = new DeltaBlock(this.#layout);
  }

  #keepFirst(): void {
    const rows = this.#filling;
    const kept = new DeltaBlock(this.#layout);
    // A row's copies count, but one is enough to stand for it: more rows than needed do no harm.
    for (const index of this.#sorted(rows).subarray(0, this.#rowsMax))
      this.#copy(rows, index * rows.stride, kept, kept.push(rows.weights[index]!));
    this.#filling = kept;
    this.#last = kept.length < this.#rowsMax || kept.length === 0 ? undefined : (kept.length - 1) * kept.stride;
  }

  #beginMerge(): void {
    this.#isMerging = true;
    this.#endRun();
    for (let i = this.#runs.length >> 1; i >= 0; i--) this.#sink(i);
  }

  #sink(at: number): void {
    const runs = this.#runs;
    for (let i = at; ;) {
      let least = i;
      for (let child = 2 * i + 1; child <= 2 * i + 2 && child < runs.length; child++) if (this.#isBefore(child, least)) least = child;
      if (least === i) return;
      [runs[i], runs[least]] = [runs[least]!, runs[i]!];
      i = least;
    }
  }

  #isBefore(a: number, b: number): boolean {
    const one = this.#runs[a]!;
    const other = this.#runs[b]!;
    const [x, y] = [one.order[one.at]!, other.order[other.at]!];
    return this.#compare(one.rows, x * one.rows.stride, other.rows, y * other.rows.stride) < 0;
  }
}
