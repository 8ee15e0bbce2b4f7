/**
 * A replicated table's live input for one set of its columns: raw pgoutput tuples in, one consolidated delta a step out.
 *
 *     δ(step) = Σ over touched keys of (−row before the step, +row after it), nothing where they are identical
 *
 * Rows are told apart by the key (keyed) or as whole rows (a table without a key: a multiset, sent under REPLICA IDENTITY FULL). Changes of a step wait in an
 * overlay by key, so that a later change sees the earlier ones; the arrangement of current rows gives the old row and fills columns that the upstream left out
 * (unchanged TOAST). A change that contradicts the rows (I-1) throws DataflowFault: the table is faulty, its neighbours are not.
 * Called by `dataflow.ts`: changes, then `drain` → (probes) → `apply` until nothing is left.
 */
import { rowLayout, type RowLayout } from '../../values/layout.ts';
import type { Column } from '../../values/type.ts';
import type { RowSpace } from '../../values/space.ts';
import { Arrangement } from '../arrangement/arrangement.ts';
import { copyColumn } from '../arrangement/copy-column.ts';
import { DeltaBlock, PIECE_BYTES_MAX } from '../arrangement/delta-block.ts';
import { HashTable } from '../arrangement/hash-table.ts';
import type { CopyFunction, SameFunction, TupleDecoder } from '../expression/contract.ts';
import { compileCopy, compileSame, compileTupleDecoder } from '../expression/rows.ts';
import { DataflowFault } from '../fault.ts';
import type { TupleBatch } from './tuple-source.ts';

export interface TableShape {
  /** All columns, in the order in which they are sent. */
  readonly columns: readonly Column[];
  /** Positions of the row identity in `columns`; empty = a multiset of whole rows. */
  readonly key: readonly number[];
}

/** What an UPDATE or DELETE tells of the old row: nothing, the key columns alone ('K'), or all of it ('O'). */
export type OldTuple = 'none' | 'key' | 'row';

const STAGE_ROWS = 128;
/** Kinds of changes. */
const INSERT = 0;
const UPDATE = 1;
/** An update that brings its old key or row. */
const UPDATE_FROM = 2;
const DELETE = 3;
const TRUNCATE = 4;
/** `current` of an overlay entry, when not a row address in the pending block. */
const ABSENT = -1;
const ARRANGED = -2;

export class TableInput {
  /** Positions in the table that are kept, ascending; the key's among them. */
  readonly columns: readonly number[];
  readonly layout: RowLayout;
  readonly arrangement: Arrangement;
  /** What `drain` filled. */
  readonly delta: DeltaBlock;
  /** Views that read it. */
  users = 0;

  readonly #keyed: boolean;
  readonly #decode: TupleDecoder;
  readonly #copy: CopyFunction;
  readonly #sameIdentity: SameFunction;
  readonly #sameRow: SameFunction;
  readonly #unchanged: Uint8Array;
  /** Decoded rows of this step. */
  readonly #pending: DeltaBlock;
  /** Changes of this step that wait for `resolve`: kind, row, old row (pending addresses); and which columns of the new row were left out. */
  #noted = new Int32Array(96);
  #changes = 0;
  readonly #leftOut = new Map<number, Uint8Array>();
  /** Beside `delta`: ids for `Arrangement.applyKnown`. */
  #known = new Int32Array(64);
  readonly #hashes = new Int32Array(STAGE_ROWS);
  readonly #heads = new Int32Array(STAGE_ROWS);
  /** Overlay: hash of the identity → entry 1, 2, … */
  readonly #overlay = new HashTable();
  #entries = 0;
  #drained = 0;
  /** By entry: a pending row with its identity; its id in the arrangement or 0; keyed: where its current row is; counted: the sum of weights. */
  #identityRow = new Int32Array(64);
  #arranged = new Int32Array(64);
  #current = new Int32Array(64);

  constructor(shape: TableShape, columns: readonly number[]) {
    this.columns = [...new Set([...shape.key, ...columns])].sort((a, b) => a - b);
    this.layout = rowLayout(this.columns.map((position) => shape.columns[position]!.type));
    this.#keyed = shape.key.length > 0;
    const key = shape.key.map((position) => this.columns.indexOf(position));
    this.arrangement = this.#keyed ? Arrangement.keyed(this.layout, key) : Arrangement.counted(this.layout);
    this.delta = new DeltaBlock(this.layout);
    this.#pending = new DeltaBlock(this.layout);
    this.#decode = compileTupleDecoder(this.layout, this.columns);
    this.#copy = compileCopy(this.layout);
    const all = this.columns.map((_, index) => index);
    this.#sameRow = compileSame(this.layout, all, this.layout, all);
    this.#sameIdentity = this.#keyed ? compileSame(this.layout, key, this.layout, key) : this.#sameRow;
    this.#unchanged = new Uint8Array(this.columns.length);
  }

