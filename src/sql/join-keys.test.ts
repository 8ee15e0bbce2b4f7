/**
 * Joins whose keys can fail, against Postgres: the rows are Postgres's, and there is an error exactly where a key fails on a row of its side that the conditions on that side
 * alone keep (`join.ts` has the rule). Postgres itself is asked for both.
 */
import { afterAll, beforeAll, expect, test } from 'vitest';
import fc from 'fast-check';
import { Dataflow } from '../dataflow/dataflow.ts';
import { bagOf, batch } from '../dataflow/testing/rows.ts';
import { planningFixture, type PlanningFixture } from './catalog.fixture.ts';

const RUNS = Number(process.env['MILLRACE_RUNS'] ?? 80);

let fixture: PlanningFixture;
beforeAll(async () => {
  fixture = await planningFixture(
    'CREATE TABLE a (id integer, n integer, s text, k integer); CREATE TABLE b (id integer, n integer, s text, k integer)',
  );
}, 60_000);
afterAll(() => fixture.close());

type Row = (string | null)[];
const table = fc.array(
  fc.tuple(fc.constantFrom('0', '1', '2', null), fc.constantFrom('t', 'f', 'x', null), fc.constantFrom('1', '2', null)),
  { maxLength: 4 },
);
/** `t` stands for the table. Those with a division or a cast of `s` can fail; s = 'x' and n = 0 do. */
const key = fc.constantFrom('t.n', 't.n + 1', '10 / t.n', '(t.s::boolean)::integer', 't.k', 'length(t.s)');
const condition = fc.constantFrom(
  't.k = 1',
  't.n <> 0',
  `t.s <> 'x'`,
  '10 / t.k > 5',
  't.n IS NOT NULL',
  't.n + t.k > 1',
  `(t.s = 't' OR t.k = 2)`,
);
const shape = fc.record({
  kind: fc.constantFrom('JOIN', 'LEFT JOIN'),
  keys: fc.array(fc.tuple(key, key), { minLength: 1, maxLength: 2 }),
  onA: fc.array(condition, { maxLength: 1 }),
  onB: fc.array(condition, { maxLength: 1 }),
  whereA: fc.array(condition, { maxLength: 1 }),
  whereB: fc.array(condition, { maxLength: 1 }),
  nested: fc.boolean(),
});
type Shape = typeof shape extends fc.Arbitrary<infer T> ? T : never;

const of = (alias: string, sql: string): string => sql.replaceAll(/\bt\./g, `${alias}.`);
const all = (parts: readonly string[]): string => (parts.length === 0 ? 'true' : parts.join(' AND '));

function queryOf({ kind, keys, onA, onB, whereA, whereB, nested }: Shape): string {
  const on = [
    ...onA.map((sql) => of('a', sql)),
    ...keys.map(([a, b]) => `${of('a', a)} = ${of('b', b)}`),
    ...onB.map((sql) => of('b', sql)),
  ];
  const columns = 'a.id AS i, a.n AS an, a.s AS "as", a.k AS ak, b.id AS j, b.n AS bn, b.s AS bs, b.k AS bk';
  const joined = `SELECT ${columns} FROM a ${kind} b ON ${all(on)}`;
  if (!nested) return `${joined} WHERE ${all([...whereA.map((sql) => of('a', sql)), ...whereB.map((sql) => of('b', sql))])}`;
  const outer = (prefix: string, sql: string): string => sql.replaceAll(/\bt\.(\w+)/g, `x."${prefix}$1"`);
  return `SELECT * FROM (${joined}) AS x WHERE ${all([...whereA.map((sql) => outer('a', sql)), ...whereB.map((sql) => outer('b', sql))])}`;
}

/** A condition of WHERE on the right rows of a left join rejects the padded ones, and so counts for the right side; all of ours do. */
function sideQueries({ keys, onA, onB, whereA, whereB }: Shape): string[] {
  return [
    `SELECT ${keys.map(([a]) => of('a', a)).join(', ')} FROM (SELECT * FROM a WHERE ${all([...onA, ...whereA].map((sql) => of('a', sql)))} OFFSET 0) AS a`,
    `SELECT ${keys.map(([, b]) => of('b', b)).join(', ')} FROM (SELECT * FROM b WHERE ${all([...onB, ...whereB].map((sql) => of('b', sql)))} OFFSET 0) AS b`,
  ];
}

test(
  'rows are those of Postgres, errors those of the rule',
  async () => {
    const seen = { rows: 0, errors: 0 };
    await fc.assert(
      fc.asyncProperty(table, table, shape, async (a, b, written) => {
        const rows = { a: a.map((row, i): Row => [String(i), ...row]), b: b.map((row, i): Row => [String(i), ...row]) };
        const insert = (name: 'a' | 'b'): string[] =>
          rows[name].map(
            (row) => `INSERT INTO ${name} VALUES (${row.map((value) => (value === null ? 'NULL' : `'${value}'`)).join(', ')})`,
          );
        await fixture.catalog.exec(['TRUNCATE a, b', ...insert('a'), ...insert('b')]);
        const sql = queryOf(written);
        const ask = (text: string): Promise<Row[] | Error> =>
          fixture.catalog.query(text).then(
            (answer) => answer.rows,
            (error: unknown) => error as Error,
          );
        const fails = (await Promise.all(sideQueries(written).map(ask))).some((answer) => answer instanceof Error);
        const { plan } = await fixture.view(sql);
        const flow = new Dataflow({ evaluate: () => [] as never }, { validate: true });
        for (const name of ['a', 'b'] as const)
          flow.defineTable(name, { columns: (await fixture.view(`SELECT * FROM ${name}`)).plan.columns, key: [0] });
        const ours = flow.evaluate(plan, (name) => [batch(rows[name as 'a' | 'b'])]);
        expect(ours.errors.length > 0, `${sql} over ${JSON.stringify(rows)}`).toBe(fails);
        seen.errors += Number(fails);
        if (fails) return;
        const got = [...bagOf(ours.rows)].flatMap(([row, weight]) => Array.from({ length: weight }, () => row)).sort();
        const want = await ask(sql);
        // A hash join computes the key of a left row also where ON rejects its matches.
        if (want instanceof Error) return;
        expect(got, `${sql} over ${JSON.stringify(rows)}`).toEqual(want.map((row) => JSON.stringify(row)).sort());
        seen.rows++;
      }),
      { numRuns: RUNS },
    );
    expect(seen.rows).toBeGreaterThan(RUNS / 4);
    expect(seen.errors).toBeGreaterThan(RUNS / 10);
  },
  Math.max(60_000, 300 * RUNS),
);
