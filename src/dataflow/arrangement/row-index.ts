/**
 * An index of an arrangement over some columns: rows with identical words there form a chain through their headers, the hash table holds one entry a distinct key.
 *
 *     header[link] = next row of the chain, header[link + 1] = the previous one (0 = none)
 *
 * Doubly linked, so that a row leaves a hot key's chain in O(1). A unique index has no links. NULL is identical to NULL here; whoever joins leaves NULL keys out.
 * Invariant: a key's entry heads a chain of just the rows with that key (and an id below `limit`). Called by `arrangement.ts` and `probe.ts`.
 */
import type { HashFunction, SameFunction } from '../expression/contract.ts';
import { compileHash, compileSame } from '../expression/rows.ts';
import { HashTable } from './hash-table.ts';
import type { RowMemory } from './row-memory.ts';

export class RowIndex {
  readonly columns: readonly number[];
  /** Header word of the chain's `next`; 0 = unique index without chains (word 0 is the weight). */
  readonly link: number;
  readonly table = new HashTable();
  /** Users of the index: it goes with the last one. */
  users = 1;
  /** Rows with ids below are in it: while an index is being made, piece by piece, the others are not yet. */
  limit = Infinity;
  readonly hash: HashFunction;
  /** Of two rows of the arrangement's layout: one key? */
  readonly same: SameFunction;

  constructor(memory: RowMemory, columns: readonly number[], link: number) {
    this.columns = columns;
    this.link = link;
    this.hash = compileHash(memory.layout, columns);
    this.same = compileSame(memory.layout, columns, memory.layout, columns);
  }

  /** Puts a row in. Its links are zero. */
  insert(memory: RowMemory, id: number, hash: number): void {
    const table = this.table;
    const row = memory.address(id);
    for (let head = table.find(hash); head !== 0; head = table.findNext()) {
      if (!this.same(memory, row, memory, memory.address(head))) continue;
      const words = memory.words;
      words[memory.header(id) + this.link] = head;
      words[memory.header(head) + this.link + 1] = id;
      table.setHead(id);
      return;
    }
    table.insertHere(id);
  }

  /** Takes a row out; its words are still intact, its links are zero afterwards. */
  remove(memory: RowMemory, id: number, hash: number): void {
    const words = memory.words;
    const at = memory.header(id) + this.link;
    const next = words[at]!;
    const previous = words[at + 1]!;
    words[at] = 0;
    words[at + 1] = 0;
    if (next !== 0) words[memory.header(next) + this.link + 1] = previous;
    if (previous !== 0) {
      words[memory.header(previous) + this.link] = next;
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
    return this.table.bytes();
  }
}
