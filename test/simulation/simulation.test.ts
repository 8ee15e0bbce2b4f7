import { expect, test } from 'vitest';
import { plants, simulate } from './world.ts';

/** Long enough for views, subscriptions and a few restarts; `npm run test:simulation` has the long ones. */
const STEPS = 400;

test.each([1, 2, 3, 4])('every client sees the upstream at one commit, whatever happens: seed %i', async (seed) => {
  const { difference, comparisons } = await simulate(seed, STEPS);
  expect(difference).toBeUndefined();
  expect(comparisons).toBeGreaterThan(0);
});

test('a seed replays to the byte', async () => {
  const [once, again] = [await simulate(7, STEPS), await simulate(7, STEPS)];
  expect(again).toEqual(once);
});

test.each(plants)('a fault of order is found: %s', async (plant) => {
  let difference: string | undefined;
  for (let seed = 1; seed <= 40 && difference === undefined; seed++) ({ difference } = await simulate(seed, 2 * STEPS, plant));
  expect(difference).toMatch(/came behind|was shown before/);
});
