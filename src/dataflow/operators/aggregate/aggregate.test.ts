import { PGlite } from '@electric-sql/pglite';
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { rowLayout } from '../../../values/layout.ts';
import type { Expression } from '../../../plan/expression.ts';
import type { AggregateCall } from '../../../plan/plan.ts';
import { AggregateOperator } from './aggregate.ts';
import { call, column, columns, Harness, layoutOf, type Row, scan, type, type TypeName } from '../../testing/harness.ts';

/** GROUP BY the first `keys` columns. */
function aggregate(types: readonly TypeName[], keys: number, calls: readonly AggregateCall[]): Harness {
  const input = scan(...types);
  const layout = layoutOf(input);
  const plan = {
    op: 'aggregate',
    input,
    keys: types.slice(0, keys).map((name, index) => column(index, name)),
    aggregates: calls,
    columns: [...columns(...types.slice(0, keys)), ...calls.map((one, index) => ({ name: `a${index}`, type: one.type }))],
  } as const;
  return new Harness(new AggregateOperator(plan, layout, undefined), layout, rowLayout(plan.columns.map((one) => one.type)));
}

test('counts and sums by key', () => {
  const groups = aggregate(['text', 'integer'], 1, [call('count'), call('sum', 1), call('avg', 1), call('min', 1), call('max', 1)]);
  expect(groups.start()).toEqual([]);
  expect(
    groups.step([
      [1, ['a', '1']],
      [1, ['a', '2']],
      [1, ['b', null]],
    ]),
  ).toMatchInlineSnapshot(`
    [
      "+1 a 2 3 1.5000000000000000 1 2",
      "+1 b 1 ∅ ∅ ∅ ∅",
    ]
  `);
  expect(
    groups.step([
      [2, ['a', '6']],
      [-1, ['a', '1']],
    ]),
  ).toMatchInlineSnapshot(`
    [
      "-1 a 2 3 1.5000000000000000 1 2",
      "+1 a 3 14 4.6666666666666667 2 6",
    ]
  `);
  expect(
    groups.step([
      [1, ['a', '3']],
      [-1, ['a', '3']],
    ]),
  ).toMatchInlineSnapshot(`[]`);
  expect(
    groups.step([
      [-1, ['a', '2']],
      [-2, ['a', '6']],
      [-1, ['b', null]],
    ]),
  ).toMatchInlineSnapshot(`
    [
      "-1 a 3 14 4.6666666666666667 2 6",
      "-1 b 1 ∅ ∅ ∅ ∅",
    ]
  `);
});

test('without keys: always one row', () => {
  const total = aggregate(['integer'], 0, [call('count'), call('count', 0), call('sum', 0)]);
  expect(total.start()).toMatchInlineSnapshot(`
    [
      "+1 0 0 ∅",
    ]
  `);
  expect(
    total.step([
      [1, ['5']],
      [2, [null]],
    ]),
  ).toMatchInlineSnapshot(`
    [
      "-1 0 0 ∅",
      "+1 3 1 5",
    ]
  `);
  expect(
    total.step([
      [-1, ['5']],
      [-2, [null]],
    ]),
  ).toMatchInlineSnapshot(`
    [
      "+1 0 0 ∅",
      "-1 3 1 5",
    ]
  `);
});

test('a group shows the key that created it, and retracts that very one', () => {
  const groups = aggregate(['numeric'], 1, [call('count')]);
  expect(groups.step([[1, ['1.0']]])).toEqual(['+1 1.0 1']);
  expect(groups.step([[1, ['1.00']]])).toEqual(['-1 1.0 1', '+1 1.0 2']);
  expect(groups.step([[-1, ['1.0']]])).toEqual(['+1 1.0 1', '-1 1.0 2']);
  expect(groups.step([[-1, ['1.00']]])).toEqual(['-1 1.0 1']);
  expect(groups.step([[1, ['1.00']]])).toEqual(['+1 1.00 1']);
});

