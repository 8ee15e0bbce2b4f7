import { expect, test } from 'vitest';
import { spoken, StateLog } from './state-log.ts';

function log(): { lines: string[]; states: StateLog; clock: { now: number } } {
  const lines: string[] = [];
  const clock = { now: 1_000_000 };
  const say =
    (level: string) =>
    (text: string): void =>
      void lines.push(`${level} ${text}`);
  const logger = { info: say('info'), warn: say('warn'), error: say('error') } as unknown as ConstructorParameters<typeof StateLog>[0];
  return { lines, clock, states: new StateLog(logger, () => clock.now) };
}

test('a line a change, and none for what is told again', () => {
  const { lines, states, clock } = log();
  for (let i = 0; i < 5; i++) states.becomes('s', 'lost', 'warn', () => 's is lost');
  clock.now += 42_000;
  states.becomes('s', 'followed', 'info', (lastedMs) => `s is followed again after ${spoken(lastedMs)}`);
  expect(lines).toEqual(['warn s is lost', 'info s is followed again after 42 s']);
});

test('what is as expected from the start is not worth a line', () => {
  const { lines, states } = log();
  states.becomes('view v', 'well', 'info', () => 'v is well', 'well');
  states.becomes('view v', 'faulty', 'warn', () => 'v is faulty', 'well');
  expect(lines).toEqual(['warn v is faulty']);
});

test('states that flap are bounded, and what was left out is said', () => {
  const { lines, states, clock } = log();
  for (let i = 0; i < 1_000; i++) states.becomes('s', i % 2 === 0 ? 'lost' : 'followed', 'warn', () => 'changed');
  expect(lines).toHaveLength(60);
  clock.now += 60_000;
  states.becomes('s', 'other', 'warn', () => 'again');
  expect(lines.slice(60)).toEqual(['warn 940 further changes of state were not written', 'warn again']);
});

test.each([
  [400, '0 s'],
  [42_400, '42 s'],
  [600_000, '10 min'],
  [36_000_000, '10 h'],
])('%i ms are %s', (ms, text) => expect(spoken(ms)).toBe(text));
