/**
 * What was found out about statements, kept for whoever sends them again: least recently used goes first, within a number and within bytes (I-6). All of it is of one
 * epoch (the catalog and the mirror as they are); when that is another, nothing of it holds. Made by the planner.
 */
import { limits } from '../base/limits.ts';

interface Entry {
  readonly value: unknown;
  readonly bytes: number;
}

/** A larger one would drive out what many use. */
const SHARE_MAX = 1 / 8;

export class PlanCache {
  readonly #epoch: () => string;
  readonly #entriesMax: number;
  readonly #bytesMax: number;
  readonly #entries = new Map<unknown, Entry>();
  #of = '';
  #bytes = 0;

  constructor(epoch: () => string, entriesMax: number = limits.planCacheEntriesMax, bytesMax: number = limits.planCacheBytesMax) {
    this.#epoch = epoch;
    this.#entriesMax = entriesMax;
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** What is kept under the key, or what `make` makes now; the latter is kept unless the epoch has changed meanwhile. Two who ask at once both make it. */
  async get<T>(key: unknown, make: () => Promise<T>, bytesOf: (made: T) => number): Promise<T> {
    const epoch = this.#epoch();
    if (epoch !== this.#of) this.#clear(epoch);
    const known = this.#entries.get(key);
    if (known !== undefined) {
      this.#entries.delete(key);
      this.#entries.set(key, known);
      return known.value as T;
    }
    const value = await make();
    if (this.#of === epoch && this.#epoch() === epoch) this.#keep(key, { value, bytes: bytesOf(value) });
    return value;
  }

  #keep(key: unknown, entry: Entry): void {
    this.#drop(key);
    if (entry.bytes > this.#bytesMax * SHARE_MAX) return;
    this.#entries.set(key, entry);
    this.#bytes += entry.bytes;
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#entriesMax && this.#bytes <= this.#bytesMax) return;
      this.#drop(oldest);
    }
  }

  #drop(key: unknown): void {
    this.#bytes -= this.#entries.get(key)?.bytes ?? 0;
    this.#entries.delete(key);
  }

  #clear(epoch: string): void {
    this.#of = epoch;
    this.#entries.clear();
    this.#bytes = 0;
  }
}
