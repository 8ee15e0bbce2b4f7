/**
 * Long work between ticks, in slices: after each, ticks and answers get their turn. Called by `hydrator.ts`, which looks at `isOver` between pieces of work that are
 * short themselves (`pieces` sizes them so).
 */
import type { Pieces } from '../dataflow/graph/pieces.ts';

/**
 * How long a slice may begin new pieces: what everybody else waits, with the piece that is then under way. It is the first of these on an engine that keeps up; where one
 * turn of the others takes long (it is behind, or its ticks are heavy) half of that, so that the work gets on, up to the second.
 */
const SLICE_MS_MIN = 4;
const SLICE_MS_MAX = 100;
/** What a piece should take. */
const PIECE_MS = 1;
const FIRST_PIECE_ROWS = 128;
const PIECE_ROWS_MAX = 65_536;

export class Slices {
  /** How long the longest one took: what a tick may have waited. */
  longestMs = 0;
  readonly pieces = new TimedPieces();
  #startedMs = performance.now();
  #endMs = this.#startedMs + SLICE_MS_MIN;

  get isOver(): boolean {
    return performance.now() >= this.#endMs;
  }

  /** Everybody else first. The next slice is so many times as long as usual, where the work has to outrun what comes meanwhile. */
  async next(times = 1): Promise<void> {
    await this.aside(new Promise<void>((resolve) => setImmediate(resolve)), times);
  }

  /** Waits for something that happens elsewhere; a slice begins when it has. */
  async aside<T>(event: Promise<T>, times = 1): Promise<T> {
    this.end();
    const pausedMs = performance.now();
    try {
      return await event;
    } finally {
      this.#startedMs = performance.now();
      const sliceMs = Math.min(SLICE_MS_MAX, Math.max(SLICE_MS_MIN, (this.#startedMs - pausedMs) / 2));
      this.#endMs = this.#startedMs + times * sliceMs;
    }
  }

  end(): void {
    this.longestMs = Math.max(this.longestMs, performance.now() - this.#startedMs);
  }
}

/** Pieces that take about PIECE_MS each, by what the last one took: a row may meet thousands. */
class TimedPieces implements Pieces {
  rowsMax = FIRST_PIECE_ROWS;

  begin(): void {
    this.rowsMax = FIRST_PIECE_ROWS;
  }

  /** Runs one piece. */
  timed<T>(piece: () => T): T {
    const startedMs = performance.now();
    const result = piece();
    const tookMs = performance.now() - startedMs;
    if (tookMs > PIECE_MS) this.rowsMax = Math.max(1, this.rowsMax >> 1);
    else if (tookMs < PIECE_MS / 2) this.rowsMax = Math.min(PIECE_ROWS_MAX, 2 * this.rowsMax);
    return result;
  }
}
