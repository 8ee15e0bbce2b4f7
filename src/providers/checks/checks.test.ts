import { expect, test } from 'vitest';
import { diagnose } from '../doctor.ts';
import type { Observed } from '../facts.ts';
import { broken, healthy, healthyTable, idleSlot, type Change } from '../healthy.fixture.ts';
import { providers } from '../hosts/all.ts';
import type { Consumer } from '../model.ts';

const codes = (observed: Observed): string[] => diagnose(observed).findings.map(({ check, code }) => `${check} ${code}`);
const setting = (name: string, value: string): Change => ({ server: { settings: { [name]: { value, pendingRestart: false } } } });
const slot = idleSlot('other');

test('a healthy database has no finding', () => {
  expect(diagnose(healthy)).toMatchObject({ verdict: 'ready', findings: [] });
});

test.each<[string, Change, string[]]>([
  ['too old', { server: { versionNum: 90_624, version: 'PostgreSQL 9.6.24' } }, ['C06 too_old']],
  ['bytes of unknown encoding', { server: { encoding: 'SQL_ASCII' } }, ['C06 encoding_unknown']],
  ['a standby of 15', { server: { versionNum: 150_000, standby: true } }, ['C07 standby']],
  ['read-only', { server: { readOnly: true } }, ['C22 read_only']],
  ['not encrypted', { server: { tls: false }, signals: { ...healthy.signals, roles: ['rds_superuser'] } }, ['C02 not_encrypted']],
  ['wal_level', { server: { walLevel: 'replica' }, probes: { slot: { outcome: 'skipped', because: '' } } }, ['C08 wal_level_too_low']],
  [
    'wal_level set, not live',
    {
      server: { walLevel: 'replica', settings: { wal_level: { value: 'replica', pendingRestart: true } } },
      probes: { slot: { outcome: 'skipped', because: '' } },
    },
    ['C09 pending_restart'],
  ],
  [
    'wal_level of 19 on, where the probe decides',
    { server: { versionNum: 190_000, walLevel: 'replica' }, probes: { slot: { outcome: 'skipped', because: '' } } },
    [],
  ],
  [
    'no right to replicate',
    { role: { replication: false }, probes: { identify: { outcome: 'skipped', because: '' } } },
    ['C10 replication_not_permitted'],
  ],
  ['the right by membership', { role: { replication: false, replicationGroups: ['rds_replication'] } }, []],
  [
    'no slot free',
    {
      ...setting('max_replication_slots', '3'),
      server: { slotsUsed: 3, settings: { max_replication_slots: { value: '3', pendingRestart: false } } },
    },
    ['C11 slots_exhausted'],
  ],
  ['an idle slot', { slots: [{ ...slot, inactiveSeconds: 90_000 }] }, ['C11 slot_idle']],
  ['a lost slot', { slots: [{ ...slot, lost: 'wal_removed' }] }, ['C18 slot_lost']],
  ['no WAL sender free', { server: { sendersUsed: 9 } }, ['C12 walsenders_exhausted']],
  ['no connection free', { server: { connectionsUsed: 97 } }, ['C13 connections_scarce']],
  ['a connection limit', { role: { connectionLimit: 1 } }, ['C13 role_connection_limit']],
  ['no publication', { publication: undefined }, ['C15 publication_missing']],
  ['a table not published', { tables: [{ ...healthyTable, published: false }] }, ['C15 table_not_published']],
  ['an empty publication', { publication: { ...healthy.publication!, tableCount: 0 } }, ['C15 publication_empty']],
  ['no deletes published', { publication: { ...healthy.publication!, missing: ['delete'] } }, ['C15 operations_missing']],
  ['rows filtered', { tables: [{ ...healthyTable, rowFilter: '(total > 0)' }] }, ['C15 rows_filtered']],
  ['an unlogged table', { tables: [{ ...healthyTable, persistence: 'u' }] }, ['C15 not_publishable']],
  ['a foreign table', { tables: [{ ...healthyTable, kind: 'f' }] }, ['C15 not_publishable']],
  ['a table that is not there', { tablesMissing: [{ schema: 'public', name: 'odrers' }] }, ['C15 table_missing']],
  ['no replica identity', { tables: [{ ...healthyTable, primaryKey: false, identityUsable: false }] }, ['C16 identity_missing']],
  [
    'a partition without',
    {
      tables: [
        { ...healthyTable, kind: 'p' },
        { ...healthyTable, name: 'orders_1', root: 'public.orders', primaryKey: false, identityUsable: false },
      ],
    },
    ['C16 identity_missing'],
  ],
  ['no SELECT', { tables: [{ ...healthyTable, maySelect: false }] }, ['C17 select_not_permitted']],
  ['row-level security', { tables: [{ ...healthyTable, filtered: true }] }, ['C17 row_security_filters']],
  ['little WAL kept', setting('max_slot_wal_keep_size', '64MB'), ['C18 retention_short']],
  ['enough WAL kept, for hours only', { server: { walBytesPerDay: 500 * 1024 ** 3 } }, ['C18 retention_short']],
  ['idle slots are dropped soon', setting('idle_replication_slot_timeout', '5min'), ['C18 idle_timeout_short']],
  [
    'an old transaction',
    { server: { oldTransactions: [{ pid: 7, user: 'app', state: 'idle in transaction', ageSeconds: 4_000 }] } },
    ['C20 old_transaction'],
  ],
  ['a forgotten prepared transaction', { server: { prepared: [{ gid: 'x', ageSeconds: 90_000 }] } }, ['C20 prepared_transaction']],
  ['a nervous sender', setting('wal_sender_timeout', '1s'), ['C21 sender_timeout_short']],
])('%s', (_what, change, expected) => expect(codes(broken(change))).toEqual(expected));

