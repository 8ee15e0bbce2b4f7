/**
 * The tables of the source, and the one place in the engine that knows how each fares: copied as of which commit, stopped and why, its copy refused. What the log tells of
 * that comes by the stepper, in the log's order; what it does not tell, from ingest by way of the main thread: refused copies, and the stops that must be heard before
 * the transaction is whole in which they stand. Between ticks everybody who reads a stopped table hears of it (I-8).
 */
import { millraceError, MillraceError, type PlainError } from '../../base/errors.ts';
import type { Lsn } from '../../base/lsn.ts';
import type { ObjectId, Table } from '../../catalog/catalog.ts';
import { takeInAgain, withMend } from '../../catalog/mend.ts';
import type { Waiting } from '../ticks/waiting.ts';

export interface SourceTable extends Table {
  /** undefined: its copy is not complete. Transactions before it are in the copy already. */
  snapshotLsn: Lsn | undefined;
  /** How many rows it has now; undefined: not counted (before this start). */
  rows: number | undefined;
  changes: number;
  fault: PlainError | undefined;
}

interface Refusal {
  readonly oid: number;
  readonly error: PlainError;
}

/** I-1: a transaction applies to a table iff its commit record starts at or past the table's snapshot. */
export function takesFrom({ snapshotLsn, fault }: SourceTable, commitLsn: Lsn): boolean {
  return snapshotLsn !== undefined && commitLsn >= snapshotLsn && fault === undefined;
}

export class SourceTables {
  readonly byId = new Map<ObjectId, SourceTable>();
  readonly byOid = new Map<number, SourceTable>();
  /** A table has changed: whoever waits looks again. */
  onChanged: () => void = () => {};
  #stopped: SourceTable[] = [];
  /** By OID: copies that cannot be made now. */
  #refusals: ReadonlyMap<number, PlainError> = new Map();
  readonly #lsn: () => Lsn;

  /** `lsn`: up to which the log is stepped. */
  constructor(lsn: () => Lsn) {
    this.#lsn = lsn;
  }

  define(table: Table): void {
    const made: SourceTable = { ...table, snapshotLsn: undefined, rows: undefined, changes: 0, fault: undefined };
    this.byId.set(table.id, made);
    this.byOid.set(table.upstream.oid, made);
  }

  delete({ id, upstream }: Table): void {
    this.byId.delete(id);
    this.byOid.delete(upstream.oid);
  }

  copied({ oid, snapshotLsn, rows }: { oid: number; snapshotLsn: Lsn; rows: number | undefined }): void {
    this.#change(oid, (table) => {
      table.snapshotLsn = snapshotLsn;
      table.rows = rows;
    });
  }

  /** What was copied counts for nothing; `isRead`: somebody still has that. `again`: a copy begins anew, and with it what had stopped the table is over. */
  removed(oid: number, isRead: (table: SourceTable) => boolean, again = false): void {
    this.#change(oid, (table) => {
      table.snapshotLsn = undefined;
      table.rows = undefined;
      if (isRead(table))
        table.fault ??= millraceError('TABLE_FAULTY', { table: table.upstream.name, reason: 'its copy began anew' }).toPlain();
      else if (again) table.fault = undefined;
    });
  }

  /** Ingest has found that it is another table upstream (fault 46): nothing behind this place is read of it, its neighbours go on (I-8). */
  stop({ oid, error }: Refusal): void {
    this.#change(oid, (table) => (table.fault ??= withMend(error, takeInAgain(table))));
  }

  /** Those that have stopped since the last time. */
  takeStopped(): SourceTable[] {
    const stopped = this.#stopped;
    if (stopped.length > 0) this.#stopped = [];
    return stopped;
  }

  /** Copies that cannot be made now: all that there are. */
  refuseCopies(refusals: readonly Refusal[]): void {
    this.#refusals = new Map(refusals.map(({ oid, error }) => [oid, error]));
    this.onChanged();
  }

  /**
   * It can be read, or says why not. A copy may be ahead of the stream, which was held for it: until the stream has come there, the table and its neighbours are not
   * as of one commit (I-2). Before anything is streamed all copies are of one snapshot.
   */
  isCopied(id: ObjectId): boolean {
    const table = this.byId.get(id);
    if (table === undefined) return false;
    const lsn = this.#lsn();
    return table.fault !== undefined || (table.snapshotLsn !== undefined && (lsn === 0n || lsn >= table.snapshotLsn));
  }

  /** Resolves when the copies of these are complete; throws the first one's fault, or why a copy cannot be made now. */
  async untilCopied(ids: readonly ObjectId[], waiting: Waiting, timeoutMs: number, queryId?: number): Promise<void> {
    const copying = (): SourceTable[] => ids.flatMap((id) => (this.isCopied(id) ? [] : (this.byId.get(id) ?? [])));
    const refused = (): PlainError[] => copying().flatMap(({ upstream }) => this.#refusals.get(upstream.oid) ?? []);
    const late = (): MillraceError => millraceError('STILL_COPYING', { tables: copying().map(({ name }) => name) });
    await waiting.until(() => copying().length === 0 || refused().length > 0, timeoutMs, late, queryId);
    for (const refusal of refused()) throw MillraceError.fromPlain(refusal);
    this.refuseStopped(ids);
  }

  refuseStopped(ids: readonly ObjectId[]): void {
    for (const id of ids) {
      const fault = this.byId.get(id)?.fault;
      if (fault !== undefined) throw MillraceError.fromPlain(fault);
    }
  }

  #change(oid: number, change: (table: SourceTable) => void): void {
    const table = this.byOid.get(oid);
    if (table === undefined) return;
    const before = table.fault;
    change(table);
    if (table.fault !== undefined && table.fault !== before) this.#stopped.push(table);
    this.onChanged();
  }
}
