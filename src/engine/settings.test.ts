import { expect, test } from 'vitest';
import { SessionSettings } from './settings.ts';

test('statement_timeout ends a hydration only where it was asked for', () => {
  const settings = new SessionSettings(new Map());
  const day = 24 * 3600 * 1000;
  expect([settings.statementTimeoutMs, settings.hydrationTimeoutMs]).toEqual([30_000, day]);
  settings.set('statement_timeout', '5s', 'session');
  expect([settings.statementTimeoutMs, settings.hydrationTimeoutMs]).toEqual([5_000, 5_000]);
  settings.set('statement_timeout', undefined, 'session');
  expect([settings.statementTimeoutMs, settings.hydrationTimeoutMs]).toEqual([30_000, day]);
  settings.set('statement_timeout', '0', 'session');
  expect([settings.statementTimeoutMs, settings.hydrationTimeoutMs]).toEqual([day, day]);
  const asked = new SessionSettings(new Map([['statement_timeout', '10s']]));
  expect(asked.hydrationTimeoutMs).toBe(10_000);
});
