/**
 * Copies tables into the log at one exported snapshot: `table` records stand before, then `copy` records, then `copied` with the snapshot's LSN. A table that cannot be
 * copied leaves again (`removed`) with its reason, its neighbours stay (I-8); a lost connection or a full disk ends the whole attempt. Large tables are read in parts,
 * by a second connection too where the source has one to spare (I-4): the records of tables interleave, each table's own order stays.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { AssertionError } from '../base/assert.ts';
import { MillraceError } from '../base/errors.ts';
import { formatLsn } from '../base/lsn.ts';
import { failpoint } from '../store/failpoints.ts';
import type { LogWriter } from '../store/log/writer.ts';
import type { ConnectionParameters } from '../upstream/connection/parameters.ts';
import type { CreatedSlot } from '../upstream/replication/slot.ts';
import { Snapshot, type CopyPart } from '../upstream/snapshot/snapshot.ts';
import type { TableShape } from '../upstream/shape.ts';
import type { UpstreamTable } from '../upstream/table.ts';

export interface CopyRequest {
  readonly parameters: ConnectionParameters;
  readonly publication: string;
  readonly tables: readonly UpstreamTable[];
  readonly slot: CreatedSlot;
  readonly signal: AbortSignal;
  /** Tests make many parts of small tables. */
  readonly partBlocks?: number;
}

export interface CopyEvents {
  /** A fact record ends at `offset`. */
  appended(offset: number): void;
  copying(oid: number, rows: number): void;
  copied(oid: number, rows: number, snapshotLsn: string): void;
  refused(oid: number, error: MillraceError): void;
}

/** Refusals of one table, not of the whole source. */
const OF_ONE_TABLE = new Set([
  'TABLE_NOT_PUBLISHED',
  'UPSTREAM_TABLE_MISSING',
  'UPSTREAM_TABLE_CHANGED',
  'REPLICA_IDENTITY_MISSING',
  'PUBLICATION_FILTERS_ROWS',
  'UPSTREAM_SELECT_NOT_PERMITTED',
  'ROW_SECURITY_FILTERS',
  'UPSTREAM_QUERY_FAILED',
  'TABLE_REWRITTEN',
  'TABLE_NOT_UTF8',
]);

/** Connections that copy at once: the source's cores are there for others, too (I-4), and one of ours takes what two of them give. */
const CONNECTIONS_MAX = 2;
/** A further connection is opened only where so many would be left for others. */
const SPARE_CONNECTIONS_MIN = 5;
/** 64 MiB of the table's file: a tenth of a second or more, so that a statement a part costs nothing. */
const PART_BLOCKS = 8192;

export async function copyTables(writer: LogWriter, request: CopyRequest, events: CopyEvents): Promise<void> {
  await new TableCopies(writer, request, events).run();
}

/** Whoever waits to change a table waits until its parts are read; a connection that then comes to help would wait behind him. */
const JOIN_TIMEOUT_MS = 1_000;
/** Planning takes milliseconds; what takes longer waits for a lock. */
const PLANNING_MS = 1_000;

/** A table whose copy has begun. */
interface Begun {
  readonly table: UpstreamTable;
  readonly shape: TableShape;
  /** Parts that nobody reads yet. */
  readonly waiting: CopyPart[];
  /** Parts that are not done, those among them. */
  undone: number;
  rows: number;
  failure: MillraceError | undefined;
}

/** A connection that reads. */
interface Reader {
  readonly snapshot: Snapshot;
  /** Tables that it holds locked. */
  readonly holds: Set<Begun>;
  /** Tables that it could not lock. */
  readonly leaves: Set<Begun>;
}

/**
 * A few connections on one snapshot, each taking what is to be read next: a part of a table that has begun, else the next table. Whoever began a table stays until all
 * its parts are read, so that its lock lasts; with nothing left that concerns it, a connection ends, so that nobody waits for its locks.
 */
