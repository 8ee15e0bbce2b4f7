import { expect, test } from 'vitest';
import { limits } from '../base/limits.ts';
import { levelsOf, refuseLargeTree, refuseLongText } from './tree-size.ts';

test('levels are nodes in nodes; a bracket in a name is none', () => {
  expect(levelsOf(String.raw`{QUERY :a {CONST :name \{\{\{ } :b ({X {Y}} {Z})}`)).toBe(3);
});

test.each([
  ['{A '.repeat(limits.queryTreeLevelsMax + 1).padEnd(60_000) + '}'.repeat(limits.queryTreeLevelsMax + 1), 'levels'],
  ['{A}'.padEnd(limits.queryTreeCharactersMax + 1), 'characters'],
])('what is too large is refused', (tree, what) => {
  expect(() => refuseLargeTree(tree)).toThrow(
    expect.objectContaining({ sqlstate: '54001', facts: expect.objectContaining({ what }) as object }),
  );
});

test('a long list is refused before anybody reads it, a long value is not', () => {
  expect(() => refuseLongText(`SELECT ${'1,'.repeat(limits.statementTokensMax / 2)}1`)).toThrow(
    expect.objectContaining({ sqlstate: '54001' }),
  );
  refuseLongText(`SELECT '${'1,'.repeat(400_000)}'`);
  refuseLongText(`SELECT ${'1,'.repeat(limits.statementTokensMax / 2 - 10)}1`);
});

test.each([
  ['(', ')', 500],
  ['CASE WHEN true THEN ', ' END', 250],
  ['ARRAY[', ']', 500],
])('what nests by %s is refused before anybody reads it, what stands side by side is not', (open, close, timesMax) => {
  refuseLongText(`SELECT ${open.repeat(timesMax)}1${close.repeat(timesMax)}`);
  expect(() => refuseLongText(`SELECT ${open.repeat(timesMax + 1)}1${close.repeat(timesMax + 1)}`)).toThrow(
    expect.objectContaining({ sqlstate: '54001' }),
  );
  refuseLongText(`SELECT ${`${open}1${close}, `.repeat(timesMax + 1)}1`);
});

test('what fits is not', () => {
  refuseLargeTree('{A '.repeat(limits.queryTreeLevelsMax).padEnd(60_000) + '}'.repeat(limits.queryTreeLevelsMax));
  refuseLargeTree('{A}'.padEnd(limits.queryTreeCharactersMax));
});
