/**
 * min and max of any ordered type.  state(A) = the group's values as a multiset whose ends are the results: a bag (`value-bag.ts`) while they are few numbers or times
 * of one form, an ordered one (`arrangement/ordered.ts`) beyond, until the group is empty.
 *
 * Order is the type's own, text by the aggregate's collation. Among equal values that are not identical (1.0 and 1.00) min shows the first by identity and max
 * the last: a function of the rows, not of their order of arrival. State: the bag (> 0) or the tree's root (< 0) in the group's header; most numbers and times lie there themselves (`inline-value.ts`).
 * O(log n) a change; min and max over one argument share it.
 */
import type { ColumnLayout } from '../../../../values/layout.ts';
import { rowLayout } from '../../../../values/layout.ts';
import type { RowSpace } from '../../../../values/space.ts';
import type { Collation } from '../../../../values/type.ts';
import { DeltaBlock } from '../../../arrangement/delta-block.ts';
import { totalOrder } from '../../../arrangement/ordered-identity.ts';
import type { WordPool } from '../../../arrangement/ordered-pool.ts';
import { prefixOf, type PrefixFunction } from '../../../arrangement/ordered-prefix.ts';
import { Ordered } from '../../../arrangement/ordered.ts';
import { RowMemory } from '../../../arrangement/row-memory.ts';
import type { CompareFunction, CopyFunction } from '../../../expression/contract.ts';
import { compileCompare, compileCopy } from '../../../expression/rows.ts';
import { type Accumulator, type Additions, isNull, type Result, setNull } from './accumulator.ts';
import { inlineForm, type InlineForm } from './inline-value.ts';
import { copySlot } from './slot.ts';
import { ValueBags } from './value-bag.ts';

export class Extremes implements Accumulator {
  static readonly words = 2;
  /** Somewhere for the touching loop to write. */
  touched = 0;
  readonly #argument: ColumnLayout;
  readonly #at: number;
  readonly #prefix: PrefixFunction;
  readonly #inline: InlineForm | undefined;
  readonly #bags: ValueBags;
  readonly #ordered: Ordered;
  /** Values that are not inline; an entry's row is an address here, or a negative code. */
  readonly #values: RowMemory;
  /** The value that a change is about: its prefix, its code, and as a row. */
  readonly #probe: DeltaBlock;
  #probePrefix = 0;
  #probeCode = 0;
  /** An inline value as a row, for the rare comparison that needs one. */
  readonly #unpacked: DeltaBlock;
  readonly #order: CompareFunction;
  readonly #copy: CopyFunction;

