/** Postgres is the oracle: random queries, planned here and run by the dataflow, give what Postgres answers to the text that an audit sends upstream. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import fc from 'fast-check';
import { MillraceError } from '../base/errors.ts';
import { literal } from '../base/ident.ts';
import { Dataflow } from '../dataflow/dataflow.ts';
import { bagOf, batch } from '../dataflow/testing/rows.ts';
import { planningFixture, type PlanningFixture } from './catalog.fixture.ts';
import { upstreamSql } from './audit-sql/upstream-sql.ts';
import { QueryWriter, RANDOM_DDL, RANDOM_ROWS } from './well-typed.fixture.ts';

/** More for a soak: MILLRACE_ORACLE_RUNS=5000. */
const RUNS = Number(process.env['MILLRACE_ORACLE_RUNS'] ?? 250);

class NeedsPostgres extends Error {}

let fixture: PlanningFixture;
let flow: Dataflow;
const rowsOf = { t: batch(RANDOM_ROWS.t), u: batch(RANDOM_ROWS.u) };

beforeAll(async () => {
  fixture = await planningFixture(RANDOM_DDL);
  const values = (rows: readonly (readonly (string | null)[])[]): string =>
    rows.map((row) => `(${row.map((value) => (value === null ? 'NULL' : literal(value))).join(', ')})`).join(', ');
  await fixture.catalog.exec([`INSERT INTO t VALUES ${values(RANDOM_ROWS.t)}`, `INSERT INTO u VALUES ${values(RANDOM_ROWS.u)}`]);
  const evaluate = (sql: string): never => {
    throw new NeedsPostgres(sql);
  };
  flow = new Dataflow({ evaluate }, { validate: true });
  for (const name of ['t', 'u'] as const) {
    const { plan } = await fixture.view(`SELECT * FROM ${name}`);
    flow.defineTable(name, { columns: plan.columns, key: name === 't' ? [0] : [] });
  }
}, 60_000);
afterAll(() => fixture.close());

/** numerics by value: a group shows one of its representatives. */
const canonical = (value: string | null): string | null => (value !== null && /^-?\d+\.\d+$/.test(value) ? String(Number(value)) : value);
const sorted = (rows: readonly (readonly (string | null)[])[]): string[] => rows.map((row) => JSON.stringify(row.map(canonical))).sort();

test(
  'random queries',
  async () => {
    const seen = { compared: 0, failed: 0, refused: 0, postgres: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(fc.nat(1000), { minLength: 30, maxLength: 120 }), async (choices) => {
        const sql = new QueryWriter(choices).statement();
        try {
          const { plan } = await fixture.view(sql);
          await fixture.catalog.exec(['DROP VIEW IF EXISTS v', `CREATE VIEW v AS ${sql}`]);
          const upstream = await upstreamSql(fixture.catalog, fixture.context, { schema: 'public', name: 'v' }, (schema, object) =>
            object === 'w' ? { kind: 'view' } : { kind: 'table', schema, name: object },
          );
          const theirs = await fixture.catalog.query(upstream, [], { searchPath: [] }).catch((error: unknown) => error as Error);
          const { rows, errors } = flow.evaluate(plan, (object) => [rowsOf[object as 't' | 'u']]);
          if (theirs instanceof Error) {
            // Division by zero, two rows of a scalar subquery: here the row is an error.
            expect(`${theirs.message} in ${sql} as ${upstream}`).toMatch(/^(division by zero|more than one row)/);
            // A column of a CTE that nobody reads is not computed here.
            if (!theirs.message.startsWith('division') && !sql.startsWith('WITH')) expect(errors.length, sql).toBeGreaterThan(0);
            seen.failed++;
            return;
          }
          if (errors.length > 0) {
            // Postgres happened not to look at that row (an empty other side of a join, another order of WHERE); it might have.
            expect(
              errors.every(({ sqlstate }) => sqlstate === '22012' || sqlstate === '21000'),
              sql,
            ).toBe(true);
            seen.failed++;
            return;
          }
          const ours = [...bagOf(rows)].flatMap(([row, weight]) =>
            Array.from({ length: weight }, () => JSON.parse(row) as (string | null)[]),
          );
          expect(sorted(ours), sql).toEqual(sorted(theirs.rows));
          seen.compared++;
        } catch (error) {
          if (error instanceof NeedsPostgres) seen.postgres++;
          else if (error instanceof MillraceError && error.code !== 'INTERNAL_ERROR') seen.refused++;
          else throw error;
        }
      }),
      { numRuns: RUNS, endOnFailure: RUNS > 250 },
    );
    expect(seen.compared).toBeGreaterThan(RUNS / 2);
  },
  Math.max(180_000, 200 * RUNS),
);
