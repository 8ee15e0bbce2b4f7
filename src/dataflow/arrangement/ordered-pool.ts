/**
 * Blocks of words in one flat memory, given out and taken back: nodes of ordered trees, limbs of exact sums.
 * Grows to 4 GiB at most. Freed blocks are reused by size.
 * Invariant: a block's address is even and never 0, so that 0 can mean *none* and `doubles[address >> 1]` is aligned.
 * Called by `ordered.ts` and the accumulators of `operators/aggregates/`. Owned by one operator.
 */
import { FlatMemory } from './flat-memory.ts';

const BYTES_INITIAL = 4_096;
/** Blocks up to this many words have a free list for each even size; larger ones are rounded up to a power of two. */
const FINE_WORDS_MAX = 512;
const COARSE_CLASSES = 32;

export class WordPool {
  words: Int32Array;
  doubles: Float64Array;
  readonly #memory = new FlatMemory(BYTES_INITIAL);
  /** Head of the free list of each class; the first word of a free block is the next one. */
  readonly #free = new Int32Array(FINE_WORDS_MAX / 2 + 1 + COARSE_CLASSES);
  #end = 2;
  #usedWords = 0;

  constructor() {
    this.words = new Int32Array(this.#memory.buffer);
    this.doubles = new Float64Array(this.#memory.buffer);
  }

  /** The address of `count` words, not zeroed. May replace `words` and `doubles`. */
  allocate(count: number): number {
    const size = roundedWords(count);
    const list = listOf(size);
    const reused = this.#free[list]!;
    if (reused !== 0) {
      this.#free[list] = this.words[reused]!;
      this.#usedWords += size;
      return reused;
    }
    const address = this.#end;
    if (this.#memory.ensure((address + size) * 4)) {
      this.words = new Int32Array(this.#memory.buffer);
      this.doubles = new Float64Array(this.#memory.buffer);
    }
    this.#end = address + size;
    this.#usedWords += size;
    return address;
  }

  free(address: number, count: number): void {
    const size = roundedWords(count);
    const list = listOf(size);
    this.words[address] = this.#free[list]!;
    this.#free[list] = address;
    this.#usedWords -= size;
  }

  /** Words in blocks that are given out: 0 when everything came back. */
  usedWords(): number {
    return this.#usedWords;
  }

  stateBytes(): number {
    return this.#end * 4;
  }
}

function roundedWords(count: number): number {
  if (count <= FINE_WORDS_MAX) return Math.max(2, (count + 1) & ~1);
  return 1 << (32 - Math.clz32(count - 1));
}

function listOf(size: number): number {
  return size <= FINE_WORDS_MAX ? size >> 1 : FINE_WORDS_MAX / 2 + (31 - Math.clz32(size));
}
