/**
 * An index of an arrangement over some columns: rows with identical words there form a chain, the hash table holds one entry a distinct key.
 *
 *     links[at(id)] = next row of the chain, links[at(id) + 1] = the previous one (0 = none)
 *
 * The links stand in the rows' headers, where whoever reads the row finds them in the same cache line. An index made of many rows that have no room there keeps them
 * beside (8 bytes a row, and one more line a probe): to move all rows would hold everybody up.
 * Doubly linked, so that a row leaves a hot key's chain in O(1). A unique index has no links. NULL is identical to NULL here; whoever joins leaves NULL keys out.
 * Invariant: a key's entry heads a chain of just the rows with that key (and an id below `limit`). Called by `arrangement.ts` and `probe.ts`.
 */
import type { HashFunction, SameFunction } from '../expression/contract.ts';
import { compileHash, compileSame } from '../expression/rows.ts';
import { FlatMemory } from './flat-memory.ts';
import { HashTable } from './hash-table.ts';
import type { RowMemory } from './row-memory.ts';

const LINKS_BYTES_INITIAL = 1024;

export class RowIndex {
  readonly columns: readonly number[];
  /** Header word of the chain's `next`; 0 = unique index without chains (word 0 is the weight), or links beside. */
  readonly link: number;
  readonly #beside: FlatMemory | null;
  #links: Int32Array;
  #linksEnd = 0;
  readonly table = new HashTable();
  /** Each key has one row: there are no links. */
  readonly unique: boolean;
  /** Users of the index: it goes with the last one. */
  users = 1;
  /** Rows with ids below are in it: while an index is being made, piece by piece, the others are not yet. */
  limit = Infinity;
  /** Somewhere for touching loops to write, so that they are not optimised away. */
  touched = 0;
  readonly hash: HashFunction;
  /** Of two rows of the arrangement's layout: one key? */
  readonly same: SameFunction;

  constructor(memory: RowMemory, columns: readonly number[], link: number, beside = false) {
    this.columns = columns;
    this.link = link;
    this.unique = link === 0 && !beside;
    this.#beside = beside ? new FlatMemory(LINKS_BYTES_INITIAL) : null;
    this.#links = new Int32Array(this.#beside?.buffer ?? new ArrayBuffer(0));
    this.hash = compileHash(memory.layout, columns);
    this.same = compileSame(memory.layout, columns, memory.layout, columns);
  }

  /** The words that hold the links: gone when a row is put in. */
  linksIn(memory: RowMemory): Int32Array {
    return this.#beside === null ? memory.words : this.#links;
  }

  /** From one row's links to the next one's; those of row `id` are at `id * linkStride + link`. */
  linkStride(memory: RowMemory): number {
    return this.#beside === null ? memory.stride : 2;
  }

  next(memory: RowMemory, id: number): number {
    if (this.unique) return 0;
    return this.linksIn(memory)[id * this.linkStride(memory) + this.link]!;
  }

  /**
   * Reads ahead for `n` searches: heads[i] becomes the first row of hashes[i], or 0. All slots, then the searches, then their rows, so that the loads of each overlap
   * and what follows finds all of it cached. (The row in the slot touched would not do: where keys collide, which is every third time, that is another one.)
   */
  readAhead(memory: RowMemory, hashes: Int32Array, n: number, heads: Int32Array): void {
    const { table } = this;
    const { words, stride } = memory;
    let sum = 0;
    if (n > 1) for (let i = 0; i < n; i++) sum += table.touch(hashes[i]!);
    for (let i = 0; i < n; i++) heads[i] = table.find(hashes[i]!);
    // Both ends: half of all rows lie across two cache lines.
    for (let i = 0; i < n; i++) sum += words[heads[i]! * stride]! + words[(heads[i]! + 1) * stride - 1]!;
    this.touched = sum | 0;
  }

  /** Puts a row in. Its links are zero. */
  insert(memory: RowMemory, id: number, hash: number): void {
    if (this.#beside !== null && id >= this.#linksEnd) this.#growLinks(this.#beside, id + 1);
    const table = this.table;
    const row = memory.address(id);
    for (let head = table.find(hash); head !== 0; head = table.findNext()) {
      if (!this.same(memory, row, memory, memory.address(head))) continue;
      const links = this.linksIn(memory);
      const stride = this.linkStride(memory);
      links[id * stride + this.link] = head;
      links[head * stride + this.link + 1] = id;
      table.setHead(id);
      return;
    }
    table.insertHere(id);
  }

  /** Takes a row out; its words are still intact, its links are zero afterwards. */
  remove(memory: RowMemory, id: number, hash: number): void {
    const links = this.linksIn(memory);
    const stride = this.linkStride(memory);
    const at = id * stride + this.link;
    const next = links[at]!;
    const previous = links[at + 1]!;
    links[at] = 0;
    links[at + 1] = 0;
    if (next !== 0) links[next * stride + this.link + 1] = previous;
    if (previous !== 0) {
      links[previous * stride + this.link] = next;
      return;
    }
    const table = this.table;
    for (let head = table.find(hash); head !== 0; head = table.findNext()) {
      if (head !== id) continue;
      if (next !== 0) table.setHead(next);
      else table.remove();
      return;
    }
  }

  bytes(): number {
    return this.table.bytes() + 8 * this.#linksEnd;
  }

  #growLinks(beside: FlatMemory, end: number): void {
    if (beside.ensure(8 * end)) this.#links = new Int32Array(beside.buffer);
    this.#linksEnd = end;
  }
}
