/** docs/reference/errors.md against the lists in src/base/errors, both ways. */
import { expect, test } from 'vitest';
import { errorsPage } from '../scripts/docs.ts';
import { textOf } from '../scripts/imports.ts';
import { errors } from '../src/base/errors.ts';

const page = textOf('docs/reference/errors.md');
const documented = [...page.matchAll(/^### ([A-Z][A-Z0-9_]+)$/gm)].map((match) => match[1]!);

test('every error is on the page, and nothing else is', () => {
  expect(documented.toSorted()).toEqual(Object.keys(errors).toSorted());
});

test('the page is of today: `npm run docs`', () => {
  expect(page).toBe(errorsPage());
});

test.each(Object.entries(errors))('%s has a SQLSTATE and a reason', (_, { sqlstate, because }) => {
  expect(sqlstate).toMatch(/^[0-9A-Z]{5}$/);
  expect(because).toMatch(/^.{20,}[.)]$/s);
});
