/**
 * A table's rows as they come from the store (TupleData), decoded a block at a time: what fills a new arrangement, and what a query asked once reads without one.
 * Rows may repeat: nothing is summed here. Called by `table.ts` and `dataflow.ts`.
 */
import type { RowLayout } from '../../values/layout.ts';
import { PIECE_BYTES_MAX, type DeltaBlock } from '../arrangement/delta-block.ts';
import type { TupleDecoder } from '../expression/contract.ts';
import { compileTupleDecoder } from '../expression/rows.ts';

/** Rows as TupleData, for hydration: row i starts at offsets[i] of bytes. */
export interface TupleBatch {
  readonly bytes: Uint8Array;
  readonly offsets: Int32Array | readonly number[];
  /** How often the row is there; absent = once each. */
  readonly weights?: Int32Array | readonly number[];
  /** With the first batch: about how many rows there are in all, so that room is made once. */
  readonly rowsAhead?: number;
}

/** All rows of a collection, block by block. */
export interface RowSource {
  /** Fills the empty `block` with at most `rowsMax` rows from `from` on (0 at first); returns where to go on, 0 at the end. */
  read(from: number, rowsMax: number, block: DeltaBlock): number;
  /** Of one that is read as it comes: no more is wanted. */
  close?(): void;
}

export class TupleSource implements RowSource {
  readonly #decode: TupleDecoder;
  readonly #unchanged: Uint8Array;
  readonly #batches: Iterator<TupleBatch>;
  #batch: TupleBatch | undefined;
  #next = 0;

  /** The i-th column of `layout` is the table's column `columns[i]`. */
  constructor(layout: RowLayout, columns: readonly number[], batches: Iterable<TupleBatch>) {
    this.#decode = compileTupleDecoder(layout, columns);
    this.#unchanged = new Uint8Array(columns.length);
    this.#batches = batches[Symbol.iterator]();
  }

  read(_from: number, rowsMax: number, block: DeltaBlock): number {
    while (block.length < rowsMax && block.usedBytes < PIECE_BYTES_MAX) {
      if (this.#batch === undefined || this.#next === this.#batch.offsets.length) {
        const next = this.#batches.next();
        if (next.done === true) return 0;
        this.#batch = next.value;
        this.#next = 0;
        continue;
      }
      const { bytes, offsets, weights } = this.#batch;
      const i = this.#next++;
      const row = block.push(weights === undefined ? 1 : weights[i]!);
      this.#decode(bytes, offsets[i]!, block, row, this.#unchanged);
    }
    return 1;
  }

  close(): void {
    this.#batches.return?.();
  }
}
