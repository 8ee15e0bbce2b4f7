/**
 * Long work between ticks, in slices: after each, ticks and answers get their turn. Called by `hydrator.ts`, which looks at `isOver` between pieces of work that are
 * short themselves (`pieces` sizes them so).
 */
import { limits } from '../../base/limits.ts';
import type { Pieces } from '../../dataflow/graph/pieces.ts';
import type { Time } from './time.ts';

/** How long a slice may begin new pieces: what everybody else waits, with the piece that is then under way. */
const SLICE_MS = 4;
/** Where the others' turn takes longer than a tick should (the engine is behind, or its ticks are heavy), half of that, up to this: so that the work gets on. */
const SLICE_MS_MAX = 50;
/** What a piece should take. */
const PIECE_MS = 1;
/** A row may meet thousands. */
const FIRST_PIECE_ROWS = 1;
const PIECE_ROWS_MAX = 65_536;
/** 20 to 200 ms, which nothing divides; each change of such a row would take a tick as long. */
const ROW_PAIRS_MAX = 1_000_000;
/** Rows behind which suddenly others come that meet many: the piece is given up, and all begins anew with smaller ones. */
const PIECE_PAIRS_MAX = 4_000_000;
const SHRUNK_BITS = 6;
/** A row moves in 30 to 100 ns. */
const MOVED_ROWS_MAX = 32_768;

export class Slices {
  /** How long the longest one took: what a tick may have waited. */
  longestMs = 0;
  readonly pieces: TimedPieces;
  readonly #time: Time;
  #startedMs: number;
  #endMs: number;

  constructor(time: Time) {
    this.#time = time;
    this.pieces = new TimedPieces(time);
    this.#startedMs = time.nowMs();
    this.#endMs = this.#startedMs + SLICE_MS;
  }

  get isOver(): boolean {
    return this.#time.nowMs() >= this.#endMs;
  }

  /** Everybody else first. The next slice is so many times as long as usual, where the work has to outrun what comes meanwhile. */
  async next(times = 1): Promise<void> {
    this.end();
    const paused = this.#time.threadMs();
    await this.#time.turn();
    const awayMs = this.#time.threadMs() - paused;
    this.#begin(times * (awayMs > limits.tickMsMax ? Math.min(SLICE_MS_MAX, awayMs / 2) : SLICE_MS));
  }

  /** Waits for something that happens elsewhere; a slice begins when it has. */
  async aside<T>(event: Promise<T>): Promise<T> {
    this.end();
    try {
      return await event;
    } finally {
      this.#begin(SLICE_MS);
    }
  }

  end(): void {
    this.longestMs = Math.max(this.longestMs, this.#time.nowMs() - this.#startedMs);
  }

  #begin(sliceMs: number): void {
    this.#startedMs = this.#time.nowMs();
    this.#endMs = this.#startedMs + sliceMs;
  }
}

/** Pieces that take about PIECE_MS each, by what the last one took. */
class TimedPieces implements Pieces {
  rowsMax = FIRST_PIECE_ROWS;
  readonly movedRowsMax = MOVED_ROWS_MAX;
  readonly pairsMax = PIECE_PAIRS_MAX;
  readonly rowPairsMax = ROW_PAIRS_MAX;
  interrupt: () => void = () => {};
  readonly #time: Time;
  #rowsLimit = PIECE_ROWS_MAX;

  constructor(time: Time) {
    this.#time = time;
  }

  begin(): void {
    this.rowsMax = FIRST_PIECE_ROWS;
  }

  /** Runs one piece. */
  timed<T>(piece: () => T): T {
    const startedMs = this.#time.nowMs();
    const result = piece();
    const tookMs = this.#time.nowMs() - startedMs;
    if (tookMs > PIECE_MS) this.rowsMax = Math.max(1, Math.floor(this.rowsMax * Math.max(PIECE_MS / tookMs, 1 / 64)));
    else if (tookMs < PIECE_MS / 2) this.rowsMax = Math.min(this.#rowsLimit, 2 * this.rowsMax);
    return result;
  }

  /** One was too much: from now on all are much smaller than it was. */
  shrink(): void {
    this.#rowsLimit = Math.max(1, this.rowsMax >> SHRUNK_BITS);
    this.begin();
  }
}
