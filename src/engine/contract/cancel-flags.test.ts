import { expect, test } from 'vitest';
import { CancelFlags } from './cancel-flags.ts';

test('a cancelled query is cancelled for whoever shares the memory, and nobody else is', () => {
  const here = new CancelFlags();
  const there = new CancelFlags(here.buffer);
  here.cancel(7);
  expect([6, 7, 8].map((id) => there.isCancelled(id))).toEqual([false, true, false]);
});

test('a later query in the same cell is not cancelled by an earlier one, and forgets it', () => {
  const flags = new CancelFlags();
  flags.cancel(5);
  expect(flags.isCancelled(5 + 1024)).toBe(false);
  flags.cancel(5 + 1024);
  expect([flags.isCancelled(5), flags.isCancelled(5 + 1024)]).toEqual([false, true]);
});
