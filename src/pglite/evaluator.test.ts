import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PgliteEvaluator } from './evaluator.ts';
import { preparedDirectory } from './prepared.ts';

let evaluator: PgliteEvaluator;
beforeAll(async () => {
  // Tests run on busy machines; the deadline has its own test.
  evaluator = new PgliteEvaluator(await preparedDirectory(), { batchTimeoutMs: 30_000 });
});
afterAll(() => evaluator.close());

test('a function over rows, NULL included', () => {
  expect(evaluator.evaluate('initcap($1)', ['text'], [['one two'], [null], ['"q" \\ {x}']])).toEqual(['One Two', null, '"Q" \\ {X}']);
});

test.each<[string, string[], (string | null)[], string | null]>([
  ['$1 > $2', ['integer', 'integer'], ['2', '1'], 't'],
  ['$1', ['character'], ['abc  '], 'abc  '],
  ['$1', ['bit'], ['101'], '101'],
  ['$1', ['inet'], ['10.0.0.1'], '10.0.0.1'],
  ['$1', ['bytea'], ['\\x00ff'], '\\x00ff'],
  ['$1[2:2]', ['integer[]'], ['{{1,2},{3,4}}'], '{{3,4}}'],
  ['$1 || $2', ['integer[]', 'integer[]'], ['{1,NULL}', '{2}'], '{1,NULL,2}'],
  ['row($1, $2)', ['text', 'integer'], ['a,b', null], '("a,b",)'],
  ['coalesce($1, $2)', ['numeric', 'numeric'], [null, '1.50'], '1.50'],
  ["regexp_replace($1, '$1', $$it's$$)", ['text'], ['cost: $1'], 'cost: $1'],
  ["to_char($1, 'YYYY') -- a comment", ['date'], ['2026-11-24'], '2026'],
  ["md5('x')", [], [], '9dd4e461268c8034f5c8564e155c67a6'],
  ['int4range($1, 5)', ['integer'], ['1'], '[1,5)'],
])('the value is its text on the wire: %s', (sql, types, row, expected) => {
  expect(evaluator.evaluate(sql, types, [row, row])).toEqual([expected, expected]);
});

test('a row that fails says why, and the others have their values', () => {
  const rows = Array.from({ length: 3_000 }, (_, i) => [String(i)]);
  const results = evaluator.evaluate('100 / ($1 % 1000)', ['integer'], rows);
  const failure = { sqlstate: '22012', message: 'division by zero' };
  expect(results).toEqual(rows.map((_, i) => (i % 1_000 === 0 ? failure : String(Math.trunc(100 / (i % 1_000))))));
});

test('any pattern of failing rows', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.constantFrom('1', 'x', '-7', '')), { maxLength: 600 }), (values) => {
      const results = evaluator.evaluate(
        '$1::int4',
        ['text'],
        values.map((value) => [value]),
      );
      expect(results).toEqual(
        values.map((value) =>
          value === null
            ? null
            : /\d/.test(value)
              ? value
              : { sqlstate: '22P02', message: `invalid input syntax for type integer: "${value}"` },
        ),
      );
    }),
    { numRuns: 40 },
  );
});

test('more rows than one batch holds', () => {
  const rows = Array.from({ length: 25_000 }, (_, i) => [String(i)]);
  expect(evaluator.evaluate('$1 + 1', ['bigint'], rows)).toEqual(rows.map((_, i) => String(i + 1)));
});

test("a view's settings hold for its calls alone, its literals included", () => {
  const berlin = evaluator.withSettings({ TimeZone: 'Europe/Berlin', DateStyle: 'German', search_path: 'public, "Odd ""name"' });
  const instant = [['2026-07-01 00:00:00+00']];
  expect(berlin.evaluate('$1', ['timestamp with time zone'], instant)).toEqual(['01.07.2026 02:00:00 CEST']);
  expect(evaluator.evaluate('$1', ['timestamp with time zone'], instant)).toEqual(['2026-07-01 00:00:00+00']);
  expect(berlin.evaluate("$1 = '2026-07-01 02:00:00'", ['timestamp with time zone'], instant)).toEqual(['t']);
  expect(evaluator.evaluate("$1 = '2026-07-01 02:00:00'", ['timestamp with time zone'], instant)).toEqual(['f']);
});

test('an expression that Postgres does not accept is an error of the call', () => {
  expect(() => evaluator.evaluate('no_such($1)', ['integer'], [['1']])).toThrowError(
    expect.objectContaining({ code: 'POSTGRES_REFUSES', sqlstate: '42883' }),
  );
  expect(evaluator.evaluate('abs($1)', ['integer'], [['-1']])).toEqual(['1']);
});

test('enums and domains, also those that come later, also after a change', () => {
  evaluator.defineTypes(["CREATE TYPE mood AS ENUM ('sad', 'ok')"]);
  expect(evaluator.evaluate("$1 < 'ok'", ['mood'], [['sad'], ['ok']])).toEqual(['t', 'f']);
  evaluator.defineTypes(["CREATE TYPE mood AS ENUM ('sad', 'ok')", 'CREATE DOMAIN price AS numeric(10,2)']);
  expect(evaluator.evaluate('$1', ['price'], [['1.239']])).toEqual(['1.24']);
  evaluator.defineTypes(["CREATE TYPE mood AS ENUM ('ok', 'sad')"]);
  expect(evaluator.evaluate("$1 < 'ok'", ['mood'], [['sad'], ['ok']])).toEqual(['f', 'f']);
});

describe('its life', () => {
  test('a call past its deadline fails alone; the next one finds a new worker', async () => {
    const hasty = new PgliteEvaluator(await preparedDirectory(), { batchTimeoutMs: 1_000 });
    hasty.defineTypes(["CREATE TYPE mood AS ENUM ('sad', 'ok')"]);
    expect(hasty.evaluate("$1 > 'sad'", ['mood'], [['ok']])).toEqual(['t']);
    const start = performance.now();
    expect(() => hasty.evaluate('(SELECT count(*) FROM generate_series(1, $1))', ['bigint'], [['1000000000000']])).toThrowError(
      expect.objectContaining({ code: 'EVALUATION_TIMED_OUT', sqlstate: '57014' }),
    );
    expect(performance.now() - start).toBeLessThan(10_000);
    expect(hasty.evaluate("$1 > 'sad'", ['mood'], [['ok']])).toEqual(['t']);
    await hasty.close();
  });

  test('deep nesting is an error of the row, not the end of the worker', () => {
    evaluator.defineTypes([
      `CREATE FUNCTION deeper(i int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN CASE WHEN i = 0 THEN 0 ELSE deeper(i + 1) END; END'`,
    ]);
    expect(evaluator.evaluate('deeper($1)', ['integer'], [['0'], ['1']])).toEqual([
      '0',
      { sqlstate: '54001', message: 'stack depth limit exceeded' },
    ]);
    expect(evaluator.evaluate('abs($1)', ['integer'], [['-1']])).toEqual(['1']);
  });
});
