/** Waiting for the engine to get somewhere: looks after every tick, every change of a table, and what ingest publishes. Bounded by the asker's time, ended by its cancel. */
import { millraceError, type MillraceError } from '../../base/errors.ts';
import type { IngestProgress } from '../../ingest/progress.ts';
import type { CancelFlags } from '../contract/cancel-flags.ts';

/** A cancel comes without waking anybody. */
const LOOK_MS = 20;

export class Waiting {
  readonly #cancelled: CancelFlags;
  #changed = Promise.withResolvers<void>();

  constructor(cancelled: CancelFlags) {
    this.#cancelled = cancelled;
  }

  /** Something changed: everybody looks again. */
  wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers<void>();
  }

  /** What was begun is synced: as soon as ingest says so. */
  async untilPublished(
    progress: Pick<IngestProgress, 'sequence' | 'changed'>,
    ready: () => boolean,
    timeoutMs: number,
    late: () => MillraceError,
    queryId?: number,
  ): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    for (;;) {
      const { sequence } = progress;
      if (ready()) return;
      if (queryId !== undefined && this.#cancelled.isCancelled(queryId)) throw millraceError('QUERY_CANCELLED', {});
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw late();
      await progress.changed(sequence, Math.min(leftMs, LOOK_MS));
    }
  }

  async until(ready: () => boolean, timeoutMs: number, late: () => MillraceError, queryId?: number): Promise<void> {
    const deadline = performance.now() + timeoutMs;
    while (!ready()) {
      if (queryId !== undefined && this.#cancelled.isCancelled(queryId)) throw millraceError('QUERY_CANCELLED', {});
      const leftMs = deadline - performance.now();
      if (leftMs <= 0) throw late();
      const timer = Promise.withResolvers<void>();
      const handle = setTimeout(timer.resolve, Math.min(leftMs, LOOK_MS));
      await Promise.race([this.#changed.promise, timer.promise]);
      clearTimeout(handle);
    }
  }
}
