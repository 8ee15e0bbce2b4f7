/**
 * Ad hoc queries that take longer than the ticks can wait, in threads of their own: started when first needed, a fixed number, each with one query at a time and one budget
 * of memory for all it holds; the others wait in the order in which they came. A worker that dies, or does not hear a cancel in bounded time, is ended and replaced, and
 * only who asked it is told (I-8). Held by the engine for `reads.ts`.
 */
import { millraceError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import { RpcClient } from '../../base/rpc.ts';
import { startWorker } from '../../base/worker.ts';
import type { CancelFlags } from '../contract/cancel-flags.ts';
import type { QueryMethods, QueryWorkerOptions } from './query-protocol.ts';
import type { Waiting } from '../ticks/waiting.ts';

const WORKERS_MAX = 2;
const WAITING_MAX = 200;
/** JavaScript's own heap; rows lie outside of it. */
const HEAP_MB_MAX = 512;
const LOOK_MS = 50;
/** After a cancel, or the end of its time. It asks itself every millisecond or so, but for a call into Postgres, which is bounded, too. */
const DEAF_MS_MAX = 2_000;

export class QueryWorker {
  readonly rpc: RpcClient<QueryMethods>;
  /** The query that it evaluates. */
  busyWith: number | undefined;
  isEnded = false;
  readonly #worker: ReturnType<typeof startWorker>;

  constructor(options: QueryWorkerOptions) {
    this.#worker = startWorker(import.meta.url, './query-worker.ts', {
      workerData: options,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
    });
    this.rpc = new RpcClient<QueryMethods>(this.#worker);
    this.#worker.on('error', (error: Error & { code?: string }) => {
      this.isEnded = true;
      this.rpc.end(
        error.code === 'ERR_WORKER_OUT_OF_MEMORY'
          ? millraceError('QUERY_TOO_LARGE', { bytesMax: options.bytesMax }, error)
          : millraceError('ENGINE_FAULT', { reason: `a query worker ended: ${error.stack ?? error.message}` }, error),
      );
    });
    this.#worker.on('exit', () => {
      this.isEnded = true;
      this.rpc.end(millraceError('QUERY_CANCELLED', {}));
    });
  }

  async end(): Promise<void> {
    this.isEnded = true;
    await this.#worker.terminate();
  }
}

export class QueryWorkers {
  #options: QueryWorkerOptions;
  readonly #flags: CancelFlags;
  readonly #waiting: Waiting;
  readonly #queue: number[] = [];
  #workers: QueryWorker[] = [];

  constructor(options: Omit<QueryWorkerOptions, 'cancelFlags' | 'bytesMax'>, flags: CancelFlags, waiting: Waiting) {
    this.#options = { ...options, cancelFlags: flags.buffer, bytesMax: limits.queryMemoryBytesMax };
    this.#flags = flags;
    this.#waiting = waiting;
  }

  /** `work` has a worker for itself until it ends; what it opened there may stay open. */
  async run<T>(queryId: number, deadlineMs: number, work: (worker: QueryWorker) => Promise<T>): Promise<T> {
    if (this.#queue.length >= WAITING_MAX) throw millraceError('QUERIES_WAITING', { waitingMax: WAITING_MAX });
    this.#queue.push(queryId);
    let worker: QueryWorker | undefined;
    try {
      const isMine = (): boolean => this.#queue[0] === queryId && (worker = this.#free()) !== undefined;
      await this.#waiting.until(isMine, deadlineMs - performance.now(), () => millraceError('QUERY_TIMED_OUT', {}), queryId);
    } finally {
      this.#queue.splice(this.#queue.indexOf(queryId), 1);
    }
    const mine = worker!;
    mine.busyWith = queryId;
    const deaf = this.#endWhenDeaf(mine, queryId, deadlineMs);
    try {
      return await work(mine);
    } catch (error) {
      if (!mine.isEnded) void mine.rpc.call('close', { queryId }).catch(() => undefined);
      throw error;
    } finally {
      clearInterval(deaf);
      mine.busyWith = undefined;
      this.#waiting.wake();
    }
  }

  /** As for `attach`: a table that was taken in again may have brought others. */
  defineTypes(types: readonly string[]): void {
    this.#options = { ...this.#options, types };
    for (const worker of this.#workers) if (!worker.isEnded) void worker.rpc.call('defineTypes', { types }).catch(() => undefined);
  }

  async close(): Promise<void> {
    const workers = this.#workers;
    this.#workers = [];
    await Promise.all(workers.map((worker) => worker.end()));
  }

  #free(): QueryWorker | undefined {
    this.#workers = this.#workers.filter(({ isEnded }) => !isEnded);
    const idle = this.#workers.find(({ busyWith }) => busyWith === undefined);
    if (idle !== undefined || this.#workers.length >= WORKERS_MAX) return idle;
    const worker = new QueryWorker(this.#options);
    this.#workers.push(worker);
    return worker;
  }

  /** Who asked for another result of this worker loses it, too: that is why it is given time. */
  #endWhenDeaf(worker: QueryWorker, queryId: number, deadlineMs: number): NodeJS.Timeout {
    let since: number | undefined;
    return setInterval(() => {
      const now = performance.now();
      if (!this.#flags.isCancelled(queryId) && now < deadlineMs) return;
      since ??= now;
      if (now - since > DEAF_MS_MAX) void worker.end();
    }, LOOK_MS);
  }
}
