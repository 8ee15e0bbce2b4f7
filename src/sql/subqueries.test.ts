/** Subqueries in expressions, one of each kind: what they answer is what Postgres answers. More of them, at random, in `oracle.test.ts`. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { literal } from '../base/ident.ts';
import { Dataflow } from '../dataflow/dataflow.ts';
import { bagOf, batch, tuple } from '../dataflow/testing/rows.ts';
import { planningFixture, type PlanningFixture } from './catalog.fixture.ts';
import { RANDOM_DDL, RANDOM_ROWS } from './well-typed.fixture.ts';

type Row = readonly (string | null)[];

const evaluator = {
  evaluate: (sql: string): never => {
    throw new Error(sql);
  },
};
const rowsOf = { t: batch(RANDOM_ROWS.t), u: batch(RANDOM_ROWS.u) };
let fixture: PlanningFixture;
let flow: Dataflow;

beforeAll(async () => {
  fixture = await planningFixture(RANDOM_DDL);
  const values = (rows: readonly Row[]): string =>
    rows.map((row) => `(${row.map((value) => (value === null ? 'NULL' : literal(value))).join(', ')})`).join(', ');
  await fixture.catalog.exec([`INSERT INTO t VALUES ${values(RANDOM_ROWS.t)}`, `INSERT INTO u VALUES ${values(RANDOM_ROWS.u)}`]);
  flow = new Dataflow(evaluator, { validate: true });
  for (const name of ['t', 'u'] as const) {
    const { plan } = await fixture.view(`SELECT * FROM ${name}`);
    flow.defineTable(name, { columns: plan.columns, key: name === 't' ? [0] : [] });
  }
}, 60_000);
afterAll(() => fixture.close());

const canonical = (value: string | null): string | null => (value !== null && /^-?\d+\.\d+$/.test(value) ? String(Number(value)) : value);
const sorted = (rows: readonly Row[]): string[] => rows.map((row) => JSON.stringify(row.map(canonical))).sort();

test.each([
  `SELECT id FROM t WHERE EXISTS (SELECT FROM u WHERE u.t_id = t.id)`,
  `SELECT id FROM t WHERE NOT EXISTS (SELECT FROM u WHERE u.t_id = t.id AND u.flag)`,
  `SELECT id FROM t WHERE EXISTS (SELECT FROM u WHERE u.id = 99)`,
  `SELECT id FROM t WHERE NOT EXISTS (SELECT FROM u WHERE u.id = 99)`,
  `SELECT id, EXISTS (SELECT FROM u WHERE u.t_id = t.id) AS e FROM t`,
  `SELECT id FROM t WHERE id IN (SELECT t_id FROM u)`,
  `SELECT id FROM t WHERE id NOT IN (SELECT t_id FROM u)`,
  `SELECT id FROM t WHERE id NOT IN (SELECT t_id FROM u WHERE t_id IS NOT NULL)`,
  `SELECT id, big IN (SELECT id FROM u) a, label IN (SELECT label FROM u WHERE u.t_id = t.id) b, label NOT IN (SELECT other FROM u WHERE u.flag = t.flag) c FROM t`,
  `SELECT id, (SELECT count(*) FROM u WHERE u.t_id = t.id) AS n FROM t`,
  `SELECT id, (SELECT sum(amount) + 1 FROM u WHERE u.t_id = t.id) AS n, (SELECT max(amount) FROM u) m FROM t`,
  `SELECT id FROM t WHERE price > (SELECT avg(amount) FROM u WHERE u.label = t.label)`,
  `SELECT id, (SELECT label FROM u WHERE u.id = t.id) AS n FROM t WHERE id > 1`,
  `SELECT id, (SELECT label FROM u WHERE u.id = t.id) AS n FROM t`,
  `SELECT id, (SELECT label FROM u WHERE u.id = t.id ORDER BY label, amount LIMIT 1) AS n FROM t`,
  `SELECT id, (SELECT label FROM u WHERE u.id = 99) AS n FROM t`,
  `SELECT flag, count(*) FROM t GROUP BY flag HAVING count(*) IN (SELECT id FROM u)`,
  `SELECT flag, count(*) AS n, (SELECT count(*) FROM u WHERE u.flag = t.flag) FROM t GROUP BY flag`,
  `SELECT (SELECT count(*) FROM u WHERE u.t_id = t.id) k, count(*) FROM t GROUP BY (SELECT count(*) FROM u WHERE u.t_id = t.id)`,
  `SELECT sum((SELECT count(*) FROM u WHERE u.t_id = t.id)) FROM t`,
  `SELECT CASE WHEN EXISTS (SELECT 1 FROM u WHERE u.t_id = t.id) THEN 'x' ELSE label END FROM t WHERE flag OR id IN (SELECT id FROM u)`,
  `WITH q AS (SELECT t_id, count(*) n FROM u GROUP BY t_id) SELECT id FROM t WHERE id IN (SELECT t_id FROM q) AND EXISTS (SELECT FROM q WHERE q.n = t.id)`,
  `SELECT id FROM t WHERE EXISTS (SELECT FROM u WHERE u.t_id = t.id AND EXISTS (SELECT FROM t t2 WHERE t2.label = u.label))`,
  `SELECT id FROM t WHERE EXISTS (SELECT FROM u WHERE u.t_id = t.id AND u.amount = t.price AND u.label IN (SELECT label FROM t))`,
  `SELECT id FROM t WHERE EXISTS (SELECT FROM u JOIN t t2 ON t2.id = u.t_id AND t2.label = t.label)`,
  `SELECT id FROM t WHERE (id, label) IN (SELECT t_id, label FROM u)`,
  `SELECT id FROM t WHERE (SELECT count(*) FROM u WHERE u.t_id = t.id) = 0`,
  `SELECT id FROM t WHERE big = ANY (SELECT id FROM u)`,
  `SELECT (SELECT 5), id FROM t`,
  `SELECT id FROM t WHERE id IN (SELECT max(t_id) FROM u) OR id NOT IN (SELECT min(t_id) FROM u)`,
  `SELECT id FROM t WHERE EXISTS (SELECT count(*) FROM u WHERE u.id = 99)`,
  `SELECT id FROM t WHERE EXISTS (SELECT label FROM u WHERE u.t_id = t.id GROUP BY label HAVING count(*) > 1)`,
])('%s', async (sql) => {
  const { plan } = await fixture.view(sql);
  const theirs = await fixture.catalog.query(sql, []).catch((error: unknown) => error as Error);
  const { rows, errors } = flow.evaluate(plan, (object) => [rowsOf[object as 't' | 'u']]);
  if (theirs instanceof Error) {
    expect(errors.map(({ message }) => message)).toContain(theirs.message);
    return;
  }
  expect(errors).toEqual([]);
  const ours = [...bagOf(rows)].flatMap(([row, weight]) => Array.from({ length: weight }, () => JSON.parse(row) as Row));
  expect(sorted(ours)).toEqual(sorted(theirs.rows));
});

test.each([
  `SELECT id FROM t WHERE id <> ALL (SELECT t_id FROM u)`,
  `SELECT id FROM t WHERE EXISTS (SELECT FROM u WHERE u.t_id < t.id)`,
  `SELECT id FROM t WHERE id = (SELECT min(t_id) FROM u WHERE u.label = t.label GROUP BY t.label)`,
])('refused by name: %s', async (sql) => {
  expect(await fixture.refusal(sql)).toMatch(/^FEATURE_NOT_SUPPORTED: .*subquery/);
});

test('a second row of a scalar subquery is an error of its outer rows, and heals', async () => {
  const live = new Dataflow(evaluator, { validate: true });
  for (const name of ['t', 'u'] as const) {
    const { plan } = await fixture.view(`SELECT * FROM ${name}`);
    live.defineTable(name, { columns: plan.columns, key: [0] });
  }
  const { plan } = await fixture.view(`SELECT id, (SELECT u.id FROM u WHERE u.t_id = t.id) AS of FROM t`);
  live.install('v', plan, () => []);
  const state = (): readonly string[] => [...live.errors('v').map(({ sqlstate }) => sqlstate), ...bagOf(live.output('v')).keys()];
  live.insert('t', tuple(['1', null, null, null, null, null, null]), 0);
  live.insert('u', tuple(['7', '1', null, null, null, null]), 0);
  live.step();
  expect(state()).toEqual(['["1","7"]']);
  live.insert('u', tuple(['8', '1', null, null, null, null]), 0);
  live.step();
  expect(state()).toEqual(['21000']);
  live.delete('u', tuple(['7', null, null, null, null, null]), 'key', 0);
  live.step();
  expect(state()).toEqual(['["1","8"]']);
});
