/**
 * What Postgres says, per major version, and what doctor makes of it: SQLSTATE and context decide, wording never does alone. Written down from servers of 10, 13, 15, 16, 17 and 18;
 * rows marked with an asterisk come from vendors' pages.
 */
import { expect, test } from 'vitest';
import { upstreamError, type ErrorContext } from '../../upstream/connection/classify.ts';
import { parseConnectionString } from '../../upstream/connection/parameters.ts';
import { diagnose } from '../doctor.ts';
import type { Failure, Observed } from '../facts.ts';
import { broken, refused } from '../healthy.fixture.ts';
import { failureOf } from '../observe.ts';

function failure(
  sqlstate: string,
  message: string,
  detail: string | undefined,
  context: Partial<ErrorContext>,
  url = 'postgres://millrace@db.example.com/shop?sslmode=require',
): Failure {
  const raw = Object.assign(new Error(message), { code: sqlstate, detail });
  return failureOf(upstreamError(raw, { parameters: parseConnectionString(url), doing: 'testing', ...context }));
}

const atSession = (f: Failure): Observed => refused(f);
const atWalsender = (f: Failure): Observed =>
  broken({
    probes: { identify: { outcome: 'failed', failure: f }, slot: { outcome: 'skipped', because: '' } },
    role: { replication: false },
  });
const atSlot = (f: Failure): Observed => broken({ probes: { slot: { outcome: 'failed', failure: f } } });
const atPublication = (f: Failure): Observed =>
  broken({ publication: undefined, probes: { publication: { outcome: 'failed', failure: f } } });

const connecting = { connecting: true };
const walsender = { connecting: true, replication: true };
const slot = { replication: true, slot: 's' };

