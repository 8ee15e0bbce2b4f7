import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { normalInt } from '../../../../values/int64.ts';
import { addWide, readWide } from './wide.ts';

const few = fc.constantFrom(1, -1, 3);
const many = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const term = fc.oneof(
  fc.tuple(fc.bigInt({ min: -100n, max: 100n }), many),
  // Near what two doubles add exactly, so that carries happen.
  fc.tuple(fc.bigInt({ min: 2n ** 51n, max: 2n ** 52n + 2n }), few),
  fc.tuple(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), many),
  fc.tuple(fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }), few),
);

test('adds up exactly, and back to nothing', () => {
  fc.assert(
    fc.property(fc.array(term, { maxLength: 60, size: 'max' }), (terms) => {
      // Not at the start of the array: the place is honoured.
      const sum = new Float64Array(4);
      let expected = 0n;
      for (const [value, times] of terms) {
        addWide(sum, 1, normalInt(value), times);
        expected += value * BigInt(times);
        expect(readWide(sum, 1)).toBe(normalInt(expected));
      }
      for (const [value, times] of terms) addWide(sum, 1, normalInt(value), -times);
      expect([sum[0], readWide(sum, 1), sum[3]]).toEqual([0, 0, 0]);
    }),
  );
});

test('two doubles that carry', () => {
  const sum = new Float64Array(2);
  for (let i = 0; i < 1000; i++) addWide(sum, 0, 2 ** 52 - 1, 1);
  expect(readWide(sum, 0)).toBe(BigInt(2 ** 52 - 1) * 1000n);
});