test('sum(numeric) shows the largest scale present', () => {
  const total = aggregate(['numeric'], 0, [call('sum', 0, 'numeric')]);
  total.start();
  expect(total.step([[1, ['1.5']]])).toEqual(['+1 1.5', '-1 ∅']);
  expect(total.step([[1, ['2.125']]])).toEqual(['-1 1.5', '+1 3.625']);
  expect(
    total.step([
      [-1, ['2.125']],
      [1, ['2.13']],
    ]),
  ).toEqual(['-1 3.625', '+1 3.63']);
  expect(total.step([[1, ['NaN']]])).toEqual(['-1 3.63', '+1 NaN']);
  expect(
    total.step([
      [-1, ['NaN']],
      [1, ['Infinity']],
    ]),
  ).toEqual(['+1 Infinity', '-1 NaN']);
  expect(total.step([[-1, ['Infinity']]])).toEqual(['+1 3.63', '-1 Infinity']);
});

test('sums of floats are exact and forget what is taken out', () => {
  const total = aggregate(['double precision'], 0, [call('sum', 0, 'double precision')]);
  total.start();
  expect(
    total.step([
      [1, ['1e300']],
      [1, ['1']],
    ]),
  ).toEqual(['+1 1e+300', '-1 ∅']);
  expect(total.step([[-1, ['1e300']]])).toEqual(['+1 1', '-1 1e+300']);
  expect(
    total.step([
      [1, ['1e300']],
      [1, ['-1e300']],
    ]),
  ).toEqual([]);
});

test('a sum out of range is an error in place of the row, until it recovers', () => {
  const groups = aggregate(['text', 'integer'], 1, [call('sum', 1)]);
  const most = 2 ** 31 - 1;
  expect(
    groups.step([
      [most, ['a', `${most}`]],
      [most, ['a', `${most - 1}`]],
      [1, ['b', '1']],
    ]),
  ).toEqual(['+1 a 9223372026117357571', '+1 b 1']);
  expect(groups.step([[6, ['a', '2147483645']]])).toEqual(['-1 a 9223372026117357571', '+1 error 22003 bigint out of range']);
  expect(groups.step([[1, ['a', '2147483645']]])).toEqual([]);
  expect(groups.step([[-7, ['a', '2147483645']]])).toEqual(['+1 a 9223372026117357571', '-1 error 22003 bigint out of range']);
});

test('large steps: each touched group still changes at most once, and equals a recomputation', () => {
  const groups = aggregate(['integer', 'integer'], 1, [call('count'), call('sum', 1), call('min', 1)]);
  const random = generator(3);
  for (let step = 0; step < 6; step++) {
    const delta = new Map<string, number>();
    for (let i = 0; i < 1500; i++) {
      const key = JSON.stringify([String(random(400)), String(random(50))]);
      // Every other step takes out half of what there is.
      const has = (groups.inputs.get(key) ?? 0) + (delta.get(key) ?? 0);
      const weight = step % 2 === 1 ? -has : 1;
      if (weight !== 0) delta.set(key, (delta.get(key) ?? 0) + weight);
    }
    const lines = groups.step([...delta].map(([key, weight]) => [weight, JSON.parse(key) as Row]));
    const changes = lines.map((line) => `${line[0]}${line.split(' ')[1]}`);
    expect(new Set(changes).size).toBe(changes.length);
    const expected = new Map<string, number[]>();
    for (const [k, x] of Harness.rows(groups.inputs)) expected.set(k!, [...(expected.get(k!) ?? []), Number(x)]);
    const rows = [...expected].map(([k, xs]) => JSON.stringify([k, xs.length, xs.reduce((a, b) => a + b, 0), Math.min(...xs)].map(String)));
    expect([...groups.outputs.keys()].sort()).toEqual(rows.sort());
  }
});

