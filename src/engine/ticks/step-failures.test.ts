import { expect, test } from 'vitest';
import { MillraceError } from '../../base/errors.ts';
import { StepFailures } from './step-failures.ts';

test('a step that left nothing half done is tried again, ever more slowly', () => {
  const failures = new StepFailures();
  const pauses = Array.from({ length: 20 }, () => failures.one(new Error('no space left on device'), false));
  expect(pauses[0]).toBe(50);
  expect(pauses).toEqual(pauses.toSorted((a, b) => a - b));
  expect(pauses.at(-1)).toBe(5_000);
  failures.none();
  expect(failures.one(new Error('again'), false)).toBe(50);
});

test('one that did is given up, with its cause', () => {
  expect(() => new StepFailures().one(new Error('half a transaction'), true)).toThrow(MillraceError);
  expect(() => new StepFailures().one(new Error('half a transaction'), true)).toThrow(/half a transaction/);
});
