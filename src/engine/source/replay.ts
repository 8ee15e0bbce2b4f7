/**
 * One table's changes from the log into its new arrangement: from where its rows were read up to where the engine stands. The same changes that the stepper has given
 * to everybody else, by the same rule (I-1). Called by `hydrator.ts`.
 */
import type { Lsn } from '../../base/lsn.ts';
import type { RowChanges, TableLoad } from '../../dataflow/hydration.ts';
import type { Cut, LogVisitor } from '../../store/log/transactions.ts';
import { applyChange, type ChangeTarget } from './apply-change.ts';
import { takesFrom, type SourceTable } from './source-tables.ts';
import type { ReadableRows } from './table-rows.ts';

/** They wait in memory until they are applied. */
const WAITING_CHANGES_MAX = 8_192;

export class Replay implements LogVisitor, ChangeTarget<SourceTable> {
  /** Where in the log the arrangement stands; maybe inside a transaction. */
  position: Cut;
  readonly #rows: ReadableRows;
  readonly #load: TableLoad;
  readonly #table: SourceTable;
  #commitLsn: Lsn = 0n;
  #waiting = 0;

  constructor(rows: ReadableRows, load: TableLoad, table: SourceTable) {
    this.position = rows.position;
    this.#rows = rows;
    this.#load = load;
    this.#table = table;
  }

  get to(): RowChanges {
    return this.#load;
  }

  /** Towards `to`, until it is there or `stop` says so. */
  advance(to: Cut, stop: () => boolean): void {
    this.#commitLsn = this.position.transaction?.commitLsn ?? 0n;
    this.position = this.#rows.follow(this.position, to, this, stop);
    this.#apply();
  }

  begin(commitLsn: Lsn): void {
    this.#commitLsn = commitLsn;
  }

  message(kind: number, bytes: Buffer, at: number): void {
    applyChange(kind, bytes, at, this);
  }

  takes(oid: number): SourceTable | undefined {
    return oid === this.#table.upstream.oid && takesFrom(this.#table, this.#commitLsn) ? this.#table : undefined;
  }

  changed(): void {
    if (++this.#waiting >= WAITING_CHANGES_MAX) this.#apply();
  }

  #apply(): void {
    this.#load.step();
    this.#waiting = 0;
  }
}
