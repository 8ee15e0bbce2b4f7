/**
 * Aggregates in which each row has a place (string_agg, array_agg, json_agg, percentile_cont …).  state(A) = the group's rows as an ordered multiset.
 *
 * A row is the arguments and what ORDER BY sorts by. Order: ORDER BY (of one that is DISTINCT: its arguments); then the arguments ascending, NULLs last, text by bytes; then
 * their text (1.0 before 1.00), so that the answer is a function of the rows. The same tie-break is what an audit writes into the upstream's query (`sql/audit-sql`).
 * FILTER, and NULLs where the aggregate skips them, are a column of the row outside: what is not `present` is not kept.
 * DISTINCT: of rows that ORDER BY cannot tell apart the first is shown; equal ones are neighbours.
 * State: a tree's root and how many rows in the group's header, each row once (`arrangement/ordered.ts`). O(log n) a change; a result costs the rows that it reads: a place among
 * them O(log n), a text or an array all of the group, before a step and after it, however many of its rows the step changes.
 */
import { codecOf } from '../../../../values/codec.ts';
import { rowLayout, type ColumnLayout, type RowLayout } from '../../../../values/layout.ts';
import { compareCodePoints, slotOrder, type SlotOrder } from '../../../../values/order.ts';
import type { RowSpace } from '../../../../values/space.ts';
import { compareText } from '../../../../values/text.ts';
import type { PgType } from '../../../../values/type.ts';
import { DeltaBlock } from '../../../arrangement/delta-block.ts';
import { totalOrder } from '../../../arrangement/ordered-identity.ts';
import type { WordPool } from '../../../arrangement/ordered-pool.ts';
import { prefixOf, type PrefixFunction } from '../../../arrangement/ordered-prefix.ts';
import { Ordered } from '../../../arrangement/ordered.ts';
import { RowMemory } from '../../../arrangement/row-memory.ts';
import type { CompareFunction, CopyFunction } from '../../../expression/contract.ts';
import { compileCompare, compileCopy, type RowSortKey } from '../../../expression/rows.ts';
import { type Accumulator, type Additions, isNull } from './accumulator.ts';
import { copySlot } from './slot.ts';

/** In the header: the root, and a double. */
const ROOT = 0;
const COUNT = 2;

/** The tie-break is by bytes in every database. */
const BY_BYTES = { name: 'C', provider: 'c', locale: 'C', deterministic: true } as const;
/** Equal values of these may print otherwise: 1.0 and 1.00, 0 and -0, 24:00:00 and 1 day. */
const OF_SEVERAL_TEXTS = new Set(['numeric', 'float64', 'interval']);

/** Where in the projection a call's parts are. */
export interface SequencePlaces {
  /** Boolean; NULL where the row does not count. */
  readonly present: number;
  /** What is made of the arguments where it is not these themselves. */
  readonly shown: readonly number[];
  readonly arguments: readonly number[];
  readonly order: readonly RowSortKey[];
}

export class Sequences implements Accumulator {
  static readonly words = 4;
  readonly rows: RowMemory;
  /** A column of `rows` for each argument. */
  readonly shown: readonly ColumnLayout[];
  /** Only by ORDER BY: 0 for what DISTINCT shows once. */
  readonly compareKeys: CompareFunction;
  readonly #present: ColumnLayout;
  readonly #from: readonly ColumnLayout[];
  readonly #at: number;
  readonly #ordered: Ordered;
  readonly #prefix: PrefixFunction;
  /** The row that a change is about. */
  readonly #probe: DeltaBlock;
  readonly #copy: CopyFunction;