class TableCopies {
  readonly #writer: LogWriter;
  readonly #request: CopyRequest;
  readonly #events: CopyEvents;
  readonly #snapshotLsn: string;
  readonly #tables: UpstreamTable[];
  readonly #begun: Begun[] = [];
  readonly #snapshots = new Set<Snapshot>();
  readonly #reading: Promise<void>[] = [];
  /** Tables being planned. */
  #planning = 0;
  /** Wakes those who found nothing to read: a table was planned or is done, a part was given back. */
  #changed = Promise.withResolvers<void>();
  #failure: Error | undefined;

  constructor(writer: LogWriter, request: CopyRequest, events: CopyEvents) {
    this.#writer = writer;
    this.#request = request;
    this.#events = events;
    this.#snapshotLsn = formatLsn(request.slot.consistentPoint);
    this.#tables = [...request.tables];
  }

  async run(): Promise<void> {
    const { signal } = this.#request;
    if (this.#tables.length === 0) return;
    const abort = (): void => {
      this.#destroy();
      this.#wake();
    };
    signal.addEventListener('abort', abort, { once: true });
    try {
      this.#reading.push(this.#read(await this.#open()));
      // The list grows while it is waited for.
      for (let i = 0; i < this.#reading.length; i++) await this.#reading[i];
      signal.throwIfAborted();
      if (this.#failure !== undefined) throw this.#failure;
    } finally {
      signal.removeEventListener('abort', abort);
    }
  }

  /** Never rejects: the first failure ends all. */
  async #read(snapshot: Snapshot): Promise<void> {
    const reader: Reader = { snapshot, holds: new Set(), leaves: new Set() };
    try {
      for (;;) {
        const next = await this.#next(reader);
        if (next === undefined) return;
        if (this.#reading.length < CONNECTIONS_MAX && (next.begun.waiting.length > 0 || this.#tables.length > 0))
          await this.#engage(snapshot);
        await this.#copy(reader, next.begun, next.part);
      }
    } catch (error) {
      this.#failure ??= error instanceof Error ? error : new AssertionError(String(error));
      this.#destroy();
      this.#wake();
    } finally {
      await snapshot.close();
      this.#snapshots.delete(snapshot);
    }
  }

  /** Another connection, if the source has one to spare. If not, or if it is refused, those that there are suffice. */
  async #engage(snapshot: Snapshot): Promise<void> {
    const spare = await snapshot.spareConnections();
    this.#reading.push(spare < SPARE_CONNECTIONS_MIN ? Promise.resolve() : this.#readBeside());
  }

  async #readBeside(): Promise<void> {
    let snapshot: Snapshot;
    try {
      snapshot = await this.#open();
    } catch {
      return;
    }
    await this.#read(snapshot);
  }

  async #open(): Promise<Snapshot> {
    const { parameters, slot, signal } = this.#request;
    const snapshot = await Snapshot.open(parameters, slot.snapshotName, signal);
    this.#snapshots.add(snapshot);
    if (this.#failure !== undefined || signal.aborted) snapshot.destroy();
    return snapshot;
  }

  async #next(reader: Reader): Promise<{ begun: Begun; part: CopyPart } | undefined> {
    for (;;) {
      if (this.#failure !== undefined || this.#request.signal.aborted) return undefined;
      for (const begun of this.#begun) {
        const part = reader.leaves.has(begun) ? undefined : begun.waiting.shift();
        if (part !== undefined) return { begun, part };
      }
      const table = this.#tables.shift();
      if (table !== undefined) await this.#begin(reader, table);
      else if ([...reader.holds].some(({ undone }) => undone > 0)) await this.#changed.promise;
      // Who plans may wait behind somebody who waits for a table of ours: no deadlock detector would see that.
      else if (this.#planning === 0 || !(await this.#changes(PLANNING_MS))) return undefined;
    }
  }

  /** Whether the reader holds the table locked, or can. */
  async #joins(reader: Reader, begun: Begun): Promise<boolean> {
    if (reader.holds.has(begun)) return true;
    const joins = await reader.snapshot.join(begun.table, JOIN_TIMEOUT_MS);
    (joins ? reader.holds : reader.leaves).add(begun);
    return joins;
  }

  #giveBack(begun: Begun, part: CopyPart): void {
    if (begun.failure === undefined) begun.waiting.unshift(part);
    else this.#done(begun);
    this.#wake();
  }

