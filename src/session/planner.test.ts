import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { printPlan } from '../plan/print.ts';
import type { PlannedQuery } from '../sql/plan-query.ts';
import { shopMirror, type ShopMirror } from './planner.fixture.ts';
import { Planner } from './planner.ts';

let shop: ShopMirror;

beforeAll(async () => {
  shop = await shopMirror();
});
afterAll(() => shop?.close());

const names = { searchPath: ['public'], settings: {} };

async function planned(sql: string, values: readonly (string | null)[] = [], planner: Planner = shop.planner): Promise<PlannedQuery> {
  const analysis = await planner.analyse(sql, [], names, {});
  return planner.query(analysis, values, names, {});
}

/** How often Postgres is asked by each of these, one after another. */
async function asked(...works: (() => Promise<unknown>)[]): Promise<number[]> {
  const counts: number[] = [];
  for (const work of works) counts.push(await shop.asked(work));
  return counts;
}

describe('what was planned is kept', () => {
  test('a look-up that was planned once asks Postgres nothing, whatever it looks for, whoever asks', async () => {
    const lookUp = (id: string) => () => planned('SELECT total FROM orders WHERE id = $1', [id]);
    const [first, ...again] = await asked(lookUp('1'), lookUp('2'), lookUp('3'));
    expect(first).toBeGreaterThan(1);
    expect(again).toEqual([0, 0]);
    expect((await planned('SELECT total FROM orders WHERE id = $1', ['3'])).plan).toMatchObject({
      input: { predicates: [{ args: [{}, { text: '3' }] }] },
    });
  });

  test('constants that Postgres renders or folds are asked for once', async () => {
    const sql = `SELECT count(*) FROM orders WHERE state = 'paid' AND total > sqrt(4) AND id = ANY ('{1,2}')`;
    expect((await asked(...[1, 2].map(() => () => planned(sql))))[1]).toBe(0);
  });

  test('parameters inside a computation are asked for at each execution, and nothing else', async () => {
    const sql = 'SELECT id FROM orders WHERE customer = $1::int + 1 AND total > 5::numeric / 2';
    expect(await asked(...['1', '2'].map((value) => () => planned(sql, [value])))).toEqual([expect.any(Number), 2]);
  });

  test('a change of the catalog or of the mirror: planned anew', async () => {
    const sql = 'SELECT note FROM orders';
    const secret = { kind: 'secret', id: 'u9', schema: 'public', name: 's', createSql: '' } as const;
    await planned(sql);
    const counts = await asked(
      () => planned(sql),
      async () => {
        shop.catalog.add(secret);
        await planned(sql);
      },
      () => planned(sql),
      () =>
        shop.mirror.add({
          kind: 'view',
          id: 'u8',
          schema: 'public',
          name: 'v',
          sql: 'SELECT 1',
          columnNames: ['a'],
          settings: {},
          dependsOn: [],
        }),
      () => planned(sql),
    );
    expect(counts.map((count) => count > 0)).toEqual([false, true, false, false, true]);
  });

  test('another search path or other parameter types are another statement', async () => {
    const sql = 'SELECT $1, id FROM public.orders';
    const analyse = (types: number[], path: string) => () => shop.planner.analyse(sql, types, { searchPath: [path], settings: {} }, {});
    const counts = await asked(analyse([], 'public'), analyse([], 'public'), analyse([23], 'public'), analyse([23], 'shop'));
    expect(counts.map((count) => count > 0)).toEqual([true, false, true, true]);
  });

  test('what reads the clock is of its moment: a function at each execution, a literal at each analysis', async () => {
    const clock = await shop.planner.analyse('SELECT id FROM orders WHERE at < now()', [], names, {});
    expect(await asked(...[1, 2].map(() => () => shop.planner.query(clock, [], names, {})))).toEqual([3, 2]);
    const analysed = (condition: string) => shop.planner.analyse(`SELECT id FROM orders WHERE ${condition}`, [], names, {});
    for (const literal of [`at < 'yesterday'`, `at < E'\\x6eow'`, `at < 'no'\n'w'`, `at::timetz < '12:00 MSK'`])
      expect(await analysed(literal)).not.toBe(await analysed(literal));
    for (const literal of [`at < '2026-01-01'`, `note = 'known'`]) expect(await analysed(literal)).toBe(await analysed(literal));
    const analysis = await analysed(`at < 'yesterday'`);
    // Who has prepared it keeps its moment, and what was found out about it.
    expect(await asked(...[1, 2].map(() => () => shop.planner.query(analysis, [], names, {})))).toEqual([expect.any(Number), 0]);
    const cast = await planned(`SELECT id FROM orders WHERE at < $1::text::timestamptz`, ['now']);
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await planned(`SELECT id FROM orders WHERE at < $1::text::timestamptz`, ['now'])).not.toEqual(cast);
  });

  test('a view is analysed and planned once', async () => {
    const subscribed = async (): Promise<unknown> => {
      const analysis = await shop.planner.analyseView('SELECT state, sum(total) FROM orders GROUP BY state', undefined, names, {});
      return shop.planner.view(analysis, names, {});
    };
    expect((await asked(subscribed, subscribed))[1]).toBe(0);
  });
});

test.each<[string, (string | null)[][]]>([
  ['SELECT id FROM orders WHERE id = $1 OR $1 IS NULL', [['1'], [null]]],
  [
    'SELECT id FROM orders WHERE id IN ($1, $2, 7)',
    [
      ['1', '2'],
      [null, '3'],
    ],
  ],
  ['SELECT id FROM orders WHERE id = ANY ($1)', [['{1,2}'], ['{}']]],
  [
    'SELECT id FROM orders WHERE customer = $1::int8 AND weight > $2::int',
    [
      ['1', '2'],
      ['5', '-6'],
    ],
  ],
  [
    'SELECT id FROM orders WHERE state = $1 AND note LIKE $2',
    [
      ['new', 'a%'],
      ['paid', null],
    ],
  ],
  [
    'SELECT id, $1::numeric * 2 AS twice FROM orders ORDER BY id LIMIT $2 OFFSET $3',
    [
      ['1.50', '3', '0'],
      ['2', null, '4'],
    ],
  ],
  ['SELECT 1 / $1::int, count(*) FROM orders', [['0'], ['2']]],
  [
    'SELECT ARRAY[id, $1], CASE $2 WHEN note THEN 1 END FROM orders',
    [
      ['1', 'a'],
      ['2', 'b'],
    ],
  ],
  [
    'SELECT count(*) FILTER (WHERE total > $1), $2 FROM orders GROUP BY note HAVING count(*) > $3',
    [
      ['1', 'x', '2'],
      ['3.25', null, '4'],
    ],
  ],
])('%s: with values put in later, the plan is the one of a planner that knows nothing', async (sql, valuesOf) => {
  for (const values of [...valuesOf, ...valuesOf]) {
    const fresh = new Planner(shop.mirror, () => shop.catalog);
    const [kept, wanted] = [await planned(sql, values), await planned(sql, values, fresh)];
    expect(kept).toEqual(wanted);
    expect(printPlan(kept.plan)).toEqual(printPlan(wanted.plan));
  }
});