test.each<[Consumer, Partial<typeof healthyTable>, unknown]>([
  ['millrace', { identity: 'd', primaryKey: true, identityUsable: true }, undefined],
  ['materialize', { identity: 'd', primaryKey: true, identityUsable: true }, { by: 'full' }],
  ['materialize', { identity: 'f', primaryKey: true, identityUsable: true }, undefined],
  ['millrace', { primaryKey: false, identityUsable: false }, { by: 'full' }],
  [
    'millrace',
    { primaryKey: false, identityUsable: false, identityCandidate: 'orders_code_key' },
    { by: 'index', index: 'orders_code_key' },
  ],
  ['debezium', { identity: 'n', primaryKey: true, identityUsable: false }, { by: 'default' }],
])('replica identity for %s: %o', (consumer, table, how) => {
  const [finding] = diagnose(broken({ asked: { consumer }, tables: [{ ...healthyTable, ...table }] })).findings;
  expect(finding?.need).toEqual(how === undefined ? undefined : { kind: 'identity', table: { schema: 'public', name: 'orders' }, how });
});

test('every finding carries what mends it, what that costs and where to read on', () => {
  const change: Change = {
    server: { walLevel: 'replica' },
    probes: { slot: { outcome: 'skipped', because: '' } },
    tables: [{ ...healthyTable, primaryKey: false, identityUsable: false, maySelect: false }],
  };
  for (const provider of Object.values(providers))
    for (const finding of diagnose(broken(change), provider.id).findings) {
      const { sql, cli, console } = finding.mend;
      expect(sql ?? cli ?? console, `${provider.id} ${finding.code}`).toBeTruthy();
      expect(finding.mend.cost).not.toBe('');
      expect(finding.mend.link).toMatch(/^https:\/\//);
    }
});

test('every line of the guide names the checks that find it broken', () => {
  for (const provider of Object.values(providers))
    for (const requirement of provider.requirements)
      expect(requirement.checks.length, `${provider.id} ${requirement.id}`).toBeGreaterThan(0);
});
