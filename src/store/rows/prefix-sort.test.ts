import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { sortByPrefix } from './prefix-sort.ts';

test('sorts as a comparison does: words, then what they do not tell, then age', () => {
  const word = fc.oneof(fc.nat(2), fc.constantFrom(0, 0xffff, 0x10000, 0x80000000, 0xffffffff), fc.integer({ min: 0, max: 0xffffffff }));
  fc.assert(
    fc.property(
      fc.array(fc.tuple(word, word, fc.nat(1)), { minLength: 1, maxLength: 60 }),
      fc.constantFrom(1, 7, 5_000),
      fc.nat(3),
      (kinds, count, skipped) => {
        // Many entries of few kinds, in an order that has nothing to do with theirs.
        const of = (entry: number): (typeof kinds)[number] => kinds[(entry * 7919) % kinds.length]!;
        const low = Uint32Array.from({ length: count }, (_, entry) => of(entry)[0]);
        const high = Uint32Array.from({ length: count }, (_, entry) => of(entry)[1]);
        const compare = (a: number, b: number): number => high[a]! - high[b]! || low[a]! - low[b]! || of(a)[2] - of(b)[2];
        const entries = Uint32Array.from({ length: count }, (_, entry) => entry).filter((entry) => entry % 4 >= skipped);
        const expected = [...entries].sort((a, b) => compare(a, b) || a - b);
        expect([...sortByPrefix(entries, [low, high], compare)]).toEqual(expected);
      },
    ),
    { numRuns: 60 },
  );
});
