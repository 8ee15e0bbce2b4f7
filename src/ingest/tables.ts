/**
 * The tables that are wanted, how far each is, and who waits for them. Bookkeeping only: `ingest.ts` copies, the log remembers. A table that was asked for by a statement
 * which then fails leaves again; one that was wanted from the start stays, with its reason (I-8).
 */
import { AssertionError, must } from '../base/assert.ts';
import { MillraceError } from '../base/errors.ts';
import type { UpstreamTable } from '../upstream/table.ts';
import type { IngestTableStatus, TableFault } from './protocol.ts';

interface Addition {
  readonly oids: readonly number[];
  readonly resolve: (snapshotLsn: string) => void;
  readonly reject: (error: Error) => void;
}

interface Wanted {
  readonly table: UpstreamTable;
  readonly status: IngestTableStatus;
}

export class IngestTables {
  readonly #wanted = new Map<number, Wanted>();
  #additions: Addition[] = [];
  readonly #changed: () => void;
  readonly #leave: (oid: number) => void;

  /** `leave`: the table's rows must go from the log, if they are there. */
  constructor(changed: () => void, leave: (oid: number) => void) {
    this.#changed = changed;
    this.#leave = leave;
  }

  has(oid: number): boolean {
    return this.#wanted.has(oid);
  }

  all(): UpstreamTable[] {
    return [...this.#wanted.values()].map(({ table }) => table);
  }

  /** Those whose copy is still to be made. */
  waiting(): UpstreamTable[] {
    return this.#in('waiting', 'copying');
  }

  live(): UpstreamTable[] {
    return this.#in('live');
  }

  statuses(): IngestTableStatus[] {
    return [...this.#wanted.values()].map(({ status }) => status);
  }

  faults(): TableFault[] {
    return this.statuses().flatMap(({ oid, state, error }) => (state === 'faulty' && error !== null ? [{ oid, error }] : []));
  }

  want(table: UpstreamTable, status: Partial<IngestTableStatus>): void {
    const { oid, schema, name } = table;
    this.#wanted.set(oid, {
      table,
      status: { oid, schema, name, state: 'waiting', rowsCopied: 0, snapshotLsn: null, error: null, ...status },
    });
    this.#changed();
  }

  set(oid: number, status: Partial<IngestTableStatus>): void {
    const known = this.#wanted.get(oid);
    if (known === undefined) return;
    this.#wanted.set(oid, { table: known.table, status: { ...known.status, ...status } });
    this.#changed();
  }

  /** Resolves with the snapshot's LSN once all are live; rejects with the first reason why one is not, and then all leave. */
  add(tables: readonly UpstreamTable[]): Promise<string> {
    for (const table of tables) this.want(table, { state: 'waiting' });
    return new Promise((resolve, reject) => {
      this.#additions.push({ oids: tables.map(({ oid }) => oid), resolve, reject });
    });
  }

  remove(oids: readonly number[]): void {
    for (const oid of oids) {
      this.#wanted.delete(oid);
      this.#leave(oid);
    }
    this.settle();
  }

  /** Answers those whose tables are all decided. */
  settle(): void {
    const open: Addition[] = [];
    for (const addition of this.#additions) {
      const states = addition.oids.map((oid) => this.#wanted.get(oid)?.status);
      const faulty = states.find((status) => status?.state === 'faulty');
      if (states.includes(undefined)) this.#refuse(addition, new AssertionError('the table was removed meanwhile'));
      else if (faulty !== undefined) this.#refuse(addition, MillraceError.fromPlain(must(faulty.error, 'a reason')));
      else if (states.every((status) => status?.state === 'live')) addition.resolve(states[0]?.snapshotLsn ?? '0/0');
      else open.push(addition);
    }
    this.#additions = open;
    this.#changed();
  }

  /** The copies cannot be made now: whoever waits is told; what was wanted from the start goes on waiting. */
  refuseAdditions(error: Error): void {
    for (const addition of this.#additions.splice(0)) this.#refuse(addition, error);
    for (const table of this.waiting())
      this.set(table.oid, { state: 'waiting', error: error instanceof MillraceError ? error.toPlain() : null });
  }

  #refuse(addition: Addition, error: Error): void {
    for (const oid of addition.oids) {
      this.#wanted.delete(oid);
      this.#leave(oid);
    }
    addition.reject(error);
    this.#changed();
  }

  #in(...states: readonly IngestTableStatus['state'][]): UpstreamTable[] {
    return [...this.#wanted.values()].filter(({ status }) => states.includes(status.state)).map(({ table }) => table);
  }
}
