/**
 * A delta: rows of one layout with weights, in memory of its own that is emptied (not freed) after each step.
 * Row i is at word address i × stride. Called by operators and by generated code (as a RowSink).
 */
import { assert } from '../../base/assert.ts';
import type { RowLayout } from '../../values/layout.ts';
import type { RowSink } from '../../values/space.ts';
import { DataflowFault } from '../fault.ts';

/** Small: a view has several blocks, and most views most of the time change by a row. */
const WORDS_INITIAL = 1 << 9;
const HEAP_BYTES_INITIAL = 1 << 9;
const WEIGHTS_INITIAL = 32;
/** Above this a block gives its memory back when emptied, so that one large step does not hold memory for ever. */
const KEPT_BYTES_MAX = 8 << 20;
/** Steps come in pieces; a piece whose matches need more than this (a cross join of large tables) would take the process with it (I-6). */
const BLOCK_BYTES_MAX = 512 << 20;
/** A piece of rows that are read for something ends here, however few they are: a million of numbers, or a dozen long texts. */
export const PIECE_BYTES_MAX = 16 << 20;

export class DeltaBlock implements RowSink {
  readonly layout: RowLayout;
  readonly stride: number;
  words: Int32Array;
  doubles: Float64Array;
  heap: Uint8Array;
  weights: Int32Array;
  length = 0;
  #heapUsed = 0;

  constructor(layout: RowLayout) {
    this.layout = layout;
    this.stride = layout.words;
    this.words = new Int32Array(WORDS_INITIAL);
    this.doubles = new Float64Array(this.words.buffer);
    this.heap = new Uint8Array(HEAP_BYTES_INITIAL);
    this.weights = new Int32Array(WEIGHTS_INITIAL);
  }

  push(weight: number): number {
    const row = this.length * this.stride;
    if (row + this.stride > this.words.length) this.#growWords(row + this.stride);
    if (this.length === this.weights.length) {
      const grown = new Int32Array(this.length * 2);
      grown.set(this.weights);
      this.weights = grown;
    }
    // A loop: `fill` is a call into the runtime, dearer than the few words of a usual row (80 ns against 10).
    const words = this.words;
    for (let at = row, end = row + this.stride; at < end; at++) words[at] = 0;
    this.weights[this.length++] = weight;
    return row;
  }

  pop(): void {
    assert(this.length > 0, 'pop of an empty block');
    this.length--;
  }

  rowAddress(index: number): number {
    return index * this.stride;
  }

  allocateHeap(bytes: number): number {
    const offset = this.#heapUsed;
    const end = offset + ((bytes + 7) & ~7);
    if (end > this.heap.length) {
      if (end > BLOCK_BYTES_MAX) throw tooLarge();
      const grown = new Uint8Array(Math.max(end, this.heap.length * 2));
      grown.set(this.heap.subarray(0, offset));
      this.heap = grown;
    }
    this.#heapUsed = end;
    return offset;
  }

  /** Its rows as they are, copied out. */
  packed(): { words: Int32Array<ArrayBuffer>; heap: Uint8Array<ArrayBuffer>; weights: Int32Array<ArrayBuffer> } {
    return {
      words: new Int32Array(this.words.subarray(0, this.length * this.stride)),
      heap: new Uint8Array(this.heap.subarray(0, this.#heapUsed)),
      weights: new Int32Array(this.weights.subarray(0, this.length)),
    };
  }

  clear(): void {
    this.length = 0;
    this.#heapUsed = 0;
    if (this.words.byteLength > KEPT_BYTES_MAX || this.heap.length > KEPT_BYTES_MAX) this.release();
  }

  /** Empties it and gives its memory back. */
  release(): void {
    this.length = 0;
    this.#heapUsed = 0;
    this.words = new Int32Array(WORDS_INITIAL);
    this.doubles = new Float64Array(this.words.buffer);
    this.heap = new Uint8Array(HEAP_BYTES_INITIAL);
    this.weights = new Int32Array(WEIGHTS_INITIAL);
  }

  /** What its rows take now. */
  get usedBytes(): number {
    return 4 * this.length * this.stride + this.#heapUsed;
  }

  stateBytes(): number {
    return this.words.byteLength + this.heap.length + this.weights.byteLength;
  }

  #growWords(needed: number): void {
    if (needed * 4 > BLOCK_BYTES_MAX) throw tooLarge();
    const grown = new Int32Array(Math.max(needed, this.words.length * 2));
    grown.set(this.words.subarray(0, this.length * this.stride));
    this.words = grown;
    this.doubles = new Float64Array(grown.buffer);
  }
}

function tooLarge(): DataflowFault {
  return new DataflowFault('MEMORY_EXHAUSTED', `one piece of work would need more than ${BLOCK_BYTES_MAX >> 20} MiB of rows`);
}
