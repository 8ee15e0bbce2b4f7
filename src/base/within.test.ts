import { expect, test } from 'vitest';
import { within } from './within.ts';

test('what comes in time is given', async () => expect(await within(1_000, Promise.resolve(7))).toBe(7));

test('what does not come, or fails, is waited for no longer', async () => {
  expect(await within(10, new Promise<number>(() => {}))).toBeUndefined();
  expect(await within(1_000, Promise.reject(new Error('no')))).toBeUndefined();
});
