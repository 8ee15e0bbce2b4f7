import { expect, test } from 'vitest';
import { millraceError } from '../base/errors.ts';
import { fitted, told } from './exit.ts';

const said = told(
  millraceError('PUBLICATION_MISSING', { publication: 'mz_source', database: 'shop', tables: ['public.orders', 'public.customers'] }),
);

test('on a terminal no line is longer than it, and no word is broken', () => {
  expect(said.split('\n').some((line) => line.length > 80)).toBe(true);
  const lines = fitted(said, { isTTY: true, columns: 80 }).split('\n');
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
  const words = (text: string): string[] => text.split(/\s+/).filter((word) => word !== '');
  expect(words(lines.join('\n'))).toEqual(words(said));
  expect(fitted(said, { isTTY: true, columns: 80 }).endsWith('\n')).toBe(true);
});

test.each([{}, { isTTY: false, columns: 80 }, { isTTY: true, columns: 0 }])('as it is for %o', (stream) => {
  expect(fitted(said, stream)).toBe(said);
});
