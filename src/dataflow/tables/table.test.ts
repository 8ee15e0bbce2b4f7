import { describe, expect, test } from 'vitest';
import { DataflowFault } from '../fault.ts';
import { TableInput } from './table.ts';
import { bagOf, bagOfBlock, batch, columns, int4, numeric, sorted, text, tuple, UNCHANGED, type Row } from '../testing/rows.ts';

const long = 'a value that the upstream keeps out of line';
const shape = { columns: columns(int4, text, numeric), key: [0] };

function loaded(rows: readonly Row[], kept: readonly number[] = [0, 1, 2], key: readonly number[] = [0]): TableInput {
  const input = new TableInput({ ...shape, key }, kept);
  input.load([batch(rows)]);
  return input;
}

/** One step: the delta it makes, applied. */
function step(input: TableInput): [string, number][] {
  input.drain(1000);
  const delta = sorted(bagOfBlock(input.delta));
  input.apply();
  input.delta.clear();
  expect(input.drain(1000)).toBe(false);
  return delta;
}

describe('a table with a key', () => {
  test('takes an insert, an update and a delete', () => {
    const input = loaded([['1', 'a', '1.0']]);
    input.insert(tuple(['2', 'b', null]), 0);
    expect(step(input)).toEqual([['["2","b",null]', 1]]);
    input.update(tuple(['1', 'c', '1.00']), 'none', 0, 0);
    input.delete(tuple(['2', null, null]), 'key', 0);
    expect(step(input)).toEqual([
      ['["1","a","1.0"]', -1],
      ['["1","c","1.00"]', 1],
      ['["2","b",null]', -1],
    ]);
    expect(sorted(bagOf(input.arrangement))).toEqual([['["1","c","1.00"]', 1]]);
  });

  test('nets the changes of a step to one key', () => {
    const input = loaded([['1', 'a', null]]);
    input.update(tuple(['1', 'b', null]), 'none', 0, 0);
    input.update(tuple(['1', 'c', null]), 'none', 0, 0);
    input.insert(tuple(['2', 'x', null]), 0);
    input.delete(tuple(['2', null, null]), 'key', 0);
    expect(step(input)).toEqual([
      ['["1","a",null]', -1],
      ['["1","c",null]', 1],
    ]);
    input.update(tuple(['1', 'z', null]), 'none', 0, 0);
    input.update(tuple(['1', 'c', null]), 'none', 0, 0);
    expect(step(input)).toEqual([]);
  });

  test('moves a row to another key, even onto one freed in the same step', () => {
    const input = loaded([
      ['1', 'a', null],
      ['2', 'b', null],
    ]);
    const move = (from: string, row: Row): void => {
      const old = tuple([from, null, null]);
      input.update(Buffer.concat([old, tuple(row)]), 'key', 0, old.length);
    };
    move('2', ['3', 'b', null]);
    move('1', ['2', 'a', null]);
    expect(step(input)).toEqual([
      ['["1","a",null]', -1],
      ['["2","a",null]', 1],
      ['["2","b",null]', -1],
      ['["3","b",null]', 1],
    ]);
  });

  test('fills unchanged TOAST columns from the row before, wherever that is', () => {
    const input = loaded([['1', long, '1.5']]);
    input.update(tuple(['1', UNCHANGED, '2.5']), 'none', 0, 0);
    input.update(tuple(['1', UNCHANGED, '3.5']), 'none', 0, 0);
    expect(step(input)).toEqual([
      [`["1","${long}","1.5"]`, -1],
      [`["1","${long}","3.5"]`, 1],
    ]);
    const old = tuple(['1', null, null]);
    input.update(Buffer.concat([old, tuple(['7', UNCHANGED, UNCHANGED])]), 'key', 0, old.length);
    expect(step(input)).toEqual([
      [`["1","${long}","3.5"]`, -1],
      [`["7","${long}","3.5"]`, 1],
    ]);
  });

  test('keeps the key and the columns asked for, and says nothing of changes to others', () => {
    const input = loaded([['1', 'a', '1']], [2]);
    expect(input.columns).toEqual([0, 2]);
    input.update(tuple(['1', 'b', '1']), 'none', 0, 0);
    expect(step(input)).toEqual([]);
    input.update(tuple(['1', 'b', '1.0']), 'none', 0, 0);
    expect(step(input)).toEqual([
      ['["1","1"]', -1],
      ['["1","1.0"]', 1],
    ]);
  });

  test('is emptied by TRUNCATE, also of what the same step brought, and goes on', () => {
    const input = loaded([
      ['1', long, null],
      ['2', 'b', null],
    ]);
    input.insert(tuple(['3', 'c', null]), 0);
    input.truncate();
    input.insert(tuple(['2', 'b', null]), 0);
    expect(step(input)).toEqual([[`["1","${long}",null]`, -1]]);
    expect(sorted(bagOf(input.arrangement))).toEqual([['["2","b",null]', 1]]);
    expect(input.arrangement.memory.longValues.usedBytes).toBe(0);
  });

  test('refuses what contradicts its rows', () => {
    const refused = (change: (input: TableInput) => void, why: RegExp): void => {
      const input = loaded([['1', 'a', null]]);
      change(input);
      expect(() => input.drain(10)).toThrow(DataflowFault);
      const again = loaded([['1', 'a', null]]);
      change(again);
      expect(() => again.drain(10)).toThrow(why);
    };
    refused((input) => input.insert(tuple(['1', 'b', null]), 0), /there already/);
    refused((input) => input.update(tuple(['9', 'b', null]), 'none', 0, 0), /not there/);
    refused((input) => input.delete(tuple(['9', null, null]), 'key', 0), /not there/);
  });
});

describe('a table without a key', () => {
  const bag = (rows: readonly Row[]): TableInput => loaded(rows, [0, 1], []);

  test('is a multiset of whole rows', () => {
    const input = bag([
      ['1', 'a', null],
      ['1', 'a', '5'],
    ]);
    expect(sorted(bagOf(input.arrangement))).toEqual([['["1","a"]', 2]]);
    const old = tuple(['1', 'a', null]);
    input.update(Buffer.concat([old, tuple(['1', UNCHANGED, '7'])]), 'row', 0, old.length);
    input.delete(tuple(['1', 'a', '5']), 'row', 0);
    input.insert(tuple(['2', 'b', null]), 0);
    expect(step(input)).toEqual([
      ['["1","a"]', -1],
      ['["2","b"]', 1],
    ]);
    input.truncate();
    expect(step(input)).toEqual([
      ['["1","a"]', -1],
      ['["2","b"]', -1],
    ]);
  });

  test('refuses to lose a row it does not have, and a change without the old row', () => {
    const input = bag([['1', 'a', null]]);
    input.delete(tuple(['1', 'a', null]), 'row', 0);
    expect(() => input.delete(tuple(['1', null, null]), 'key', 0)).toThrow(/REPLICA IDENTITY FULL/);
    input.delete(tuple(['1', 'a', null]), 'row', 0);
    expect(() => input.drain(10)).toThrow(DataflowFault);
  });
});

test('a step is handed out in pieces', () => {
  const input = loaded([]);
  for (let i = 0; i < 10; i++) input.insert(tuple([String(i), 'x', null]), 0);
  const sizes: number[] = [];
  while (input.drain(4)) {
    sizes.push(input.delta.length);
    input.apply();
    input.delta.clear();
  }
  expect(sizes).toEqual([4, 4, 2]);
  expect(input.arrangement.count).toBe(10);
});
