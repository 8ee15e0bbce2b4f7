/**
 * Where clients' catalog statements run: Postgreses of their own beside the one that plans, each with the same mirror. The planner's mirror is the truth; a lane
 * catches up with its changes before each statement, or is made anew from it. One statement runs in a lane at a time.
 *
 * One lane is opened when a client first asks, a second one when somebody has waited for longer than PATIENCE_MS; an idle one is closed again. A session whose
 * statements take long keeps to one lane while others wait, and while long ones are in both the younger gives way: nobody waits much longer than CONTENDED_MS,
 * whatever others run. Past its time, on cancel, and when it has made Postgres grow, a statement costs its lane's worker and nobody else's. Called by the mirror.
 */
import { must } from '../base/assert.ts';
import { millraceError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { CatalogClient, type CallOptions } from './catalog-client.ts';
import type { Ddl, RawResult, RawStatement, RebuildStep } from './catalog-contract.ts';

/** What the lanes follow. */
export interface Followed {
  /** Rises with every change. */
  version(): number;
  steps(): readonly RebuildStep[];
  /** The changes behind a version, in order; undefined when they are not remembered that far back. */
  changesSince(version: number): readonly (readonly Ddl[])[] | undefined;
}

export interface LaneTimes {
  readonly patienceMs: number;
  readonly contendedMs: number;
  readonly idleMs: number;
}

const TIMES: LaneTimes = {
  /** Opening a lane takes 0.4 s and 100 MB: not for the wait behind a usual statement. */
  patienceMs: 100,
  contendedMs: 2_000,
  idleMs: 60_000,
};
const LANES_MAX = 2;
const WAITING_MAX = 1_000;
/** What takes longer than this is a long statement, and its session one that runs such, for a while. */
const LONG_MS = 500;
const REMEMBERED_AS_LONG_MS = 30_000;
/** Sessions of long statements come before those of short ones after all. */
const STARVED_MS = 10_000;
/** Postgres never gives memory back: a lane that has grown past this (128 MB at boot) is closed. */
const GROWN_BYTES_MAX = 160 << 20;

/** Whoever asks: one statement of it at a time. */
export type Owner = object;

interface Waiting {
  readonly owner: Owner;
  readonly statement: RawStatement;
  readonly options: CallOptions;
  readonly sinceMs: number;
  readonly resolve: (result: RawResult) => void;
  readonly reject: (error: Error) => void;
  onAbort: (() => void) | undefined;
}

interface Lane {
  readonly catalog: CatalogClient;
  /** Of the mirror that it has. */
  version: number;
  running: { readonly sinceMs: number; readonly end: AbortController } | undefined;
  idleSinceMs: number;
}

export class StatementLanes {
  readonly #followed: Followed;
  readonly #times: LaneTimes;
  readonly #lanes: Lane[] = [];
  readonly #waiting: Waiting[] = [];
  readonly #longUntilMs = new WeakMap<Owner, number>();
  readonly #lastLane = new WeakMap<Owner, Lane>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(followed: Followed, times: Partial<LaneTimes> = {}) {
    this.#followed = followed;
    this.#times = { ...TIMES, ...times };
  }

  /** Lanes that have a Postgres now. */
  get open(): number {
    return this.#lanes.filter((lane) => lane.catalog.isOpen).length;
  }

  run(owner: Owner, statement: RawStatement, options: CallOptions = {}): Promise<RawResult> {
    const { signal } = options;
    if (this.#closed || signal?.aborted === true) return Promise.reject(millraceError('QUERY_CANCELLED', {}));
    if (this.#waiting.length >= WAITING_MAX) return Promise.reject(millraceError('CATALOG_BUSY', { waitingMax: WAITING_MAX }));
    return new Promise((resolve, reject) => {
      const waiting: Waiting = { owner, statement, options, sinceMs: performance.now(), resolve, reject, onAbort: undefined };
      if (signal !== undefined) {
        waiting.onAbort = () => {
          const at = this.#waiting.indexOf(waiting);
          if (at < 0) return;
          this.#waiting.splice(at, 1);
          reject(millraceError('QUERY_CANCELLED', {}));
        };
        signal.addEventListener('abort', waiting.onAbort, { once: true });
      }
      this.#waiting.push(waiting);
      this.#dispatch();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    for (const { reject } of this.#waiting.splice(0)) reject(millraceError('QUERY_CANCELLED', {}));
    await Promise.all(this.#lanes.map((lane) => lane.catalog.close()));
  }

  /** Puts who waits where there is room, and looks again when something may be due. */
  #dispatch(): void {
    if (this.#closed) return;
    const now = performance.now();
    while (this.#waiting.length > 0 && this.#free() !== undefined) {
      // The last free lane is kept for a session of short statements, while there is one that may come: unless nothing else runs.
      const othersBusy = this.#lanes.some(({ running }) => running !== undefined);
      const at = this.#waiting.findIndex(({ owner, sinceMs }) => !othersBusy || !this.#isLong(owner, now) || now - sinceMs > STARVED_MS);
      if (at < 0) break;
      const next = must(this.#waiting.splice(at, 1)[0], 'a waiting statement');
      // The one it used before, because tools ask by OIDs that they were told, and lanes that were made at different times may number differently.
      const before = this.#lastLane.get(next.owner);
      const isFree = before !== undefined && before.running === undefined && this.#lanes.includes(before);
      void this.#runIn(isFree ? before : must(this.#free(), 'a free lane'), next);
    }
    this.#makeRoom(now);
    this.#lookAgain(now);
  }

  #free(): Lane | undefined {
    if (this.#lanes.length === 0) this.#lanes.push(this.#newLane());
    return this.#lanes.find(({ running }) => running === undefined);
  }

  /** Somebody waits for longer than is right: a second lane, or the younger of two long statements goes. */
  #makeRoom(now: number): void {
    const [first] = this.#waiting.filter(({ owner }) => !this.#isLong(owner, now));
    if (first === undefined || this.#free() !== undefined) return;
    if (this.#lanes.length < LANES_MAX) {
      if (now - first.sinceMs >= this.#times.patienceMs) {
        this.#lanes.push(this.#newLane());
        this.#dispatch();
      }
      return;
    }
    const running = this.#lanes.map((lane) => must(lane.running, 'a running statement'));
    const youngest = running.toSorted((a, b) => b.sinceMs - a.sinceMs)[0]!;
    if (now - youngest.sinceMs >= this.#times.contendedMs && now - first.sinceMs >= this.#times.patienceMs)
      youngest.end.abort(millraceError('CATALOG_CONTENDED', { timeoutMs: Math.round(now - youngest.sinceMs) }));
  }

  #lookAgain(now: number): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    for (const lane of this.#lanes.filter(({ running, idleSinceMs }) => running === undefined && now - idleSinceMs >= this.#times.idleMs)) {
      this.#lanes.splice(this.#lanes.indexOf(lane), 1);
      void lane.catalog.close();
    }
    if (this.#lanes.length === 0) return;
    this.#timer = setTimeout(() => this.#dispatch(), this.#waiting.length > 0 ? this.#times.patienceMs : this.#times.idleMs);
    // An idle lane does not keep the process alive.
    this.#timer.unref();
  }

  async #runIn(lane: Lane, waiting: Waiting): Promise<void> {
    const { owner, statement, options, resolve, reject } = waiting;
    const end = new AbortController();
    const sinceMs = performance.now();
    lane.running = { sinceMs, end };
    this.#lastLane.set(owner, lane);
    if (waiting.onAbort !== undefined) options.signal?.removeEventListener('abort', waiting.onAbort);
    const signal = options.signal === undefined ? end.signal : AbortSignal.any([end.signal, options.signal]);
    let startedMs = Infinity;
    try {
      await this.#catchUp(lane, signal);
      startedMs = performance.now();
      const result = await lane.catalog.queryRaw(statement, { ...options, signal });
      resolve(result);
      if (result.memoryBytes > GROWN_BYTES_MAX) await lane.catalog.rest();
    } catch (error) {
      const why: unknown = end.signal.aborted ? end.signal.reason : error;
      reject(why instanceof Error ? why : new Error(String(why)));
      // Its worker still runs it: the next statement is for another one, and does not count its opening as its own time.
      if (signal.aborted) await lane.catalog.rest();
    } finally {
      const now = performance.now();
      if (end.signal.aborted || now - startedMs > LONG_MS) this.#longUntilMs.set(owner, now + REMEMBERED_AS_LONG_MS);
      lane.running = undefined;
      lane.idleSinceMs = now;
      this.#dispatch();
    }
  }

  /** One that has no Postgres is made from the mirror as it is; that time is not the statement's. */
  async #catchUp(lane: Lane, signal: AbortSignal): Promise<void> {
    if (!lane.catalog.isOpen) await lane.catalog.open();
    if (lane.version === this.#followed.version()) return;
    const changes = this.#followed.changesSince(lane.version);
    const version = this.#followed.version();
    try {
      if (changes === undefined) throw millraceError('CATALOG_UNAVAILABLE', { reason: 'the mirror has changed too often' });
      for (const ddl of changes) await lane.catalog.exec(ddl, { signal, timeoutMs: limits.statementTimeoutMsDefault });
      if (lane.catalog.isOpen) lane.version = version;
    } catch (error) {
      if (signal.aborted) throw error;
      // The next statement opens it with all that there is.
      await lane.catalog.rest();
    }
  }

  #isLong(owner: Owner, now: number): boolean {
    return (this.#longUntilMs.get(owner) ?? 0) > now;
  }

  #newLane(): Lane {
    const lane: Lane = {
      version: -1,
      running: undefined,
      idleSinceMs: performance.now(),
      catalog: new CatalogClient({
        timeoutMsMax: limits.catalogStatementMsMax,
        rebuild: () => {
          lane.version = this.#followed.version();
          return this.#followed.steps();
        },
      }),
    };
    return lane;
  }
}
