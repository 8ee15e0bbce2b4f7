import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { WordPool } from '../../../arrangement/ordered-pool.ts';
import { ValueBags } from './value-bag.ts';

const CODE = -1;

test('a bag is the multiset of its values, and knows its ends', () => {
  const change = fc.record({ value: fc.integer({ min: 0, max: 20 }), copies: fc.integer({ min: 1, max: 5 }), comes: fc.boolean() });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 200 }), (changes) => {
      const pool = new WordPool();
      const bags = new ValueBags(pool);
      const values: number[] = [];
      let bag = 0;
      for (const { value, copies, comes } of changes) {
        const held = values.filter((known) => known === value).length;
        if (comes) {
          const next = bags.add(bag, value, CODE, copies);
          expect(next !== 0).toBe(values.length + copies <= 64);
          if (next === 0) continue;
          bag = next;
          for (let i = 0; i < copies; i++) values.push(value);
        } else if (copies > held) {
          // A fault ends the view, so what it leaves does not matter; the model goes on without it.
          continue;
        } else {
          bag = bags.remove(bag, value, CODE, copies);
          for (let i = 0; i < copies; i++) values.splice(values.indexOf(value), 1);
        }
        expect(bag === 0).toBe(values.length === 0);
        if (bag === 0) continue;
        const sorted = values.toSorted((a, b) => a - b);
        expect(Array.from({ length: bags.count(bag) }, (_, place) => bags.valueAt(bag, place)).toSorted((a, b) => a - b)).toEqual(sorted);
        expect([bags.least(bag), bags.greatest(bag)]).toEqual([sorted[0], sorted.at(-1)]);
      }
      if (bag !== 0) bags.free(bag);
      expect(pool.usedWords()).toBe(0);
    }),
    { numRuns: 300 },
  );
});

test('another code does not fit, and what is not there cannot go', () => {
  const bags = new ValueBags(new WordPool());
  const bag = bags.add(0, 1.5, CODE, 1);
  expect(bags.add(bag, 1.5, CODE - 1, 1)).toBe(0);
  expect(() => bags.remove(bag, 1.5, CODE - 1, 1)).toThrow(/more often/);
  expect(() => bags.remove(bag, 1.5, CODE, 2)).toThrow(/more often/);
  expect(() => bags.remove(0, 1.5, CODE, 1)).toThrow(/more often/);
});
