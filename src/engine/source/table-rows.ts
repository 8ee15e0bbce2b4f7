/**
 * The rows of replicated tables for whoever needs them whole: a view that is being made, an ad hoc read of a table that nothing arranges. Folded rows and the log
 * behind them, exactly as of a place in the log (`store/table-reader.ts`). Keeps the engine's pin: the fold never runs past what has been stepped. Engine worker only.
 */
import { parseLsn, type Lsn } from '../../base/lsn.ts';
import { must } from '../../base/assert.ts';
import { millraceError, MillraceError, type PlainError } from '../../base/errors.ts';
import { qualified } from '../../base/ident.ts';
import type { TupleBatch } from '../../dataflow/tables/tuple-source.ts';
import type { LogBounds } from '../../store/log/bounds.ts';
import type { LogReader } from '../../store/log/reader.ts';
import { cutAt, isBefore, walk, type Cut, type LogVisitor } from '../../store/log/transactions.ts';
import type { RowSnapshot, RowStore } from '../../store/rows/row-store.ts';
import { cutFromJson, type ShapeColumn, type TableState } from '../../store/rows/table-state.ts';
import { TableReading, type Holdable } from '../../store/table-reader.ts';
import type { UpstreamTable } from '../../upstream/table.ts';

export interface FoldHandle extends Holdable {
  close(): Promise<void>;
}

export interface CopiedTable {
  readonly snapshotLsn: Lsn;
  readonly rows: number;
  /** Why nothing more is read of it. */
  readonly stopped?: PlainError;
}

/** What the engine asks of them. */
export type Rows = Pick<TableRows, 'foldedOffset' | 'begin' | 'pin' | 'pinSnapshots' | 'open' | 'close'>;

export interface TableRowsParts {
  readonly rows: RowStore;
  readonly log: LogReader;
  readonly fold: FoldHandle;
  readonly bounds: LogBounds;
}

export class TableRows {
  readonly #parts: TableRowsParts;
  #position: Cut = cutAt(0);
  #snapshots: readonly Cut[] = [];
  /** What open readings stand on: the log from there is still read. */
  readonly #reading = new Set<ReadableRows>();

  constructor(parts: TableRowsParts) {
    this.#parts = parts;
  }

  get foldedOffset(): number {
    return this.#parts.bounds.foldedOffset;
  }

  /** Takes the engine's pin at the end of the last whole transaction before `committedOffset`, where stepping begins. */
  async begin(committedOffset: number): Promise<Cut> {
    await this.#parts.fold.hold();
    try {
      const folded = cutFromJson(this.#parts.rows.facts().foldedTo);
      this.#position = committedOffset > folded.offset ? walk(this.#parts.log, folded, committedOffset, {}) : folded;
      this.#parts.bounds.pin('engine', this.#position.offset);
      return this.#position;
    } finally {
      this.#parts.fold.release();
    }
  }

  /** Everything before `position` is stepped. */
  pin(position: Cut): void {
    this.#position = position;
    this.#movePin();
  }

  /** Open read-only transactions may still read as of these places: the fold waits for them. */
  pinSnapshots(positions: readonly Cut[]): void {
    this.#snapshots = positions;
    this.#movePin();
  }

  #movePin(): void {
    this.#parts.bounds.pin('engine', Math.min(this.#position.offset, ...this.#snapshots.map((cut) => cut.offset)));
  }

  /** The rows as of `position`; where the fold has passed it (nobody pins it), as of there. Close it soon: it holds pages of the row store, and the log from there on. */
  /** `also`: somebody who takes a snapshot of his own of the same rows, good until this one is closed. */
  async open(position: Cut, also?: () => Promise<void>): Promise<ReadableRows> {
    // On a full disk more of the log is read instead.
    await this.#parts.fold.foldTo(position.offset).catch((error: unknown) => {
      if (!(error instanceof MillraceError) || error.code !== 'ROWS_DISK_FULL') throw error;
    });
    await this.#parts.fold.hold();
    try {
      const rows = new ReadableRows(this.#parts.rows.snapshot(), this.#parts.log, position, () => {
        this.#reading.delete(rows);
        this.#pinReadings();
      });
      this.#reading.add(rows);
      this.#pinReadings();
      try {
        await also?.();
      } catch (error) {
        rows.close();
        throw error;
      }
      return rows;
    } finally {
      this.#parts.fold.release();
    }
  }

  /** Before the fold is let go: it might fold, and then delete, what a reading overlays its rows with. */
  #pinReadings(): void {
    if (this.#reading.size === 0) this.#parts.bounds.unpin('audit');
    else this.#parts.bounds.pin('audit', Math.min(...[...this.#reading].map((rows) => rows.foldedOffset)));
  }

  async close(): Promise<void> {
    await this.#parts.fold.close();
    this.#parts.log.close();
    await this.#parts.rows.close();
  }
}

