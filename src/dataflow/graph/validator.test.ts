import { expect, test } from 'vitest';
import { rowLayout } from '../../values/layout.ts';
import { blockOf, int4 } from '../testing/rows.ts';
import { Validator } from './validator.ts';

const layout = rowLayout([int4]);

test('passes consolidated deltas whose multiplicities stay at 0 or above', () => {
  const validator = new Validator('join side', layout);
  validator.check(
    blockOf(layout, [
      [['1'], 2],
      [['2'], 1],
    ]),
  );
  validator.check(
    blockOf(layout, [
      [['1'], -2],
      [['2'], 3],
    ]),
  );
});

test('stops at two entries for one row, at a weight of 0, at a row taken out that is not there', () => {
  const check =
    (...rows: [[string], number][]): (() => void) =>
    () =>
      new Validator('join side', layout).check(blockOf(layout, rows));
  expect(check([['1'], 1], [['1'], 1])).toThrow(/two entries/);
  expect(check([['1'], 0])).toThrow(/weight of 0/);
  expect(check([['1'], -1])).toThrow(/not there/);
});
