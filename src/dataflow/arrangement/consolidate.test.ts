/** The law of consolidation against a plain sum, for every small number of rows (two have a way of their own) and for some larger ones. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { rowLayout } from '../../values/layout.ts';
import { bagOfBlock, blockOf, int4, text, type Row } from '../testing/rows.ts';
import { consolidator } from './consolidate.ts';
import { DeltaBlock } from './delta-block.ts';
import { HashTable } from './hash-table.ts';

const layout = rowLayout([int4, text]);
const rows = fc.array(
  fc.tuple(
    fc.tuple(fc.constantFrom(null, '1', '2'), fc.constantFrom('x', 'a text that is longer than twelve bytes')),
    fc.integer({ min: -2, max: 2 }),
  ),
  { maxLength: 40 },
);

test('one row replaced by another stays two; one that comes back is none', () => {
  const consolidate = consolidator(layout);
  const replaced = blockOf(layout, [
    [['1', 'x'], -1],
    [['2', 'x'], 1],
  ]);
  consolidate(replaced);
  expect(bagOfBlock(replaced)).toEqual(
    new Map([
      ['["1","x"]', -1],
      ['["2","x"]', 1],
    ]),
  );
  const back = blockOf(layout, [
    [['1', 'x'], -1],
    [['1', 'x'], 1],
  ]);
  consolidate(back);
  expect(back.length).toBe(0);
});

test('weights of identical rows are summed, zeros are gone, every row stands once', () => {
  const consolidate = consolidator(layout);
  fc.assert(
    fc.property(rows, (list) => {
      const block = blockOf(layout, list as [Row, number][]);
      const expected = bagOfBlock(block);
      consolidate(block);
      expect(bagOfBlock(block)).toEqual(expected);
      expect(block.length).toBe(expected.size);
    }),
  );
});

test('a row pushed into an emptied block is zero, whatever lay there', () => {
  const block = new DeltaBlock(layout);
  const first = block.push(1);
  block.words.fill(-1, first, first + block.stride);
  block.clear();
  const again = block.push(1);
  expect([...block.words.subarray(again, again + block.stride)]).toEqual(Array.from({ length: block.stride }, () => 0));
});

test('a hash table shrinks over small uses after a large one, and loses nothing', () => {
  const table = new HashTable();
  const use = (entries: number): void => {
    for (let i = 1; i <= entries; i++) {
      expect(table.find(i * 7919)).toBe(0);
      table.insertHere(i);
    }
    for (let i = 1; i <= entries; i++) expect(table.find(i * 7919)).toBe(i);
    table.clear();
  };
  use(700);
  const large = table.bytes();
  for (let i = 0; i < 12; i++) use(3);
  expect(table.bytes()).toBeLessThan(large / 8);
  use(700);
});

test.each([0, 100, 30_000, 90_000, 400_000])('a hash table that made room for %i entries holds any number', (reserved) => {
  const table = new HashTable();
  const hash = (i: number): number => Math.imul(i, 0x9e3779b1);
  table.reserve(reserved);
  const empty = table.bytes();
  const entries = 90_000;
  for (let i = 1; i <= entries; i++) {
    expect(table.find(hash(i))).toBe(0);
    table.insertHere(i);
  }
  // Enough room was made, so nothing has moved.
  if (reserved >= entries) expect(table.bytes()).toBe(empty);
  for (let i = 1; i <= entries; i++) expect(table.find(hash(i))).toBe(i);
  for (let i = 1; i <= entries; i++) {
    expect(table.find(hash(i))).toBe(i);
    table.remove();
  }
  expect(table.count).toBe(0);
});
