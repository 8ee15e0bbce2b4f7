import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPostgres, type TestPostgres } from '../../test/postgres/postgres.ts';
import { parseConnectionString } from '../upstream/connection/parameters.ts';
import { doctor, type Diagnosis, type DoctorOptions } from './doctor.ts';
import { doctorJson, doctorText } from './report.ts';

let pg: TestPostgres;
let plain: TestPostgres;
beforeAll(async () => {
  [pg, plain] = await Promise.all([
    startPostgres({ settings: { max_prepared_transactions: 5 } }),
    startPostgres({ settings: { wal_level: 'replica' } }),
  ]);
  for (const server of [pg, plain])
    await server.query(
      `CREATE TABLE orders (id int PRIMARY KEY, total numeric); CREATE TABLE visits (who text, page text); CREATE ROLE reader LOGIN PASSWORD 'reader' REPLICATION`,
    );
});
afterAll(async () => {
  await pg.stop();
  await plain.stop();
});

const of = (url: string, options: DoctorOptions = {}): Promise<Diagnosis> => doctor(parseConnectionString(url), options);
const codes = ({ findings }: Diagnosis): string[] =>
  findings.map(({ check, code, subject }) => `${check} ${code}${subject === undefined ? '' : ` ${subject}`}`);
const orders = [{ schema: 'public', name: 'orders' }];

test('a Postgres as it comes out of the box: two findings, in well under two seconds', async () => {
  const before = performance.now();
  const diagnosis = await of(plain.url());
  expect(performance.now() - before).toBeLessThan(2_000);
  expect(codes(diagnosis)).toEqual(['C08 wal_level_too_low', 'C16 identity_missing public.visits']);
  expect(diagnosis.findings.map(({ mend }) => mend.sql)).toEqual([
    'ALTER SYSTEM SET wal_level = logical;   -- then restart the server',
    'ALTER TABLE public.visits REPLICA IDENTITY FULL;',
  ]);
  expect(diagnosis.verdict).toBe('not');
});

test('the table fits into 80 columns, and no secret is in it or in the JSON', async () => {
  const diagnosis = await of(plain.url());
  const text = doctorText(diagnosis);
  expect(Math.max(...text.filter((line) => !line.includes('https://')).map((line) => line.length))).toBeLessThanOrEqual(80);
  expect(JSON.stringify(doctorJson(diagnosis)) + text.join('\n')).not.toMatch(/postgres:postgres|password=/);
});

test('nothing is left behind: no slot, no publication', async () => {
  await of(pg.url());
  expect(
    await pg.query(
      'SELECT (SELECT count(*)::int FROM pg_replication_slots) AS slots, (SELECT count(*)::int FROM pg_publication) AS publications',
    ),
  ).toEqual([{ slots: 0, publications: 0 }]);
});

test('ready, as the role that streams: it need own nothing once the publication is there', async () => {
  await pg.query('CREATE PUBLICATION p FOR TABLE orders; GRANT SELECT ON orders TO reader');
  expect(await of(pg.url('reader'), { publication: 'p', tables: orders })).toMatchObject({ verdict: 'ready', findings: [] });
});

test.each<[string, string, string, string[]]>([
  ['no SELECT', 'REVOKE SELECT ON orders FROM reader', 'GRANT SELECT ON orders TO reader', ['C17 select_not_permitted public.orders']],
  ['no REPLICATION', 'ALTER ROLE reader NOREPLICATION', 'ALTER ROLE reader REPLICATION', ['C10 replication_not_permitted reader']],
  [
    'row-level security',
    'ALTER TABLE orders ENABLE ROW LEVEL SECURITY',
    'ALTER TABLE orders DISABLE ROW LEVEL SECURITY',
    ['C17 row_security_filters public.orders'],
  ],
  [
    'no key',
    'ALTER TABLE orders REPLICA IDENTITY NOTHING',
    'ALTER TABLE orders REPLICA IDENTITY DEFAULT',
    ['C16 identity_missing public.orders'],
  ],
  [
    'the publication gone',
    'DROP PUBLICATION p',
    'CREATE PUBLICATION p FOR TABLE orders',
    ['C14 publication_not_permitted reader', 'C15 publication_missing p'],
  ],
  [
    'inserts only',
    `ALTER PUBLICATION p SET (publish = 'insert')`,
    `ALTER PUBLICATION p SET (publish = 'insert, update, delete, truncate')`,
    ['C15 operations_missing p'],
  ],
  [
    'rows filtered',
    'ALTER PUBLICATION p SET TABLE orders WHERE (id > 0)',
    'ALTER PUBLICATION p SET TABLE orders',
    ['C15 rows_filtered public.orders'],
  ],
  [
    'a connection limit',
    'ALTER ROLE reader CONNECTION LIMIT 2',
    'ALTER ROLE reader CONNECTION LIMIT -1',
    ['C13 role_connection_limit reader'],
  ],
])('broken alone, found alone: %s', async (_what, break_, mend, expected) => {
  await pg.query(break_);
  try {
    expect(codes(await of(pg.url('reader'), { publication: 'p', tables: orders }))).toEqual(expected);
  } finally {
    await pg.query(mend);
  }
});

test('an open transaction blocks a slot: said within two seconds, and nobody was disturbed', async () => {
  const other = await pg.connect();
  await other.query('BEGIN; INSERT INTO visits VALUES (1)');
  const before = performance.now();
  expect(codes(await of(pg.url('reader'), { publication: 'p', tables: orders }))).toEqual(['C20 slot_blocked']);
  expect(performance.now() - before).toBeLessThan(4_000);
  await other.query('ROLLBACK');
  await other.end();
});

test('all slots in use: by whom', async () => {
  await pg.query(`SELECT count(pg_create_logical_replication_slot('other_' || n, 'pgoutput')) FROM generate_series(1, 20) n`);
  try {
    const diagnosis = await of(pg.url('reader'), { publication: 'p', tables: orders });
    expect(diagnosis.findings[0]).toMatchObject({
      check: 'C11',
      seen: expect.stringContaining('max_replication_slots is 20: 20 in use (idle: other_1') as string,
    });
  } finally {
    await pg.query(`SELECT count(pg_drop_replication_slot(slot_name)) FROM pg_replication_slots`);
  }
});

test('partitions: the leaf is asked for its identity, under its root’s name', async () => {
  await pg.query('CREATE TABLE events (id int, at date) PARTITION BY RANGE (at); CREATE TABLE events_1 PARTITION OF events DEFAULT');
  const diagnosis = await of(pg.url(), { tables: [{ schema: 'public', name: 'events' }] });
  expect(diagnosis.findings).toMatchObject([
    { check: 'C16', subject: 'public.events_1', seen: expect.stringContaining('partition of public.events') as string },
    { check: 'C16', code: 'partitions_without_key', subject: 'public.events', severity: 'warning' },
  ]);
});

test.each([
  ['a wrong password', () => pg.url('reader', 'postgres', 'wrong'), 'not', 'C03 password_refused'],
  ['a database that is not there', () => pg.url('reader', 'nowhere'), 'not', 'C03 database_missing'],
  ['a port where nobody listens', () => 'postgres://u@127.0.0.1:1/x', 'unknown', 'C01 refused'],
  ['a name that does not resolve', () => 'postgres://u@no-such-host.invalid/x', 'unknown', 'C01 host_unknown'],
])('not let in: %s', async (_what, url, verdict, code) => {
  const diagnosis = await of(url());
  expect(diagnosis.verdict).toBe(verdict);
  expect(codes(diagnosis)).toContain(code);
});
