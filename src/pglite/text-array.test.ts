import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeTextArray, encodeTextArray, sliceTextArray } from './text-array.ts';

const texts = fc.array(fc.option(fc.string({ unit: 'binary' })));
// Lone surrogates have no UTF-8; they become U+FFFD on both sides.
const asUtf8 = (text: string | null) => (text === null ? null : text.toWellFormed());

test('one element', () => {
  expect([...encodeTextArray(1, () => 'é')]).toEqual([0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 25, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0xc3, 0xa9]);
});

const encoded = (array: readonly (string | null)[]) => encodeTextArray(array.length, (i) => array[i]!);

test('what is encoded is decoded', () => {
  fc.assert(
    fc.property(texts, (array) => {
      expect(decodeTextArray(encoded(array))).toEqual(array.map(asUtf8));
    }),
  );
});

test('a slice is the array of the slice', () => {
  fc.assert(
    fc.property(texts, fc.nat(), fc.nat(), (array, a, b) => {
      const [from, to] = [a % (array.length + 1), b % (array.length + 1)].sort((x, y) => x - y) as [number, number];
      expect(decodeTextArray(sliceTextArray(encoded(array), from, to))).toEqual(array.slice(from, to).map(asUtf8));
    }),
  );
});
