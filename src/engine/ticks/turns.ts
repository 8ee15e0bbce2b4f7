/**
 * The engine thread's time for reads that take long: one piece a turn of the event loop, whoever has waited longest first; ticks, look-ups and messages come in
 * between, whatever the number of readers. Used by results, subscriptions and audits. (A view that comes in has slices of its own, `slices.ts`.)
 */
import type { Time } from './time.ts';

/** What a piece should take, and so what everybody else waits for it. */
export const PIECE_MS = 5;
/** Asking the time costs as much as encoding a short row. */
const ROWS_BETWEEN_LOOKS = 16;

export class Turns {
  readonly #time: Time;
  readonly #waiting: (() => void)[] = [];
  #isRunning = false;

  constructor(time: Time) {
    this.#time = time;
  }

  /** Resolves when the caller may do a piece. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      if (!this.#isRunning) void this.#run();
    });
  }

  /** Begins now. */
  piece(): Piece {
    return new Piece(this.#time);
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#waiting.length > 0) {
      await this.#time.turn();
      this.#waiting.shift()!();
    }
    this.#isRunning = false;
  }
}

export class Piece {
  readonly #time: Time;
  readonly #endMs: number;
  #rows = 0;

  constructor(time: Time) {
    this.#time = time;
    this.#endMs = time.nowMs() + PIECE_MS;
  }

  /** After each row. `isLong`: a row that took time by itself. */
  isOver(isLong = false): boolean {
    return (isLong || ++this.#rows % ROWS_BETWEEN_LOOKS === 0) && this.#time.nowMs() >= this.#endMs;
  }
}
