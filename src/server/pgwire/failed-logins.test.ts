import { expect, test } from 'vitest';
import type { Logger } from '../../base/logging.ts';
import { FailedLogins } from './failed-logins.ts';

function scene() {
  const lines: { address: string; sinceLastLine: number }[] = [];
  const clock = { ms: 0 };
  const logger = { warn: (facts: { address: string; sinceLastLine: number }) => void lines.push(facts) } as unknown as Logger;
  return { lines, clock, failed: new FailedLogins(logger, () => clock.ms) };
}

test('each answer comes later than the last, up to 5 s; another address does not wait for it; it is forgotten after a while', () => {
  const { clock, failed } = scene();
  const delay = (address: string): number | undefined => {
    const ms = failed.failed(address, 'u');
    failed.answered(address);
    return ms;
  };
  expect(Array.from({ length: 8 }, () => delay('a'))).toEqual([100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
  expect(delay('b')).toBe(100);
  clock.ms += 300_001;
  expect(delay('a')).toBe(100);
});

test('ten answers of an address wait at once, what is more is closed', () => {
  const { failed } = scene();
  const waits = Array.from({ length: 12 }, () => failed.failed('a', 'u') !== undefined);
  expect(waits.filter(Boolean)).toHaveLength(10);
  failed.answered('a');
  expect(failed.failed('a', 'u')).toBe(5_000);
});

test('the log has a line of an address every ten seconds, with the number of those between, and not too many of all', () => {
  const { lines, clock, failed } = scene();
  for (let i = 0; i < 3_500; i++) {
    failed.failed('a', 'u');
    clock.ms += 3;
  }
  expect(lines.map(({ sinceLastLine }) => sinceLastLine)).toEqual([1, 3_334]);
  clock.ms += 20_000;
  for (let i = 0; i < 20_000; i++) failed.failed(`host ${i}`, 'u');
  expect(lines.length).toBeLessThanOrEqual(22);
});
