import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPostgres, type TestPostgres } from '../../test/postgres/postgres.ts';
import { parseConnectionString } from '../upstream/connection/parameters.ts';
import { apply } from './apply.ts';
import { apiStep, controlOf } from './cloud/steps.ts';
import { diagnose } from './doctor.ts';
import type { SlotFacts } from './facts.ts';
import { broken, idleSlot } from './healthy.fixture.ts';
import type { ControlFacts, Step } from './model.ts';
import type { Wanted } from './plan.ts';
import { planUndo } from './undo.ts';

const wanted: Wanted = {
  consumer: 'millrace',
  tables: [],
  role: 'millrace',
  newPassword: false,
  allow: [],
  closeFirewall: false,
};
const facts: ControlFacts = {
  provider: 'rds',
  variant: 'instance',
  resource: 'shop',
  refused: undefined,
  parameters: {},
  sharedWith: [],
  pendingChanges: [],
  network: { publicAccess: true, rules: [], fixed: undefined },
};
const reboot = apiStep({ id: 'reboot', title: 'Reboot', precondition: '', request: '', restarts: true, call: 'reboot' });
const closing = { ...reboot, id: 'revoke', restarts: false };
const carrier = { state: () => Promise.resolve('todo' as const), apply: () => Promise.resolve() };

function undo(slots: readonly SlotFacts[], steps: readonly (typeof reboot)[] = [reboot, closing]): Step[] {
  const control = controlOf(facts, { plan: () => [], planUndo: () => steps }, carrier);
  return planUndo(diagnose(broken({ slots, control }), 'rds'), wanted, { publication: false, role: false });
}
const ids = (steps: readonly Step[]): string[] => steps.map(({ id }) => id);

test.each<[string, readonly SlotFacts[], string[]]>([
  ['no slot', [], ['undo.no-slot-left', 'reboot', 'revoke']],
  ['ours: dropped first', [idleSlot('millrace_1')], ['undo.slot millrace_1', 'undo.no-slot-left', 'reboot', 'revoke']],
  [
    'physical, or gone with its session',
    [idleSlot('standby', { logical: false }), idleSlot('probe', { temporary: true })],
    ['undo.no-slot-left', 'reboot', 'revoke'],
  ],
  ['somebody else’s', [idleSlot('millrace_1'), idleSlot('debezium')], ['undo.slot millrace_1', 'undo.slots-in-the-way']],
  ['ours in another database', [idleSlot('millrace_2', { database: 'other' })], ['undo.slots-in-the-way']],
  ['ours, being read', [idleSlot('millrace_1', { active: true })], ['undo.slot millrace_1', 'undo.slots-in-the-way']],
])('the level that logical slots need: %s', (_what, slots, expected) => {
  expect(ids(undo(slots))).toEqual(expected);
});

test('the slots are named; what lowers nothing is undone all the same', () => {
  expect(undo([idleSlot('debezium', { active: true })])[0]).toMatchObject({
    via: 'hand',
    title: 'Logical decoding stays on while others use it: slot "debezium" (shop, being read)',
  });
  expect(ids(undo([idleSlot('debezium')], [closing]))).toEqual(['revoke']);
});

let pg: TestPostgres;
beforeAll(async () => {
  pg = await startPostgres();
});
afterAll(() => pg.stop());

test('a slot made since the plan stops it before the restart', async () => {
  const [guard, restart] = undo([]);
  const parameters = parseConnectionString(pg.url());
  expect(await apply(parameters, [guard!], { restartAllowed: true })).toEqual([{ id: 'undo.no-slot-left', state: 'skipped' }]);
  await pg.query(`SELECT pg_create_logical_replication_slot('debezium', 'pgoutput')`);
  expect(await apply(parameters, [guard!, restart!], { restartAllowed: true })).toEqual([
    { id: 'undo.no-slot-left', state: 'failed', reason: expect.stringContaining('logical slots are left: debezium') as string },
    { id: 'reboot', state: 'not reached', reason: 'after undo.no-slot-left' },
  ]);
});
