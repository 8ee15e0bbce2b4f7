/**
 * Ordered multisets: many sorted sequences (one a group) of rows with multiplicities, in one flat memory. What MIN, MAX and ORDER BY … LIMIT stand on.
 *
 * A sequence is a number, its *root* (0 = empty), that the owner keeps; every change returns the new root. It is a B+tree that starts as one small sorted
 * vector (two entries, 36 bytes) and grows node by node, so that neither a million groups of two nor one group of two million is a cliff. Inner nodes know
 * the multiplicity below each child: rank and range cost O(log n).
 *
 * Sorting is by (prefix, compare): the prefix is a double that never contradicts `compare` (`ordered-prefix.ts`), so that most steps touch no row. The
 * entries' rows live elsewhere, in memory of the owner, who hands in how to store and release one; `compare` must be a total order: 0 only for identical rows.
 * Without `compare` the prefix is the whole value, and no rows are kept.
 *
 * Invariants: no entry has multiplicity ≤ 0; a separator is the first entry below its child; taking out what is not there is a fault (I-1: ABSENT_ROW).
 */
import { assert } from '../../base/assert.ts';
import type { RowSpace } from '../../values/space.ts';
import type { CompareFunction } from '../expression/contract.ts';
import { DataflowFault } from '../fault.ts';
import type { WordPool } from './ordered-pool.ts';

const LEAF_ENTRIES_MIN = 2;
const LEAF_ENTRIES_MAX = 64;
const CHILDREN_MAX = 64;
/** Neighbours are merged when one is below the first figure and both together are at most the second. */
const SPARSE = 16;
const MERGED_MAX = 48;

const HEADER = 2;
/** prefix (double), row, multiplicity */
const ENTRY = 4;
/** prefix (double) and row of the first entry below, child, and the multiplicity below (double) */
const CHILD = 6;
/** In the header's second word, where a leaf has its capacity. */
const INNER = -1;
const INNER_WORDS = HEADER + CHILD * CHILDREN_MAX;
/** Multiplicities in leaves are words. */
const MULTIPLICITY_MAX = 0x7fff_ffff;

const MOVED_BY_HAND_MAX = 64;
/** Of a cache line. */
const LINE_WORDS = 16;

export interface OrderedRows {
  /** Where the entries' rows are. */
  readonly space: RowSpace;
  readonly compare: CompareFunction;
  /** Makes the row at `row` of `space` last as long as its entry; returns its place in `this.space`. */
  store(space: RowSpace, row: number): number;
  release(row: number): void;
}

export class Ordered {
  readonly #pool: WordPool;
  readonly #rows: OrderedRows | undefined;

  // The probe of the running call, and what a change below has to tell its parent.
  #prefix = 0;
  #space: RowSpace | undefined;
  #row = 0;
  #weight = 0;
  #sibling = 0;

  constructor(pool: WordPool, rows?: OrderedRows) {
    this.#pool = pool;
    this.#rows = rows;
  }