test('the longest steps go group by group, equal keys in the order in which they came', () => {
  const groups = aggregate(['numeric', 'integer'], 1, [call('count'), call('sum', 1), call('max', 1)]);
  const rows = Array.from({ length: 20_000 }, (_, i): Row => [`${i % 300}.${i < 300 ? '0' : '00'}`, String(i)]);
  const sums = Array.from({ length: 300 }, (_, key) => {
    const mine = rows.filter(([shown]) => Number(shown) === key).map(([, x]) => Number(x));
    return `+1 ${key}.0 ${mine.length + 1} ${mine.reduce((a, b) => a + b, 0) + mine[0]!} ${Math.max(...mine)}`;
  });
  // The first 300 rows twice each: their weight counts.
  expect(groups.step(rows.map((row, i) => [i < 300 ? 2 : 1, row])).sort()).toEqual(sums.sort());
  expect(groups.step([[-1, ['299.0', '299']]])).toHaveLength(2);
});

test('groups that went leave no memory behind', () => {
  const groups = aggregate(['text', 'numeric', 'text', 'double precision'], 1, [
    call('count', 2, 'text', { distinct: true }),
    call('sum', 1, 'numeric'),
    call('sum', 1, 'numeric', { distinct: true }),
    call('min', 1, 'numeric'),
    call('max', 2, 'text'),
    call('avg', 3, 'double precision'),
  ]);
  const numbers = ['1', '1.0', '1.00', '123456789012345678901234567890.5', 'NaN', '0.5'];
  const come = (step: number): [number, Row][] =>
    Array.from({ length: 30 }, (_, i) => [
      1,
      [`a key of more than twelve bytes ${step * 5 + (i % 5)}`, numbers[i % 6]!, `another long enough text ${i}`, String(10 ** i)],
    ]);
  const pass = (from: number, to: number): void => {
    for (let step = from; step < to; step++) {
      groups.step(come(step));
      groups.step(come(step).map(([, row]) => [-1, row]));
    }
  };
  pass(0, 20);
  const bytes = groups.stateBytes();
  pass(20, 120);
  expect(groups.stateBytes()).toBe(bytes);
});

test('sums of infinite intervals: one sign wins, both are an error', () => {
  const total = aggregate(['interval'], 0, [call('sum', 0, 'interval'), call('avg', 0, 'interval')]);
  total.start();
  expect(
    total.step([
      [1, ['1 day']],
      [1, ['infinity']],
    ]),
  ).toEqual(['+1 infinity infinity', '-1 ∅ ∅']);
  expect(total.step([[1, ['-infinity']]])).toEqual(['+1 error 22008 interval out of range', '-1 infinity infinity']);
  expect(total.step([[-1, ['infinity']]])).toEqual(['+1 -infinity -infinity', '-1 error 22008 interval out of range']);
  expect(total.step([[-1, ['-infinity']]])).toEqual(['-1 -infinity -infinity', '+1 1 day 1 day']);
});

const divide: Expression = {
  kind: 'call',
  proc: 154,
  procName: 'pg_catalog.int4div',
  args: [column(0, 'integer'), column(1, 'integer')],
  strict: true,
  type: type('integer'),
};
const notZero: Expression = {
  kind: 'call',
  proc: 144,
  procName: 'pg_catalog.int4ne',
  args: [column(1, 'integer'), { kind: 'constant', text: '0', type: type('integer') }],
  strict: true,
  type: type('boolean'),
};

test('a row whose argument fails is an error with its weight; FILTER keeps it from being evaluated', () => {
  const bare = aggregate(['integer', 'integer'], 0, [call('count'), call('sum', undefined, 'integer', { arg: divide })]);
  bare.start();
  expect(
    bare.step([
      [1, ['8', '2']],
      [2, ['8', '0']],
    ]),
  ).toEqual(['-1 0 ∅', '+1 1 4', '+2 error 22012 division by zero']);
  expect(bare.step([[-2, ['8', '0']]])).toEqual(['-2 error 22012 division by zero']);
  const filtered = aggregate(['integer', 'integer'], 0, [
    call('count'),
    call('sum', undefined, 'integer', { arg: divide, filter: notZero }),
  ]);
  filtered.start();
  expect(
    filtered.step([
      [1, ['8', '2']],
      [2, ['8', '0']],
    ]),
  ).toEqual(['-1 0 ∅', '+1 3 4']);
});