export class ReadableRows {
  readonly #snapshot: RowSnapshot;
  readonly #log: LogReader;
  #position: Cut;
  readonly #closed: () => void;

  constructor(snapshot: RowSnapshot, log: LogReader, position: Cut, closed: () => void) {
    this.#snapshot = snapshot;
    this.#log = log;
    const folded = cutFromJson(snapshot.facts.foldedTo);
    this.#position = isBefore(position, folded) ? folded : position;
    this.#closed = closed;
  }

  /** As of which place they are. */
  get position(): Cut {
    return this.#position;
  }

  get foldedOffset(): number {
    return cutFromJson(this.#snapshot.facts.foldedTo).offset;
  }

  /** Read as of a later place: the engine stepped on while the rows were being opened. */
  moveTo(position: Cut): void {
    this.#position = position;
  }

  /** `table`: as its reader knows it. Rows of another shape are refused, never read by it. */
  *read(table: UpstreamTable, interrupt: () => void): Generator<TupleBatch, void> {
    const reading = new TableReading(this.#snapshot, this.#log, table.oid, this.#position);
    const isOther = ({ attnum, name, typeOid }: ShapeColumn, i: number): boolean => {
      const known = table.columns[i];
      return known?.attnum !== attnum || known.name !== name || known.typeOid !== typeOid;
    };
    if (reading.columns.length !== table.columns.length || reading.columns.some(isOther))
      throw millraceError('TABLE_ROWS_INCONSISTENT', {
        table: qualified(table.schema, table.name),
        reason: 'they are kept by other columns',
      });
    for (const { bytes, count, offsets, weights, rowsAhead } of reading.batches()) {
      interrupt();
      yield {
        bytes,
        ...(rowsAhead === undefined ? {} : { rowsAhead }),
        offsets: new Int32Array(offsets.buffer, offsets.byteOffset, count),
        weights: new Int32Array(weights.buffer, weights.byteOffset, count),
      };
    }
  }

  /** Visits the log behind the rows, from `from` on (at first their position); `stop` as for `walk`. Returns how far it came. */
  follow(from: Cut, to: Cut, visitor: LogVisitor, stop: () => boolean): Cut {
    return walk(this.#log, from, to, visitor, { stop });
  }

  copiedTables(): Map<number, CopiedTable> {
    const copied = new Map<number, CopiedTable>();
    for (const [oid, state] of this.#snapshot.tables) {
      if (state.snapshotLsn === undefined) continue;
      const stopped = stoppedBy(state);
      copied.set(oid, { snapshotLsn: parseLsn(state.snapshotLsn), rows: 0, ...(stopped === undefined ? {} : { stopped }) });
    }
    walk(this.#log, cutFromJson(must(this.#snapshot.facts, 'facts').foldedTo), this.#position.offset, {
      copied: ({ oid, snapshotLsn, rows }) => void copied.set(oid, { snapshotLsn, rows }),
      table: ({ oid }) => void copied.delete(oid),
      removed: (oid) => void copied.delete(oid),
      stopped: ({ oid, error }) => {
        const known = copied.get(oid);
        if (known !== undefined) copied.set(oid, { stopped: error, ...known });
      },
    });
    return copied;
  }

  close(): void {
    this.#snapshot.close();
    this.#closed();
  }
}

function stoppedBy({ state, stopped, reason, table }: TableState): PlainError | undefined {
  if (stopped !== undefined || state !== 'broken') return stopped;
  return millraceError('TABLE_ROWS_INCONSISTENT', { table: qualified(table.schema, table.name), reason: reason ?? '' }).toPlain();
}
