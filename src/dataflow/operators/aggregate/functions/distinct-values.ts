/**
 * aggregate(DISTINCT x): the aggregate inside sees each value of a group once, while at least one row has it.
 *
 *     δ(values of the group) = { +x where its weight rises from 0, −x where it falls to 0 }
 *
 * Values are told apart by equality, that is identity of the canonical value. A class of equal values (1.0, 1.00) is shown inside by the one that came first, and taken
 * out as that very one. State: a counted set of (group, value). O(1) a change, plus what the aggregate inside does.
 */
import { assert } from '../../../../base/assert.ts';
import { finish, mix } from '../../../../values/hash.ts';
import type { ColumnLayout, RowLayout } from '../../../../values/layout.ts';
import { rowLayout } from '../../../../values/layout.ts';
import { HashTable } from '../../../arrangement/hash-table.ts';
import { RowMemory } from '../../../arrangement/row-memory.ts';
import type { HashFunction, SameFunction } from '../../../expression/contract.ts';
import { compileHash, compileSame } from '../../../expression/rows.ts';
import { DataflowFault } from '../../../fault.ts';
import { type Accumulator, type Additions, isNull } from './accumulator.ts';
import { copySlot } from './slot.ts';

/** Header: how many rows have the value; the group. */
const COPIES = 0;
const GROUP = 1;
const HEADER_WORDS = 2;
const COPIES_MAX = 0x7fff_ffff;

export class DistinctValues implements Accumulator {
  /** Where the aggregate inside finds its argument. */
  readonly argument: ColumnLayout;
  #inside: Accumulator | undefined;
  readonly #shown: ColumnLayout;
  readonly #canonical: ColumnLayout;
  readonly #values: RowMemory;
  readonly #table = new HashTable();
  readonly #hash: HashFunction;
  readonly #same: SameFunction;
  readonly #changes: Additions;
  #freed: number[] = [];

  /** The argument as it is, and its canonical form (may be the same column). */
  constructor(layout: RowLayout, shown: number, canonical: number) {
    this.#shown = layout.columns[shown]!;
    this.#canonical = layout.columns[canonical]!;
    const own = rowLayout([this.#shown.type, this.#canonical.type]);
    this.argument = own.columns[0]!;
    this.#values = new RowMemory(own, HEADER_WORDS);
    this.#hash = compileHash(layout, [canonical]);
    this.#same = compileSame(layout, [canonical], own, [1]);
    this.#changes = { space: this.#values, rows: EMPTY, weights: EMPTY, n: 0, states: this.#values, groups: EMPTY, ids: EMPTY };
  }

  /** The accumulator whose argument is `this.argument`. */
  feed(inside: Accumulator): this {
    this.#inside = inside;
    return this;
  }

  add(additions: Additions): void {
    const { space, rows, weights, n, ids, groups } = additions;
    const changes = this.#changes;
    if (changes.rows.length < n) {
      changes.rows = new Int32Array(n);
      changes.weights = new Int32Array(n);
      changes.groups = new Int32Array(n);
      changes.ids = new Int32Array(n);
    }
    let changed = 0;
    for (let i = 0; i < n; i++) {
      const row = rows[i]!;
      if (isNull(space, row, this.#shown)) continue;
      const weight = weights[i]!;
      const change = this.#change(additions, row, ids[i]!, weight);
      if (change === 0) continue;
      changes.rows[changed] = Math.abs(change);
      changes.weights[changed] = change > 0 ? 1 : -1;
      changes.groups[changed] = groups[i]!;
      changes.ids[changed] = ids[i]!;
      changed++;
    }
    changes.n = changed;
    changes.states = additions.states;
    this.#inside?.add(changes);
    for (const id of this.#freed) this.#values.free(id);
    this.#freed = [];
  }

  stateBytes(): number {
    return this.#values.bytes() + this.#table.bytes() + (this.#inside?.stateBytes() ?? 0);
  }

  /** Address of the value that came (positive) or went (negative), or 0. */
  #change({ space }: Additions, row: number, group: number, weight: number): number {
    const values = this.#values;
    const table = this.#table;
    const hash = finish(mix(this.#hash(space, row), group));
    let id = table.find(hash);
    while (id !== 0) {
      if (values.words[values.header(id) + GROUP] === group && this.#same(space, row, values, values.address(id))) break;
      id = table.findNext();
    }
    if (id === 0) {
      if (weight < 0) throw new DataflowFault('ABSENT_ROW', 'a distinct value that is not there was taken out');
      id = values.allocate();
      table.insertHere(id);
      values.words[values.header(id) + COPIES] = weight;
      values.words[values.header(id) + GROUP] = group;
      copySlot(space, row, this.#shown, values, values.address(id), values.layout.columns[0]!);
      copySlot(space, row, this.#canonical, values, values.address(id), values.layout.columns[1]!);
      return values.address(id);
    }
    const copies = values.words[values.header(id) + COPIES]! + weight;
    if (copies < 0) throw new DataflowFault('ABSENT_ROW', 'a distinct value was taken out more often than it is there');
    assert(copies <= COPIES_MAX, 'a distinct value is there more than 2^31 times');
    values.words[values.header(id) + COPIES] = copies;
    if (copies > 0) return 0;
    table.remove();
    // Freed when the aggregate inside has seen it go.
    this.#freed.push(id);
    return -values.address(id);
  }
}

const EMPTY = new Int32Array(0);
