/** docs/reference/faults.md against `faults.ts`, and that against the tests that it names. */
import { expect, test } from 'vitest';
import { faultsOn, faultsPage, splitOnce } from '../scripts/faults.ts';
import { filesUnder, textOf } from '../scripts/imports.ts';
import { FAULTS } from './faults.ts';
import { FORM_NAMES } from './life/ddl.ts';

const page = textOf('docs/reference/faults.md');
const named = Object.values(FAULTS).flatMap((held) => ('by' in held ? held.by : []));

test('every fault of the page is in the table, once, and none else', () => {
  expect(faultsOn(page)).toEqual(Object.keys(FAULTS).map(Number));
});

test('the page is of today: `npm run docs`', () => {
  expect(page).toBe(faultsPage(page));
});

test.each([...new Set(named)])('there is %s', (name) => {
  const [file, title] = splitOnce(name);
  if (file === 'life') expect(FORM_NAMES).toContain(title);
  else expect(textOf(file)).toContain(title);
});

test('no statement of ours peeks at a slot', () => {
  const peeks = filesUnder('src', '.ts').filter((path) => !path.endsWith('.test.ts') && /pg_logical_slot_peek/.test(textOf(path)));
  expect(peeks).toEqual([]);
});
