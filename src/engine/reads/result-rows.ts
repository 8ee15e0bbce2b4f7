/**
 * One result on its way out of the engine: rows of one tick, ordered, cut and encoded, as many at a time as the client takes and a piece allows; no limit of size.
 *
 *     source (a view's cursor, the rows of a query)  →  [sorted]  →  OFFSET, LIMIT  →  batches
 *
 * Called by `open-results.ts`.
 */
import { limits } from '../../base/limits.ts';
import { DeltaBlock } from '../../dataflow/arrangement/delta-block.ts';
import type { CopyFunction } from '../../dataflow/expression/contract.ts';
import { compileCopy } from '../../dataflow/expression/rows.ts';
import type { RowLayout } from '../../values/layout.ts';
import type { RowSpace } from '../../values/space.ts';
import { RowEncoder, type Batch } from '../feeds/encode.ts';
import type { Finish, RowFormat } from '../contract/protocol.ts';
import { SortedRows } from './sorted-rows.ts';
import type { Piece } from '../ticks/turns.ts';
import type { Visit } from './view-cursor.ts';

/** Rows that are visited in pieces: until `visit` returns false; true when there are no more. */
export interface RowsInPieces {
  read(visit: Visit): boolean;
}

/** What is made ahead of the client, at most (a row may be longer). Main holds one of these a result, and the next. */
const AHEAD_BYTES_MAX = 256 << 10;
/** A row that occurs very often is shown so many times, then the piece is asked. */
const TIMES_AT_ONCE_MAX = 64;

export class ResultRows {
  readonly #layout: RowLayout;
  readonly #source: RowsInPieces;
  readonly #encoder: RowEncoder;
  readonly #sorted: SortedRows | undefined;
  #isSorted = false;
  #skip: number;
  #left: number;
  /** A row that occurs more often than a piece could show: its copy, with how often it is still to be shown. */
  #again: { readonly block: DeltaBlock; times: number } | undefined;
  #copy: CopyFunction | undefined;
  #isDone = false;

  constructor(source: RowsInPieces, layout: RowLayout, { order, limit, offset, project }: Finish, format: RowFormat) {
    this.#layout = layout;
    this.#source = source;
    this.#encoder = new RowEncoder(layout, project, format);
    this.#skip = offset;
    this.#left = limit ?? Infinity;
    if (order.length > 0) this.#sorted = new SortedRows(layout, order, offset + this.#left, limits.queryMemoryBytesMax);
  }

  /** Nothing is left but what `take` hands over. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** The client should have this before more is made. */
  get isAhead(): boolean {
    return this.#encoder.bytes >= AHEAD_BYTES_MAX;
  }

  take(): Batch[] {
    return this.#encoder.take();
  }

  /** Goes on until the piece is over, enough is ready, or all is done. */
  run(piece: Piece): void {
    if (this.#isDone) return;
    if (this.#sorted !== undefined && !this.#isSorted) {
      const sorted = this.#sorted;
      this.#isSorted = this.#source.read((space, row, weight) => {
        sorted.add(space, row, weight);
        return !piece.isOver();
      });
      if (!this.#isSorted || piece.isOver(true)) return;
    }
    const isRest = this.#again === undefined || this.#showAgain(this.#again, piece);
    if (!isRest) return;
    const rows: RowsInPieces = this.#sorted ?? this.#source;
    const isEnd = this.#left === 0 || rows.read((space, row, weight) => this.#show(space, row, weight, piece));
    this.#isDone = this.#again === undefined && (isEnd || this.#left === 0);
  }

  /** Whether to go on. */
  #show(space: RowSpace, row: number, weight: number, piece: Piece): boolean {
    const skipped = Math.min(this.#skip, weight);
    this.#skip -= skipped;
    const times = Math.min(weight - skipped, this.#left);
    this.#left -= times;
    const now = Math.min(times, TIMES_AT_ONCE_MAX);
    if (now > 0) this.#encoder.add(space, row, now);
    if (times > now) {
      const block = new DeltaBlock(this.#layout);
      this.#copy ??= compileCopy(this.#layout);
      this.#copy(space, row, block, block.push(1));
      this.#again = { block, times: times - now };
      return false;
    }
    return this.#left > 0 && !this.isAhead && !piece.isOver();
  }

  /** True when it was shown as often as it occurs, and there is time for more. */
  #showAgain(again: { readonly block: DeltaBlock; times: number }, piece: Piece): boolean {
    while (again.times > 0) {
      const now = Math.min(again.times, TIMES_AT_ONCE_MAX);
      this.#encoder.add(again.block, 0, now);
      again.times -= now;
      if (this.isAhead || piece.isOver(true)) break;
    }
    if (again.times > 0) return false;
    this.#again = undefined;
    return !this.isAhead;
  }
}
