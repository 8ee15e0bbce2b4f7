/**
 * The catalog worker's client: a bounded queue, one statement at a time, each with a deadline that counts from when it starts.
 *
 * Past the deadline, on cancel, when Postgres answers with nothing, or when the worker ends, the worker is terminated and opened again and the mirror is
 * rebuilt from `rebuild()`; only the statement that ran gets the error, those that waited run on the new one. Used on the main thread; never by a tick.
 */
import type { Worker } from 'node:worker_threads';
import { bounded } from '../base/bounded.ts';
import { MillraceError, millraceError, reasonOf } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { RpcClient } from '../base/rpc.ts';
import { startWorker } from '../base/worker.ts';
import type {
  Analysis,
  CatalogMethods,
  CatalogRows,
  CatalogWorkerData,
  Ddl,
  Description,
  QueryToAnalyse,
  RawResult,
  RawStatement,
  RebuildFailure,
  RebuildStep,
  StatementSettings,
  ViewToAnalyse,
} from './catalog-contract.ts';
import { preparedDirectory } from './prepared.ts';
import { STACK_MB } from './stack.ts';

const WAITING_MAX = 1_000;
/** Around Postgres there is little JavaScript: with V8's usual nurseries the worker keeps 10 MB more. */
const YOUNG_MB = 6;
/** Opening takes 0.4 s, and some seconds more with thousands of tables on a loaded machine. */
const OPEN_TIMEOUT_MS = 60_000;

export interface CatalogOptions {
  /** The whole mirror as DDL, in order, for a new worker. Asked anew at every opening; Postgres boots meanwhile. */
  readonly rebuild?: () => readonly RebuildStep[] | Promise<readonly RebuildStep[]>;
  /** After every opening: the steps that Postgres refused. */
  readonly onOpened?: (failures: readonly RebuildFailure[]) => void;
  /** The longest that a statement may take, whatever its asker allows. */
  readonly timeoutMsMax?: number;
}

export interface CallOptions {
  /** From when it starts, waiting not counted; 0: as long as is allowed. Default: limits.statementTimeoutMsDefault. */
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

interface Job {
  /** `reopen`: nothing is asked; the worker is exchanged for a new one. */
  readonly method: keyof CatalogMethods | 'reopen';
  readonly params: unknown;
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  resolve(value: unknown): void;
  reject(error: Error): void;
  onAbort: (() => void) | undefined;
}

interface Opened {
  readonly worker: Worker;
  readonly rpc: RpcClient<CatalogMethods>;
}

export class CatalogClient {
  readonly #options: CatalogOptions;
  readonly #waiting: Job[] = [];
  #opened: Opened | undefined;
  #running = false;
  #closed = false;
  #generation = 0;

  constructor(options: CatalogOptions = {}) {
    this.#options = options;
  }

  /** Rises with every opening. OIDs of the mirror's own objects hold for one generation only. */
  get generation(): number {
    return this.#generation;
  }

  /** Statements in one transaction, as the owner of the mirror: its DDL. */
  async exec(ddl: string | readonly Ddl[], options?: CallOptions): Promise<void> {
    await this.#ask('exec', { ddl: typeof ddl === 'string' ? [ddl] : ddl }, options);
  }

  /** One reading statement of Millrace's own, rows as text. */
  query(sql: string, parameters: readonly (string | null)[] = [], options?: CallOptions & StatementSettings): Promise<CatalogRows> {
    const { searchPath, settings } = options ?? {};
    return this.#ask('query', { sql, parameters, searchPath, settings }, options) as Promise<CatalogRows>;
  }

  /** One statement of Millrace's own after some DDL, all of which is rolled back. */
  rolledBack(
    before: readonly Ddl[],
    sql: string,
    parameters: readonly (string | null)[] = [],
    options?: CallOptions & StatementSettings,
  ): Promise<CatalogRows> {
    const { searchPath, settings } = options ?? {};
    return this.#ask('rolledBack', { before, sql, parameters, searchPath, settings }, options) as Promise<CatalogRows>;
  }

  /** A client's catalog statement: see client-statement.ts. */
  queryRaw(statement: RawStatement, options?: CallOptions): Promise<RawResult> {
    return this.#ask('queryRaw', statement, options) as Promise<RawResult>;
  }

  describe(query: QueryToAnalyse, options?: CallOptions): Promise<Description> {
    return this.#ask('describe', query, options) as Promise<Description>;
  }

  /** The query tree of a view's SELECT; leaves nothing behind. */
  analyseView(view: ViewToAnalyse, options?: CallOptions): Promise<Analysis> {
    return this.#ask('analyseView', view, options) as Promise<Analysis>;
  }

  /** The query tree of an ad hoc or parameterised SELECT or VALUES; leaves nothing behind. */
  analyseQuery(query: QueryToAnalyse, options?: CallOptions): Promise<Analysis> {
    return this.#ask('analyseQuery', query, options) as Promise<Analysis>;
  }

  /** Opens the worker now, so that the first statement need not wait. */
  async open(): Promise<void> {
    await this.query('SELECT 1');
  }

  /** A new worker with a newly built mirror, after the statements that wait already. */
  async reopen(): Promise<void> {
    await this.#ask('reopen', undefined);
  }

  get isOpen(): boolean {
    return this.#opened !== undefined;
  }

