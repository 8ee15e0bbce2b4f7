import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { makeCertificates } from '../../../test/postgres/certificates.ts';
import { startPostgres, type TestPostgres } from '../../../test/postgres/postgres.ts';
import { connectUpstream } from './connect.ts';
import { parseConnectionString } from './parameters.ts';

const certificates = makeCertificates();
let pg: TestPostgres;
beforeAll(async () => {
  pg = await startPostgres({
    ...(certificates === undefined ? {} : { settings: certificates.settings }),
    hba: [
      'hostssl all tls_only 127.0.0.1/32 scram-sha-256',
      'hostnossl all plain_only 127.0.0.1/32 scram-sha-256',
      'host all postgres,reader 127.0.0.1/32 scram-sha-256',
    ],
  });
  for (const role of ['tls_only', 'plain_only', 'reader', 'stranger']) await pg.query(`CREATE ROLE ${role} LOGIN PASSWORD '${role}'`);
});
afterAll(async () => {
  await pg.stop();
  certificates?.remove();
});

async function outcome(url: string, replication = false): Promise<string> {
  try {
    const connection = await connectUpstream(parseConnectionString(url), { purpose: 'test', replication });
    await connection.end();
    return connection.tls ? 'tls' : 'plain';
  } catch (error) {
    return (error as { code: string }).code;
  }
}

test('a session: every value is text, written the same way whatever the role prefers', async () => {
  await pg.query(`ALTER ROLE reader SET datestyle = 'SQL, DMY'; ALTER ROLE reader SET intervalstyle = 'iso_8601'; ALTER ROLE reader SET timezone = 'Asia/Tokyo'; ALTER ROLE reader SET bytea_output = 'escape';
    ALTER ROLE reader SET statement_timeout = '1min'; ALTER ROLE reader SET row_security = on; ALTER ROLE reader SET search_path = 'public'`);
  const connection = await connectUpstream(parseConnectionString(pg.url('reader')), { purpose: 'test', statementTimeoutMs: 0 });
  expect(
    await connection.query(`SELECT '2024-02-03 04:05:06+00'::timestamptz AS t, interval '1 day 2 hours' AS i, '\\x01'::bytea AS b, 0.1::float4 AS f, true AS yes, NULL AS nothing,
      current_setting('statement_timeout') AS timeout, current_setting('row_security') AS rls, current_setting('application_name') AS name`),
  ).toEqual([
    {
      t: '2024-02-03 04:05:06+00',
      i: '1 day 02:00:00',
      b: '\\x01',
      f: '0.1',
      yes: 't',
      nothing: null,
      timeout: '0',
      rls: 'off',
      name: 'millrace test',
    },
  ]);
  expect(connection.versionNum).toBeGreaterThanOrEqual(100_000);
  await connection.end();
});

test('a walsender session is pinned alike', async () => {
  const connection = await connectUpstream(parseConnectionString(pg.url()), { purpose: 'test', replication: true });
  expect(await connection.query('IDENTIFY_SYSTEM')).toMatchObject([{ timeline: '1', dbname: 'postgres' }]);
  expect(await connection.query('SHOW intervalstyle')).toEqual([{ IntervalStyle: 'postgres' }]);
  expect(connection.walSenderTimeoutMs).toBe(60_000);
  await connection.end();
});

test('what goes wrong has a name and a remedy', async () => {
  expect(await outcome(pg.url('reader', 'postgres', 'wrong'))).toBe('UPSTREAM_AUTHENTICATION_FAILED');
  expect(await outcome(pg.url('reader', 'nowhere'))).toBe('UPSTREAM_DATABASE_MISSING');
  expect(await outcome(pg.url('stranger'))).toBe('UPSTREAM_ACCESS_REFUSED');
  expect(await outcome(pg.url('reader'), true)).toBe('REPLICATION_NOT_PERMITTED');
  expect(await outcome('postgres://u@127.0.0.1:1/x')).toBe('UPSTREAM_UNREACHABLE');
  expect(await outcome('postgres://u@no-such-host.invalid/x')).toBe('UPSTREAM_UNREACHABLE');
});

