/** Order and canonical identity against Postgres: ORDER BY under C, builtin and ICU collations, and `=` of every type. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startPostgres, type TestPostgres } from '../../test/postgres/postgres.ts';
import { literal } from '../base/ident.ts';
import { canonicalizer } from './canonical.ts';
import { codecOf, type Value } from './codec.ts';
import { compareFloat, ordersNatively, textOrder, valueOrder } from './order.ts';
import { pgType } from './testing/postgres.ts';
import { edges, sample, seeded } from './testing/samples.ts';
import type { Collation } from './type.ts';

let pg: TestPostgres;
beforeAll(async () => {
  pg = await startPostgres();
  await pg.createDatabase('bytes', { provider: 'builtin' });
  await pg.createDatabase('icu', { provider: 'icu', locale: 'en-US' });
});
afterAll(() => pg.stop());

const ICU: Collation = { name: 'default', provider: 'icu', locale: 'en-US', deterministic: true };
const BUILTIN: Collation = { name: 'default', provider: 'builtin', locale: 'C.UTF-8', deterministic: true };

const LETTERS = [...'abcXYZ019 -_.,\'"()#éÉèßœÆøÅåñžŽłدמ語かカ한😀𐀀\u0301\u200b\uffff'];

function words(): string[] {
  const random = seeded(7);
  const made = Array.from({ length: 1500 }, () =>
    Array.from({ length: Math.floor(random() * 7) }, () => LETTERS[Math.floor(random() * LETTERS.length)]!).join(''),
  );
  return [...new Set([...made, ...edges('text')])];
}

describe('text', () => {
  test.each([
    ['builtin C.UTF-8', 'bytes', BUILTIN],
    ['ICU en-US', 'icu', ICU],
  ] as const)('sorts as Postgres does under %s', async (_, database, collation) => {
    const all = words();
    const sorted = await pg.query<{ word: string }>('SELECT word FROM unnest($1::text[]) AS u(word) ORDER BY word', [all], database);
    expect(all.toSorted(textOrder(collation))).toEqual(sorted.map(({ word }) => word));
  });
});

describe.each([
  'real',
  'double precision',
  'numeric',
  'character',
  'interval',
  'date',
  'timestamp without time zone',
  'bytea',
  'uuid',
  'bigint',
  'integer[]',
  'numeric[]',
  'double precision[]',
  'text[]',
  'interval[]',
  'jsonb',
  'numrange',
])('%s', (typeName) => {
  test('compares, and its canonical values are identical exactly where Postgres says =', async () => {
    const type = pgType(typeName);
    const codec = codecOf(type);
    const random = seeded(11);
    const texts = [...new Set([...edges(typeName), ...Array.from({ length: 30 }, () => sample(typeName, random))])];
    const sqlType = typeName === 'character' ? 'bpchar' : typeName;
    const list = texts.map((text, i) => `(${i}, ${literal(text)}::${sqlType})`).join(', ');
    const rows = await pg.query<{ i: number; j: number; sign: number }>(
      `WITH v(i, x) AS (VALUES ${list}) SELECT a.i, b.i AS j, CASE WHEN a.x = b.x THEN 0 WHEN a.x < b.x THEN -1 ELSE 1 END AS sign FROM v AS a, v AS b`,
      undefined,
      'bytes',
    );
    const order = valueOrder(type);
    const canonical = (canonicalizer(type) ?? ((value: Value) => value)) as (value: Value) => Value;
    const parsed = texts.map((text) => codec.parse(text));
    const identity = parsed.map((value) => codec.format(canonical(value)));
    const differences = rows.filter(
      ({ i, j, sign }) =>
        (ordersNatively(type) && Math.sign(order(parsed[i]!, parsed[j]!)) !== sign) || (identity[i] === identity[j]) !== (sign === 0),
    );
    expect(differences.map(({ i, j, sign }) => `${texts[i]!} ${sign} ${texts[j]!}`)).toEqual([]);
  });
});

test('floats: NaN equals itself and is the greatest', () => {
  expect([NaN, Infinity, -0, 0, -Infinity, 1].toSorted(compareFloat)).toEqual([-Infinity, -0, 0, 1, Infinity, NaN]);
});
