import fc from 'fast-check';
import { expect, test } from 'vitest';
import { bounds, covers, parseRange } from './address.ts';

test.each([
  ['203.0.113.7', '203.0.113.7/32', true],
  ['203.0.113.0/24', '203.0.113.7/32', true],
  ['203.0.113.0/24', '203.0.112.0/23', false],
  ['0.0.0.0/0', '203.0.113.7/32', true],
  ['203.0.113.0-203.0.113.9', '203.0.113.7', true],
  ['203.0.113.0-203.0.113.9', '203.0.113.8/29', false],
  ['2001:db8::/32', '2001:db8::1/128', true],
  ['::/0', '203.0.113.7/32', false],
  ['0.0.0.0/0', '2001:db8::1', false],
  ['k8s:ff2a6c52', '203.0.113.7', false],
  ['all of Azure', '203.0.113.7', false],
  ['203.0.113.7', 'nonsense', false],
])('%s lets %s in: %s', (outer, inner, expected) => expect(covers(outer, inner)).toBe(expected));

test.each(['', 'x', '300.1.1.1', '1.2.3.4/33', '::1/129', '1.2.3.4/', '1.2.3.4/x'])('"%s" is no range', (text) =>
  expect(parseRange(text)).toBeUndefined(),
);

const address = fc.integer({ min: 0, max: 0xffff_ffff }).map((number) => [24, 16, 8, 0].map((shift) => (number >>> shift) & 255).join('.'));
const length = fc.integer({ min: 0, max: 32 });

test('a range covers exactly what lies between its first and its last address', () => {
  fc.assert(
    fc.property(address, length, address, length, (outer, outerBits, inner, innerBits) => {
      const number = (text: string): number => text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
      const [a, b] = [bounds(parseRange(`${outer}/${outerBits}`)!), bounds(parseRange(`${inner}/${innerBits}`)!)];
      const inside = number(a.first) <= number(b.first) && number(b.last) <= number(a.last);
      expect(covers(`${outer}/${outerBits}`, `${inner}/${innerBits}`)).toBe(inside);
      expect(covers(`${a.first}-${a.last}`, `${inner}/${innerBits}`)).toBe(inside);
    }),
  );
});