  constructor(layout: RowLayout, places: SequencePlaces, at: number, pool: WordPool) {
    this.#at = at;
    this.#present = layout.columns[places.present]!;
    const kept = [...new Set([...places.shown, ...places.arguments, ...places.order.map(({ column }) => column)])];
    this.#from = kept.map((column) => layout.columns[column]!);
    const own = rowLayout(this.#from.map(({ type }) => type));
    const keys = places.order.map((key): RowSortKey => ({ ...key, column: kept.indexOf(key.column) }));
    const columnOf = (column: number): ColumnLayout => own.columns[kept.indexOf(column)]!;
    this.shown = places.shown.map(columnOf);
    this.rows = new RowMemory(own, 1);
    this.#probe = new DeltaBlock(own);
    this.#copy = compileCopy(own);
    this.compareKeys = compileCompare(own, keys);
    const first = keys[0] ?? { column: kept.indexOf(places.arguments[0]!), descending: false, nullsFirst: false, collation: BY_BYTES };
    this.#prefix = prefixOf(own.columns[first.column]!, first);
    const byKeys = this.compareKeys;
    const byArguments = tieBreak(places.arguments.map(columnOf));
    this.#ordered = new Ordered(pool, {
      space: this.rows,
      compare: totalOrder((a, rowA, b, rowB) => byKeys(a, rowA, b, rowB) || byArguments(a, rowA, b, rowB), own),
      store: (space, row) => this.#store(space, row),
      release: (row) => this.rows.free((row - this.rows.headerWords) / this.rows.stride),
    });
  }

  add({ space, rows, weights, n, states, groups }: Additions): void {
    const probe = this.#probe;
    const { columns } = probe.layout;
    for (let i = 0; i < n; i++) {
      const row = rows[i]!;
      if (isNull(space, row, this.#present)) continue;
      probe.clear();
      probe.push(1);
      for (let column = 0; column < columns.length; column++) copySlot(space, row, this.#from[column]!, probe, 0, columns[column]!);
      const root = groups[i]! + this.#at + ROOT;
      states.words[root] = this.#ordered.change(states.words[root]!, this.#prefix(probe, 0), probe, 0, weights[i]!);
      states.doubles[(groups[i]! + this.#at + COUNT) >> 1]! += weights[i]!;
    }
  }

  /** How many rows the group has here. */
  count(states: RowSpace, group: number): number {
    return states.doubles[(group + this.#at + COUNT) >> 1]!;
  }

  /** Visits the rows from … to, in order, each with how many of its copies lie there. */
  range(states: RowSpace, group: number, from: number, to: number, visit: (row: number, copies: number) => void): void {
    this.#ordered.range(states.words[group + this.#at + ROOT]!, from, to, visit);
  }

  /** The row at a place; there is one. */
  rowAt(states: RowSpace, group: number, place: number): number {
    let found = 0;
    this.range(states, group, place, place + 1, (row) => void (found = row));
    return found;
  }

  stateBytes(): number {
    return this.rows.bytes();
  }

  #store(space: RowSpace, row: number): number {
    const address = this.rows.address(this.rows.allocate());
    this.#copy(space, row, this.rows, address);
    return address;
  }
}

/** By all arguments; then by the texts of those of which equal values may have two. */
function tieBreak(columns: readonly ColumnLayout[]): CompareFunction {
  const values = columns.map((column) => ({ column, order: isPlainText(column.type) ? byBytes : slotOrder(column.type, BY_BYTES) }));
  const texts = columns.filter(({ storage }) => OF_SEVERAL_TEXTS.has(storage)).map((column) => ({ column, codec: codecOf(column.type) }));
  return (a, rowA, b, rowB) => {
    for (const { column, order } of values) {
      const [nullA, nullB] = [isNull(a, rowA, column), isNull(b, rowB, column)];
      if (nullA !== nullB) return nullA ? 1 : -1;
      const difference = nullA ? 0 : order(a, rowA + column.offset, b, rowB + column.offset);
      if (difference !== 0) return difference;
    }
    for (const { column, codec } of texts) {
      if (isNull(a, rowA, column)) continue;
      const text = (space: RowSpace, row: number): string => codec.format(codec.read(space, row + column.offset));
      const difference = compareCodePoints(text(a, rowA), text(b, rowB));
      if (difference !== 0) return difference;
    }
    return 0;
  };
}

/** Whatever is kept as text, arrays too, but enums, which have an order in every database. */
function isPlainText(type: PgType): boolean {
  return type.storage === 'text' && (type.base ?? type).kind !== 'enum';
}

const byBytes: SlotOrder = (a, atA, b, atB) => compareText(a.words, a.heap, atA, b.words, b.heap, atB);
