import { expect, test } from 'vitest';
import { ClientsMemory, type SessionMemory } from '../base/client-memory.ts';
import { Settings } from './settings.ts';

const memory = (): SessionMemory => new ClientsMemory(10_000, 5_000).session();

test('values are counted as what the session holds, and given back', () => {
  const held = memory();
  const settings = new Settings(new Map(), held);
  settings.set('my.a', 'x'.repeat(2_000), 'session');
  settings.set('my.a', 'x'.repeat(2_500), 'session');
  expect(held.bytes).toBe(2_604);
  expect(() => settings.set('my.b', 'x'.repeat(3_000), 'session')).toThrow(expect.objectContaining({ code: 'SESSION_MEMORY_EXHAUSTED' }));
  settings.begin();
  settings.set('my.a', 'short', 'session');
  settings.end(false);
  expect([settings.get('my.a').length, held.bytes]).toEqual([2_500, 2_604]);
  settings.resetAll();
  expect(held.bytes).toBe(0);
});

test('names of a session’s own are not without end', () => {
  const settings = new Settings(new Map(), new ClientsMemory().session());
  for (let i = 0; i < 1_000; i++) settings.set(`my.a${i}`, '1', 'session');
  expect(() => settings.set('my.b', '1', 'session')).toThrow(expect.objectContaining({ code: 'SETTINGS_EXHAUSTED' }));
  settings.set('my.a7', '2', 'session');
});

test('statement_timeout ends a hydration only where it was asked for', () => {
  const settings = new Settings(new Map(), memory());
  const day = 24 * 3600 * 1000;
  expect([settings.statementTimeoutMs, settings.hydrationTimeoutMs]).toEqual([30_000, day]);
  settings.set('statement_timeout', '5s', 'session');
  expect([settings.statementTimeoutMs, settings.hydrationTimeoutMs]).toEqual([5_000, 5_000]);
  settings.set('statement_timeout', undefined, 'session');
  expect([settings.statementTimeoutMs, settings.hydrationTimeoutMs]).toEqual([30_000, day]);
  settings.set('statement_timeout', '0', 'session');
  expect([settings.statementTimeoutMs, settings.hydrationTimeoutMs]).toEqual([day, day]);
  const asked = new Settings(new Map([['statement_timeout', '10s']]), memory());
  expect(asked.hydrationTimeoutMs).toBe(10_000);
});
