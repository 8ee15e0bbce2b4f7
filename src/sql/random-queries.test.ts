/** Whatever Postgres accepts is planned or refused by name: no internal error, and a plan whose columns fit together. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import fc from 'fast-check';
import { MillraceError } from '../base/errors.ts';
import type { Expression } from '../plan/expression.ts';
import type { Plan } from '../plan/plan.ts';
import { planningFixture, SHOP_DDL, type PlanningFixture } from './catalog.fixture.ts';
import { columnRef, columnsRead } from '../plan/columns.ts';
import { nodesOf } from '../plan/walk.ts';
import { QueryWriter, RANDOM_DDL } from './well-typed.fixture.ts';

/** Each is planned through Postgres, some 10 ms on a quiet machine. */
const RUNS = Number(process.env['MILLRACE_RUNS'] ?? 120);

let shop: PlanningFixture;
let typed: PlanningFixture;
beforeAll(async () => {
  [shop, typed] = await Promise.all([planningFixture(SHOP_DDL), planningFixture(RANDOM_DDL)]);
}, 120_000);
afterAll(() => Promise.all([shop.close(), typed.close()]));

const columnNames = [
  'id',
  'name',
  'region',
  'since',
  'customer_id',
  'status',
  'placed_at',
  'note',
  'tags',
  'weight',
  'order_id',
  'quantity',
  'price',
  'details',
];
const scalar = fc.letrec<{ leaf: string; e: string }>((tie) => ({
  leaf: fc.oneof(
    fc.tuple(fc.constantFrom('a', 'b'), fc.constantFrom(...columnNames)).map(([table, name]) => `${table}.${name}`),
    fc.constantFrom('1', '2.5', `'x'`, 'NULL', 'true', `date '2024-01-01'`, `interval '1 day'`, 'now()', 'random()', '1 / 0'),
  ),
  e: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    tie('leaf'),
    fc
      .tuple(tie('e'), fc.constantFrom('+', '-', '*', '/', '||', '=', '<', '<>', 'AND', 'OR', 'IS DISTINCT FROM', 'LIKE'), tie('e'))
      .map((parts) => `(${parts.join(' ')})`),
    tie('e').chain((e) =>
      fc.constantFrom(
        `(${e})::text`,
        `(${e} IS NULL)`,
        `NOT (${e})`,
        `coalesce(${e}, ${e})`,
        `CASE WHEN ${e} IS NULL THEN ${e} ELSE ${e} END`,
        `upper(${e}::text)`,
        `nullif(${e}, ${e})`,
      ),
    ),
    tie('e').chain((e) =>
      fc.constantFrom(
        `(${e} IN (1, 2))`,
        `ARRAY[${e}]`,
        `length(${e}::text)`,
        `(${e} > ALL ('{1,2}'))`,
        `greatest(${e}, ${e})`,
        `date_trunc('day', ${e})`,
        `${e} COLLATE "C"`,
      ),
    ),
    tie('e').chain((e) =>
      fc.constantFrom(
        `count(*)`,
        `sum(${e})`,
        `max(${e})`,
        `count(DISTINCT ${e}) FILTER (WHERE ${e} IS NOT NULL)`,
        `EXISTS (SELECT FROM orders WHERE id = ${e})`,
        `row_number() OVER ()`,
      ),
    ),
  ),
})).e;
const relation = fc.constantFrom(
  'customers',
  'orders',
  'order_lines',
  'products',
  'open_orders',
  'revenue_by_region',
  '(SELECT * FROM orders ORDER BY weight LIMIT 3)',
  '(VALUES (1, 2), (3, NULL))',
  '(SELECT id FROM customers UNION SELECT id FROM orders)',
);
const from = fc.oneof(
  relation.map((a) => `${a} AS a`),
  fc
    .tuple(relation, fc.constantFrom('JOIN', 'LEFT JOIN', 'RIGHT JOIN', 'FULL JOIN'), relation, scalar)
    .map(([a, join, b, on]) => `${a} AS a ${join} ${b} AS b ON ${on}`),
  fc.tuple(relation, relation).map(([a, b]) => `${a} AS a, ${b} AS b`),
  fc.tuple(relation, relation).map(([a, b]) => `${a} AS a NATURAL LEFT JOIN ${b} AS b`),
);
const maybe = (keyword: string): fc.Arbitrary<string> =>
  fc.oneof(
    fc.constant(''),
    scalar.map((e) => ` ${keyword} ${e}`),
  );
const select = fc
  .tuple(
    fc.constantFrom('', 'DISTINCT '),
    fc.array(scalar, { minLength: 1, maxLength: 3 }),
    from,
    maybe('WHERE'),
    maybe('GROUP BY'),
    maybe('HAVING'),
    maybe('ORDER BY'),
    fc.constantFrom('', ' LIMIT 3', ' OFFSET 2', ' LIMIT 1 + 1'),
  )
  .map(([distinct, list, ...rest]) => `SELECT ${distinct}${list.join(', ')} FROM ${rest.join('')}`);
