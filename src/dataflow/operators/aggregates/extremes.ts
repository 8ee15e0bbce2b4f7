/**
 * min and max of any ordered type.  state(A) = the group's values as an ordered multiset (`arrangement/ordered.ts`); its ends are the results.
 *
 * Order is the type's own, text by the aggregate's collation. Among equal values that are not identical (1.0 and 1.00) min shows the first by identity and max
 * the last: a function of the rows, not of their order of arrival. State: the root in the group's header; values of one word lie in the tree itself.
 * O(log n) a change; min and max over one argument share it.
 */
import type { ColumnLayout } from '../../../values/layout.ts';
import { rowLayout } from '../../../values/layout.ts';
import type { RowSpace } from '../../../values/space.ts';
import type { Collation } from '../../../values/type.ts';
import { DeltaBlock } from '../../arrangement/delta-block.ts';
import { totalOrder } from '../../arrangement/ordered-identity.ts';
import type { WordPool } from '../../arrangement/ordered-pool.ts';
import { prefixIsExact, prefixOf, type PrefixFunction } from '../../arrangement/ordered-prefix.ts';
import { Ordered } from '../../arrangement/ordered.ts';
import { RowMemory } from '../../arrangement/row-memory.ts';
import { compileCompare, compileCopy } from '../../expression/rows.ts';
import { type Accumulator, type Additions, isNull, type Result, setNull } from './accumulator.ts';
import { copySlot } from './slot.ts';

export class Extremes implements Accumulator {
  static readonly words = 2;
  readonly #argument: ColumnLayout;
  readonly #at: number;
  readonly #prefix: PrefixFunction;
  readonly #ordered: Ordered;
  /** Undefined: the prefix is the whole value. */
  readonly #values: RowMemory | undefined;
  /** Holds the value that a change is about. */
  readonly #probe: DeltaBlock;

  constructor(argument: ColumnLayout, at: number, pool: WordPool, collation: Collation | undefined) {
    this.#argument = argument;
    this.#at = at;
    const key = { descending: false, nullsFirst: false, collation };
    this.#prefix = prefixOf(argument, key);
    const layout = rowLayout([argument.type]);
    this.#probe = new DeltaBlock(layout);
    if (prefixIsExact(argument.type)) {
      this.#values = undefined;
      this.#ordered = new Ordered(pool);
      return;
    }
    const values = new RowMemory(layout, 1);
    const copy = compileCopy(layout);
    this.#values = values;
    this.#ordered = new Ordered(pool, {
      space: values,
      compare: totalOrder(compileCompare(layout, [{ column: 0, ...key }]), layout),
      store(space, row) {
        const address = values.address(values.allocate());
        copy(space, row, values, address);
        return address;
      },
      release: (row) => values.free((row - values.headerWords) / values.stride),
    });
  }

  add({ space, rows, weights, n, states, groups }: Additions): void {
    const argument = this.#argument;
    const probe = this.#probe;
    for (let i = 0; i < n; i++) {
      const row = rows[i]!;
      if (isNull(space, row, argument)) continue;
      const state = groups[i]! + this.#at;
      if (this.#values !== undefined) {
        probe.clear();
        probe.push(1);
        copySlot(space, row, argument, probe, 0, probe.layout.columns[0]!);
      }
      states.words[state] = this.#ordered.change(states.words[state]!, this.#prefix(space, row), probe, 0, weights[i]!);
    }
  }

  stateBytes(): number {
    return this.#values?.bytes() ?? 0;
  }

  write(which: 'min' | 'max', states: RowSpace, group: number, into: RowSpace, row: number, column: ColumnLayout): void {
    const root = states.words[group + this.#at]!;
    if (root === 0) return setNull(into, row, column);
    const entry = which === 'min' ? this.#ordered.first(root) : this.#ordered.last(root);
    const values = this.#values;
    if (values === undefined) into.words[row + column.offset] = this.#ordered.prefixAt(entry);
    else copySlot(values, this.#ordered.rowAt(entry), values.layout.columns[0]!, into, row, column);
  }
}

export function extreme(accumulator: Extremes, which: 'min' | 'max'): Result {
  return (states, group, into, row, column) => accumulator.write(which, states, group, into, row, column);
}
