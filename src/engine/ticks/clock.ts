/**
 * `mz_timestamp`: milliseconds of the clock, strictly increasing over ticks and over restarts. A timestamp is handed out only below a ceiling that is
 * durable in the catalog; a restart begins at the ceiling. Called by the engine worker alone.
 */
import { must } from '../../base/assert.ts';
import { MillraceError } from '../../base/errors.ts';
import type { Time } from './time.ts';

/** How far ahead the ceiling is set: one synced write in this many milliseconds. */
const CEILING_STEP_MS = 10_000;
const RETRY_MS = 1_000;

export class TickClock {
  readonly #time: Pick<Time, 'wallMs' | 'nowMs'>;
  readonly #raise: (ceiling: number) => void;
  #last: number;
  #ceiling: number;
  #fault: MillraceError | undefined;
  #failedAtMs = 0;

  constructor(ceiling: number, raise: (ceiling: number) => void, time: Pick<Time, 'wallMs' | 'nowMs'>) {
    this.#time = time;
    this.#raise = raise;
    this.#ceiling = ceiling;
    this.#last = ceiling;
  }

  /** The last timestamp given out. */
  get last(): number {
    return this.#last;
  }

  /** Why the ceiling could not be raised (a full disk); undefined: it could. Meanwhile the time left below it is spent, and then nothing ticks. */
  get fault(): MillraceError | undefined {
    return this.#fault;
  }

  /** Whether there is a timestamp to give out. Tries now and then, where there was none. */
  get canTick(): boolean {
    return this.#last + 1 < this.#ceiling || this.#raiseAbove(Math.max(this.#last + 1, this.#time.wallMs()));
  }

  next(): number {
    let timestamp = Math.max(this.#last + 1, this.#time.wallMs());
    if (timestamp >= this.#ceiling && !this.#raiseAbove(timestamp)) {
      timestamp = this.#last + 1;
      if (timestamp >= this.#ceiling) throw must(this.#fault, 'a reason');
    }
    this.#last = timestamp;
    return timestamp;
  }

  #raiseAbove(timestamp: number): boolean {
    // Not by the system's clock: it may be set back, and then nothing would tick until it came there again.
    const nowMs = this.#time.nowMs();
    if (this.#fault !== undefined && nowMs - this.#failedAtMs < RETRY_MS) return false;
    try {
      this.#raise(timestamp + CEILING_STEP_MS);
    } catch (error) {
      if (!(error instanceof MillraceError)) throw error;
      this.#fault = error;
      this.#failedAtMs = nowMs;
      return false;
    }
    this.#ceiling = timestamp + CEILING_STEP_MS;
    this.#fault = undefined;
    return true;
  }
}
