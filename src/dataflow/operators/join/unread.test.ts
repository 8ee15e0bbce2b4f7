import fc from 'fast-check';
import { expect, test } from 'vitest';
import { rowLayout } from '../../../values/layout.ts';
import { add, blockOf, int4, text, type Bag, type Row } from '../../testing/rows.ts';
import { UnreadChanges } from './unread.ts';

const LAYOUT = rowLayout([int4, text, int4]);

test('a replaced row that differs only in what is not read is left out, its neighbours are not', () => {
  const delta = blockOf(LAYOUT, [
    [['1', 'a', '5'], -1],
    [['1', 'b', '5'], 1],
    [['2', 'a', '5'], -1],
    [['2', 'a', '6'], 1],
    [['3', 'a', '5'], 1],
  ]);
  expect([...new UnreadChanges(LAYOUT, [0, 2]).leaveOut(delta, null)!.subarray(0, 5)]).toEqual([0, 0, 1, 1, 1]);
  expect(new UnreadChanges(LAYOUT, [0, 1, 2]).leaveOut(delta, null)).toBeNull();
});

test('what is left is the same delta, seen through the columns that are read', () => {
  const value = fc.constantFrom(null, '1', '2');
  const word = fc.constantFrom(null, 'x', 'a text that is longer than twelve bytes', 'another that is longer than twelve bytes');
  const row = fc.tuple(value, word, value);
  const entry = fc.tuple(row, fc.constantFrom(-2, -1, 1, 2), fc.constantFrom(0, 1));
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 12 }), fc.uniqueArray(fc.nat({ max: 2 })), fc.boolean(), (entries, read, all) => {
      const delta = blockOf(
        LAYOUT,
        entries.map(([values, weight]) => [values, weight]),
      );
      const wanted = all ? null : Uint8Array.from(entries, ([, , one]) => one);
      const pass = new UnreadChanges(LAYOUT, read).leaveOut(delta, wanted);
      const seen = (mask: Uint8Array | null): Bag => {
        const bag: Bag = new Map();
        entries.forEach(([values, weight], i) => {
          if (mask === null || mask[i] !== 0)
            add(
              bag,
              read.map((column): Row[number] => values[column]!),
              weight,
            );
        });
        return bag;
      };
      expect(seen(pass)).toEqual(seen(wanted));
    }),
  );
});
