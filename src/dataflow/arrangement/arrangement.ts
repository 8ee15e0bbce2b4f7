/**
 * A collection of rows, kept and indexed: what a join probes, what a view shows, what a table's old rows are found in.
 *
 *     A' = A + δ        a row lives while its weight is > 0; below 0 it must never come (I-1: ABSENT_ROW, in production, too)
 *
 * *Counted*: a multiset, rows told apart by identity of all columns. *Keyed*: a set in which the key columns alone tell rows apart (a replicated
 * table, a view of groups); −old and +new of one key right behind each other are a replacement in its place: the row keeps its id, and its chains where their columns did not change.
 * `apply` takes consolidated deltas (one entry a distinct row, weight ≠ 0; keyed: at most −old and +new a key, in any order) and works in stages over blocks of
 * 128 rows: hash all, touch all slots, touch all heads, then act; the loads of one stage overlap (250 ns → 15 ns each). Cost: one probe a changed row and index (I-7).
 * Called by operators, `table.ts` and `graph/`.
 */
import { assert } from '../../base/assert.ts';
import type { RowLayout } from '../../values/layout.ts';
import type { RowSpace } from '../../values/space.ts';
import type { CopyFunction, HashFunction, SameFunction, TupleDecoder } from '../expression/contract.ts';
import { compileCopy, compileSame } from '../expression/rows.ts';
import { DataflowFault, multiplicity } from '../fault.ts';
import type { TupleBatch } from '../tables/tuple-source.ts';
import { PIECE_BYTES_MAX, type DeltaBlock } from './delta-block.ts';
import { RowIndex } from './row-index.ts';
import { RowIndexes, sameList, STAGE_ROWS } from './row-indexes.ts';
import { RowMemory } from './row-memory.ts';

/** In `before`, between the two passes of a keyed `apply`: this row has taken the place of the one in front of it. */
const REPLACED = -1;
/** One read looks at so many ids at most: after a mass deletion nearly all places may be free. */
const PLACES_READ_MAX = 1 << 16;

export class Arrangement {
  readonly layout: RowLayout;
  readonly memory: RowMemory;
  /** Finds a row by its identity (counted) or key (keyed). */
  readonly identity: RowIndex;
  readonly keyed: boolean;
  /** For each row of the delta last applied (or read): its id (freed already where it left), and its weight before. */
  ids = new Int32Array(STAGE_ROWS);
  before = new Int32Array(STAGE_ROWS);

  readonly #indexes: RowIndexes;
  readonly #allColumns: readonly number[];
  readonly #sameIdentity: SameFunction;
  readonly #sameRow: SameFunction;
  readonly #copy: CopyFunction;
  readonly #hashes = new Int32Array(STAGE_ROWS);
  readonly #entered = new Int32Array(STAGE_ROWS);
  readonly #left = new Int32Array(STAGE_ROWS);
  readonly #heads = new Int32Array(STAGE_ROWS);
  /** Somewhere for touching loops to write, so that they are not optimised away. */
  touched = 0;

  static counted(layout: RowLayout): Arrangement {
    return new Arrangement(layout, null);
  }

  static keyed(layout: RowLayout, key: readonly number[]): Arrangement {
    return new Arrangement(layout, key);
  }

  private constructor(layout: RowLayout, key: readonly number[] | null) {
    this.layout = layout;
    this.keyed = key !== null;
    this.memory = new RowMemory(layout, 1);
    this.#indexes = new RowIndexes(this.memory);
    this.#allColumns = layout.columns.map((_, index) => index);
    const identity = key ?? this.#allColumns;
    this.identity = new RowIndex(this.memory, identity, 0);
    this.#sameIdentity = compileSame(layout, identity, layout, identity);
    this.#sameRow = this.keyed ? compileSame(layout, this.#allColumns, layout, this.#allColumns) : this.#sameIdentity;
    this.#copy = compileCopy(layout);
  }

  /** Distinct rows. */
  get count(): number {
    return this.memory.count;
  }

  /** The index over these columns (in this order), made (or finished) now where there is none: O(rows). Each call counts as a user. */
  addIndex(columns: readonly number[]): RowIndex {
    const index = this.beginIndex(columns, Infinity);
    if (index.limit !== Infinity) this.extendIndex(index, Infinity);
    return index;
  }

  /**
   * The same, but a new index is empty: `extendIndex` brings the rows in, piece by piece. Deltas may be applied in between.
   * `movedRowsMax`: rows that may be moved at once, to make room for its links in their headers.
   */
  beginIndex(columns: readonly number[], movedRowsMax: number): RowIndex {
    if (!this.isKey(columns)) return this.#indexes.begin(columns, movedRowsMax);
    this.identity.users++;
    return this.identity;
  }

