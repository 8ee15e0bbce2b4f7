/**
 * The rows of one arrangement in flat memory: [header words][row words], addressed by a row id (1, 2, …) that keeps while the row lives.
 * Header word 0 is the row's weight while it lives (> 0); of a free place, −1 − the id of the next free one. The other header words are the links of indexes.
 * Invariants: the row starts at an even word; a row just allocated is zeroed; a row's heap bytes go when it goes (`Heap`).
 * Called by `arrangement.ts` and `row-index.ts`; generated code sees it as a RowSpace.
 */
import type { RowLayout } from '../../values/layout.ts';
import type { RowSpace } from '../../values/space.ts';
import { DataflowFault } from '../fault.ts';
import { FlatMemory } from './flat-memory.ts';
import { Heap } from './heap.ts';
import { heapSlots, type HeapSlot } from './heap-slot.ts';

const WORDS_BYTES_INITIAL = 2048;
const HEAP_BYTES_INITIAL = 256;
/** A heap offset is one word and must not turn negative. */
const HEAP_BYTES_MAX = 2 ** 31 - 8;
/** Row ids, and word addresses, stay small integers. */
const WORDS_MAX = 2 ** 30;

export class RowMemory implements RowSpace {
  readonly layout: RowLayout;
  words: Int32Array;
  doubles: Float64Array;
  heap: Uint8Array;
  /** Words from the start of a row's place to the row itself; even. */
  headerWords: number;
  stride: number;
  #rows: FlatMemory;
  readonly #bytes = new FlatMemory(HEAP_BYTES_INITIAL);
  /** What of `heap` is whose. */
  readonly longValues = new Heap();
  readonly #heapSlots: readonly HeapSlot[];
  #nextId = 1;
  #freeId = 0;
  #count = 0;

  constructor(layout: RowLayout, headerWords: number) {
    this.layout = layout;
    this.headerWords = (headerWords + 1) & ~1;
    this.stride = this.headerWords + layout.words;
    this.#rows = new FlatMemory(WORDS_BYTES_INITIAL);
    this.words = new Int32Array(this.#rows.buffer);
    this.doubles = new Float64Array(this.#rows.buffer);
    this.heap = new Uint8Array(this.#bytes.buffer);
    this.#heapSlots = heapSlots(layout);
  }

  /** Rows that live. */
  get count(): number {
    return this.#count;
  }

  /** Ids that were ever given out are below this. */
  get idEnd(): number {
    return this.#nextId;
  }

  /** Word address of the row itself. */
  address(id: number): number {
    return id * this.stride + this.headerWords;
  }

  /** Word address of its header. */
  header(id: number): number {
    return id * this.stride;
  }

  weight(id: number): number {
    return this.words[id * this.stride]!;
  }

  /** A zeroed row of weight 1. May replace the views. */
  allocate(): number {
    let id = this.#freeId;
    if (id !== 0) {
      const at = id * this.stride;
      this.#freeId = -1 - this.words[at]!;
      this.words.fill(0, at, at + this.stride);
    } else {
      id = this.#nextId;
      const end = (id + 1) * this.stride;
      if (end > this.words.length) this.#growWords(end);
      this.#nextId++;
    }
    this.words[id * this.stride] = 1;
    this.#count++;
    return id;
  }

  free(id: number): void {
    this.#freeHeap(id);
    this.words[id * this.stride] = -1 - this.#freeId;
    this.#freeId = id;
    this.#count--;
  }

  /** Empties the row in its place: header and id stay, the words are zero again. */
  blank(id: number): void {
    this.#freeHeap(id);
    const row = this.address(id);
    for (let i = 0; i < this.layout.words; i++) this.words[row + i] = 0;
  }

  allocateHeap(bytes: number): number {
    const end = this.longValues.endAfter(bytes);
    if (end > HEAP_BYTES_MAX) throw new DataflowFault('MEMORY_EXHAUSTED', 'the long values of one arrangement need more than 2 GiB');
    if (this.#bytes.ensure(end)) this.heap = new Uint8Array(this.#bytes.buffer);
    return this.longValues.allocate(bytes, this.heap);
  }

  /** Makes room for `rows` more rows: what follows cannot fail half-way for want of row memory. */
  reserve(rows: number): void {
    const free = this.#nextId - 1 - this.#count;
    const end = (this.#nextId + Math.max(0, rows - free)) * this.stride;
    if (end > this.words.length) this.#growWords(end);
  }

  /** Wider headers, for one more index: rows keep their ids and header words. */
  widenHeader(headerWords: number): void {
    const header = (headerWords + 1) & ~1;
    if (header <= this.headerWords) return;
    const stride = header + this.layout.words;
    if (this.#nextId * stride > WORDS_MAX) throw new DataflowFault('MEMORY_EXHAUSTED', 'an arrangement needs more than 4 GiB');
    const memory = new FlatMemory(WORDS_BYTES_INITIAL);
    memory.ensure(this.#nextId * stride * 4);
    const words = new Int32Array(memory.buffer);
    for (let id = 1; id < this.#nextId; id++) {
      const from = id * this.stride;
      const to = id * stride;
      for (let i = 0; i < this.headerWords; i++) words[to + i] = this.words[from + i]!;
      for (let i = 0; i < this.layout.words; i++) words[to + header + i] = this.words[from + this.headerWords + i]!;
    }
    this.#rows = memory;
    this.words = words;
    this.doubles = new Float64Array(memory.buffer);
    this.headerWords = header;
    this.stride = stride;
  }

  /** Bytes that rows and long values take, free places included. */
  bytes(): number {
    return this.#nextId * this.stride * 4 + this.longValues.end;
  }

  #freeHeap(id: number): void {
    const row = this.address(id);
    for (const slot of this.#heapSlots) {
      const bytes = slot.bytes(this.words, row + slot.offset);
      if (bytes !== 0) this.longValues.free(this.words[row + slot.offset + slot.reference]!, bytes, this.heap);
    }
  }

  #growWords(end: number): void {
    if (end > WORDS_MAX) throw new DataflowFault('MEMORY_EXHAUSTED', 'an arrangement needs more than 4 GiB');
    this.#rows.ensure(end * 4);
    this.words = new Int32Array(this.#rows.buffer);
    this.doubles = new Float64Array(this.#rows.buffer);
  }
}
