/**
 * The log into the dataflow: visits whole upstream transactions in commit order and hands their raw tuples to the tables that views read.
 * Keeps I-1 (a transaction applies to a table iff its commit record starts at or past the table's snapshot) and I-2 (it stops between transactions only).
 * Called by the engine's loop.
 */
import type { Lsn } from '../../base/lsn.ts';
import type { Dataflow } from '../../dataflow/dataflow.ts';
import type { StoppedFact } from '../../store/log/in-force.ts';
import type { LogReader } from '../../store/log/reader.ts';
import { cutAt, walk, type Cut, type LogVisitor } from '../../store/log/transactions.ts';
import type { UpstreamTable } from '../../upstream/table.ts';
import { applyChange, type ChangeTarget } from './apply-change.ts';
import type { Time } from '../ticks/time.ts';
import { SourceTables, takesFrom, type SourceTable } from './source-tables.ts';

/** Within one transaction, changes are stepped in chunks of this many: memory does not grow with the transaction (I-6). Nothing is shown in between. */
const CHUNK_CHANGES_MAX = 50_000;

export interface StepLimits {
  readonly bytesMax: number;
  readonly msMax: number;
}

export class Stepper implements LogVisitor, ChangeTarget<SourceTable> {
  readonly tables = new SourceTables(() => this.lsn);
  /** Where in the log the dataflow stands: between two transactions, maybe inside a record. */
  position: Cut = cutAt(0);
  /** End LSN of the last transaction stepped. */
  lsn: Lsn = 0n;
  transactions = 0;
  changes = 0;
  /** Called after each transaction while an audit records: steps one by one. */
  onTransaction: ((commitLsn: Lsn) => void) | undefined;

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
    this.tables.copied(fact);
  }

  removed(oid: number): void {
    this.tables.removed(oid, this.#isRead);
  }

  table({ oid }: UpstreamTable): void {
    this.tables.removed(oid, this.#isRead, true);
  }

  stopped(fact: StoppedFact): void {
    this.tables.stop(fact);
  }

  /** Tables that take changes of the transaction under way. */
  takes(oid: number): SourceTable | undefined {
    const table = this.tables.byOid.get(oid);
    return table !== undefined && takesFrom(table, this.#commitLsn) ? table : undefined;
  }

  changed(table: SourceTable, rows: number | undefined): void {
    if (table.rows !== undefined) table.rows = rows === undefined ? 0 : table.rows + rows;
    table.changes++;
    this.changes++;
    if (++this.#sinceStep >= CHUNK_CHANGES_MAX) this.#step();
  }

  readonly #isRead = ({ id }: SourceTable): boolean => this.to.arrangements().some(({ kind, object }) => kind === 'table' && object === id);

  #step(): void {
    this.to.step();
    this.#sinceStep = 0;
  }
}