test('a server that accepts and says nothing is given up after the time-out', async () => {
  const silent = createServer((socket) => void socket.on('error', () => undefined));
  await new Promise<void>((resolve) => void silent.listen(0, '127.0.0.1', resolve));
  const { port } = silent.address() as { port: number };
  const before = performance.now();
  expect(await outcome(`postgres://u@127.0.0.1:${port}/x?connect_timeout=2&sslmode=disable`)).toBe('UPSTREAM_UNREACHABLE');
  expect(performance.now() - before).toBeLessThan(6_000);
  silent.close();
});

test('of several hosts the first that answers is taken', async () => {
  expect(await outcome(`postgres://postgres:postgres@127.0.0.1:1,127.0.0.1:${pg.port}/postgres?sslmode=disable`)).toBe('plain');
});

test('a lost connection is told once, and open queries fail with it', async () => {
  const connection = await connectUpstream(parseConnectionString(pg.url()), { purpose: 'test' });
  const lost: string[] = [];
  connection.onLost((error) => lost.push(connection.failure(error, { doing: 'testing' }).code));
  const sleeping = connection.query('SELECT pg_sleep(60)').catch((error: unknown) => connection.failure(error, { doing: 'testing' }).code);
  await pg.query('SELECT pg_terminate_backend($1)', [connection.backendPid]);
  expect(await sleeping).toBe('UPSTREAM_DISCONNECTED');
  await expect.poll(() => lost).toEqual(['UPSTREAM_DISCONNECTED']);
});

describe.runIf(certificates !== undefined)('TLS', () => {
  const mode = (user: string, sslmode: string, more = ''): Promise<string> => outcome(`${pg.url(user)}?sslmode=${sslmode}${more}`);

  test('disable and allow go plain, prefer and require go TLS', async () => {
    expect(await mode('reader', 'disable')).toBe('plain');
    expect(await mode('reader', 'allow')).toBe('plain');
    expect(await mode('reader', 'prefer')).toBe('tls');
    expect(await mode('reader', 'require')).toBe('tls');
  });

  test('allow and prefer take the other way where the server insists', async () => {
    expect(await mode('tls_only', 'allow')).toBe('tls');
    expect(await mode('plain_only', 'prefer')).toBe('plain');
    expect(await mode('tls_only', 'disable')).toBe('UPSTREAM_TLS_REQUIRED');
    expect(await mode('plain_only', 'require')).toBe('UPSTREAM_ACCESS_REFUSED');
  });

  test('verify-ca wants the authority, verify-full also the name', async () => {
    const ca = `&sslrootcert=${encodeURIComponent(certificates!.cert)}`;
    expect(await mode('reader', 'verify-ca')).toBe('UPSTREAM_TLS_CERTIFICATE_REFUSED');
    expect(await mode('reader', 'verify-ca', ca)).toBe('tls');
    expect(await mode('reader', 'verify_ca', `&sslrootcert=${encodeURIComponent(readFileSync(certificates!.cert, 'utf8'))}`)).toBe('tls');
    expect(await mode('reader', 'verify-full', ca)).toBe('UPSTREAM_TLS_CERTIFICATE_REFUSED');
    expect(await outcome(`postgres://reader:reader@localhost:${pg.port}/postgres?sslmode=verify-full${ca}`)).toBe('tls');
  });

  test('a server without TLS', async () => {
    await pg.restart('fast', { ssl: false });
    expect(await mode('reader', 'prefer')).toBe('plain');
    expect(await mode('reader', 'require')).toBe('UPSTREAM_TLS_UNSUPPORTED');
    await pg.restart('fast', { ssl: true });
  });
});

test('shutting down and starting up are told apart from being wrong', async () => {
  await pg.halt();
  expect(await outcome(pg.url('reader'))).toBe('UPSTREAM_UNREACHABLE');
  await pg.start();
  expect(await outcome(pg.url('reader'))).toMatch(/plain|tls/);
});