const query = fc.oneof(
  select,
  fc
    .tuple(select, fc.constantFrom('UNION ALL', 'UNION', 'EXCEPT'), select)
    .map((parts) => parts.map((part, i) => (i === 1 ? part : `(${part})`)).join(' ')),
);

test('random queries are refused by name or planned, never anything else', async () => {
  await fc.assert(
    fc.asyncProperty(query, async (sql) => {
      try {
        const { plan, finish } = await shop.query(sql);
        check(plan);
        expect(Math.max(-1, ...finish.project)).toBeLessThan(plan.columns.length);
      } catch (error) {
        if (!(error instanceof MillraceError)) throw error;
        expect(error.sqlstate).not.toBe('XX000');
      }
    }),
    { numRuns: RUNS },
  );
}, 120_000);

test('constants of an expression that Postgres refuses to evaluate are still there', async () => {
  const { plan } = await typed.view(
    `SELECT ((x2.c1 + 1) % 3) AS c1 FROM (SELECT CASE WHEN (x4.flag AND true) THEN (x5.big % 3) ELSE length(x3.label) END AS c1
       FROM ((t AS x3 JOIN u AS x4 ON x3.id = x4.id) JOIN t AS x5 ON x4.id = x5.big) WHERE (((x3.id) < (x5.id)) AND ((x3.price) = (x5.price)))) AS x2
     WHERE ((('ok'::mood) = ('ok'::mood)) AND (true OR true))`,
  );
  check(plan);
});

test('random well-typed queries are planned, and the columns fit together', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(1000), { minLength: 30, maxLength: 120 }), async (choices) => {
      try {
        check((await typed.view(new QueryWriter(choices).statement())).plan);
      } catch (error) {
        if (!(error instanceof MillraceError && error.code === 'FEATURE_NOT_SUPPORTED' && /subquery/.test(error.message))) throw error;
      }
    }),
    { numRuns: RUNS },
  );
}, 120_000);

/** Every column that is read is there, and every operator says what it puts out. */
function check(plan: Plan): void {
  const reads = (expressions: readonly Expression[], width: number): void => {
    for (const index of columnsRead(expressions)) expect(index).toBeLessThan(width);
  };
  switch (plan.op) {
    case 'scan':
    case 'ref':
      expect(plan.pick).toHaveLength(plan.columns.length);
      return;
    case 'let':
      check(plan.value);
      check(plan.body);
      for (const node of nodesOf(plan.body))
        if (node.op === 'ref' && node.id === plan.id)
          reads(
            node.pick.map((index) => columnRef(index, plan.columns[0]!.type)),
            plan.value.columns.length,
          );
      return;
    case 'values':
      for (const row of plan.rows) expect(row).toHaveLength(plan.columns.length);
      return;
    case 'union':
      for (const input of plan.inputs) {
        check(input);
        expect(input.columns.map(({ type }) => type.oid)).toEqual(plan.columns.map(({ type }) => type.oid));
      }
      return;
    case 'join': {
      const { left, right } = plan;
      check(left);
      check(right);
      reads(plan.leftKeys, left.columns.length);
      reads(plan.rightKeys, right.columns.length);
      reads(plan.on, left.columns.length + right.columns.length);
      expect(plan.leftKeys.map(({ type }) => type.oid)).toEqual(plan.rightKeys.map(({ type }) => type.oid));
      expect(plan.columns).toHaveLength(left.columns.length + right.columns.length);
      return;
    }
    case 'apply':
      throw new Error('an apply that is left');
    case 'filter':
      reads(plan.predicates, plan.input.columns.length);
      expect(plan.columns).toHaveLength(plan.input.columns.length);
      break;
    case 'map':
      reads(plan.expressions, plan.input.columns.length);
      expect(plan.expressions.map(({ type }) => type.oid)).toEqual(plan.columns.map(({ type }) => type.oid));
      break;
    case 'aggregate':
      reads(
        [...plan.keys, ...plan.aggregates.flatMap(({ arg, filter }) => [arg, filter].filter((part) => part !== undefined))],
        plan.input.columns.length,
      );
      expect(plan.columns).toHaveLength(plan.keys.length + plan.aggregates.length);
      break;
    case 'distinct':
      expect(plan.columns).toHaveLength(plan.input.columns.length);
      break;
    case 'topk':
      reads([...plan.partition, ...plan.order.map(({ expression }) => expression)], plan.input.columns.length);
      expect(plan.columns).toHaveLength(plan.input.columns.length);
      break;
  }
  check(plan.input);
}
