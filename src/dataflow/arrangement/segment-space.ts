/**
 * Where the segments of one large hash table lie: blocks of a power of two of words in one flat memory, so that a search computes an address instead of following
 * a pointer to an array a segment.
 *
 * A buddy system: a freed block joins with its other half when that is free, too; segments of a table grow at about the same time, so nearly all that one leaves the next one takes.
 * Invariant: a block starts at a multiple of its size; words of a block just given out are zero. Called by `hash-table.ts` only.
 */
import { FlatMemory } from './flat-memory.ts';

export class SegmentSpace {
  words: Int32Array;
  readonly #memory = new FlatMemory(64);
  /** Free blocks by the logarithm of their size. */
  readonly #free: Set<number>[] = Array.from({ length: 31 }, () => new Set<number>());
  #end = 0;

  constructor() {
    this.words = new Int32Array(this.#memory.buffer);
  }

  /** `size`: a power of two of words. May replace `words`. */
  allocate(size: number): number {
    const level = 31 - Math.clz32(size);
    for (let from = level; from < this.#free.length; from++) {
      const [block] = this.#free[from]!;
      if (block === undefined) continue;
      this.#free[from]!.delete(block);
      for (let half = from - 1; half >= level; half--) this.#free[half]!.add(block + 2 ** half);
      this.words.fill(0, block, block + size);
      return block;
    }
    // Up to the next multiple of the size; what lies between is free.
    while (this.#end % size !== 0) {
      const gap = this.#end & -this.#end;
      this.#end += gap;
      this.free(this.#end - gap, gap);
    }
    const block = this.#end;
    if (this.#memory.ensure((block + size) * 4)) this.words = new Int32Array(this.#memory.buffer);
    this.#end = block + size;
    return block;
  }

  free(block: number, size: number): void {
    let level = 31 - Math.clz32(size);
    let joined = block;
    for (; this.#free[level]!.delete(joined ^ (2 ** level)); level++) joined &= ~(2 ** level);
    this.#free[level]!.add(joined);
  }

  bytes(): number {
    return this.#end * 4;
  }
}
