import { expect, test } from 'vitest';
import { millraceError } from '../../base/errors.ts';
import { TickClock } from './clock.ts';

test('timestamps follow the clock and never repeat', () => {
  let now = 1_000_000;
  const clock = new TickClock(0, () => {}, { wallMs: () => now, nowMs: () => now });
  expect([clock.next(), clock.next()]).toEqual([1_000_000, 1_000_001]);
  now += 50;
  expect(clock.next()).toBe(1_000_050);
  now -= 5_000;
  expect(clock.next()).toBe(1_000_051);
});

test('every timestamp given out lies below a ceiling raised before it, and a restart begins above it', () => {
  let durable = 0;
  let now = 1_000_000;
  const first = new TickClock(durable, (ceiling) => (durable = ceiling), { wallMs: () => now, nowMs: () => now });
  for (let i = 0; i < 1_000; i++) {
    now += 37;
    expect(first.next()).toBeLessThan(durable);
  }
  const second = new TickClock(durable, (ceiling) => (durable = ceiling), { wallMs: () => now - 60_000, nowMs: () => now });
  expect(second.next()).toBeGreaterThan(first.last);
});

test('on a full disk it tries again after a second, also where the clock is set back a day meanwhile', () => {
  let isFull = true;
  let wallMs = 100_000_000;
  let nowMs = 5_000;
  const raise = (): void => {
    if (isFull) throw millraceError('CATALOG_DISK_FULL', { directory: 'd' });
  };
  const clock = new TickClock(0, raise, { wallMs: () => wallMs, nowMs: () => nowMs });
  expect(clock.canTick).toBe(false);
  expect(clock.fault).toMatchObject({ code: 'CATALOG_DISK_FULL' });
  isFull = false;
  expect(clock.canTick).toBe(false);
  wallMs -= 86_400_000;
  nowMs += 1_000;
  expect(clock.canTick).toBe(true);
});
