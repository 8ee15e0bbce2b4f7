import { expect, test } from 'vitest';
import { TickClock } from './clock.ts';

test('timestamps follow the clock and never repeat', () => {
  let now = 1_000_000;
  const clock = new TickClock(
    0,
    () => {},
    () => now,
  );
  expect([clock.next(), clock.next()]).toEqual([1_000_000, 1_000_001]);
  now += 50;
  expect(clock.next()).toBe(1_000_050);
  now -= 5_000;
  expect(clock.next()).toBe(1_000_051);
});

test('every timestamp given out lies below a ceiling raised before it, and a restart begins above it', () => {
  let durable = 0;
  let now = 1_000_000;
  const first = new TickClock(
    durable,
    (ceiling) => (durable = ceiling),
    () => now,
  );
  for (let i = 0; i < 1_000; i++) {
    now += 37;
    expect(first.next()).toBeLessThan(durable);
  }
  const second = new TickClock(
    durable,
    (ceiling) => (durable = ceiling),
    () => now - 60_000,
  );
  expect(second.next()).toBeGreaterThan(first.last);
});