  /** Adds `weight` (may be negative, not 0) to the multiplicity of the row; returns the new root. */
  change(root: number, prefix: number, space: RowSpace | undefined, row: number, weight: number): number {
    this.#prefix = prefix;
    this.#space = space;
    this.#row = row;
    this.#weight = weight;
    if (root === 0) {
      const leaf = this.#newLeaf(LEAF_ENTRIES_MIN);
      this.#insertEntry(leaf, 0);
      return leaf;
    }
    const changed = this.#change(root);
    if (this.#sibling !== 0) return this.#newRoot(changed, this.#sibling);
    return this.#shrunkRoot(changed);
  }

  /** Reads the sequence's first words; with `deep`, places that a search in it comes to. Loads of many sequences overlap, so that the searches after them find them cached. */
  touch(root: number, deep: boolean): number {
    const { words } = this.#pool;
    const count = words[root]!;
    if (!deep) return count;
    // A leaf's lines all: an entry that comes or goes moves half of them. Of an inner node only what a search looks at.
    let sum = 0;
    if (words[root + 1] === INNER) {
      const quarter = (count >> 2) * CHILD;
      return words[root + quarter]! + words[root + 2 * quarter]! + words[root + 3 * quarter]!;
    }
    for (let at = root + LINE_WORDS, end = root + HEADER + count * ENTRY; at < end; at += LINE_WORDS) sum += words[at]!;
    return sum;
  }

  /** Address of the first entry (for `prefixAt`, `rowAt`); the root is not 0. */
  first(root: number): number {
    const { words } = this.#pool;
    let node = root;
    while (words[node + 1] === INNER) node = words[node + HEADER + 3]!;
    return node + HEADER;
  }

  last(root: number): number {
    const { words } = this.#pool;
    let node = root;
    while (words[node + 1] === INNER) node = words[node + HEADER + (words[node]! - 1) * CHILD + 3]!;
    return node + HEADER + (words[node]! - 1) * ENTRY;
  }

  prefixAt(entry: number): number {
    return this.#pool.doubles[entry >> 1]!;
  }

  rowAt(entry: number): number {
    return this.#pool.words[entry + 2]!;
  }

  /** Multiplicity of all entries before the row (which need not be there). */
  rank(root: number, prefix: number, space: RowSpace | undefined, row: number): number {
    if (root === 0) return 0;
    this.#prefix = prefix;
    this.#space = space;
    this.#row = row;
    const { words, doubles } = this.#pool;
    let rank = 0;
    let node = root;
    while (words[node + 1] === INNER) {
      const at = this.#childOf(node);
      for (let i = 0; i < at; i++) rank += doubles[(node + HEADER + i * CHILD + 4) >> 1]!;
      node = words[node + HEADER + at * CHILD + 3]!;
    }
    const at = this.#lowerBound(node);
    for (let i = 0; i < at; i++) rank += words[node + HEADER + i * ENTRY + 3]!;
    return rank;
  }

  /** Visits, in order, the entries at positions from … to (counted with multiplicity), each with how many of its copies lie there. */
  range(root: number, from: number, to: number, visit: (row: number, copies: number) => void): void {
    if (root !== 0 && from < to) this.#range(root, Math.max(0, from), to, visit);
  }

  #range(node: number, from: number, to: number, visit: (row: number, copies: number) => void): number {
    const { words, doubles } = this.#pool;
    const count = words[node]!;
    let before = 0;
    if (words[node + 1] === INNER) {
      for (let i = 0; i < count && before < to; i++) {
        const at = node + HEADER + i * CHILD;
        const below = doubles[(at + 4) >> 1]!;
        if (before + below > from) this.#range(words[at + 3]!, from - before, to - before, visit);
        before += below;
      }
      return before;
    }
    for (let i = 0; i < count && before < to; i++) {
      const at = node + HEADER + i * ENTRY;
      const copies = words[at + 3]!;
      const seen = Math.min(before + copies, to) - Math.max(before, from);
      if (seen > 0) visit(words[at + 2]!, seen);
      before += copies;
    }
    return before;
  }

