/**
 * The room's law: after every step every view equals its plan computed from scratch over the rows as they are. Random plans, views on views, random
 * transactions, views that come and go; with the validator on.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Dataflow } from './dataflow.ts';
import type { Plan } from './plan/plan.ts';
import { objectsRead } from './plan/scans.ts';
import { naive } from './testing/naive.ts';
import { Choices, randomPlan, type Relation } from './testing/random-plan.ts';
import {
  add,
  bagOf,
  bagOfBlock,
  batch,
  columns,
  int4,
  numeric,
  sorted,
  text,
  tuple,
  UNCHANGED,
  type Bag,
  type Row,
} from './testing/rows.ts';

const evaluator = {
  evaluate: (): never => {
    throw new Error('nothing here needs Postgres');
  },
};

const TABLES: readonly (Relation & { key: number[] })[] = [
  { object: 'a', columns: columns(int4, int4, text), key: [0] },
  { object: 'b', columns: columns(int4, int4, numeric, text), key: [0] },
  { object: 'm', columns: columns(int4, text), key: [] },
];

/** Announced, they make every view share arrangements that have more columns than it reads. */
const WHOLE_TABLES = TABLES.map(({ object, columns: all }) => ({
  object: `whole ${object}`,
  plan: { op: 'scan', object, pick: all.map((_, index) => index), columns: all } as const,
}));

const small = fc.constantFrom(null, '0', '1', '2', '3');
const word = fc.constantFrom(null, 'x', 'y', 'a text that is longer than twelve bytes');
const decimal = fc.constantFrom(null, '1', '1.0', '2.50', '2.5', '3');

interface Change {
  readonly table: number;
  readonly kind: 'put' | 'move' | 'delete' | 'truncate';
  readonly key: string;
  readonly to: string;
  readonly values: readonly [string | null, string | null, string | null];
  readonly full: boolean;
  readonly toast: boolean;
}

const change: fc.Arbitrary<Change> = fc.record({
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
class Source {
  readonly rows = new Map<string, Row[]>(TABLES.map(({ object }) => [object, []]));
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
      this.#flow.truncate(object);
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
      this.#flow.insert(object, tuple(row), 0);
      return;
    }
    if (one.kind === 'delete') {
      rows.splice(at, 1);
      const whole = key.length === 0 || one.full;
      this.#flow.delete(object, tuple(whole ? old : keyOnly(old)), whole ? 'row' : 'key', 0);
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
    this.#flow.update(object, Buffer.concat([before, tuple(sent)]), how, 0, before.length);
  }
}

interface View extends Relation {
  readonly plan: Plan;
}

function bagOfRows(rows: readonly Row[]): Bag {
  const bag: Bag = new Map();
  for (const row of rows) add(bag, row, 1);
  return bag;
}

test('every view equals its plan over the rows as they are, after every step, whenever it was installed', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(fc.nat({ max: 1000 }), { minLength: 40, maxLength: 120 }), { minLength: 1, maxLength: 4 }),
      fc.array(fc.array(change, { minLength: 1, maxLength: 12 }), { minLength: 1, maxLength: 10 }),
      fc.array(fc.nat({ max: 9 }), { minLength: 4, maxLength: 4 }),
      fc.constantFrom(1, 2, 3, 1000),
      fc.boolean(),
      (planChoices, steps, installAt, pieceRowsMax, wide) => {
        const flow = new Dataflow(evaluator, { validate: true, pieceRowsMax });
        const source = new Source(flow);
        if (wide) flow.announce(WHOLE_TABLES);
        const views: View[] = [];
        for (const [i, list] of planChoices.entries()) {
          const plan = randomPlan(new Choices(list), [...TABLES, ...views], 3);
          views.push({ object: `v${i}`, plan, columns: plan.columns });
        }
        const current = (object: string): readonly Row[] => {
          const view = views.find((one) => one.object === object);
          return view === undefined ? source.rows.get(object)! : naive(view.plan, current);
        };
        const hydrate = (object: string): Iterable<ReturnType<typeof batch>> => [batch(source.rows.get(object)!)];
        let installed = 0;
        const listened = new Map<string, { bag: Bag; listener: ReturnType<Dataflow['listen']> }>();
        for (const [number, changes] of steps.entries()) {
          while (installed < views.length && installAt[installed]! % steps.length <= number) {
            const view = views[installed++]!;
            flow.install(view.object, view.plan, hydrate);
            expect(sorted(bagOf(flow.output(view.object))), `${view.object} hydrated`).toEqual(sorted(bagOfRows(current(view.object))));
            listened.set(view.object, { bag: bagOf(flow.output(view.object)), listener: flow.listen(view.object) });
          }
          for (const one of changes) source.apply(one);
          flow.step();
          for (const { object } of TABLES) expect(flow.fault(object)).toBeNull();
          for (const { plan } of number === steps.length - 1 ? views.slice(0, installed + 1) : []) {
            if (plan === views[installed]?.plan && objectsRead(plan).some((object) => object.startsWith('v') && !flow.has(object)))
              continue;
            expect(sorted(bagOf(flow.evaluate(plan, hydrate).rows)), 'asked once').toEqual(sorted(bagOfRows(naive(plan, current))));
          }
          for (const view of views.slice(0, installed)) {
            expect(flow.fault(view.object)).toBeNull();
            const expected = sorted(bagOfRows(current(view.object)));
            expect(sorted(bagOf(flow.output(view.object))), view.object).toEqual(expected);
            const { bag, listener } = listened.get(view.object)!;
            for (const [row, weight] of bagOfBlock(listener.delta())) add(bag, JSON.parse(row) as Row, weight);
            listener.clear();
            expect(sorted(bag), `what a listener of ${view.object} knows`).toEqual(expected);
          }
        }
        for (const view of views.slice(0, installed).reverse()) flow.uninstall(view.object);
        expect(flow.arrangements()).toEqual([]);
      },
    ),
    { numRuns: Number(process.env['RUNS'] ?? 100) },
  );
});

test('errors are data: those of a view kept up to date are those of the same view made anew, and go with their rows', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat({ max: 1000 }), { minLength: 40, maxLength: 120 }),
      fc.array(fc.array(change, { minLength: 1, maxLength: 8 }), { minLength: 1, maxLength: 8 }),
      (list, steps) => {
        const flow = new Dataflow(evaluator, { validate: true });
        const source = new Source(flow);
        flow.announce(WHOLE_TABLES);
        const plan = randomPlan(new Choices(list, true), TABLES, 3);
        const hydrate = (object: string): Iterable<ReturnType<typeof batch>> => [batch(source.rows.get(object)!)];
        flow.install('v', plan, hydrate);
        const empty = state(flow, 'v');
        for (const changes of steps) {
          for (const one of changes) source.apply(one);
          flow.step();
          expect(flow.fault('v')).toBeNull();
          flow.install('fresh', plan, hydrate);
          expect(state(flow, 'v')).toEqual(state(flow, 'fresh'));
          flow.uninstall('fresh');
        }
        for (const { object } of TABLES) flow.truncate(object);
        flow.step();
        expect(state(flow, 'v')).toEqual(empty);
      },
    ),
    { numRuns: Number(process.env['RUNS'] ?? 100) },
  );
});

function state(flow: Dataflow, view: string): unknown {
  const errors = flow.errors(view).map(({ sqlstate, message, count }): [string, number] => [sqlstate + message, count]);
  return { rows: sorted(bagOf(flow.output(view))), errors: sorted(new Map(errors)) };
}
