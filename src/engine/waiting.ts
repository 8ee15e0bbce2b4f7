/** Waiting for the engine to get somewhere: looks after every tick and every change of a table. Bounded by the asker's time, ended by its cancel. */
import { millraceError, type MillraceError } from '../base/errors.ts';
import type { CancelFlags } from './cancel-flags.ts';

/** What is waited for may also come without a tick (a sync, a cancel). */
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
