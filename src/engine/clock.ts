/**
 * `mz_timestamp`: milliseconds of the clock, strictly increasing over ticks and over restarts. A timestamp is handed out only below a ceiling that is
 * durable in the catalog; a restart begins at the ceiling (DESIGN 5). Called by the engine worker alone.
 */

/** How far ahead the ceiling is set: one synced write in this many milliseconds. */
const CEILING_STEP_MS = 10_000;

export class TickClock {
  readonly #now: () => number;
  readonly #raise: (ceiling: number) => void;
  #last: number;
  #ceiling: number;

  constructor(ceiling: number, raise: (ceiling: number) => void, now: () => number = Date.now) {
    this.#now = now;
    this.#raise = raise;
    this.#ceiling = ceiling;
    this.#last = ceiling;
  }

  /** The last timestamp given out. */
  get last(): number {
    return this.#last;
  }

  next(): number {
    const timestamp = Math.max(this.#last + 1, this.#now());
    if (timestamp >= this.#ceiling) {
      this.#ceiling = timestamp + CEILING_STEP_MS;
      this.#raise(this.#ceiling);
    }
    this.#last = timestamp;
    return timestamp;
  }
}
