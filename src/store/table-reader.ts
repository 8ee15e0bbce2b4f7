/**
 * The rows of one table exactly as of a place in the log: what is folded, overlaid with the log from there. Serves hydration, ad hoc reads and audits of tables
 * that nothing arranges (I-1). The scan takes bounded memory; the overlay takes what changed since the last fold, so ask for a fold first, and hold it while the snapshot is taken (`engine/source/table-rows.ts`).
 */
import { assert } from '../base/assert.ts';
import { millraceError, MillraceError } from '../base/errors.ts';
import { qualified } from '../base/ident.ts';
import { ByteWriter } from '../wire/bytes.ts';
import type { LogReader } from './log/reader.ts';
import { cutAt, walk, type Cut } from './log/transactions.ts';
import { BlockReader } from './rows/block.ts';
import { readBucket } from './rows/bucket.ts';
import { Changes } from './rows/changes.ts';
import { CONTRADICTION, mergeRun, resolveCarries, SHAPE_BYTES } from './rows/merge.ts';
import type { RowSnapshot } from './rows/row-store.ts';
import { cutFromJson, isKeyed, shapeMap, type ShapeColumn, type TableState } from './rows/table-state.ts';
import { OID_BYTES, writeReshaped } from './rows/tuple.ts';

/** Rows of one table. Reused for the next batch: take what you need before you ask for it. */
export interface RowBatch {
  /** TupleData (int16 count, then n or t + int32 length + bytes), with other bytes between the rows. */
  readonly bytes: Buffer;
  readonly count: number;
  /** Row `i` begins at `bytes[offsets[i]]`. */
  readonly offsets: Uint32Array;
  /** How often row `i` is there: more than 1 only in tables without a key. */
  readonly weights: Uint32Array;
  /** With the first batch: about how many rows there are in all. */
  readonly rowsAhead?: number;
}

/** What a reader needs of the fold: `FoldClient`. */
export interface Holdable {
  /** Folds as far towards `offset` as readers' pins allow. */
  foldTo(offset: number): Promise<void>;
  /** Resolves when no pass is under way; none begins until `release`. */
  hold(): Promise<void>;
  release(): void;
}

const BATCH_ROWS_MAX = 4096;
const BATCH_BYTES_MAX = 1 << 20;

export class TableReading {
  /** The columns of every row that `batches` yields. */
  readonly columns: readonly ShapeColumn[];
  readonly #snapshot: RowSnapshot;
  readonly #changes: Changes;
  readonly #oid: number;
  readonly #state: TableState;
  readonly #isKeyed: boolean;
  readonly #maps = new Map<number, readonly number[]>();
  readonly #out = new ByteWriter(BATCH_BYTES_MAX);
  readonly #offsets = new Uint32Array(BATCH_ROWS_MAX);
  readonly #weights = new Uint32Array(BATCH_ROWS_MAX);
  #count = 0;
  #blocksRead = 0;
  #isBegun = false;

  /** `upTo`: the caller has pinned the log at or before it (`LogBounds.pin`), so that the fold has not run past it. The snapshot is closed with the reading. Throws TABLE_NOT_READABLE or TABLE_ROWS_INCONSISTENT, LOG_GONE when the log was not pinned. */
  constructor(snapshot: RowSnapshot, log: LogReader, oid: number, upTo: number | Cut) {
    const { facts } = snapshot;
    const from = cutFromJson(facts.foldedTo);
    const to = typeof upTo === 'number' ? cutAt(upTo) : upTo;
    assert(facts.folding === undefined, 'rows are read while a fold is under way');
    assert(
      from.offset < to.offset || (from.offset === to.offset && from.skip <= to.skip),
      `rows are folded to ${from.offset}, past ${to.offset}`,
    );
    const changes = new Changes({ tables: snapshot.tables, relations: snapshot.relations, from, only: oid });
    // The place may lie inside a record, but never inside a transaction: every Commit that counts stands before it.
    const reached = walk(log, from, to, changes);
    assert(
      reached.offset === to.offset && reached.skip === to.skip,
      `the log was read to ${reached.offset} instead of ${to.offset}: an open transaction`,
    );
    changes.arena.sort();
    resolveCarries(changes, (key) => snapshot.get(key));
    const state = changes.tables.get(oid);
    const name = state === undefined ? `with OID ${oid}` : qualified(state.table.schema, state.table.name);
    if (state === undefined) throw millraceError('TABLE_NOT_READABLE', { table: name, state: 'it is not in the source' });
    if (state.stopped !== undefined) throw MillraceError.fromPlain(state.stopped);
    if (state.state === 'broken') throw millraceError('TABLE_ROWS_INCONSISTENT', { table: name, reason: state.reason ?? '' });
    if (state.state !== 'live' || facts.catchUp?.oid === oid)
      throw millraceError('TABLE_NOT_READABLE', { table: name, state: `it is ${state.state}` });
    this.#snapshot = snapshot;
    this.#changes = changes;
    this.#oid = oid;
    this.#state = state;
    this.#isKeyed = isKeyed(state);
    this.columns = state.shapes[state.shape]!.columns;
  }

