/**
 * The indexes of one arrangement (`row-index.ts`): made at once or piece by piece, shared by those who ask for the same columns, told of each row that comes, goes or is replaced.
 * Invariant: an index holds just the rows that live with an id below its limit. Works in stages like its arrangement: hash all, touch all, then act. Called by `arrangement.ts`.
 */
import { must } from '../../base/assert.ts';
import type { DeltaBlock } from './delta-block.ts';
import { RowIndex } from './row-index.ts';
import type { RowMemory } from './row-memory.ts';

/** Rows a stage: enough loads in flight, few enough that what was touched is still cached. */
export const STAGE_ROWS = 128;

export class RowIndexes {
  readonly #memory: RowMemory;
  readonly #list: RowIndex[] = [];
  readonly #ids = new Int32Array(STAGE_ROWS);
  readonly #below = new Int32Array(STAGE_ROWS);
  readonly #hashes = new Int32Array(STAGE_ROWS);
  readonly #heads = new Int32Array(STAGE_ROWS);

  constructor(memory: RowMemory) {
    this.#memory = memory;
  }

  get count(): number {
    return this.#list.length;
  }

  /**
   * The index over these columns (in this order); a new one is empty, `extend` brings the rows in, piece by piece. Each call counts as a user.
   * `movedRowsMax`: rows that may be moved at once, to make room for its links in their headers.
   */
  begin(columns: readonly number[], movedRowsMax: number): RowIndex {
    const existing = this.#list.find((index) => sameList(index.columns, columns));
    if (existing !== undefined) {
      existing.users++;
      return existing;
    }
    let link = 1;
    while (this.#list.some((index) => index.link === link)) link += 2;
    const memory = this.#memory;
    const beside = link + 2 > memory.headerWords && memory.idEnd > movedRowsMax;
    if (!beside) memory.widenHeader(link + 2);
    const index = new RowIndex(memory, columns, beside ? 0 : link, beside);
    index.limit = 1;
    this.#list.push(index);
    return index;
  }

  has(columns: readonly number[]): boolean {
    return this.#list.some((index) => index.limit === Infinity && sameList(index.columns, columns));
  }

  /** Brings the rows of the next `placesMax` ids into an index that was begun; true when it is whole. */
  extend(index: RowIndex, placesMax: number): boolean {
    const memory = this.#memory;
    const ids = this.#ids;
    const { link } = index;
    const from = index.limit;
    const to = Math.min(memory.idEnd, from + placesMax);
    index.limit = to;
    let n = 0;
    for (let id = from; id < to; id++) {
      if (memory.weight(id) <= 0) continue;
      // Of an index that was here before. (Links beside are new.)
      if (link !== 0) {
        memory.words[memory.header(id) + link] = 0;
        memory.words[memory.header(id) + link + 1] = 0;
      }
      ids[n++] = id;
      if (n === STAGE_ROWS) {
        this.#link(index, ids, n);
        n = 0;
      }
    }
    this.#link(index, ids, n);
    if (to === memory.idEnd) index.limit = Infinity;
    return index.limit === Infinity;
  }

  release(index: RowIndex): void {
    if (--index.users === 0) this.#list.splice(this.#list.indexOf(index), 1);
  }

  /** Rows that came. */
  enter(ids: Int32Array, n: number): void {
    for (const index of this.#list) this.#link(index, ids, n);
  }

  /** Rows that go; their words are still intact. */
  leave(ids: Int32Array, n: number): void {
    for (const index of this.#list) this.#unlink(index, ids, n);
  }

  /** Takes a row that is about to be replaced in its place out of those indexes whose columns change; returns which (one bit each, for `linkMoved`). */
  unlinkMoved(id: number, delta: DeltaBlock, oldRow: number, newRow: number): number {
    const memory = this.#memory;
    let moved = 0;
    this.#list.forEach((index, i) => {
      if (id >= index.limit || index.same(delta, oldRow, delta, newRow)) return;
      index.remove(memory, id, index.hash(memory, memory.address(id)));
      moved |= 1 << (i & 31);
    });
    return moved;
  }

  /** Once it is replaced. */
  linkMoved(moved: number, id: number, delta: DeltaBlock, oldRow: number, newRow: number): void {
    if (moved === 0) return;
    const memory = this.#memory;
    this.#list.forEach((index, i) => {
      if ((moved & (1 << (i & 31))) !== 0 && id < index.limit && !index.same(delta, oldRow, delta, newRow))
        index.insert(memory, id, index.hash(memory, memory.address(id)));
    });
  }

  bytes(): number {
    let bytes = 0;
    for (const index of this.#list) bytes += index.bytes();
    return bytes;
  }

  #link(index: RowIndex, entered: Int32Array, count: number): void {
    const ids = index.limit === Infinity ? entered : this.#below;
    const n = index.limit === Infinity ? count : this.#takeBelow(index.limit, entered, count);
    this.#hashStage(index, ids, n);
    for (let i = 0; i < n; i++) index.insert(this.#memory, ids[i]!, this.#hashes[i]!);
  }

  #unlink(index: RowIndex, left: Int32Array, count: number): void {
    const ids = index.limit === Infinity ? left : this.#below;
    const n = index.limit === Infinity ? count : this.#takeBelow(index.limit, left, count);
    this.#hashStage(index, ids, n);
    for (let i = 0; i < n; i++) index.remove(this.#memory, ids[i]!, this.#hashes[i]!);
  }

  /** Puts those of the ids that are below `limit` into `#below`; returns how many. */
  #takeBelow(limit: number, ids: Int32Array, count: number): number {
    let n = 0;
    for (let i = 0; i < count; i++) if (ids[i]! < limit) this.#below[n++] = ids[i]!;
    return n;
  }

  #hashStage(index: RowIndex, ids: Int32Array, n: number): void {
    const memory = this.#memory;
    const hashes = this.#hashes;
    for (let i = 0; i < n; i++) hashes[i] = index.hash(memory, memory.address(ids[i]!));
    if (n < 2 || index.table.count <= STAGE_ROWS) return;
    index.readAhead(memory, hashes, n, this.#heads);
  }
}

export function sameList(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, index) => value === must(b[index], 'column'));
}
