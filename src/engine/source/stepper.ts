/**
 * The log into the dataflow: visits whole upstream transactions in commit order and hands their raw tuples to the tables that views read.
 * Keeps I-1 (a transaction applies to a table iff its commit record starts at or past the table's snapshot) and I-2 (it stops between transactions only).
 * Called by the engine's loop.
 */
import { millraceError, type PlainError } from '../../base/errors.ts';
import type { Lsn } from '../../base/lsn.ts';
import type { Dataflow } from '../../dataflow/dataflow.ts';
import type { StoppedFact } from '../../store/log/in-force.ts';
import type { LogReader } from '../../store/log/reader.ts';
import { cutAt, walk, type Cut, type LogVisitor } from '../../store/log/transactions.ts';
import type { UpstreamTable } from '../../upstream/table.ts';
import { applyChange, type ChangeTarget } from './apply-change.ts';
import type { ObjectId } from '../../catalog/catalog.ts';
import type { Time } from '../ticks/time.ts';
import { withMend } from '../../catalog/mend.ts';

/** Within one transaction, changes are stepped in chunks of this many: memory does not grow with the transaction (I-6). Nothing is shown in between. */
const CHUNK_CHANGES_MAX = 50_000;

export interface SteppedTable {
  readonly id: ObjectId;
  readonly upstream: UpstreamTable;
  /** The statements that take it in again. */
  readonly again: string;
  /** undefined: its copy is not complete. Transactions before it are in the copy already. */
  snapshotLsn: Lsn | undefined;
  /** How many rows it has now; undefined: not counted (before this start). */
  rows: number | undefined;
  changes: number;
  fault: PlainError | undefined;
}

export interface StepLimits {
  readonly bytesMax: number;
  readonly msMax: number;
}

/** I-1: a transaction applies to a table iff its commit record starts at or past the table's snapshot. */
export function takesFrom({ snapshotLsn, fault }: SteppedTable, commitLsn: Lsn): boolean {
  return snapshotLsn !== undefined && commitLsn >= snapshotLsn && fault === undefined;
}

export class Stepper implements LogVisitor, ChangeTarget<SteppedTable> {
  readonly tables = new Map<number, SteppedTable>();
  /** Where in the log the dataflow stands: between two transactions, maybe inside a record. */
  position: Cut = cutAt(0);
  /** End LSN of the last transaction stepped. */
  lsn: Lsn = 0n;
  transactions = 0;
  changes = 0;
  /** Called after each transaction while an audit records: steps one by one. */
  onTransaction: ((commitLsn: Lsn) => void) | undefined;
  /** A table's copy became complete, or the table faulty: whoever waits looks again. */
  onTableChanged: (table: SteppedTable) => void = () => {};

  readonly to: Dataflow;
  readonly #reader: LogReader;
  readonly #time: Time;
  #commitLsn: Lsn = 0n;
  #sinceStep = 0;

  constructor(dataflow: Dataflow, reader: LogReader, time: Time) {
    this.to = dataflow;
    this.#reader = reader;
    this.#time = time;
  }

  addTable(table: SteppedTable): void {
    this.tables.set(table.upstream.oid, table);
  }

  removeTable(oid: number): void {
    this.tables.delete(oid);
  }

  /** Takes transactions up to `to` or the limits, and steps the dataflow; true when something was taken. */
  advance(to: number, limits: StepLimits): boolean {
    const from = this.position;
    const deadline = this.#time.nowMs() + limits.msMax;
    let cut = from;
    do {
      cut = walk(this.#reader, cut, to, this, { bytesMax: limits.bytesMax, stop: () => this.#time.nowMs() > deadline });
      // A transaction larger than the limits is finished before anything is shown.
    } while (cut.transaction !== undefined);
    this.#step();
    this.position = cut;
    return cut.offset !== from.offset || cut.skip !== from.skip;
  }

  begin(commitLsn: Lsn): void {
    this.#commitLsn = commitLsn;
  }

  message(kind: number, bytes: Buffer, at: number): void {
    applyChange(kind, bytes, at, this);
  }

  commit(endLsn: Lsn): void {
    this.lsn = endLsn;
    this.transactions++;
    if (this.onTransaction !== undefined) {
      this.#step();
      this.onTransaction(this.#commitLsn);
    }
  }

  copied(fact: { oid: number; snapshotLsn: Lsn; rows: number | undefined }): void {
    const table = this.tables.get(fact.oid);
    if (table === undefined) return;
    table.snapshotLsn = fact.snapshotLsn;
    table.rows = fact.rows;
    this.onTableChanged(table);
  }

  /** Its copy was given up, and begins anew: what was copied before counts for nothing. */
  removed(oid: number): void {
    const table = this.tables.get(oid);
    if (table === undefined) return;
    if (this.#isRead(table))
      table.fault ??= millraceError('TABLE_FAULTY', { table: table.upstream.name, reason: 'its copy began anew' }).toPlain();
    table.snapshotLsn = undefined;
    table.rows = undefined;
    this.onTableChanged(table);
  }

  table({ oid }: UpstreamTable): void {
    this.removed(oid);
    const table = this.tables.get(oid);
    // Copied anew: what had stopped it is over, unless somebody still reads what was there.
    if (table !== undefined && !this.#isRead(table)) table.fault = undefined;
  }

  /** Ingest has found that it is another table upstream (fault 46): nothing behind this place is read of it, its neighbours go on (I-8). */
  stopped({ oid, error }: StoppedFact): void {
    const table = this.tables.get(oid);
    if (table === undefined || table.fault !== undefined) return;
    table.fault = withMend(error, table.again);
    this.onTableChanged(table);
  }

  /** Tables that take changes of the transaction under way. */
  takes(oid: number): SteppedTable | undefined {
    const table = this.tables.get(oid);
    return table !== undefined && takesFrom(table, this.#commitLsn) ? table : undefined;
  }

  changed(table: SteppedTable, rows: number | undefined): void {
    if (table.rows !== undefined) table.rows = rows === undefined ? 0 : table.rows + rows;
    table.changes++;
    this.changes++;
    if (++this.#sinceStep >= CHUNK_CHANGES_MAX) this.#step();
  }

  #isRead({ id }: SteppedTable): boolean {
    return this.to.arrangements().some(({ kind, object }) => kind === 'table' && object === id);
  }

  #step(): void {
    this.to.step();
    this.#sinceStep = 0;
  }
}
