/** Array text: elements found, replaced, quoted. */
import { expect, test } from 'vitest';
import { mapArray, parseArray } from './array.ts';

test.each([
  ['{}', [], 0],
  ['{1,2}', ['1', '2'], 1],
  ['{{1,2},{3,NULL}}', ['1', '2', '3', null], 2],
  ['[0:1]={a,"NULL"}', ['a', 'NULL'], 1],
  ['{"a \\"quoted\\" one","back\\\\slash",""}', ['a "quoted" one', 'back\\slash', ''], 1],
])('%s', (text, elements, dimensions) => {
  expect(parseArray(text)).toMatchObject({ elements, dimensions });
  expect(mapArray(text, (element) => element)).toBe(text);
});
