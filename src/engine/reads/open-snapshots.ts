/** The ticks that open transaction blocks read at. The rows as of each can still be read: the fold waits for the oldest. */
import type { Lsn } from '../../base/lsn.ts';
import type { Cut } from '../../store/log/transactions.ts';
import type { Rows } from '../source/table-rows.ts';

export interface OpenSnapshot {
  readonly timestamp: number;
  readonly position: Cut;
  readonly lsn: Lsn;
}

export class OpenSnapshots {
  readonly #rows: Rows;
  readonly #open = new Map<number, OpenSnapshot>();

  constructor(rows: Rows) {
    this.#rows = rows;
  }

  get(id: number): OpenSnapshot | undefined {
    return this.#open.get(id);
  }

  open(id: number, snapshot: OpenSnapshot): void {
    this.#open.set(id, snapshot);
    this.#pin();
  }

  close(id: number): void {
    this.#open.delete(id);
    this.#pin();
  }

  #pin(): void {
    this.#rows.pinSnapshots([...this.#open.values()].map((snapshot) => snapshot.position));
  }
}
