/**
 * What of the log exists and what is still needed, in 128 bytes of memory shared by all threads. The writer publishes what is synced, the fold what is folded;
 * a reader pins the offset up to which it has read. A pin keeps two promises: no segment is deleted that reaches past it, and the row store never runs ahead of
 * it, so that rows can be read as of any offset from the pin on.
 */
import { assert } from '../../base/assert.ts';

const SYNCED = 0;
const FOLDED = 1;
const FIRST_PIN = 2;
const CELLS = 16;
const FREE = -1n;

/** Who may pin. A fixed list: every reader of the log is known. */
export const pinOf = { engine: 0, audit: 1, test: 2 } as const;
export type Pin = keyof typeof pinOf;

export class LogBounds {
  readonly buffer: SharedArrayBuffer;
  readonly #cells: BigInt64Array;

  constructor(buffer?: SharedArrayBuffer) {
    this.buffer = buffer ?? new SharedArrayBuffer(CELLS * 8);
    this.#cells = new BigInt64Array(this.buffer);
    if (buffer === undefined) for (let cell = FIRST_PIN; cell < CELLS; cell++) Atomics.store(this.#cells, cell, FREE);
  }

  /** Everything before it is fdatasynced. Writer: `LogWriter.sync`. */
  get syncedOffset(): number {
    return Number(Atomics.load(this.#cells, SYNCED));
  }

  publishSynced(offset: number): void {
    Atomics.store(this.#cells, SYNCED, BigInt(offset));
  }

  /** What the row store holds durably. Writer: the fold. */
  get foldedOffset(): number {
    return Number(Atomics.load(this.#cells, FOLDED));
  }

  publishFolded(offset: number): void {
    Atomics.store(this.#cells, FOLDED, BigInt(offset));
  }

  /** A pin only moves forward. The first time a reader pins it must hold the fold meanwhile (`FoldClient.hold`), lest the fold pass the offset just then. */
  pin(who: Pin, offset: number): void {
    const before = Atomics.exchange(this.#cells, FIRST_PIN + pinOf[who], BigInt(offset));
    assert(before === FREE || before <= BigInt(offset), `the pin of ${who} went back from ${before} to ${offset}`);
  }

  unpin(who: Pin): void {
    Atomics.store(this.#cells, FIRST_PIN + pinOf[who], FREE);
  }

  /** The lowest pin; Infinity when nobody pins. */
  get lowestPin(): number {
    let lowest = Infinity;
    for (let cell = FIRST_PIN; cell < CELLS; cell++) {
      const pinned = Atomics.load(this.#cells, cell);
      if (pinned !== FREE) lowest = Math.min(lowest, Number(pinned));
    }
    return lowest;
  }

  /** The fold may take in what is synced and what every reader has passed. */
  get foldableOffset(): number {
    return Math.min(this.syncedOffset, this.lowestPin);
  }
}