  /** Ends the worker, and with it what runs; the next statement opens another one. */
  async rest(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    await opened?.worker.terminate();
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const job of this.#waiting.splice(0)) this.#fail(job, millraceError('QUERY_CANCELLED', {}));
    await this.rest();
  }

  #ask(method: Job['method'], params: unknown, { timeoutMs, signal }: CallOptions = {}): Promise<unknown> {
    if (this.#closed || signal?.aborted === true) return Promise.reject(millraceError('QUERY_CANCELLED', {}));
    if (this.#waiting.length >= WAITING_MAX) return Promise.reject(millraceError('CATALOG_BUSY', { waitingMax: WAITING_MAX }));
    return new Promise((resolve, reject) => {
      const job: Job = {
        method,
        params,
        timeoutMs: this.#allowedMs(timeoutMs ?? limits.statementTimeoutMsDefault),
        signal,
        resolve,
        reject,
        onAbort: undefined,
      };
      if (signal !== undefined) {
        job.onAbort = () => {
          const at = this.#waiting.indexOf(job);
          if (at >= 0) this.#waiting.splice(at, 1);
          this.#fail(job, millraceError('QUERY_CANCELLED', {}));
        };
        signal.addEventListener('abort', job.onAbort, { once: true });
      }
      this.#waiting.push(job);
      void this.#run();
    });
  }

  #allowedMs(wantedMs: number): number {
    const { timeoutMsMax } = this.#options;
    return timeoutMsMax === undefined || (wantedMs > 0 && wantedMs <= timeoutMsMax) ? wantedMs : timeoutMsMax;
  }

  #fail(job: Job, error: Error): void {
    if (job.onAbort !== undefined) job.signal?.removeEventListener('abort', job.onAbort);
    job.reject(error);
  }

  async #run(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    for (let job = this.#waiting.shift(); job !== undefined; job = this.#waiting.shift()) {
      try {
        const result = await this.#runOne(job);
        if (job.onAbort !== undefined) job.signal?.removeEventListener('abort', job.onAbort);
        job.resolve(result);
      } catch (error) {
        this.#fail(job, error instanceof Error ? error : new Error(String(error)));
      }
    }
    this.#running = false;
  }

  async #runOne(job: Job): Promise<unknown> {
    if (job.method === 'reopen') await this.rest();
    if (this.#opened === undefined) await this.#open();
    if (job.method === 'reopen') return undefined;
    if (job.signal?.aborted === true) throw millraceError('QUERY_CANCELLED', {});
    const { rpc, worker } = this.#opened!;
    // An idle worker does not keep the process alive; a running statement does.
    worker.ref();
    try {
      return await inTime(rpc.call(job.method, job.params as never), job.timeoutMs, job.signal, this.#options.timeoutMsMax);
    } catch (error) {
      // Postgres answered: it lives. Everything else costs the worker.
      if (!(error instanceof MillraceError) || FATAL_CODES.has(error.code)) await this.rest();
      throw error;
    } finally {
      worker.unref();
    }
  }

  async #open(): Promise<void> {
    try {
      const preparedTgz = await preparedDirectory();
      if (this.#closed) throw millraceError('QUERY_CANCELLED', {});
      const worker = startWorker(import.meta.url, './catalog-worker.ts', {
        workerData: { preparedTgz } satisfies CatalogWorkerData,
        resourceLimits: { stackSizeMb: STACK_MB, maxYoungGenerationSizeMb: YOUNG_MB },
      });
      const opened: Opened = { worker, rpc: new RpcClient<CatalogMethods>(worker) };
      this.#opened = opened;
      const ended = (reason: string): void => {
        opened.rpc.end(millraceError('CATALOG_UNAVAILABLE', { reason }));
        if (this.#opened === opened) this.#opened = undefined;
      };
      worker.on('error', (error: Error) => ended(error.message));
      worker.on('exit', (code) => ended(`exit code ${code}`));
      const ready = Promise.all([this.#options.rebuild?.() ?? [], opened.rpc.call('boot', {})]);
      const [steps] = await inTime(ready, OPEN_TIMEOUT_MS, undefined);
      const failures = await inTime(opened.rpc.call('rebuild', { steps }), OPEN_TIMEOUT_MS, undefined);
      this.#generation++;
      this.#options.onOpened?.(failures);
    } catch (error) {
      await this.rest();
      throw millraceError('CATALOG_UNAVAILABLE', { reason: reasonOf(error) }, error);
    }
  }
}

/** Errors after which the worker is not used again. */
const FATAL_CODES = new Set([
  'QUERY_TIMED_OUT',
  'CATALOG_STATEMENT_TIMED_OUT',
  'QUERY_CANCELLED',
  'STATEMENT_TOO_COMPLEX',
  'CATALOG_UNAVAILABLE',
]);

/** 0 ms: no deadline. */
function inTime<T>(work: Promise<T>, timeoutMs: number, signal: AbortSignal | undefined, timeoutMsMax?: number): Promise<T> {
  const error = (): MillraceError =>
    timeoutMs === timeoutMsMax ? millraceError('CATALOG_STATEMENT_TIMED_OUT', { timeoutMs }) : millraceError('QUERY_TIMED_OUT', {});
  return bounded(work, signal, timeoutMs > 0 ? { timeoutMs, error } : undefined);
}
