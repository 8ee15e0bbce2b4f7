/**
 * A view on its way into the dataflow: what it reads is arranged and indexed, then its graph is built and fed, in turns between which all else is stepped on (I-6).
 *
 *     loads: rows as of a place in the log, then the changes from there on, until at a turn's end there are no more: join
 *     advance: the missing indexes, then every port's rows, a piece a turn; false once all is there: finish
 *
 * Whoever makes it drives it, and ends it by `finish` or `abandon`. Until it is finished nobody reads the view; what fails in it fails it alone (I-8).
 * Made by `Dataflow.begin`.
 */
import type { OldTuple, TableInput } from './tables/table.ts';
import type { Plan } from '../plan/plan.ts';
import type { TupleBatch } from './tables/tuple-source.ts';

/** A row change of one table as the upstream sends it: raw pgoutput tuples. */
export interface RowChanges {
  insert(object: string, bytes: Uint8Array, offset: number): void;
  update(object: string, bytes: Uint8Array, old: OldTuple, oldOffset: number, newOffset: number): void;
  delete(object: string, bytes: Uint8Array, old: OldTuple, oldOffset: number): void;
  truncate(object: string): void;
}

/** Applied in pieces of this many rows. */
const PIECE_ROWS_MAX = 8_192;

/** A table's new arrangement, until it takes part in the table's pushes. */
export class TableLoad implements RowChanges {
  readonly object: string;
  readonly #input: TableInput;
  readonly #join: () => void;

  constructor(object: string, input: TableInput, join: () => void) {
    this.object = object;
    this.#input = input;
    this.#join = join;
  }

  rows(batches: Iterable<TupleBatch>): void {
    this.#input.load(batches);
  }

  insert(_object: string, bytes: Uint8Array, offset: number): void {
    this.#input.insert(bytes, offset);
  }

  update(_object: string, bytes: Uint8Array, old: OldTuple, oldOffset: number, newOffset: number): void {
    this.#input.update(bytes, old, oldOffset, newOffset);
  }

  delete(_object: string, bytes: Uint8Array, old: OldTuple, oldOffset: number): void {
    this.#input.delete(bytes, old, oldOffset);
  }

  truncate(): void {
    this.#input.truncate();
  }

  /** Applies the changes since the last time: now and then, because they wait in memory. */
  step(): void {
    const { delta } = this.#input;
    while (this.#input.drain(PIECE_ROWS_MAX)) {
      this.#input.apply();
      delta.clear();
    }
  }

  bytes(): number {
    return this.#input.bytes();
  }

  /** It stands where the dataflow stands: from the next change on it takes them with it. */
  join(): void {
    this.step();
    this.#join();
  }
}

/** What it has taken so far. */
export interface HydrationCost {
  /** Pairs of rows that its joins put together. */
  readonly pairs: number;
  /** Of its operators' state and its output; `loads` are counted apart. */
  readonly bytes: number;
  /** The join with the most pairs, and the operator with the most bytes. */
  busiest(): Plan | undefined;
  largest(): Plan | undefined;
}

export interface Hydration {
  /** Arrangements that nobody has yet: to be filled, one after another, before `advance`. */
  readonly loads: readonly TableLoad[];
  /** Tables and views that its plan names: they may not go before it does. */
  readonly reads: ReadonlySet<string>;
  /** Throws where something below it has failed, or the view itself in a push. So do `advance` and `finish`. */
  check(): void;
  /** One piece more; false when nothing is left. Throws what went wrong. */
  advance(): boolean;
  cost(): HydrationCost;
  /** The view is one like all others from now on. */
  finish(): void;
  /** Leaves nothing behind. */
  abandon(): void;
}
