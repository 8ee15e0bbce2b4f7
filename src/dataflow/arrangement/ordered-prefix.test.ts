import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { rowLayout } from '../../values/layout.ts';
import { type Collation, type PgType, storageOf } from '../../values/type.ts';
import { compileCompare, compileParse } from '../expression/rows.ts';
import { DeltaBlock } from './delta-block.ts';
import { identityOrder, totalOrder } from './ordered-identity.ts';
import { prefixOf } from './ordered-prefix.ts';

const type = (oid: number, name: string, more: Partial<PgType> = {}): PgType => ({
  oid,
  name,
  kind: 'base',
  storage: storageOf(oid),
  typmod: -1,
  ...more,
});
const english: Collation = { name: 'en', provider: 'icu', locale: 'en-US', deterministic: true };
const digits = fc
  .tuple(fc.bigInt({ min: -(10n ** 24n), max: 10n ** 24n }), fc.bigInt({ min: -100n, max: 100n }), fc.boolean())
  .map(([n, few, many]) => String(many ? n : few));
const numeric = fc.oneof(
  fc.tuple(digits, fc.nat({ max: 10 ** 9 })).map(([n, fraction]) => `${n}.${fraction}`),
  digits,
  fc.constantFrom('NaN', 'Infinity', '-Infinity', '1', '1.0', '1.00', '0.3', '0.30000000000000000001'),
);
const word = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', 'b', 'B', ' ', 'é', '😀'), maxLength: 16 }),
  fc.constantFrom('prefix', 'prefix and more', 'prefix and mora', ''),
);
const micros = fc
  .integer({ min: 0, max: 86_399 })
  .map((s) => [s / 3600, (s / 60) % 60, s % 60].map((part) => String(Math.floor(part)).padStart(2, '0')).join(':'));
const float = fc.oneof(fc.double(), fc.constantFrom(0, -0, NaN, Infinity, -Infinity));

const cases: Record<string, [PgType, fc.Arbitrary<string>]> = {
  boolean: [type(16, 'boolean'), fc.constantFrom('t', 'f')],
  integer: [type(23, 'integer'), fc.integer().map(String)],
  oid: [type(26, 'oid'), fc.integer({ min: 0, max: 2 ** 32 - 1 }).map(String)],
  bigint: [
    type(20, 'bigint'),
    fc.oneof(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), fc.bigInt({ min: 2n ** 53n - 3n, max: 2n ** 53n + 3n })).map(String),
  ],
  float8: [type(701, 'double precision'), float.map((value) => (Object.is(value, -0) ? '-0' : String(value)))],
  numeric: [type(1700, 'numeric'), numeric],
  uuid: [type(2950, 'uuid'), fc.uuid()],
  interval: [
    type(1186, 'interval'),
    fc.tuple(fc.integer({ min: -9, max: 9 }), fc.integer({ min: -99, max: 99 }), micros).map(([m, d, s]) => `${m} mons ${d} days ${s}`),
  ],
  'text by bytes': [type(25, 'text'), word],
  'text by ICU': [type(25, 'text', { collation: english }), word],
  character: [type(1042, 'character'), word],
  enum: [type(99_999, 'mood', { kind: 'enum', storage: 'text', labels: ['sad', 'ok', 'happy'] }), fc.constantFrom('sad', 'ok', 'happy')],
};

describe.each(Object.keys(cases))('%s', (name) => {
  const [of, values] = cases[name]!;
  const layout = rowLayout([of]);
  const parse = compileParse(layout);
  const block = new DeltaBlock(layout);
  const rowsOf = (...texts: (string | null)[]): number[] => {
    block.clear();
    return texts.map((text) => {
      const row = block.push(1);
      parse([text], block, row);
      return row;
    });
  };

  test('the prefix never contradicts the order, in either direction, with NULLs at either end', () => {
    const value = fc.option(values, { freq: 8 });
    fc.assert(
      fc.property(value, value, fc.boolean(), fc.boolean(), (a, b, descending, nullsFirst) => {
        const [left, right] = rowsOf(a, b) as [number, number];
        const prefix = prefixOf(layout.columns[0]!, { descending, nullsFirst });
        const order = compileCompare(layout, [{ column: 0, descending, nullsFirst }])(block, left, block, right);
        const [first, second] = order <= 0 ? [left, right] : [right, left];
        expect(prefix(block, first)).toBeLessThanOrEqual(prefix(block, second));
      }),
      { numRuns: 500 },
    );
  });

  test('with identity behind it, the order is total', () => {
    fc.assert(
      fc.property(fc.array(fc.option(values, { freq: 8 }), { minLength: 3, maxLength: 3 }), (texts) => {
        const rows = rowsOf(...texts);
        const compare = totalOrder(compileCompare(layout, [{ column: 0, descending: false, nullsFirst: false }]), layout);
        const identity = identityOrder(layout);
        for (const a of rows) {
          expect(compare(block, a, block, a)).toBe(0);
          for (const b of rows) {
            const same = block.words.slice(a, a + layout.words).join() === block.words.slice(b, b + layout.words).join();
            if (same) expect(compare(block, a, block, b)).toBe(0);
            expect(Math.sign(compare(block, a, block, b))).toBe(-Math.sign(compare(block, b, block, a)) + 0);
            expect(compare(block, a, block, b) === 0).toBe(identity(block, a, block, b) === 0);
          }
        }
        const [a, b, c] = rows.sort((x, y) => compare(block, x, block, y)) as [number, number, number];
        expect([compare(block, a, block, b) <= 0, compare(block, b, block, c) <= 0, compare(block, a, block, c) <= 0]).toEqual([
          true,
          true,
          true,
        ]);
      }),
      { numRuns: 200 },
    );
  });
});