  *batches(): Generator<RowBatch, void> {
    const { arena } = this.#changes;
    let place = 0;
    if (!this.#changes.cleared.has(this.#oid)) {
      const scan = this.#snapshot.scan(this.#oid);
      try {
        while (scan.next()) {
          this.#blocksRead++;
          const changedKey = this.#changedKey(place);
          if (changedKey === undefined || endsBefore(scan.block, scan.blockLength, changedKey)) this.#whole(scan.block, scan.blockLength);
          else place = yield* this.#overlaid(Buffer.from(scan.block.subarray(0, scan.blockLength)), place);
          if (this.#isFull()) yield this.#batch();
        }
      } finally {
        scan.close();
      }
    }
    while (place < arena.order.length) {
      place = this.#merged(place, undefined);
      if (this.#isFull()) yield this.#batch();
    }
    if (this.#count > 0) yield this.#batch();
  }

  close(): void {
    this.#snapshot.close();
  }

  /** Adds the rows of a block that no change touches: its bytes at once, and where they begin. */
  #whole(block: Uint8Array, length: number): void {
    const at = this.#out.length;
    this.#out.raw(block, 0, length);
    const { shape } = this.#state;
    const reader = new BlockReader();
    reader.open(this.#out.bytes.subarray(at, at + length), length);
    const { bytes } = reader;
    while (reader.next()) {
      const { valueStart } = reader;
      if (!this.#isKeyed || ((bytes[valueStart]! << 8) | bytes[valueStart + 1]!) !== shape) {
        this.#stored(bytes.subarray(valueStart, reader.valueEnd));
        continue;
      }
      this.#offsets[this.#count] = at + valueStart + SHAPE_BYTES;
      this.#weights[this.#count++] = 1;
    }
    assert(this.#count <= BATCH_ROWS_MAX, 'a batch overflows');
  }

  /** Adds the rows of a block, and of the changes from `place` on in its range. Returns the place behind them. */
  *#overlaid(block: Buffer, place: number): Generator<RowBatch, number> {
    const reader = new BlockReader();
    reader.open(block, block.length);
    while (reader.next()) {
      const value = block.subarray(reader.valueStart, reader.valueEnd);
      let compared = 1;
      for (;;) {
        const changedKey = this.#changedKey(place);
        compared = changedKey === undefined ? 1 : -reader.compareKey(changedKey, OID_BYTES, changedKey.length);
        if (compared > 0) break;
        place = this.#merged(place, compared === 0 ? value : undefined);
        if (this.#isFull()) yield this.#batch();
        if (compared === 0) break;
      }
      if (compared > 0) this.#stored(value);
      if (this.#isFull()) yield this.#batch();
    }
    return place;
  }

  #changedKey(place: number): Buffer | undefined {
    const { arena } = this.#changes;
    return place < arena.order.length ? arena.key(arena.order[place]!) : undefined;
  }

  /** Adds the row that a run of changes makes of what is stored. Returns the place behind the run. */
  #merged(place: number, stored: Buffer | undefined): number {
    const end = this.#changes.arena.runEnd(place);
    const merged = mergeRun(this.#changes, place, end, () => stored);
    let { contradiction } = merged;
    if (merged.wasThere === true && stored === undefined) contradiction ??= CONTRADICTION.changeOfAbsent;
    if (merged.wasThere === false && stored !== undefined) contradiction ??= CONTRADICTION.insertOfPresent;
    if (contradiction !== undefined)
      throw millraceError('TABLE_ROWS_INCONSISTENT', {
        table: qualified(this.#state.table.schema, this.#state.table.name),
        reason: contradiction,
      });
    if (merged.value !== undefined) this.#stored(merged.value);
    return end;
  }

  #stored(value: Uint8Array): void {
    if (this.#isKeyed) return this.#row(value, SHAPE_BYTES, value.length, (value[0]! << 8) | value[1]!, 1);
    const bucket = Buffer.from(value.buffer, value.byteOffset, value.length);
    for (const { tuple, shape, count } of readBucket(bucket)) this.#row(tuple, 0, tuple.length, shape, count);
  }

  #row(bytes: Uint8Array, at: number, end: number, shape: number, weight: number): void {
    // `isFull` leaves room for a block.
    assert(this.#count < BATCH_ROWS_MAX, 'a batch overflows');
    this.#offsets[this.#count] = this.#out.length;
    this.#weights[this.#count++] = weight;
    if (shape === this.#state.shape) return this.#out.raw(bytes, at, end);
    let map = this.#maps.get(shape);
    if (map === undefined) this.#maps.set(shape, (map = shapeMap(this.#state, shape, this.#state.shape)));
    writeReshaped(this.#out, Buffer.from(bytes.buffer, bytes.byteOffset, end), at, map);
  }

  /** Asked for the first batch: its blocks hold about as many rows as others. */
  #rowsAhead(): number | undefined {
    const blocks = this.#blocksRead;
    if (this.#isBegun || blocks === 0) return undefined;
    this.#isBegun = true;
    return Math.round((this.#count / blocks) * this.#snapshot.blockCount(this.#oid));
  }

  #isFull(): boolean {
    return this.#count >= BATCH_ROWS_MAX - BLOCK_ROWS_MAX || this.#out.length >= BATCH_BYTES_MAX;
  }

  #batch(): RowBatch {
    const rowsAhead = this.#rowsAhead();
    const batch: RowBatch = {
      bytes: this.#out.view(),
      count: this.#count,
      offsets: this.#offsets,
      weights: this.#weights,
      ...(rowsAhead === undefined ? {} : { rowsAhead }),
    };
    this.#count = 0;
    this.#out.reset();
    return batch;
  }
}

/** An entry takes twelve bytes at the least; a larger block is one row, or different rows with one 128-bit hash: a wonder. */
const BLOCK_ROWS_MAX = 1024;

function endsBefore(block: Uint8Array, length: number, key: Uint8Array): boolean {
  const reader = new BlockReader();
  reader.open(block, length);
  while (reader.next());
  return reader.compareKey(key, OID_BYTES, key.length) < 0;
}
