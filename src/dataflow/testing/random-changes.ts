/**
 * Random changes of three small tables, for property tests: kept as plain rows for the oracle, sent to a dataflow as the upstream would send them (whole old rows,
 * keys alone, values left out), and remembered, so that a part of them can be sent again.
 */
import fc from 'fast-check';
import type { Dataflow } from '../dataflow.ts';
import type { RowChanges } from '../hydration.ts';
import type { Relation } from './random-plan.ts';
import { columns, int4, numeric, text, tuple, UNCHANGED, type Row } from './rows.ts';

export const TABLES: readonly (Relation & { key: number[] })[] = [
  { object: 'a', columns: columns(int4, int4, text), key: [0] },
  { object: 'b', columns: columns(int4, int4, numeric, text), key: [0] },
  { object: 'm', columns: columns(int4, text), key: [] },
];

/** Announced, they make every view share arrangements that have more columns than it reads. */
export const WHOLE_TABLES = TABLES.map(({ object, columns: all }) => ({
  object: `whole ${object}`,
  plan: { op: 'scan', object, pick: all.map((_, index) => index), columns: all } as const,
}));

const small = fc.constantFrom(null, '0', '1', '2', '3');
const word = fc.constantFrom(null, 'x', 'y', 'a text that is longer than twelve bytes');
const decimal = fc.constantFrom(null, '1', '1.0', '2.50', '2.5', '3');

export interface Change {
  readonly table: number;
  readonly kind: 'put' | 'move' | 'delete' | 'truncate';
  readonly key: string;
  readonly to: string;
  readonly values: readonly [string | null, string | null, string | null];
  readonly full: boolean;
  readonly toast: boolean;
}

export const change: fc.Arbitrary<Change> = fc.record({
  table: fc.nat({ max: 2 }),
  kind: fc.oneof(
    { weight: 12, arbitrary: fc.constant('put' as const) },
    { weight: 3, arbitrary: fc.constant('move' as const) },
    { weight: 5, arbitrary: fc.constant('delete' as const) },
    { weight: 1, arbitrary: fc.constant('truncate' as const) },
  ),
  key: fc.constantFrom('0', '1', '2', '3', '4'),
  to: fc.constantFrom('0', '1', '2', '3', '4'),
  values: fc.tuple(small, decimal, word),
  full: fc.boolean(),
  toast: fc.boolean(),
});

/** The tables as they are, and the same changes sent to the dataflow as the upstream would. */
export class Source {
  readonly rows = new Map<string, Row[]>(TABLES.map(({ object }) => [object, []]));
  /** By table: every change sent so far. */
  readonly log = new Map<string, ((to: RowChanges) => void)[]>(TABLES.map(({ object }) => [object, []]));
  readonly #flow: Dataflow;

  constructor(flow: Dataflow) {
    this.#flow = flow;
    for (const { object, columns: all, key } of TABLES) flow.defineTable(object, { columns: all, key });
  }

  apply(one: Change): void {
    const { object, key } = TABLES[one.table]!;
    const rows = this.rows.get(object)!;
    if (one.kind === 'truncate') {
      rows.length = 0;
      this.#send(object, (to) => to.truncate(object));
      return;
    }
    const [number, numericValue, string] = one.values;
    const shaped = (id: string): Row =>
      object === 'a' ? [id, number, string] : object === 'b' ? [id, number, numericValue, string] : [number, string];
    const at = key.length === 0 ? Number(one.key) % Math.max(1, rows.length) : rows.findIndex((row) => row[0] === one.key);
    const old = rows[at];
    const keyOnly = (row: Row): Row => row.map((value, index) => (index === 0 ? value : null));
    if (old === undefined || (key.length === 0 && one.kind === 'put' && one.full)) {
      if (one.kind === 'delete' || one.kind === 'move') return;
      const row = shaped(one.key);
      rows.push(row);
      this.#send(object, (to) => to.insert(object, tuple(row), 0));
      return;
    }
    if (one.kind === 'delete') {
      rows.splice(at, 1);
      const whole = key.length === 0 || one.full;
      this.#send(object, (to) => to.delete(object, tuple(whole ? old : keyOnly(old)), whole ? 'row' : 'key', 0));
      return;
    }
    const moves = key.length > 0 && one.kind === 'move' && !rows.some((row) => row[0] === one.to);
    let row: (string | null)[] = [...shaped(moves ? one.to : (old[0] ?? '0'))];
    const sent: (string | null | typeof UNCHANGED)[] = [...row];
    if (one.toast) {
      row = [...row.slice(0, -1), old.at(-1)!];
      sent[sent.length - 1] = UNCHANGED;
    }
    rows[at] = row;
    const how = key.length === 0 || one.full ? 'row' : moves ? 'key' : 'none';
    const before = tuple(how === 'key' ? keyOnly(old) : old);
    const bytes = Buffer.concat([before, tuple(sent)]);
    this.#send(object, (to) => to.update(object, bytes, how, 0, before.length));
  }

  #send(object: string, change: (to: RowChanges) => void): void {
    this.log.get(object)!.push(change);
    change(this.#flow);
  }
}