  /** Is the probe before (< 0), at (0) or after the entry with this prefix and row? */
  #against(prefix: number, row: number): number {
    if (this.#prefix !== prefix) return this.#prefix < prefix ? -1 : 1;
    const rows = this.#rows;
    return rows === undefined ? 0 : rows.compare(this.#space!, this.#row, rows.space, row);
  }

  /** Index of the first entry of a leaf that is not before the probe. */
  #lowerBound(leaf: number): number {
    const { words, doubles } = this.#pool;
    let low = 0;
    let high = words[leaf]!;
    while (low < high) {
      const middle = (low + high) >> 1;
      const at = leaf + HEADER + middle * ENTRY;
      if (this.#against(doubles[at >> 1]!, words[at + 2]!) > 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Index of the child whose range holds the probe: the last one whose first entry is not after it, or the first. */
  #childOf(node: number): number {
    const { words, doubles } = this.#pool;
    let low = 1;
    let high = words[node]!;
    while (low < high) {
      const middle = (low + high) >> 1;
      const at = node + HEADER + middle * CHILD;
      if (this.#against(doubles[at >> 1]!, words[at + 2]!) >= 0) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  /** Applies the probe below `node`; returns the node (it may have moved); a new right neighbour is in #sibling. */
  #change(node: number): number {
    this.#sibling = 0;
    return this.#pool.words[node + 1] === INNER ? this.#changeInner(node) : this.#changeLeaf(node);
  }

  #changeLeaf(leaf: number): number {
    const { words } = this.#pool;
    const count = words[leaf]!;
    const index = this.#lowerBound(leaf);
    const at = leaf + HEADER + index * ENTRY;
    if (index < count && this.#against(this.#pool.doubles[at >> 1]!, words[at + 2]!) === 0) {
      const copies = words[at + 3]! + this.#weight;
      if (copies < 0) throw new DataflowFault('ABSENT_ROW', 'an ordered row was taken out more often than it is there');
      assert(copies <= MULTIPLICITY_MAX, 'an ordered row is there more than 2^31 times');
      words[at + 3] = copies;
      return copies === 0 ? this.#removeEntry(leaf, index) : leaf;
    }
    if (count < words[leaf + 1]!) {
      this.#insertEntry(leaf, index);
      return leaf;
    }
    if (count < LEAF_ENTRIES_MAX) {
      const grown = this.#resizedLeaf(leaf, count * 2);
      this.#insertEntry(grown, index);
      return grown;
    }
    // Full. Ascending and descending arrivals fill nodes to the brim, all others halve them.
    const keep = index === count ? count : index === 0 ? 0 : count >> 1;
    const right = this.#newLeaf(LEAF_ENTRIES_MAX);
    this.#move(leaf + HEADER + keep * ENTRY, right + HEADER, (count - keep) * ENTRY);
    this.#pool.words[leaf] = keep;
    this.#pool.words[right] = count - keep;
    if (index < keep || keep === 0) this.#insertEntry(leaf, index);
    else this.#insertEntry(right, index - keep);
    this.#sibling = right;
    return leaf;
  }

  #changeInner(node: number): number {
    const index = this.#childOf(node);
    const at = node + HEADER + index * CHILD;
    const child = this.#change(this.#pool.words[at + 3]!);
    const sibling = this.#sibling;
    this.#sibling = 0;
    if (sibling === 0) {
      if (this.#pool.words[child] === 0) {
        this.#freeNode(child);
        this.#removeChild(node, index);
        return node;
      }
      this.#describe(node, index, child, this.#pool.doubles[(at + 4) >> 1]! + this.#weight);
      // The left one first: where entries go in ascending order, it is the one that has become sparse before.
      if (this.#pool.words[child]! < SPARSE && !(index > 0 && this.#merge(node, index - 1))) this.#merge(node, index);
      return node;
    }
    this.#describe(node, index, child, this.#weightOf(child));
    const { words } = this.#pool;
    const count = words[node]!;
    if (count < CHILDREN_MAX) {
      this.#insertChild(node, index + 1, sibling);
      return node;
    }
    const keep = index + 1 === count ? count : count >> 1;
    const right = this.#newInner();
    this.#move(node + HEADER + keep * CHILD, right + HEADER, (count - keep) * CHILD);
    this.#pool.words[node] = keep;
    this.#pool.words[right] = count - keep;
    if (index + 1 <= keep && keep < count) this.#insertChild(node, index + 1, sibling);
    else this.#insertChild(right, index + 1 - keep, sibling);
    this.#sibling = right;
    return node;
  }

  #newRoot(left: number, right: number): number {
    const root = this.#newInner();
    this.#pool.words[root] = 2;
    this.#describe(root, 0, left, this.#weightOf(left));
    this.#describe(root, 1, right, this.#weightOf(right));
    return root;
  }

  #shrunkRoot(root: number): number {
    const { words } = this.#pool;
    let node = root;
    while (words[node] === 1 && words[node + 1] === INNER) {
      const child = words[node + HEADER + 3]!;
      this.#freeNode(node);
      node = child;
    }
    if (words[node] !== 0) return node;
    this.#freeNode(node);
    return 0;
  }

  #insertEntry(leaf: number, index: number): void {
    if (this.#weight < 0) throw new DataflowFault('ABSENT_ROW', 'an ordered row that is not there was taken out');
    const stored = this.#rows === undefined ? 0 : this.#rows.store(this.#space!, this.#row);
    const { words, doubles } = this.#pool;
    const count = words[leaf]!;
    const at = leaf + HEADER + index * ENTRY;
    this.#move(at, at + ENTRY, (count - index) * ENTRY);
    doubles[at >> 1] = this.#prefix;
    words[at + 2] = stored;
    words[at + 3] = this.#weight;
    words[leaf] = count + 1;
  }

  #removeEntry(leaf: number, index: number): number {
    const { words } = this.#pool;
    const at = leaf + HEADER + index * ENTRY;
    if (this.#rows !== undefined) this.#rows.release(words[at + 2]!);
    const count = words[leaf]! - 1;
    this.#move(at + ENTRY, at, (count - index) * ENTRY);
    words[leaf] = count;
    const capacity = words[leaf + 1]!;
    return capacity > LEAF_ENTRIES_MIN && count > 0 && count <= capacity >> 2 ? this.#resizedLeaf(leaf, capacity >> 1) : leaf;
  }

  #insertChild(node: number, index: number, child: number): void {
    const { words } = this.#pool;
    const count = words[node]!;
    const at = node + HEADER + index * CHILD;
    this.#move(at, at + CHILD, (count - index) * CHILD);
    words[node] = count + 1;
    this.#describe(node, index, child, this.#weightOf(child));
  }

