/**
 * Ad hoc queries that take longer than the ticks can wait, in threads of their own: started when first needed, a fixed number, each with one query at a time and one budget
 * of memory for all it holds; the others wait in the order in which they came. A worker that dies, or does not hear a cancel in bounded time, is ended and replaced, and
 * only who asked it is told (I-8). Held by the engine for `reads.ts`.
 */
import { millraceError } from '../../base/errors.ts';
import type { RpcClient } from '../../base/rpc.ts';
import type { CancelFlags } from '../contract/cancel-flags.ts';
import type { QueryMethods } from './query-protocol.ts';
import type { Time } from '../ticks/time.ts';
import type { Waiting } from '../ticks/waiting.ts';

const WORKERS_MAX = 2;
const WAITING_MAX = 200;
const LOOK_MS = 50;
/** After a cancel, or the end of its time. It asks itself every millisecond or so, but for a call into Postgres, which is bounded, too. */
const DEAF_MS_MAX = 2_000;

/** Answers queries (`query-answers.ts`) somewhere else: in a thread (`query-thread.ts`). */
export interface QueryWorker {
  readonly rpc: Pick<RpcClient<QueryMethods>, 'call'>;
  /** The query that it evaluates. */
  busyWith: number | undefined;
  readonly isEnded: boolean;
  end(): Promise<void>;
}

export interface QueryWorkersParts {
  readonly cancelFlags: CancelFlags;
  readonly waiting: Waiting;
  readonly time: Time;
  /** `types`: DDL of the upstream's types, for the evaluator. */
  startQueryWorker(types: readonly string[]): QueryWorker;
}

export class QueryWorkers {
  readonly #parts: QueryWorkersParts;
  #types: readonly string[];
  readonly #queue: number[] = [];
  #workers: QueryWorker[] = [];

  constructor(parts: QueryWorkersParts, types: readonly string[]) {
    this.#parts = parts;
    this.#types = types;
  }

  /** `work` has a worker for itself until it ends; what it opened there may stay open. */
  async run<T>(queryId: number, deadlineMs: number, work: (worker: QueryWorker) => Promise<T>): Promise<T> {
    const { waiting, time } = this.#parts;
    if (this.#queue.length >= WAITING_MAX) throw millraceError('QUERIES_WAITING', { waitingMax: WAITING_MAX });
    this.#queue.push(queryId);
    let worker: QueryWorker | undefined;
    try {
      const isMine = (): boolean => this.#queue[0] === queryId && (worker = this.#free()) !== undefined;
      await waiting.until(isMine, deadlineMs - time.nowMs(), () => millraceError('QUERY_TIMED_OUT', {}), queryId);
    } finally {
      this.#queue.splice(this.#queue.indexOf(queryId), 1);
    }
    const mine = worker!;
    mine.busyWith = queryId;
    const done = Promise.withResolvers<void>();
    void this.#endWhenDeaf(mine, queryId, deadlineMs, done.promise);
    try {
      return await work(mine);
    } catch (error) {
      if (!mine.isEnded) void mine.rpc.call('close', { queryId }).catch(() => undefined);
      throw error;
    } finally {
      mine.busyWith = undefined;
      done.resolve();
      waiting.wake();
    }
  }

  /** As for `attach`: a table that was taken in again may have brought others. */
  defineTypes(types: readonly string[]): void {
    this.#types = types;
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
    const worker = this.#parts.startQueryWorker(this.#types);
    this.#workers.push(worker);
    return worker;
  }

  /** Who asked for another result of this worker loses it, too: that is why it is given time. */
  async #endWhenDeaf(worker: QueryWorker, queryId: number, deadlineMs: number, done: Promise<void>): Promise<void> {
    const { cancelFlags, time } = this.#parts;
    let sinceMs: number | undefined;
    for (;;) {
      await time.sleep(LOOK_MS, done);
      if (worker.busyWith !== queryId) return;
      const nowMs = time.nowMs();
      if (!cancelFlags.isCancelled(queryId) && nowMs < deadlineMs) continue;
      sinceMs ??= nowMs;
      if (nowMs - sinceMs > DEAF_MS_MAX) return void worker.end();
    }
  }
}
