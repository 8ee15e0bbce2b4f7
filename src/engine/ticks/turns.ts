/**
 * The engine thread's time for reads that take long: one piece a turn of the event loop, whoever has waited longest first; ticks, look-ups and messages come in
 * between, whatever the number of readers. Used by results, subscriptions and audits. (A view that comes in has slices of its own, `slices.ts`.)
 */

/** What a piece should take, and so what everybody else waits for it. */
export const PIECE_MS = 5;
/** Asking the time costs as much as encoding a short row. */
const ROWS_BETWEEN_LOOKS = 16;

export class Turns {
  readonly #waiting: (() => void)[] = [];
  #isScheduled = false;

  /** Resolves when the caller may do a piece. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#isScheduled || this.#waiting.length === 0) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#waiting.shift()?.();
      this.#schedule();
    });
  }
}

/** Begins when it is made. */
export class Piece {
  readonly #endMs = performance.now() + PIECE_MS;
  #rows = 0;

  /** After each row. `isLong`: a row that took time by itself. */
  isOver(isLong = false): boolean {
    return (isLong || ++this.#rows % ROWS_BETWEEN_LOOKS === 0) && performance.now() >= this.#endMs;
  }
}