  #removeChild(node: number, index: number): void {
    const { words } = this.#pool;
    const count = words[node]! - 1;
    const at = node + HEADER + index * CHILD;
    this.#move(at + CHILD, at, (count - index) * CHILD);
    words[node] = count;
  }

  /** Merges the child at `left` with its right neighbour where both fit into one with room to spare. */
  #merge(node: number, left: number): boolean {
    const { words } = this.#pool;
    if (left + 1 >= words[node]!) return false;
    const atLeft = node + HEADER + left * CHILD;
    const into = words[atLeft + 3]!;
    const from = words[atLeft + CHILD + 3]!;
    const kept = words[into]!;
    const moved = words[from]!;
    if (kept + moved > MERGED_MAX) return false;
    const inner = words[into + 1] === INNER;
    const size = inner ? CHILD : ENTRY;
    const target = inner || words[into + 1]! >= kept + moved ? into : this.#resizedLeaf(into, LEAF_ENTRIES_MAX);
    this.#move(from + HEADER, target + HEADER + kept * size, moved * size);
    this.#pool.words[target] = kept + moved;
    const { doubles } = this.#pool;
    const weight = doubles[(atLeft + 4) >> 1]! + doubles[(atLeft + CHILD + 4) >> 1]!;
    this.#freeNode(from);
    this.#removeChild(node, left + 1);
    this.#describe(node, left, target, weight);
    return true;
  }

  /** Writes what a parent knows of its child. */
  #describe(node: number, index: number, child: number, weight: number): void {
    const { words, doubles } = this.#pool;
    const at = node + HEADER + index * CHILD;
    // The first entry of a leaf and the first separator of an inner node lie at the same place.
    doubles[at >> 1] = doubles[(child + HEADER) >> 1]!;
    words[at + 2] = words[child + HEADER + 2]!;
    words[at + 3] = child;
    doubles[(at + 4) >> 1] = weight;
  }

  #weightOf(node: number): number {
    const { words, doubles } = this.#pool;
    const count = words[node]!;
    let weight = 0;
    if (words[node + 1] === INNER) for (let i = 0; i < count; i++) weight += doubles[(node + HEADER + i * CHILD + 4) >> 1]!;
    else for (let i = 0; i < count; i++) weight += words[node + HEADER + i * ENTRY + 3]!;
    return weight;
  }

  #newLeaf(capacity: number): number {
    const leaf = this.#pool.allocate(HEADER + ENTRY * capacity);
    this.#pool.words[leaf] = 0;
    this.#pool.words[leaf + 1] = capacity;
    return leaf;
  }

  #newInner(): number {
    const node = this.#pool.allocate(INNER_WORDS);
    this.#pool.words[node] = 0;
    this.#pool.words[node + 1] = INNER;
    return node;
  }

  #resizedLeaf(leaf: number, capacity: number): number {
    const resized = this.#newLeaf(capacity);
    const count = this.#pool.words[leaf]!;
    this.#move(leaf + HEADER, resized + HEADER, count * ENTRY);
    this.#pool.words[resized] = count;
    this.#freeNode(leaf);
    return resized;
  }

  #freeNode(node: number): void {
    const capacity = this.#pool.words[node + 1]!;
    this.#pool.free(node, capacity === INNER ? INNER_WORDS : HEADER + ENTRY * capacity);
  }

  #move(from: number, to: number, count: number): void {
    const { words } = this.#pool;
    // Short moves by hand: `copyWithin` is a call into the runtime.
    if (count > MOVED_BY_HAND_MAX) words.copyWithin(to, from, from + count);
    else if (from > to) for (let i = 0; i < count; i++) words[to + i] = words[from + i]!;
    else for (let i = count - 1; i >= 0; i--) words[to + i] = words[from + i]!;
  }
}