test('retracting from a group that is not there is a fault', () => {
  const groups = aggregate(['integer'], 1, [call('count')]);
  groups.step([[1, ['1']]]);
  groups.inputs.set('["2"]', 1);
  expect(() => groups.step([[-1, ['2']]])).toThrow('not there');
});

describe('Postgres is the oracle', () => {
  let postgres: PGlite;
  beforeAll(async () => {
    postgres = await PGlite.create();
    await postgres.exec("CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy')");
  });
  afterAll(() => postgres.close());

  /** How a result is compared: as text, or by equality where Postgres shows one of several equal values. */
  type Compared = 'text' | 'number';
  interface Case {
    readonly type: TypeName;
    readonly values: fc.Arbitrary<string | null>;
    readonly calls: readonly (readonly [string, AggregateCall, Compared?])[];
  }

  const whole = (min: bigint, max: bigint) => fc.oneof(fc.bigInt({ min: -20n, max: 20n }), fc.bigInt({ min, max })).map(String);
  const digits = fc.tuple(fc.bigInt({ min: -(10n ** 9n), max: 10n ** 9n }), fc.nat(6)).map(([n, scale]) => decimal(n, scale));
  const manyDigits = fc.tuple(fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }), fc.nat(30)).map(([n, scale]) => decimal(n, scale));
  const orNull = (values: fc.Arbitrary<string>) => fc.option(values, { freq: 6 });
  const of = (name: TypeName, sum: Compared = 'text'): Case['calls'] => [
    ['count(x)', call('count', 1, name)],
    ['sum(x)', call('sum', 1, name)],
    ['avg(x)', call('avg', 1, name)],
    ['min(x)', call('min', 1, name), sum],
    ['max(x)', call('max', 1, name), sum],
    ['count(DISTINCT x)', call('count', 1, name, { distinct: true })],
  ];
  const ordered = (name: TypeName): Case['calls'] => [
    ['count(x)', call('count', 1, name)],
    ['min(x)', call('min', 1, name)],
    ['max(x)', call('max', 1, name)],
    ['count(DISTINCT x)', call('count', 1, name, { distinct: true })],
  ];
  const distinctSums = (name: TypeName, compared: Compared): Case['calls'] => [
    ['sum(DISTINCT x)', call('sum', 1, name, { distinct: true }), compared],
  ];

  const cases: Record<string, Case> = {
    smallint: { type: 'smallint', values: orNull(whole(-32768n, 32767n)), calls: [...of('smallint'), ...distinctSums('smallint', 'text')] },
    integer: {
      type: 'integer',
      values: orNull(whole(-(2n ** 31n), 2n ** 31n - 1n)),
      calls: [...of('integer'), ...distinctSums('integer', 'text')],
    },
    bigint: {
      type: 'bigint',
      values: orNull(whole(-(2n ** 63n), 2n ** 63n - 1n)),
      calls: [...of('bigint'), ...distinctSums('bigint', 'text')],
    },
    'numeric, few digits': {
      type: 'numeric',
      values: orNull(digits),
      calls: [...of('numeric', 'number'), ...distinctSums('numeric', 'number')],
    },
    'numeric, many digits': {
      type: 'numeric',
      values: orNull(fc.oneof(digits, manyDigits, fc.constantFrom('0', '0.000', '1', '1.0', '1.00'))),
      calls: [...of('numeric', 'number'), ...distinctSums('numeric', 'number')],
    },
    'numeric, not all of them numbers': {
      type: 'numeric',
      values: orNull(fc.oneof(digits, fc.constantFrom('NaN', 'Infinity', '-Infinity'))),
      calls: of('numeric', 'number'),
    },
    interval: {
      type: 'interval',
      values: orNull(
        fc.oneof(
          fc.constantFrom('1 mon', '30 days', '1 day', '24:00:00', '-1 days', '00:00:00.000001', '1 year 2 mons 3 days 04:05:06.789'),
          fc
            .tuple(fc.integer({ min: -50, max: 50 }), fc.integer({ min: -400, max: 400 }), fc.integer({ min: 0, max: 86_399 }))
            .map(([m, d, s]) => `${m} mons ${d} days ${clock(s)}`),
        ),
      ),
      calls: [
        ['count(x)', call('count', 1, 'interval')],
        ['sum(x)', call('sum', 1, 'interval')],
        ['avg(x)', call('avg', 1, 'interval')],
        ['count(DISTINCT x)', call('count', 1, 'interval', { distinct: true })],
      ],
    },
    'double precision': {
      type: 'double precision',
      values: orNull(fc.constantFrom('0', '-0', '1.5', '-1.5', '1e300', '-2.25', 'NaN', 'Infinity', '-Infinity', '1e-320')),
      calls: [
        ['count(x)', call('count', 1, 'double precision')],
        ['min(x)', call('min', 1, 'double precision'), 'number'],
        ['max(x)', call('max', 1, 'double precision'), 'number'],
        ['count(DISTINCT x)', call('count', 1, 'double precision', { distinct: true })],
      ],
    },
    // Sums of these are exact in any order, so that Postgres's own answer is the only one.
    'double precision, sums': {
      type: 'double precision',
      values: orNull(
        fc.oneof(
          fc.integer({ min: -4000, max: 4000 }).map((n) => String(n / 16)),
          fc.constantFrom('NaN', 'Infinity', '-Infinity', '-0', '0'),
        ),
      ),
      calls: [
        ['sum(x)', call('sum', 1, 'double precision')],
        ['avg(x)', call('avg', 1, 'double precision'), 'number'],
        ['sum(DISTINCT x)', call('sum', 1, 'double precision', { distinct: true }), 'number'],
      ],
    },
    real: {
      type: 'real',
      values: orNull(
        fc.oneof(
          fc.integer({ min: -4000, max: 4000 }).map((n) => String(n / 16)),
          fc.constantFrom('NaN', 'Infinity', '-Infinity'),
        ),
      ),
      calls: of('real', 'number'),
    },
    text: {
      type: 'text',
      values: orNull(
        fc.oneof(
          fc.constantFrom('', 'a', 'A', 'ab', 'a b', 'ä', 'prefix and more', 'prefix and mora', 'prefix', '😀', '～'),
          fc.string({ unit: 'grapheme', maxLength: 20 }).filter((s) => !s.includes('\0')),
        ),
      ),
      calls: ordered('text'),
    },
    date: {
      type: 'date',
      values: orNull(fc.constantFrom('2024-02-29', '1999-12-31', '2000-01-01', 'infinity', '-infinity')),
      calls: ordered('date'),
    },
    timestamp: {
      type: 'timestamp without time zone',
      values: orNull(fc.constantFrom('2024-02-29 12:00:00', '1999-12-31 23:59:59.999999', '2000-01-01 00:00:00', 'infinity', '-infinity')),
      calls: ordered('timestamp without time zone'),
    },
    'integer[]': {
      type: 'integer[]',
      values: orNull(fc.constantFrom('{}', '{1}', '{9}', '{10}', '{1,2}', '{1,NULL}', '{-1,5}')),
      calls: ordered('integer[]'),
    },
    'numeric[]': {
      type: 'numeric[]',
      values: orNull(fc.constantFrom('{}', '{1}', '{1.0}', '{1.00,2}', '{1,2.0}', '{10}', '{9}')),
      calls: [['count(DISTINCT x)', call('count', 1, 'numeric[]', { distinct: true })]],
    },
    enum: { type: 'mood', values: orNull(fc.constantFrom('sad', 'ok', 'happy')), calls: ordered('mood') },
    boolean: {
      type: 'boolean',
      values: orNull(fc.constantFrom('t', 'f')),
      calls: [
        ['bool_and(x)', call('bool_and', 1, 'boolean')],
        ['bool_or(x)', call('bool_or', 1, 'boolean')],
        ['count(DISTINCT x)', call('count', 1, 'boolean', { distinct: true })],
      ],
    },
  };

  async function answer({ type: name, calls }: Case, rows: readonly Row[]): Promise<(string | null)[][]> {
    const list = calls.map(([sql]) => `(${sql})::text`).join(', ');
    const literal = (value: string | null) => (value === null ? 'NULL' : `'${value.replaceAll("'", "''")}'`);
    const values = rows.map(([k, x]) => `(${literal(k!)}::integer, ${literal(x!)}::${name})`).join(', ');
    const sql = `SELECT k::text, count(*)::text, ${list} FROM (VALUES ${values}) AS v(k, x) GROUP BY k`;
    const result = await postgres.query<(string | null)[]>(sql, [], { rowMode: 'array' });
    return result.rows;
  }

  function comparable(row: Row, calls: Case['calls']): string {
    return JSON.stringify(
      row.map((value, index) => {
        const compared = calls[index - 2]?.[2] ?? 'text';
        if (value === 't' || value === 'f') return value === 't' ? 'true' : 'false';
        return compared === 'number' && value !== null
          ? value
              .replace(/(\.\d*?)0+$/, '$1')
              .replace(/\.$/, '')
              .replace(/^-0$/, '0')
          : value;
      }),
    );
  }

  test.each(Object.keys(cases))('%s', async (name) => {
    const it = cases[name]!;
    const change = fc.tuple(fc.integer({ min: 1, max: 3 }), fc.constantFrom('1', '2', null), it.values);
    const steps = fc.array(fc.tuple(fc.array(change, { maxLength: 8 }), fc.array(fc.nat(1000), { maxLength: 8 })), { maxLength: 6 });
    await fc.assert(
      fc.asyncProperty(steps, async (given) => {
        const groups = aggregate(['integer', it.type], 1, [call('count'), ...it.calls.map(([, one]) => one)]);
        for (const [arrivals, departures] of given) {
          const present = [...groups.inputs.keys()];
          const leaving = new Set(
            departures.map((place) => present[place % Math.max(1, present.length)]).filter((key) => key !== undefined),
          );
          groups.step([
            ...arrivals.map(([weight, k, x]) => [weight, [k, x]] as const),
            ...[...leaving].map((key, index) => [index % 2 === 0 ? -groups.inputs.get(key)! : -1, JSON.parse(key) as Row] as const),
          ]);
          const rows = Harness.rows(groups.inputs);
          const expected = rows.length === 0 ? [] : await answer(it, rows);
          const seen = Harness.rows(groups.outputs).map((row) => comparable(row, it.calls));
          expect(seen.sort()).toEqual(expected.map((row) => comparable(row, it.calls)).sort());
        }
      }),
      { numRuns: 40 },
    );
  });
});

function decimal(coefficient: bigint, scale: number): string {
  if (scale === 0) return String(coefficient);
  const size = (coefficient < 0n ? -coefficient : coefficient).toString().padStart(scale + 1, '0');
  return `${coefficient < 0n ? '-' : ''}${size.slice(0, -scale)}.${size.slice(-scale)}`;
}

function clock(seconds: number): string {
  return [seconds / 3600, (seconds / 60) % 60, seconds % 60].map((part) => String(Math.floor(part)).padStart(2, '0')).join(':');
}

function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >>> 8) % below;
  };
}
