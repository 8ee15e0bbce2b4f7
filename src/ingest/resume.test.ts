import { expect, test } from 'vitest';
import { parseLsn } from '../base/lsn.ts';
import type { SlotFacts } from '../upstream/replication/slot.ts';
import { resume, type DurablePosition, type ServerFacts } from './resume.ts';

const acked = (lsn: string, more: Partial<DurablePosition> = {}): DurablePosition => ({
  systemId: 'A',
  timeline: 1,
  slotName: 'millrace_7f3a',
  database: 'shop',
  snapshotComplete: true,
  acknowledgedLsn: parseLsn(lsn),
  receivedLsn: parseLsn(lsn),
  ...more,
});
const fresh: DurablePosition = acked('0/0', { systemId: undefined, timeline: 0, snapshotComplete: false });
const halfCopied: DurablePosition = acked('0/0', { snapshotComplete: false });

const confirmed = (lsn: string, more: Partial<SlotFacts> = {}): SlotFacts => ({
  name: 'millrace_7f3a',
  plugin: 'pgoutput',
  database: 'shop',
  active: false,
  confirmedFlushLsn: parseLsn(lsn),
  restartLsn: parseLsn('0/1'),
  lost: undefined,
  retainedBytes: 0,
  safeBytes: undefined,
  ...more,
});
const server = (slot: SlotFacts | undefined, more: Partial<ServerFacts> = {}): ServerFacts => ({
  systemId: 'A',
  timeline: 1,
  walEnd: parseLsn('0/1000'),
  history: { switches: [] },
  slot,
  ...more,
});
const promoted = (at: string) => ({ timeline: 2, history: { switches: [{ timeline: 1, lsn: parseLsn(at) }] } });

const say = (ours: DurablePosition, theirs: ServerFacts): string => {
  const decision = resume(ours, theirs);
  if (decision.kind === 'refuse') return decision.error.code;
  return decision.kind === 'continue'
    ? `continue from ${decision.from.toString(16)}`
    : `bootstrap${decision.drop === undefined ? '' : `, drop ${decision.drop}`}`;
};

test.each<[string, DurablePosition, ServerFacts, string]>([
  // what happened                       ours              server                                                        expected
  ['the first start', fresh, server(undefined), 'bootstrap'],
  ['killed while the slot was made', fresh, server(confirmed('0/80')), 'bootstrap, drop millrace_7f3a'],
  ['killed while copying', halfCopied, server(confirmed('0/80')), 'bootstrap, drop millrace_7f3a'],
  ['killed before the slot was made', halfCopied, server(undefined), 'bootstrap'],
  ['a plain restart', acked('0/100'), server(confirmed('0/100')), 'continue from 100'],
  ['killed before the acknowledgement', acked('0/100'), server(confirmed('0/80')), 'continue from 100'],
  ['someone advanced the slot', acked('0/100'), server(confirmed('0/200')), 'SLOT_ADVANCED'],
  ['the slot was dropped', acked('0/100'), server(undefined), 'SLOT_DROPPED'],
  ['the slot was invalidated', acked('0/100'), server(confirmed('0/80', { lost: 'wal_removed' })), 'SLOT_LOST'],
  ['another server', acked('0/100'), server(confirmed('0/80'), { systemId: 'B' }), 'OTHER_SERVER'],
  ['another server while copying', halfCopied, server(undefined, { systemId: 'B' }), 'OTHER_SERVER'],
  ['restored from a backup', acked('0/2000'), server(confirmed('0/80')), 'TIMELINE_LEFT_BEHIND'],
  ['failover that lost nothing of ours', acked('0/100'), server(confirmed('0/80'), promoted('0/100')), 'continue from 100'],
  ['failover that lost what we have', acked('0/100'), server(confirmed('0/80'), promoted('0/F0')), 'TIMELINE_LEFT_BEHIND'],
  ['failover without the slot', acked('0/100'), server(undefined, promoted('0/200')), 'SLOT_DROPPED'],
  ['back to an older timeline', acked('0/100', { timeline: 2 }), server(confirmed('0/80')), 'TIMELINE_LEFT_BEHIND'],
  ['a physical slot of our name', acked('0/100'), server(confirmed('0/80', { plugin: 'none' })), 'SLOT_FOREIGN'],
  ['a slot of another database', fresh, server(confirmed('0/80', { database: 'other' })), 'SLOT_FOREIGN'],
])('%s', (_, ours, theirs, expected) => expect(say(ours, theirs)).toBe(expected));

test('every refusal says what to do', () => {
  for (const slot of [undefined, confirmed('0/200'), confirmed('0/80', { lost: 'idle_timeout' })]) {
    const decision = resume(acked('0/100'), server(slot));
    expect(decision.kind === 'refuse' && decision.error.hint).toMatch(/ALTER SOURCE <its name> REFRESH/);
  }
});