  /** Brings the rows of the next `placesMax` ids into an index that was begun; true when it is whole. */
  extendIndex(index: RowIndex, placesMax: number): boolean {
    return this.#indexes.extend(index, placesMax);
  }

  /** An index over these columns, whole. */
  hasIndex(columns: readonly number[]): boolean {
    return this.isKey(columns) || this.#indexes.has(columns);
  }

  /** Keyed by these columns in this order: their index is there already. */
  isKey(columns: readonly number[]): boolean {
    return this.keyed && sameList(this.identity.columns, columns);
  }

  /** Room in every row for indexes over these columns, before there are rows: later it takes a copy of all. */
  reserveIndexes(columns: readonly (readonly number[])[]): void {
    const chained = new Set(columns.filter((one) => !this.isKey(one)).map((one) => one.join()));
    this.memory.widenHeader(1 + 2 * chained.size);
  }

  removeIndex(index: RowIndex): void {
    if (index === this.identity) index.users--;
    else this.#indexes.release(index);
  }

  /** The id of the row that is identical (counted: everywhere; keyed: in the key) to `row` of `space`, or 0. */
  find(space: RowSpace, row: number, hash: number = this.identity.hash(space, row)): number {
    const table = this.identity.table;
    const memory = this.memory;
    for (let id = table.find(hash); id !== 0; id = table.findNext()) {
      if (this.#sameIdentity(space, row, memory, memory.address(id))) return id;
    }
    return 0;
  }

  /** The same for a caller that has the first row of this hash (or 0) from the identity's table. */
  findFrom(first: number, space: RowSpace, row: number, hash: number): number {
    if (first === 0 || this.#sameIdentity(space, row, this.memory, this.memory.address(first))) return first;
    return this.find(space, row, hash);
  }

  /**
   * Adds a delta. Afterwards `ids` and `before` tell, for each of its rows, which row it met.
   * Throws DataflowFault; then this arrangement is no longer to be trusted, and its owner drops it.
   */
  apply(delta: DeltaBlock): void {
    const n = delta.length;
    this.#holdIds(n);
    if (n > 1) this.memory.reserve(n);
    if (!this.keyed) {
      for (let from = 0; from < n; from += STAGE_ROWS) this.#stage(delta, from, Math.min(n, from + STAGE_ROWS));
      return;
    }
    // Old rows leave before new ones come: −old and +new of one key may stand in any order.
    this.before.fill(0, 0, n);
    for (let from = 0; from < n; from += STAGE_ROWS) this.#leave(delta, from, Math.min(n, from + STAGE_ROWS));
    for (let from = 0; from < n; from += STAGE_ROWS) this.#enter(delta, from, Math.min(n, from + STAGE_ROWS));
  }

  /**
   * The same for a keyed arrangement whose caller has looked already: known[i] is the id of the row that a −1 takes out, and of the row that the +1 right after it
   * replaces in its place; 0 for a row under a new key. A replaced row keeps its id, and its chains where their columns did not change.
   */
  applyKnown(delta: DeltaBlock, known: Int32Array): void {
    const n = delta.length;
    this.#holdIds(n);
    this.memory.reserve(n);
    for (let from = 0; from < n; from += STAGE_ROWS) this.#stageKnown(delta, known, from, Math.min(n, from + STAGE_ROWS));
  }

  /** Rows that are there before any change, decoded in their place. A counted arrangement's may repeat. Once loading began, before any index is added. */
  load({ bytes, offsets, weights, rowsAhead }: TupleBatch, decode: TupleDecoder, unchanged: Uint8Array): void {
    const { memory } = this;
    const { hash, table } = this.identity;
    const hashes = this.#hashes;
    const ids = this.#entered;
    assert(this.#indexes.count === 0, 'rows are loaded before an index is made');
    memory.reserve(offsets.length);
    if (rowsAhead !== undefined) table.reserve(rowsAhead);
    for (let from = 0; from < offsets.length; from += STAGE_ROWS) {
      const n = Math.min(STAGE_ROWS, offsets.length - from);
      let sum = 0;
      for (let i = 0; i < n; i++) {
        const id = memory.allocate();
        const row = memory.address(id);
        decode(bytes, offsets[from + i]!, memory, row, unchanged);
        ids[i] = id;
        hashes[i] = hash(memory, row);
      }
      for (let i = 0; i < n; i++) sum += table.touch(hashes[i]!);
      this.touched = sum | 0;
      for (let i = 0; i < n; i++) {
        const id = ids[i]!;
        const weight = weights === undefined ? 1 : weights[from + i]!;
        const known = this.find(memory, memory.address(id), hashes[i]!);
        if (this.keyed && (known !== 0 || weight !== 1)) throw new DataflowFault('DUPLICATE_KEY', 'a second row came under one key');
        if (known === 0) {
          memory.words[memory.header(id)] = weight;
          table.insertHere(id);
        } else {
          memory.words[memory.header(known)] = multiplicity(memory.weight(known) + weight);
          memory.free(id);
        }
      }
    }
  }

  /** Calls back for every row: its id, word address and weight. The arrangement must not change meanwhile. */
  forEach(visit: (id: number, row: number, weight: number) => void): void {
    const memory = this.memory;
    for (let id = 1; id < memory.idEnd; id++) {
      const weight = memory.weight(id);
      if (weight > 0) visit(id, memory.address(id), weight);
    }
  }

  /**
   * Copies rows from id `from` on into the empty `block`, at most `rowsMax`, each with its weight; returns the id to go on from, 0 at the end. Fewer where many
   * places are free, or values are long. `ids` and `before` are then as if the block had just been applied. (A RowSource.)
   */
  read(from: number, rowsMax: number, block: DeltaBlock): number {
    const memory = this.memory;
    this.#holdIds(rowsMax);
    let id = Math.max(1, from);
    const end = id + PLACES_READ_MAX;
    for (let rows = 0; id < memory.idEnd; id++) {
      if (rows === rowsMax || id === end || block.usedBytes >= PIECE_BYTES_MAX) return id;
      const weight = memory.weight(id);
      if (weight <= 0) continue;
      this.ids[rows] = id;
      this.before[rows++] = 0;
      const to = block.push(weight);
      this.#copy(memory, memory.address(id), block, to);
    }
    return 0;
  }

  bytes(): number {
    return this.memory.bytes() + this.identity.bytes() + this.#indexes.bytes();
  }

  #holdIds(rows: number): void {
    if (rows <= this.ids.length) return;
    this.ids = new Int32Array(Math.max(rows, 2 * this.ids.length));
    this.before = new Int32Array(this.ids.length);
  }

  #stage(delta: DeltaBlock, from: number, to: number): void {
    const memory = this.memory;
    const hashes = this.#hashes;
    const hash: HashFunction = this.identity.hash;
    const table = this.identity.table;
    const n = to - from;
    for (let i = 0; i < n; i++) hashes[i] = hash(delta, (from + i) * delta.stride);
    this.identity.readAhead(this.memory, hashes, n, this.#heads);
    let entered = 0;
    let left = 0;
    for (let i = 0; i < n; i++) {
      const weight = delta.weights[from + i]!;
      const row = (from + i) * delta.stride;
      let id = this.find(delta, row, hashes[i]!);
      if (id === 0) {
        if (weight < 0) throw new DataflowFault('ABSENT_ROW', 'a row that is not there was retracted');
        id = this.#put(delta, row, weight);
        this.before[from + i] = 0;
        this.#entered[entered++] = id;
      } else {
        const was = memory.weight(id);
        if (was + weight < 0) throw new DataflowFault('ABSENT_ROW', `a row that is there ${was} times was retracted ${-weight} times`);
        this.before[from + i] = was;
        if (was + weight === 0) {
          table.remove();
          this.#left[left++] = id;
        } else {
          memory.words[memory.header(id)] = multiplicity(was + weight);
        }
      }
      this.ids[from + i] = id;
    }
    this.#settle(entered, left);
  }

  /** Keyed: the rows that leave or are replaced. REPLACED marks the successors of these. */
  #leave(delta: DeltaBlock, from: number, to: number): void {
    const { memory, ids, before } = this;
    const { hash, table } = this.identity;
    const { stride, weights, length } = delta;
    const hashes = this.#hashes;
    let n = 0;
    for (let i = from; i < to; i++) if (weights[i]! < 0) hashes[n++] = hash(delta, i * stride);
    this.identity.readAhead(this.memory, hashes, n, this.#heads);
    let left = 0;
    n = 0;
    for (let i = from; i < to; i++) {
      if (weights[i]! > 0) continue;
      const row = i * stride;
      // Rows that left in this stage are not free yet: what was found ahead is still that row.
      const id = this.findFrom(this.#heads[n]!, delta, row, hashes[n]!);
      if (id === 0) throw new DataflowFault('ABSENT_ROW', 'a row that is not there was retracted');
      if (weights[i] !== -1) throw new DataflowFault('ABSENT_ROW', `a keyed row was retracted ${-weights[i]!} times`);
      if (!this.#sameRow(delta, row, memory, memory.address(id))) throw new DataflowFault('ABSENT_ROW', 'another row is under this key');
      ids[i] = id;
      before[i] = 1;
      if (i + 1 < length && weights[i + 1] === 1 && this.#sameIdentity(delta, row, delta, row + stride)) {
        ids[i + 1] = id;
        before[i + 1] = REPLACED;
        this.#replace(id, delta, row, row + stride);
      } else {
        assert(table.takeOut(hashes[n]!, id), 'a row is in the table');
        this.#left[left++] = id;
      }
      n++;
    }
    this.#settle(0, left);
  }

  /** Keyed: the rows under new keys. */
  #enter(delta: DeltaBlock, from: number, to: number): void {
    const { ids, before } = this;
    const { hash } = this.identity;
    const { stride, weights } = delta;
    const hashes = this.#hashes;
    const isNew = (i: number): boolean => weights[i]! > 0 && before[i] !== REPLACED;
    let n = 0;
    for (let i = from; i < to; i++) if (isNew(i)) hashes[n++] = hash(delta, i * stride);
    this.identity.readAhead(this.memory, hashes, n, this.#heads);
    let entered = 0;
    n = 0;
    for (let i = from; i < to; i++) {
      if (isNew(i)) {
        const row = i * stride;
        if (this.find(delta, row, hashes[n++]!) !== 0) throw new DataflowFault('DUPLICATE_KEY', 'a second row came under one key');
        if (weights[i] !== 1) throw new DataflowFault('DUPLICATE_KEY', `a keyed row came ${weights[i]} times`);
        const id = this.#put(delta, row, 1);
        ids[i] = id;
        this.#entered[entered++] = id;
      } else if (weights[i]! > 0) before[i] = 0;
    }
    this.#settle(entered, 0);
  }

  /** Right after `find` found nothing. */
  #put(delta: DeltaBlock, row: number, weight: number): number {
    const { memory } = this;
    const id = memory.allocate();
    this.#copy(delta, row, memory, memory.address(id));
    memory.words[memory.header(id)] = weight;
    // The copy may have moved the views, never the table's cursor.
    this.identity.table.insertHere(id);
    return id;
  }

  #settle(entered: number, left: number): void {
    this.#indexes.leave(this.#left, left);
    this.#indexes.enter(this.#entered, entered);
    for (let i = 0; i < left; i++) this.memory.free(this.#left[i]!);
  }

  #stageKnown(delta: DeltaBlock, known: Int32Array, from: number, to: number): void {
    const { ids, before } = this;
    const { hash, table } = this.identity;
    const hashes = this.#hashes;
    const replaced = (i: number): boolean => i + 1 < delta.length && delta.weights[i + 1]! > 0 && known[i + 1] !== 0;
    let touched = 0;
    for (let i = from; i < to; i++) {
      if (delta.weights[i]! > 0 ? known[i] !== 0 : replaced(i)) continue;
      hashes[i - from] = hash(delta, i * delta.stride);
      touched += table.touch(hashes[i - from]!);
    }
    this.touched = touched | 0;
    let entered = 0;
    let left = 0;
    for (let i = from; i < to; i++) {
      const row = i * delta.stride;
      if (delta.weights[i]! > 0) {
        if (known[i] !== 0) continue;
        if (this.find(delta, row, hashes[i - from]!) !== 0) throw new DataflowFault('DUPLICATE_KEY', 'a second row came under one key');
        const id = this.#put(delta, row, 1);
        this.#entered[entered++] = id;
        ids[i] = id;
        before[i] = 0;
        continue;
      }
      const id = known[i]!;
      ids[i] = id;
      before[i] = 1;
      if (replaced(i)) {
        ids[i + 1] = id;
        before[i + 1] = 0;
        this.#replace(id, delta, row, row + delta.stride);
        continue;
      }
      if (!table.takeOut(hashes[i - from]!, id)) throw new DataflowFault('ABSENT_ROW', 'a row that is not there was retracted');
      this.#left[left++] = id;
    }
    this.#settle(entered, left);
  }

  #replace(id: number, delta: DeltaBlock, oldRow: number, newRow: number): void {
    const { memory } = this;
    const moved = this.#indexes.unlinkMoved(id, delta, oldRow, newRow);
    memory.blank(id);
    this.#copy(delta, newRow, memory, memory.address(id));
    this.#indexes.linkMoved(moved, id, delta, oldRow, newRow);
  }
}

export function allColumns(layout: RowLayout): number[] {
  return layout.columns.map((_, index) => index);
}
