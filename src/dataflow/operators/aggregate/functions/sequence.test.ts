/** Rows come and go in any order: sequences, bits and deviations of what is left are Postgres's own of it. */
import { PGlite } from '@electric-sql/pglite';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rowLayout } from '../../../../values/layout.ts';
import type { Expression } from '../../../../plan/expression.ts';
import type { Aggregate, AggregateCall, SortKey } from '../../../../plan/plan.ts';
import { AggregateOperator } from '../aggregate.ts';
import { call, column, columns, Harness, layoutOf, type Row, scan, type, type TypeName } from '../../../testing/harness.ts';

const INPUT: readonly TypeName[] = ['integer', 'integer', 'numeric', 'text', 'double precision', 'bigint'];
const [I, N, T, F, B] = [1, 2, 3, 4, 5];

const by = (index: number, descending = false): SortKey => ({
  expression: column(index, INPUT[index]!),
  descending,
  nullsFirst: descending,
});
const isSmall: Expression = { kind: 'isNull', arg: column(I, 'integer'), negated: true, type: type('boolean') };
const text = (of: string): Expression => ({ kind: 'constant', text: of, type: type('text') });
const half: Expression = { kind: 'constant', text: '0.5', type: type('double precision') };

const CALLS: readonly (readonly [string, AggregateCall])[] = [
  [`string_agg(t, ', ' ORDER BY i DESC, t COLLATE "C")`, call('string_agg', T, 'text', { more: [text(', ')], order: [by(I, true)] })],
  [`string_agg(DISTINCT t COLLATE "C", ', ')`, call('string_agg', T, 'text', { more: [text(', ')], distinct: true, order: [by(T)] })],
  [`array_agg(n ORDER BY n, n::text)`, call('array_agg', N, 'numeric')],
  [
    `array_agg(i ORDER BY t COLLATE "C", i) FILTER (WHERE i IS NOT NULL)`,
    call('array_agg', I, 'integer', { order: [by(T)], filter: isSmall }),
  ],
  [`array_agg(DISTINCT i)`, call('array_agg', I, 'integer', { distinct: true, order: [by(I)] })],
  [`json_agg(t ORDER BY t COLLATE "C")`, call('json_agg', T, 'text')],
  [`jsonb_agg(n ORDER BY n, n::text)`, call('jsonb_agg', N, 'numeric')],
  [
    `jsonb_object_agg(coalesce(i, 0), n ORDER BY i, n, n::text) FILTER (WHERE i IS NOT NULL)`,
    call('jsonb_object_agg', I, 'integer', { more: [column(N, 'numeric')], filter: isSmall }),
  ],
  [`percentile_disc(0.5) WITHIN GROUP (ORDER BY i DESC)`, call('percentile_disc', I, 'integer', { more: [half], order: [by(I, true)] })],
  [`percentile_cont(0.5) WITHIN GROUP (ORDER BY f)`, call('percentile_cont', F, 'double precision', { more: [half], order: [by(F)] })],
  [`mode() WITHIN GROUP (ORDER BY i)`, call('mode', I, 'integer', { order: [by(I)] })],
  [`any_value(i ORDER BY i)`, call('any_value', I, 'integer')],
  ...(['bit_and', 'bit_or', 'bit_xor'] as const).flatMap((fn) => [
    [`${fn}(i)`, call(fn, I, 'integer')] as const,
    [`${fn}(DISTINCT b)`, call(fn, B, 'bigint', { distinct: true })] as const,
  ]),
  ...(['var_samp', 'var_pop', 'stddev_samp', 'stddev_pop'] as const).flatMap((fn) => [
    [`${fn}(i)`, call(fn, I, 'integer')] as const,
    [`${fn}(b)`, call(fn, B, 'bigint')] as const,
    [`${fn}(n)`, call(fn, N, 'numeric')] as const,
    [`${fn}(DISTINCT i)`, call(fn, I, 'integer', { distinct: true })] as const,
    [`${fn}(f)`, call(fn, F, 'double precision')] as const,
  ]),
];

function groups(calls: readonly AggregateCall[], keys = 1): Harness {
  const input = scan(...INPUT);
  const layout = layoutOf(input);
  const plan: Aggregate = {
    op: 'aggregate',
    input,
    keys: INPUT.slice(0, keys).map((name, index) => column(index, name)),
    aggregates: calls,
    columns: [...columns(...INPUT.slice(0, keys)), ...calls.map((one, index) => ({ name: `a${index}`, type: one.type }))],
  };
  return new Harness(new AggregateOperator(plan, layout, undefined), layout, rowLayout(plan.columns.map((one) => one.type)));
}