  /** Whether these table columns are all kept. */
  covers(columns: Iterable<number>): boolean {
    for (const column of columns) if (!this.columns.includes(column)) return false;
    return true;
  }

  /** Rows there before any change: straight into the arrangement. A table without a key may repeat them. */
  load(batches: Iterable<TupleBatch>): void {
    for (const batch of batches) this.arrangement.load(batch, this.#decode, this.#unchanged);
  }

  insert(bytes: Uint8Array, offset: number): void {
    this.#note(INSERT, this.#read(bytes, offset), 0);
  }

  update(bytes: Uint8Array, old: OldTuple, oldOffset: number, newOffset: number): void {
    this.#demandOldRow(old);
    const before = old === 'none' ? 0 : this.#read(bytes, oldOffset);
    this.#note(old === 'none' ? UPDATE : UPDATE_FROM, this.#read(bytes, newOffset), before);
  }

  delete(bytes: Uint8Array, old: OldTuple, oldOffset: number): void {
    this.#demandOldRow(old);
    this.#note(DELETE, this.#read(bytes, oldOffset), 0);
  }

  truncate(): void {
    this.#note(TRUNCATE, 0, 0);
  }

  /** Whether another `drain` would find something. */
  get hasMore(): boolean {
    return this.#changes > 0 || this.#drained < this.#entries;
  }

  /**
   * Fills `delta` with what is next of this step's changes, about `rowsMax` rows at most; false when there is nothing more. Then `apply`, then empty `delta`.
   * Throws DataflowFault where the changes contradict the rows.
   */
  drain(rowsMax: number): boolean {
    this.#resolve();
    const delta = this.delta;
    const { memory } = this.arrangement;
    while (this.#drained < this.#entries && delta.length < rowsMax && delta.usedBytes < PIECE_BYTES_MAX) {
      const entry = ++this.#drained;
      const id = this.#arranged[entry]!;
      const current = this.#current[entry]!;
      if (!this.#keyed) {
        if (current !== 0) this.#emit(this.#pending, this.#identityRow[entry]!, current, 0);
        continue;
      }
      if (current === ARRANGED || (current === ABSENT && id === 0)) continue;
      if (id !== 0) {
        if (current !== ABSENT && this.#sameRow(memory, memory.address(id), this.#pending, current)) continue;
        this.#emit(memory, memory.address(id), -1, id);
      }
      if (current !== ABSENT) this.#emit(this.#pending, current, 1, id);
    }
    if (this.#drained === this.#entries && this.#entries > 0) {
      this.#entries = 0;
      this.#drained = 0;
      this.#overlay.clear();
      this.#pending.clear();
    }
    return delta.length > 0;
  }

  /** Brings the drained delta into the arrangement. */
  apply(): void {
    if (this.#keyed) this.arrangement.applyKnown(this.delta, this.#known);
    else this.arrangement.apply(this.delta);
  }

  bytes(): number {
    return this.arrangement.bytes();
  }

  #emit(from: RowSpace, row: number, weight: number, known: number): void {
    if (this.delta.length === this.#known.length) this.#known = doubled(this.#known);
    this.#known[this.delta.length] = known;
    const to = this.delta.push(weight);
    this.#copy(from, row, this.delta, to);
  }

  #read(bytes: Uint8Array, offset: number): number {
    const row = this.#pending.push(1);
    this.#decode(bytes, offset, this.#pending, row, this.#unchanged);
    return row;
  }

  /** Remembers a change; `resolve` looks its rows up, many at a time. */
  #note(kind: number, row: number, before: number): void {
    const at = 3 * this.#changes++;
    if (at + 3 > this.#noted.length) this.#noted = doubled(this.#noted);
    this.#noted[at] = kind;
    this.#noted[at + 1] = row;
    this.#noted[at + 2] = before;
    if (this.#unchanged.includes(1)) {
      this.#leftOut.set(this.#changes - 1, this.#unchanged.slice());
      this.#unchanged.fill(0);
    }
  }

  #demandOldRow(old: OldTuple): void {
    if (this.#keyed || old === 'row') return;
    throw new DataflowFault('ABSENT_ROW', 'a table without a key sent a change without its old row (REPLICA IDENTITY FULL is needed)');
  }

  /** The step's changes, one after another, into the overlay. Lookups are staged: the places where many searches begin are touched before they are made. */
  #resolve(): void {
    const changes = this.#changes;
    const { identity, memory } = this.arrangement;
    const hashes = this.#hashes;
    for (let from = 0; from < changes; from += STAGE_ROWS) {
      const to = Math.min(changes, from + STAGE_ROWS);
      for (let i = from; i < to; i++)
        hashes[i - from] = identity.hash(this.#pending, this.#noted[3 * i + (this.#noted[3 * i] === UPDATE_FROM ? 2 : 1)]!);
      identity.readAhead(memory, hashes, to - from, this.#heads);
      for (let i = from; i < to; i++) this.#resolveOne(i, hashes[i - from]!, this.#heads[i - from]!);
    }
    this.#changes = 0;
    this.#leftOut.clear();
  }

  /** `first`: the arrangement's first row of this hash, or 0. */
  #resolveOne(change: number, hash: number, first: number): void {
    const kind = this.#noted[3 * change]!;
    const row = this.#noted[3 * change + 1]!;
    const before = this.#noted[3 * change + 2]!;
    if (kind === TRUNCATE) {
      this.#emptyAll();
    } else if (!this.#keyed) {
      if (kind === DELETE) this.#count(this.#entryOf(row, hash, first), -1);
      else if (kind === INSERT) this.#count(this.#entryOf(row, hash, first), 1);
      else {
        this.#count(this.#entryOf(before, hash, first), -1);
        this.#fill(change, row, this.#pending, before);
        this.#count(this.#entryOfNew(row), 1);
      }
    } else if (kind === UPDATE_FROM) {
      const left = this.#present(this.#entryOf(before, hash, first));
      this.#fillFromCurrent(change, row, left);
      this.#current[left] = ABSENT;
      this.#enter(this.#entryOfNew(row), row);
    } else {
      const entry = this.#entryOf(row, hash, first);
      if (kind === INSERT) this.#enter(entry, row);
      else if (kind === DELETE) this.#current[this.#present(entry)] = ABSENT;
      else {
        this.#fillFromCurrent(change, row, this.#present(entry));
        this.#current[entry] = row;
      }
    }
  }

  #emptyAll(): void {
    const { memory } = this.arrangement;
    for (let id = 1; id < memory.idEnd; id++) {
      if (memory.weight(id) <= 0) continue;
      const row = this.#pending.push(1);
      this.#copy(memory, memory.address(id), this.#pending, row);
      this.#entryOfNew(row);
    }
    for (let entry = 1; entry <= this.#entries; entry++) {
      const id = this.#arranged[entry]!;
      this.#current[entry] = this.#keyed ? ABSENT : id === 0 ? 0 : -memory.weight(id);
    }
  }

  #entryOfNew(row: number): number {
    const { identity } = this.arrangement;
    const hash = identity.hash(this.#pending, row);
    return this.#entryOf(row, hash, identity.table.find(hash));
  }

  #entryOf(row: number, hash: number, first: number): number {
    const pending = this.#pending;
    const overlay = this.#overlay;
    for (let entry = overlay.find(hash); entry !== 0; entry = overlay.findNext()) {
      if (this.#sameIdentity(pending, row, pending, this.#identityRow[entry]!)) return entry;
    }
    const entry = ++this.#entries;
    if (entry === this.#identityRow.length) {
      this.#identityRow = doubled(this.#identityRow);
      this.#arranged = doubled(this.#arranged);
      this.#current = doubled(this.#current);
    }
    const id = this.arrangement.findFrom(first, pending, row, hash);
    this.#identityRow[entry] = row;
    this.#arranged[entry] = id;
    this.#current[entry] = !this.#keyed ? 0 : id === 0 ? ABSENT : ARRANGED;
    overlay.insertHere(entry);
    return entry;
  }

  #present(entry: number): number {
    if (this.#current[entry] === ABSENT) throw new DataflowFault('ABSENT_ROW', 'a row was changed whose key is not there');
    return entry;
  }

  #enter(entry: number, row: number): void {
    if (this.#current[entry] !== ABSENT) throw new DataflowFault('DUPLICATE_KEY', 'a row was inserted whose key is there already');
    this.#current[entry] = row;
  }

  #count(entry: number, weight: number): void {
    const id = this.#arranged[entry]!;
    const sum = this.#current[entry]! + weight;
    if ((id === 0 ? 0 : this.arrangement.memory.weight(id)) + sum < 0)
      throw new DataflowFault('ABSENT_ROW', 'a row that is not there was removed');
    this.#current[entry] = sum;
  }

  #fillFromCurrent(change: number, row: number, entry: number): void {
    const current = this.#current[entry]!;
    if (current !== ARRANGED) {
      this.#fill(change, row, this.#pending, current);
      return;
    }
    const { memory } = this.arrangement;
    this.#fill(change, row, memory, memory.address(this.#arranged[entry]!));
  }

  /** Columns that the upstream left out of a change's new row come from the old one. */
  #fill(change: number, row: number, from: RowSpace, fromRow: number): void {
    const leftOut = this.#leftOut.size === 0 ? undefined : this.#leftOut.get(change);
    if (leftOut === undefined) return;
    for (let i = 0; i < leftOut.length; i++) {
      if (leftOut[i] === 1) copyColumn(this.layout.columns[i]!, from, fromRow, this.#pending, row);
    }
  }
}

function doubled(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const grown = new Int32Array(array.length * 2);
  grown.set(array);
  return grown;
}
