import { expect, test } from 'vitest';
import { spelled, tooLittle, toRaise } from './steps.ts';

test.each([
  ['8', '12', true],
  ['12', '12', false],
  ['20', '12', false],
  [undefined, '12', true],
  ['', '12', true],
  ['GREATEST({DBInstanceVCPU*2},8)', '12', true],
])('%s where %s is needed is too little: %s', (present, least, expected) => expect(tooLittle(present, least)).toBe(expected));

test.each([
  ['1', 'on'],
  ['TRUE', 'on'],
  ['0', 'off'],
  ['off', 'off'],
  ['{formula}', '{formula}'],
  [undefined, undefined],
])('%s is spelled %s', (value, expected) => expect(spelled(value, true)).toBe(expected));

test('only what the host knows and lets one change is raised', () => {
  const one = (value: string, modifiable: boolean) => ({ value, modifiable, restarts: true, pendingRestart: false });
  expect(
    toRaise(
      { max_wal_senders: one('5', true), max_replication_slots: one('20', true), max_slot_wal_keep_size: one('1', false) },
      { max_wal_senders: '10', max_replication_slots: '10', max_slot_wal_keep_size: '10', unheard_of: '10' },
    ),
  ).toEqual([['max_wal_senders', '10']]);
});