  /** Whether anything changes within this time. */
  async #changes(withinMs: number): Promise<boolean> {
    const timeout = new AbortController();
    try {
      return await Promise.race([this.#changed.promise.then(() => true), sleep(withinMs, false, { signal: timeout.signal })]);
    } finally {
      timeout.abort();
    }
  }

  #wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  async #begin(reader: Reader, table: UpstreamTable): Promise<void> {
    const { publication, partBlocks } = this.#request;
    const { snapshot } = reader;
    this.#planning++;
    try {
      const { shape, parts } = await snapshot.guarded(() => snapshot.plan(publication, table, partBlocks ?? PART_BLOCKS));
      const begun: Begun = { table, shape, waiting: [...parts], undone: parts.length, rows: 0, failure: undefined };
      this.#begun.push(begun);
      reader.holds.add(begun);
      this.#events.copying(table.oid, 0);
    } catch (error) {
      this.#refuse(table, this.#ofOneTable(error));
    } finally {
      this.#planning--;
      this.#wake();
    }
  }

  async #copy(reader: Reader, begun: Begun, part: CopyPart): Promise<void> {
    const { table } = begun;
    const { snapshot } = reader;
    try {
      if (!(await this.#joins(reader, begun))) return this.#giveBack(begun, part);
      await snapshot.guarded(() =>
        snapshot.copy(table, part, {
          rows: (tuples, count) => {
            // Another part has failed, and with it the table.
            if (begun.failure !== undefined) return;
            failpoint('copy');
            this.#events.appended(this.#writer.appendCopy(table.oid, [tuples]));
            begun.rows += count;
            this.#events.copying(table.oid, begun.rows);
          },
        }),
      );
    } catch (error) {
      begun.failure ??= this.#ofOneTable(error);
      begun.undone -= begun.waiting.length;
      begun.waiting.length = 0;
    }
    this.#done(begun);
  }

  /** One part less to read. */
  #done(begun: Begun): void {
    if (--begun.undone > 0 || this.#failure !== undefined) return;
    const { table } = begun;
    this.#begun.splice(this.#begun.indexOf(begun), 1);
    this.#wake();
    if (begun.failure !== undefined) return this.#refuse(table, begun.failure);
    this.#writer.appendShape({ oid: table.oid, shape: begun.shape });
    this.#events.copied(table.oid, begun.rows, this.#snapshotLsn);
    this.#events.appended(this.#writer.appendCopied({ oid: table.oid, snapshotLsn: this.#snapshotLsn, rows: begun.rows }));
  }

  #refuse(table: UpstreamTable, error: MillraceError): void {
    this.#events.appended(this.#writer.appendRemoved(table.oid));
    this.#events.refused(table.oid, error);
  }

  /** The reason why this table alone cannot be copied; others are thrown on. */
  #ofOneTable(error: unknown): MillraceError {
    this.#request.signal.throwIfAborted();
    if (!(error instanceof MillraceError) || !OF_ONE_TABLE.has(error.code)) throw error;
    return error;
  }

  #destroy(): void {
    for (const snapshot of this.#snapshots) snapshot.destroy();
  }
}

/** Reasons why tables cannot be copied now that do not concern the stream. */
export function concernsCopyOnly(error: MillraceError): boolean {
  return OF_COPYING.has(error.code);
}

const OF_COPYING = new Set([
  'SLOTS_EXHAUSTED',
  'WALSENDERS_EXHAUSTED',
  'UPSTREAM_CONNECTIONS_EXHAUSTED',
  'SLOT_CREATION_BLOCKED',
  'UPSTREAM_QUERY_FAILED',
]);