test.each<[string, string, string, string | undefined, Partial<ErrorContext>, (f: Failure) => Observed, string]>([
  // majors, SQLSTATE, message, detail, context, where it was met                                                                                              expected: check code
  [
    '10–15',
    '42501',
    'must be superuser or replication role to start walsender',
    undefined,
    walsender,
    atWalsender,
    'C10 replication_not_permitted',
  ],
  [
    '16–18',
    '42501',
    'permission denied to start WAL sender',
    'Only roles with the REPLICATION attribute may start a WAL sender process.',
    walsender,
    atWalsender,
    'C10 replication_not_permitted',
  ],
  [
    '10–15',
    '42501',
    'must be superuser or replication role to use replication slots',
    undefined,
    slot,
    atSlot,
    'C10 replication_not_permitted',
  ],
  [
    '16–18',
    '42501',
    'permission denied to use replication slots',
    'Only roles with the REPLICATION attribute may use replication slots.',
    slot,
    atSlot,
    'C10 replication_not_permitted',
  ],
  [
    'RDS*',
    '42501',
    'must be superuser, replication role, or rds_replication role to use logical replication slots',
    undefined,
    slot,
    atSlot,
    'C10 replication_not_permitted',
  ],
  ['10–16', '55000', 'logical decoding requires wal_level >= logical', undefined, slot, atSlot, 'C08 wal_level_too_low'],
  ['17–18', '55000', 'logical decoding requires "wal_level" >= "logical"', undefined, slot, atSlot, 'C08 wal_level_too_low'],
  [
    '16–18',
    '55000',
    'logical decoding on standby requires "wal_level" >= "logical" on the primary',
    undefined,
    slot,
    atSlot,
    'C08 wal_level_too_low',
  ],
  ['10–18', '53400', 'all replication slots are in use', undefined, slot, atSlot, 'C11 slots_exhausted'],
  [
    '10–16',
    '53300',
    'number of requested standby connections exceeds max_wal_senders (currently 2)',
    undefined,
    walsender,
    atWalsender,
    'C12 walsenders_exhausted',
  ],
  [
    '17–18',
    '53300',
    'number of requested standby connections exceeds "max_wal_senders" (currently 2)',
    undefined,
    walsender,
    atWalsender,
    'C12 walsenders_exhausted',
  ],
  [
    '10–15',
    '53300',
    'remaining connection slots are reserved for non-replication superuser connections',
    undefined,
    connecting,
    atSession,
    'C13 connections_exhausted',
  ],
  [
    '16–18',
    '53300',
    'remaining connection slots are reserved for roles with the SUPERUSER attribute',
    undefined,
    connecting,
    atSession,
    'C13 connections_exhausted',
  ],
  ['10–18', '55P03', 'canceling statement due to lock timeout', undefined, slot, atSlot, 'C20 slot_blocked'],
  [
    '10–18',
    '42501',
    'must be superuser to create FOR ALL TABLES publication',
    undefined,
    {},
    atPublication,
    'C14 publication_not_permitted',
  ],
  [
    '15–18',
    '42501',
    'must be superuser to create FOR TABLES IN SCHEMA publication',
    undefined,
    {},
    atPublication,
    'C14 publication_not_permitted',
  ],
  ['11–18', '42501', 'must be owner of table t', undefined, {}, atPublication, 'C14 publication_not_permitted'],
  ['10', '42501', 'must be owner of relation t', undefined, {}, atPublication, 'C14 publication_not_permitted'],
  ['10–18', '42501', 'permission denied for database app', undefined, {}, atPublication, 'C14 publication_not_permitted'],
  [
    '10–13',
    '28000',
    'no pg_hba.conf entry for replication connection from host "1.2.3.4", user "u", SSL on',
    undefined,
    connecting,
    atSession,
    'C04 address_not_admitted',
  ],
  [
    '15–18',
    '28000',
    'no pg_hba.conf entry for host "1.2.3.4", user "u", database "d", SSL encryption',
    undefined,
    connecting,
    atSession,
    'C04 address_not_admitted',
  ],
  [
    '10–18',
    '28000',
    'pg_hba.conf rejects connection for host "1.2.3.4", user "u", database "d", SSL encryption',
    undefined,
    connecting,
    atSession,
    'C04 address_not_admitted',
  ],
  [
    '15–18',
    '28000',
    'no pg_hba.conf entry for host "1.2.3.4", user "u", database "d", no encryption',
    undefined,
    connecting,
    atSession,
    'C02 tls_required',
  ],
  [
    '13',
    '28000',
    'no pg_hba.conf entry for host "1.2.3.4", user "u", database "d", SSL off',
    undefined,
    connecting,
    atSession,
    'C02 tls_required',
  ],
  ['10–18', '28P01', 'password authentication failed for user "u"', undefined, connecting, atSession, 'C03 password_refused'],
  ['10–18', '3D000', 'database "d" does not exist', undefined, connecting, atSession, 'C03 database_missing'],
  ['10–18', '42601', 'syntax error at or near "IDENTIFY_SYSTEM"', undefined, { replication: true }, atWalsender, 'C05 pooler'],
  ['PgBouncer*', '08P01', 'unsupported startup parameter: replication', undefined, walsender, atWalsender, 'C05 pooler'],
  [
    'RDS Proxy*',
    '0A000',
    "Feature not supported: RDS Proxy currently doesn't support streaming replication mode",
    undefined,
    walsender,
    atWalsender,
    'C05 pooler',
  ],
  ['network', 'ETIMEDOUT', 'connect ETIMEDOUT 1.2.3.4:5432', undefined, connecting, atSession, 'C01 no_answer'],
  ['network', 'ECONNREFUSED', 'connect ECONNREFUSED 1.2.3.4:5432', undefined, connecting, atSession, 'C01 refused'],
  ['network', 'ENOTFOUND', 'getaddrinfo ENOTFOUND db.example.com', undefined, connecting, atSession, 'C01 host_unknown'],
  ['TLS', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'self-signed certificate', undefined, connecting, atSession, 'C02 certificate_refused'],
  [
    'TLS',
    'SELF_SIGNED_CERT_IN_CHAIN',
    'self-signed certificate in certificate chain',
    undefined,
    connecting,
    atSession,
    'C02 certificate_refused',
  ],
  [
    'TLS',
    'ERR_TLS_CERT_ALTNAME_INVALID',
    "Hostname/IP does not match certificate's altnames",
    undefined,
    connecting,
    atSession,
    'C02 certificate_refused',
  ],
])('%s: %s %s', (_majors, sqlstate, message, detail, context, met, expected) => {
  const { findings } = diagnose(met(failure(sqlstate, message, detail, context)));
  expect(findings.map((finding) => `${finding.check} ${finding.code}`)).toContain(expected);
});

test('the address to let in is the one that the server names', () => {
  const said = failure(
    '28000',
    'no pg_hba.conf entry for host "198.51.100.9", user "u", database "d", SSL encryption',
    undefined,
    connecting,
  );
  expect(diagnose(refused(said), 'rds').findings[0]).toMatchObject({
    need: { kind: 'address', cidr: '198.51.100.9/32' },
    mend: { cli: expect.stringContaining('CidrIp=198.51.100.9/32') as string },
  });
});

test('a replication session that pg_hba.conf refuses: its database’s name admits it, the keyword does not', () => {
  const said = failure(
    '28000',
    'no pg_hba.conf entry for replication connection from host "1.2.3.4", user "u", SSL on',
    undefined,
    walsender,
  );
  const hostRules = [{ line: 7, type: 'host', databases: ['replication'], users: ['u'], address: 'all', method: 'scram-sha-256' }];
  const [finding] = diagnose(
    broken({
      server: { hostRules },
      probes: { identify: { outcome: 'failed', failure: said }, slot: { outcome: 'skipped', because: '' } },
    }),
  ).findings;
  expect(finding).toMatchObject({ check: 'C23', why: expect.stringContaining('Line 7') as string });
});