  constructor(argument: ColumnLayout, at: number, pool: WordPool, collation: Collation | undefined) {
    this.#argument = argument;
    this.#at = at;
    const key = { descending: false, nullsFirst: false, collation };
    this.#prefix = prefixOf(argument, key);
    this.#inline = inlineForm(argument.type);
    const layout = rowLayout([argument.type]);
    this.#values = new RowMemory(layout, 1);
    this.#probe = new DeltaBlock(layout);
    this.#unpacked = new DeltaBlock(layout);
    this.#order = totalOrder(compileCompare(layout, [{ column: 0, ...key }]), layout);
    this.#copy = compileCopy(layout);
    this.#bags = new ValueBags(pool);
    this.#ordered = new Ordered(pool, {
      space: this.#values,
      compare: (space, row, _values, entry) => this.#compare(space, row, entry),
      store: (space, row) => this.#store(space, row),
      release: (row) => this.#release(row),
    });
  }

  add({ space, rows, weights, n, states, groups }: Additions): void {
    const argument = this.#argument;
    const inline = this.#inline;
    for (let i = 0; i < n; i++) {
      const row = rows[i]!;
      if (isNull(space, row, argument)) continue;
      const state = groups[i]! + this.#at;
      const prefix = this.#prefix(space, row);
      const code = inline === undefined ? 0 : inline.code(space, row + argument.offset, prefix);
      states.words[state] = this.#changed(states.words[state]!, prefix, code, space, row, weights[i]!);
    }
  }

  touch(states: RowSpace, groups: Int32Array, n: number): void {
    const { words } = states;
    let sum = 0;
    for (const deep of [false, true]) {
      for (let i = 0; i < n; i++) {
        const root = words[groups[i]! + this.#at]!;
        if (root > 0) sum += this.#bags.touch(root, deep);
        else if (root < 0) sum += this.#ordered.touch(-root, deep);
      }
    }
    this.touched = sum | 0;
  }

  stateBytes(): number {
    return this.#values.bytes();
  }

  write(which: 'min' | 'max', states: RowSpace, group: number, into: RowSpace, row: number, column: ColumnLayout): void {
    const root = states.words[group + this.#at]!;
    if (root === 0) return setNull(into, row, column);
    if (root > 0) {
      const value = which === 'min' ? this.#bags.least(root) : this.#bags.greatest(root);
      return this.#inline!.write(value, this.#bags.code(root), into, row + column.offset);
    }
    const entry = which === 'min' ? this.#ordered.first(-root) : this.#ordered.last(-root);
    const stored = this.#ordered.rowAt(entry);
    if (stored < 0) this.#inline!.write(this.#ordered.prefixAt(entry), stored, into, row + column.offset);
    else copySlot(this.#values, stored, this.#values.layout.columns[0]!, into, row, column);
  }

  #changed(root: number, prefix: number, code: number, space: RowSpace, row: number, weight: number): number {
    let tree = root < 0 ? -root : 0;
    if (root >= 0 && code !== 0) {
      if (weight < 0) return this.#bags.remove(root, prefix, code, -weight);
      const bag = this.#bags.add(root, prefix, code, weight);
      if (bag !== 0) return bag;
    }
    if (root > 0) tree = this.#sorted(root);
    if (code === 0) {
      this.#probe.clear();
      this.#probe.push(1);
      copySlot(space, row, this.#argument, this.#probe, 0, this.#probe.layout.columns[0]!);
    }
    return -this.#changedTree(tree, prefix, code, weight);
  }

  /** Where the code is 0 the value lies in the probe. */
  #changedTree(tree: number, prefix: number, code: number, weight: number): number {
    this.#probePrefix = prefix;
    this.#probeCode = code;
    return this.#ordered.change(tree, prefix, this.#probe, 0, weight);
  }

  /** What is in a bag as a tree. */
  #sorted(bag: number): number {
    const code = this.#bags.code(bag);
    let tree = 0;
    for (let i = 0, count = this.#bags.count(bag); i < count; i++) tree = this.#changedTree(tree, this.#bags.valueAt(bag, i), code, 1);
    this.#bags.free(bag);
    return tree;
  }

  /** The probe against an entry of the same prefix. */
  #compare(space: RowSpace, row: number, entry: number): number {
    const code = this.#probeCode;
    if (entry < 0 && entry === code) return 0;
    if (code === 0) return this.#order(space, row, entry < 0 ? this.#unpack(this.#unpacked, entry) : this.#values, Math.max(entry, 0));
    const probe = this.#unpack(this.#probe, code);
    return this.#order(probe, 0, entry < 0 ? this.#unpack(this.#unpacked, entry) : this.#values, Math.max(entry, 0));
  }

  /** An inline value that has the probe's prefix, as row 0 of `into`. */
  #unpack(into: DeltaBlock, code: number): DeltaBlock {
    into.clear();
    into.push(1);
    this.#inline!.write(this.#probePrefix, code, into, into.layout.columns[0]!.offset);
    return into;
  }

  #store(space: RowSpace, row: number): number {
    if (this.#probeCode !== 0) return this.#probeCode;
    const values = this.#values;
    const address = values.address(values.allocate());
    this.#copy(space, row, values, address);
    return address;
  }

  #release(row: number): void {
    if (row > 0) this.#values.free((row - this.#values.headerWords) / this.#values.stride);
  }
}

export function extreme(accumulator: Extremes, which: 'min' | 'max'): Result {
  return (states, group, into, row, column) => accumulator.write(which, states, group, into, row, column);
}
