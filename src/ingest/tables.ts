/**
 * The tables that are wanted, how far each is, and who waits for them. Bookkeeping only: `ingest.ts` copies, the log remembers. A table whose copy is refused stays
 * wanted, with its reason (I-8), and is tried again after a growing pause (I-6) until it is removed: what stood in the way may go upstream at any time.
 */
import { AssertionError, must } from '../base/assert.ts';
import { MillraceError } from '../base/errors.ts';
import type { UpstreamTable } from '../upstream/table.ts';
import type { IngestTableStatus, TableFault } from './protocol.ts';

const RETRY_MS_FIRST = 2_000;
const RETRY_MS_MAX = 30_000;

interface Addition {
  readonly oids: readonly number[];
  readonly resolve: (snapshotLsn: string) => void;
  readonly reject: (error: Error) => void;
}

interface Wanted {
  readonly table: UpstreamTable;
  readonly status: IngestTableStatus;
  /** Before the attempt that is next. */
  readonly pauseMs: number;
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

  /** Those whose copy is to be made now. */
  due(nowMs: number): UpstreamTable[] {
    return this.#those(({ state, nextAttemptAtMs }) => isUncopied(state) && (nextAttemptAtMs ?? 0) <= nowMs);
  }

  /** When the next of those that were refused is to be tried again. */
  nextAttemptAtMs(): number | undefined {
    const times = this.statuses().flatMap(({ state, nextAttemptAtMs }) => (state === 'waiting' ? [nextAttemptAtMs ?? 0] : []));
    return times.length === 0 ? undefined : Math.min(...times);
  }

  live(): UpstreamTable[] {
    return this.#those(({ state }) => state === 'live');
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
      status: { oid, schema, name, state: 'waiting', rowsCopied: 0, snapshotLsn: null, error: null, nextAttemptAtMs: null, ...status },
      pauseMs: 0,
    });
    this.#changed();
  }

  set(oid: number, status: Partial<IngestTableStatus>): void {
    const known = this.#wanted.get(oid);
    if (known === undefined) return;
    this.#wanted.set(oid, { ...known, status: { ...known.status, nextAttemptAtMs: null, ...status } });
    this.#changed();
  }

  /** Its copy is refused for now; whoever waits for it is told. */
  refuse(oid: number, error: MillraceError, nowMs: number): void {
    const known = this.#wanted.get(oid);
    if (known === undefined) return;
    const pauseMs = known.pauseMs === 0 ? RETRY_MS_FIRST : Math.min(2 * known.pauseMs, RETRY_MS_MAX);
    const status = { ...known.status, state: 'waiting', rowsCopied: 0, error: error.toPlain(), nextAttemptAtMs: nowMs + pauseMs } as const;
    this.#wanted.set(oid, { ...known, status, pauseMs });
    this.#changed();
  }

  /** Resolves with the snapshot's LSN once all are live; rejects with the first reason why one is not now. */
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
      const refused = states.find((status) => status !== undefined && status.state !== 'live' && status.error !== null);
      if (states.includes(undefined)) addition.reject(new AssertionError('the table was removed meanwhile'));
      else if (refused !== undefined) addition.reject(MillraceError.fromPlain(must(refused.error, 'a reason')));
      else if (states.every((status) => status?.state === 'live')) addition.resolve(states[0]?.snapshotLsn ?? '0/0');
      else open.push(addition);
    }
    this.#additions = open;
    this.#changed();
  }

  /** The copies cannot be made now, for a reason of the whole source: whoever waits is told. */
  refuseAdditions(error: Error): void {
    for (const addition of this.#additions.splice(0)) addition.reject(error);
  }

  #those(which: (status: IngestTableStatus) => boolean): UpstreamTable[] {
    return [...this.#wanted.values()].filter(({ status }) => which(status)).map(({ table }) => table);
  }
}

function isUncopied(state: IngestTableStatus['state']): boolean {
  return state === 'waiting' || state === 'copying';
}
