/**
 * Audits wait for each other: each takes two connections and a replication slot of the upstream, and there are few of these. One at a time, in the order of asking; who
 * is cancelled leaves the queue, and a running one goes on to its end before the next begins. Held by the coordinator.
 */
import { bounded } from '../../base/bounded.ts';
import { millraceError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';

export class AuditQueue {
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  async run<T>(signal: AbortSignal, audit: () => Promise<T>): Promise<T> {
    await this.#turn(signal);
    const work = audit().finally(() => {
      this.#running -= 1;
      this.#next();
    });
    return bounded(work, signal);
  }

  #turn(signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const begin = (): void => {
        signal.removeEventListener('abort', leave);
        this.#running += 1;
        resolve();
      };
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(begin), 1);
        reject(millraceError('QUERY_CANCELLED', {}));
      };
      if (signal.aborted) {
        reject(millraceError('QUERY_CANCELLED', {}));
        return;
      }
      signal.addEventListener('abort', leave, { once: true });
      this.#waiting.push(begin);
      this.#next();
    });
  }

  #next(): void {
    if (this.#running < limits.auditsMax) this.#waiting.shift()?.();
  }
}
