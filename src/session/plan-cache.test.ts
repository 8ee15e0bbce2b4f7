import { expect, test } from 'vitest';
import { PlanCache } from './plan-cache.ts';

function scene(entriesMax = 3, bytesMax = 800) {
  const state = { epoch: '1', made: [] as string[] };
  const cache = new PlanCache(() => state.epoch, entriesMax, bytesMax);
  const ask = (key: string, bytes = 10): Promise<string> =>
    cache.get(
      key,
      () => {
        state.made.push(key);
        return Promise.resolve(`${key} of ${state.epoch}`);
      },
      () => bytes,
    );
  return { state, cache, ask };
}

test('what is known is not made again; the least recently used goes first', async () => {
  const { state, cache, ask } = scene();
  for (const key of ['a', 'b', 'c', 'a', 'd', 'a', 'b']) await ask(key);
  expect(state.made).toEqual(['a', 'b', 'c', 'd', 'b']);
  expect(cache.bytes).toBe(30);
});

test('bytes are limited as well, and one large statement drives nobody out', async () => {
  const { state, cache, ask } = scene(100, 800);
  for (const [key, bytes] of [
    ['a', 100],
    ['large', 101],
    ['b', 100],
    ['large', 101],
    ['a', 100],
  ] as const)
    await ask(key, bytes);
  expect([state.made, cache.bytes]).toEqual([['a', 'large', 'b', 'large'], 200]);
  for (let i = 0; i < 20; i++) await ask(`n${i}`, 100);
  expect(cache.bytes).toBe(800);
});

test('another epoch: nothing holds, and what was being made is not kept', async () => {
  const { state, cache, ask } = scene();
  await ask('a');
  state.epoch = '2';
  expect(await ask('a')).toBe('a of 2');
  await cache.get(
    'b',
    () => Promise.resolve((state.epoch = '3')),
    () => 10,
  );
  await ask('b');
  expect(state.made).toEqual(['a', 'a', 'b']);
});
