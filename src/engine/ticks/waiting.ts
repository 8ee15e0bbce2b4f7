/**
 * Waiting for the engine to get somewhere: looks after every tick, every change of a table, and what ingest publishes. Bounded by the asker's time, ended by its cancel,
 * as is long work (`interrupter`).
 */
import { millraceError, type MillraceError } from '../../base/errors.ts';
import type { IngestProgress } from '../../ingest/progress.ts';
import type { CancelFlags } from '../contract/cancel-flags.ts';
import type { Time } from './time.ts';

/** What the engine asks of ingest's progress: it never writes there. */
export type ProgressReader = Pick<IngestProgress, 'read' | 'sequence' | 'changed'>;

/** A cancel comes without waking anybody. */
const LOOK_MS = 20;

export class Waiting {
  readonly #cancelled: CancelFlags;
  readonly #time: Time;
  #changed = Promise.withResolvers<void>();

  constructor(cancelled: CancelFlags, time: Time) {
    this.#cancelled = cancelled;
    this.#time = time;
  }

  /** Something changed: everybody looks again. */
  wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  async until(ready: () => boolean, timeoutMs: number, late: () => MillraceError, queryId?: number): Promise<void> {
    await this.#until(ready, timeoutMs, late, queryId, (ms) => this.#time.sleep(ms, this.#changed.promise));
  }

  /** What was begun is synced: as soon as ingest says so. */
  async untilPublished(
    progress: ProgressReader,
    ready: (published: ReturnType<ProgressReader['read']>) => boolean,
    timeoutMs: number,
    late: () => MillraceError,
    queryId?: number,
  ): Promise<void> {
    let { sequence } = progress;
    const looked = (): boolean => {
      // Before looking: what is published from now on wakes.
      ({ sequence } = progress);
      return ready(progress.read());
    };
    await this.#until(looked, timeoutMs, late, queryId, (ms) => progress.changed(sequence, ms));
  }

  /** Called now and then by long work: throws when the statement's time is over or its client cancelled. */
  interrupter(queryId: number, timeoutMs: number): () => void {
    return interrupter(this.#time, this.#cancelled, queryId, timeoutMs);
  }

  async #until(
    ready: () => boolean,
    timeoutMs: number,
    late: () => MillraceError,
    queryId: number | undefined,
    changed: (ms: number) => Promise<void>,
  ): Promise<void> {
    const deadline = this.#time.nowMs() + timeoutMs;
    while (!ready()) {
      if (queryId !== undefined && this.#cancelled.isCancelled(queryId)) throw millraceError('QUERY_CANCELLED', {});
      const leftMs = deadline - this.#time.nowMs();
      if (leftMs <= 0) throw late();
      await changed(Math.min(leftMs, LOOK_MS));
    }
  }
}

export function interrupter(time: Time, cancelled: CancelFlags, queryId: number, timeoutMs: number): () => void {
  const deadline = time.nowMs() + timeoutMs;
  return () => {
    if (cancelled.isCancelled(queryId)) throw millraceError('QUERY_CANCELLED', {});
    if (time.nowMs() > deadline) throw millraceError('QUERY_TIMED_OUT', {});
  };
}