describe('against Postgres', () => {
  let postgres: PGlite;
  beforeAll(async () => {
    postgres = new PGlite();
    await postgres.waitReady;
  }, 60_000);
  afterAll(() => postgres.close());

  async function answer(rows: readonly Row[]): Promise<(string | null)[][]> {
    const literal = (value: string | null): string => (value === null ? 'NULL' : `'${value.replaceAll("'", "''")}'`);
    const values = rows.map((row) => `(${row.map((value, i) => `${literal(value)}::${INPUT[i]}`).join(', ')})`).join(', ');
    const list = CALLS.map(([sql]) => `(${sql})::text`).join(', ');
    const sql = `SELECT k::text, ${list} FROM (VALUES ${values}) AS v(k, i, n, t, f, b) GROUP BY k`;
    return (await postgres.query<(string | null)[]>(sql, [], { rowMode: 'array' })).rows;
  }

  const orNull = (values: fc.Arbitrary<string>): fc.Arbitrary<string | null> => fc.option(values, { freq: 5 });
  const row = fc.tuple(
    fc.constantFrom('1', '2', null),
    orNull(fc.oneof(fc.integer({ min: -3, max: 3 }), fc.integer()).map(String)),
    orNull(fc.constantFrom('1.0', '1.00', '1', '-0.5', '2.25', '1000', '123456789012345678901234567890.123', 'NaN')),
    orNull(fc.constantFrom('', 'a', 'b', 'a "quoted" one, with \\ and {}', 'NULL', 'long enough to lie in the heap', 'ä\n\u{1F600}')),
    orNull(fc.integer({ min: -400, max: 400 }).map((n) => String(n / 16))),
    orNull(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String)),
  );
  const steps = fc.array(
    fc.tuple(fc.array(fc.tuple(fc.integer({ min: 1, max: 3 }), row), { maxLength: 6 }), fc.array(fc.nat(1000), { maxLength: 6 })),
    {
      maxLength: 5,
    },
  );

  test('rows come and go', async () => {
    await fc.assert(
      fc.asyncProperty(steps, async (given) => {
        const operator = groups(CALLS.map(([, one]) => one));
        for (const [arrivals, departures] of given) {
          const present = [...operator.inputs.keys()];
          const leaving = new Set(
            departures.map((place) => present[place % Math.max(1, present.length)]).filter((key) => key !== undefined),
          );
          operator.step([
            ...arrivals.map(([weight, values]) => [weight, values] as const),
            ...[...leaving].map((key, index) => [index % 2 === 0 ? -operator.inputs.get(key)! : -1, JSON.parse(key) as Row] as const),
          ]);
          const rows = Harness.rows(operator.inputs);
          const expected = rows.length === 0 ? [] : await answer(rows);
          // Of floats the last digits are Postgres's own: these are compared by themselves.
          const isFloat = (of: string): boolean => /^(var|stddev).*\(f\)$/.test(of);
          const nameOf = (i: number): string => CALLS[i - 1]?.[0] ?? 'k';
          const exact = (row: Row): string =>
            row.map((value, i) => `${nameOf(i)}: ${value === null || !isFloat(nameOf(i)) ? String(value) : 'a float'}`).join('\n');
          const floats = (row: Row): number[] => row.flatMap((value, i) => (value !== null && isFloat(nameOf(i)) ? [Number(value)] : []));
          const inOrder = (list: readonly Row[]): Row[] => list.toSorted((one, other) => (exact(one) < exact(other) ? -1 : 1));
          const [ours, theirs] = [inOrder(Harness.rows(operator.outputs)), inOrder(expected)];
          expect(ours.map(exact)).toEqual(theirs.map(exact));
          const [found, wanted] = [ours.flatMap(floats), theirs.flatMap(floats)];
          found.forEach((value, i) => {
            if (!Object.is(value, wanted[i])) expect(Math.abs(value - wanted[i]!)).toBeLessThanOrEqual(1e-8 * Math.abs(wanted[i]!) + 1e-12);
          });
        }
      }),
      { numRuns: 40 },
    );
  }, 60_000);
});

test('a value that is too large is an error of its group alone, and heals', () => {
  const operator = groups([call('string_agg', T, 'text', { more: [text('')] })]);
  const large = 'x'.repeat(1 << 20);
  const row = (k: string, t: string): Row => [k, '1', null, t, null, null];
  operator.step([
    [65, row('1', large)],
    [1, row('2', 'small')],
  ]);
  expect(Harness.rows(operator.outputs)).toEqual([['2', 'small']]);
  expect([...operator.errors]).toEqual([['54000 a value of string_agg() is larger than 67108864 bytes', 1]]);
  operator.step([[-64, row('1', large)]]);
  expect(Harness.rows(operator.outputs).map(([k]) => k)).toEqual(expect.arrayContaining(['1', '2']));
  expect([...operator.errors]).toEqual([]);
});

test('a key of JSON that is NULL is an error until it goes', () => {
  const operator = groups([call('json_object_agg', T, 'text', { more: [column(I, 'integer')] })]);
  operator.step([[1, ['1', '5', null, 'a', null, null]]]);
  operator.step([[1, ['1', '5', null, null, null, null]]]);
  expect(Harness.rows(operator.outputs)).toEqual([]);
  expect([...operator.errors.keys()]).toEqual(['22004 null value not allowed for object key']);
  operator.step([[-1, ['1', '5', null, null, null, null]]]);
  expect(Harness.rows(operator.outputs)).toEqual([['1', '{ "a" : 5 }']]);
});

test('a group without rows holds nothing, and one place serves for all', () => {
  const operator = groups([call('array_agg', I), call('json_agg', I)], 0);
  operator.start();
  for (let i = 0; i < 50; i++) {
    operator.step([[2, ['1', String(i), null, null, null, null]]]);
    operator.step([[-2, ['1', String(i), null, null, null, null]]]);
  }
  expect(Harness.rows(operator.outputs)).toEqual([[null, null]]);
});
