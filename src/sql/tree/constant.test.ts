import { afterAll, beforeAll, expect, test } from 'vitest';
import { planningFixture, type PlanningFixture } from '../catalog.fixture.ts';
import { arrayElements } from './constant.ts';

let fixture: PlanningFixture;
beforeAll(async () => {
  fixture = await planningFixture("CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE TABLE t (a integer)");
}, 60_000);
afterAll(() => fixture.close());

/** Literals whose bytes the tree holds; what Postgres prints for them is the oracle. */
const LITERALS = [
  `true`,
  `false`,
  `'-7'::int2`,
  `2147483647`,
  `-2147483648`,
  `9007199254740993`,
  `'-9223372036854775808'::int8`,
  `4294967295::oid`,
  `1.50`,
  `0.0`,
  `-12345678901234567890.000001`,
  `1e30`,
  `0.00000000000000000000001`,
  `1e-20`,
  `10000.0000`,
  `'NaN'::numeric`,
  `'-Infinity'::numeric`,
  `123456789.5`,
  `'1.1'::float4`,
  `'-0'::float8`,
  `'1e300'::float8`,
  `'NaN'::float8`,
  `'Infinity'::float8`,
  `'grüße'`,
  `''`,
  `'it''s'::varchar(10)`,
  `'ab  '::char(6)`,
  `date '2024-02-29'`,
  `date '-infinity'`,
  `date '0044-03-15 BC'`,
  `time '12:34:56.789'`,
  `timestamp '2024-01-01 00:00:00.000001'`,
  `timestamptz '1999-12-31 23:59:59+02'`,
  `interval '-1 year 2 months 3 days 04:05:06.7'`,
  `interval '0'`,
  `'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid`,
  `'ok'::mood`,
  `'{1,NULL,3}'::int[]`,
  `'{"a": 1.50}'::jsonb`,
  `'[1,5)'::int4range`,
  `'10.0.0.1'::inet`,
  `'\\x00ff'::bytea`,
  `NULL::text`,
];

test('every literal comes out as Postgres prints it', async () => {
  const { rows } = await fixture.catalog.query(`SELECT ${LITERALS.join(', ')}`);
  const { plan } = await fixture.view(`SELECT ${LITERALS.map((literal, i) => `${literal} AS c${i}`).join(', ')}`);
  expect(plan.op).toBe('values');
  const texts = plan.op === 'values' ? plan.rows[0]!.map((value) => value.text) : [];
  expect(texts).toEqual(rows[0]);
});

test('array elements', () => {
  expect(arrayElements('{}')).toEqual([]);
  expect(arrayElements('{1,NULL,"NULL","a\\"b,c",x y}')).toEqual(['1', null, 'NULL', 'a"b,c', 'x y']);
  expect(arrayElements('{{1,2}}')).toBeUndefined();
  expect(arrayElements('[0:1]={1,2}')).toBeUndefined();
});
