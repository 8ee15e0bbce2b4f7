import { expect, test } from 'vitest';
import { StateLog } from '../../base/state-log.ts';
import { logAudit } from './audit-log.ts';

const FOUND = { view: 'totals', lsn: '0/10', state: 'equal', rows: 5, differences: 0 } as const;

test('a difference is a line with names and numbers, and so is its end', () => {
  const lines: string[] = [];
  const clock = { now: 1_000 };
  const say = (level: string) => (line: string) => void lines.push(`${level} ${line}`);
  const log = new StateLog({ info: say('info'), warn: say('warn'), error: say('error') } as never, () => clock.now);
  logAudit(log, FOUND);
  expect(lines).toEqual([]);
  logAudit(log, { ...FOUND, state: 'different', lsn: '0/20', differences: 1 });
  expect(lines.pop()).toMatch(/^error view "totals" differs from the upstream at LSN 0\/20: 1 difference in 5 rows; /);
  logAudit(log, { ...FOUND, state: 'different', lsn: '0/30', differences: 2 });
  expect(lines.pop()).toMatch(/^error view "totals" differs from the upstream at LSN 0\/30: 2 differences in 5 rows; /);
  clock.now += 5_000;
  logAudit(log, { ...FOUND, lsn: '0/40' });
  expect(lines).toEqual(['info view "totals" equals the upstream again at LSN 0/40']);
});
