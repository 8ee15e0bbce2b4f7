/** The protocol server as clients see it: node-postgres, psql where it is installed, and bare bytes for what no well-behaved client does. */
import { execFile, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import fc from 'fast-check';
import pg from 'pg';
import copyStreams from 'pg-copy-streams';
import { afterEach, describe as suite, expect, test } from 'vitest';
import { createLogger } from '../../base/logging.ts';
import type { Authentication } from './authentication.ts';
import type { ConnectionLimits } from './connection.ts';
import { scramVerifier } from './scram.ts';
import { listenPgwire, type PgwireServer } from './server.ts';
import {
  bare,
  bind,
  close,
  describe,
  errorFields,
  execute,
  flush,
  int16,
  int32,
  message,
  parse,
  query,
  RawClient,
  startup,
  sync,
  terminate,
  text,
  types,
} from './testing/raw-client.ts';
import { SeriesSessions } from './testing/series-session.ts';

const PROTOCOL_3_0 = 0x0003_0000;
const PROTOCOL_3_2 = 0x0003_0002;
const PSQL = '/usr/bin/psql';
const hasPsql = existsSync(PSQL);
if (!hasPsql) console.log(`${PSQL} is absent: the tests with psql are skipped`);

let server: PgwireServer | undefined;
let sessions = new SeriesSessions();
const clients: pg.Client[] = [];

async function start(options: { authentication?: Authentication; limits?: Partial<ConnectionLimits> } = {}): Promise<PgwireServer> {
  sessions = new SeriesSessions();
  server = await listenPgwire({
    host: '127.0.0.1',
    port: 0,
    authentication: { kind: 'trust' },
    sessions,
    logger: createLogger('silent'),
    ...options,
  });
  return server;
}

async function client(options: pg.ClientConfig = {}): Promise<pg.Client> {
  const made = new pg.Client({ host: '127.0.0.1', port: server!.port, user: 'millrace', database: 'millrace', ...options });
  made.on('error', () => undefined);
  clients.push(made);
  await made.connect();
  return made;
}

async function until(condition: () => boolean): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries > 500) throw new Error('it did not happen within 5 s');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

afterEach(async () => {
  await Promise.all(clients.splice(0).map((made) => made.end().catch(() => undefined)));
  await server?.close();
  server = undefined;
});

suite('a simple query', () => {
  test('answers rows', async () => {
    await start();
    const { rows } = await (await client()).query('SELECT generate_series(1, 3)');
    expect(rows).toEqual([{ generate_series: 1 }, { generate_series: 2 }, { generate_series: 3 }]);
  });

  test('of several statements answers each, and the first error ends them', async () => {
    await start();
    const { client: raw } = await RawClient.session(server!.port);
    raw.send(query('SELECT generate_series(1, 2); BEGIN; FAIL AT 6; COMMIT'));
    const answer = await raw.until('Z');
    expect(types(answer)).toBe('TDDCCEZ');
    expect(answer.at(-1)!.body.toString()).toBe('E');
    raw.send(query('ROLLBACK; SELECT generate_series(7, 7)'));
    const after = await raw.until('Z');
    expect(types(after)).toBe('CTDCZ');
    expect(after.at(-1)!.body.toString()).toBe('I');
    raw.close();
  });

  test('counts an error position in characters from the start of the whole text', async () => {
    await start();
    const { client: raw } = await RawClient.session(server!.port);
    raw.send(query('NOTICE 🦆é; FAIL AT 6'));
    const error = (await raw.until('Z')).find((m) => m.type === 'E')!;
    expect(errorFields(error)).toEqual({
      S: 'ERROR',
      V: 'ERROR',
      C: '42601',
      M: 'syntax error',
      H: 'mend it',
      // The duck is one character, though two in JavaScript.
      P: String(11 + 6),
    });
    raw.close();
  });

  test('of nothing is an empty query', async () => {
    await start();
    const { client: raw } = await RawClient.session(server!.port);
    raw.send(query(' ; '));
    expect(types(await raw.until('Z'))).toBe('IZ');
    raw.close();
  });

  test('fails after some rows with the rows sent and the error last', async () => {
    await start();
    const { client: raw } = await RawClient.session(server!.port);
    raw.send(query('FAIL AFTER 2'));
    expect(types(await raw.until('Z'))).toBe('TDDEZ');
    raw.close();
  });

  test('reports notices and changed parameters', async () => {
    await start();
    const { client: raw } = await RawClient.session(server!.port);
    raw.send(query('NOTICE mind the gap; SET timezone = utc'));
    const answer = await raw.until('Z');
    expect(types(answer)).toBe('NCSCZ');
    expect(errorFields(answer[0]!)).toMatchObject({ S: 'NOTICE', C: '00000', M: 'mind the gap', H: 'only a notice' });
    expect(answer[2]!.body.toString()).toBe('timezone\0utc\0');
    raw.close();
  });

  test('turns a fault of the engine into XX000, and the session goes on', async () => {
    await start();
    const made = await client();
    await expect(made.query('CRASH')).rejects.toMatchObject({ code: 'XX000', message: 'internal error: a fault of the engine' });
    expect((await made.query('SELECT generate_series(1, 1)')).rowCount).toBe(1);
  });
});

suite('the extended protocol', () => {
  test('binds parameters', async () => {
    await start();
    const made = await client();
    const { rows } = await made.query({ text: 'SELECT $1, $2', values: ['a', null], rowMode: 'array' });
    expect(rows).toEqual([['a', null]]);
    expect((await made.query('SELECT generate_series($1, $2)', [5, 6])).rows).toHaveLength(2);
    expect((await made.query({ name: 'again', text: 'SELECT generate_series($1, $2)', values: [1, 9] })).rows).toHaveLength(9);
    expect((await made.query({ name: 'again', text: 'SELECT generate_series($1, $2)', values: [1, 8] })).rows).toHaveLength(8);
  });

  test('fetches in parts: a portal is suspended at its row limit, across batches, and resumes', async () => {
    await start();
    const { client: raw } = await RawClient.session(server!.port);
    raw.send(
      parse('', 'SELECT generate_series(1, 2500)'),
      bind('', ''),
      execute('', 1100),
      execute('', 1100),
      execute('', 1100),
      execute('', 1100),
      sync,
    );
    const answer = await raw.until('Z');
    const pieces = types(answer)
      .split(/[sC]/)
      .map((piece) => piece.replaceAll(/[^D]/g, '').length);
    expect(pieces).toEqual([1100, 1100, 300, 0, 0]);
    const tags = answer.filter((m) => m.type === 'C').map((m) => m.body.toString());
    expect(tags).toEqual(['SELECT 300\0', 'SELECT 0\0']);
    raw.close();
  });

  test('keeps a named portal over Sync inside a transaction block, and ends it with the block', async () => {
    await start();
    const { client: raw } = await RawClient.session(server!.port);
    raw.send(query('BEGIN'), parse('s', 'SELECT generate_series(1, 5)'), bind('p', 's'), execute('p', 2), sync);
    await raw.until('Z');
    expect(types(await raw.until('Z'))).toBe('12DDsZ');
    raw.send(execute('p', 2), sync);
    expect(types(await raw.until('Z'))).toBe('DDsZ');
    raw.send(query('COMMIT'), execute('p', 2), sync);
    expect(types(await raw.until('Z'))).toBe('CZ');
    const late = await raw.until('Z');
    expect(errorFields(late[0]!)).toMatchObject({ C: '34000', M: 'portal "p" does not exist' });
    expect(sessions.opened[0]!.iteratorsEnded).toBe(1);
    raw.close();
  });

  test('describes statements and portals', async () => {
    await start();
    const { client: raw } = await RawClient.session(server!.port);
    raw.send(
      parse('s', 'SELECT $1, $2'),
      describe('S', 's'),
      parse('b', 'BEGIN'),
      describe('S', 'b'),
      bind('p', 's', ['x', 'y']),
      describe('P', 'p'),
      sync,
    );
    const answer = await raw.until('Z');
    expect(types(answer)).toBe('1tT1tn2TZ');
    expect(answer[1]!.body).toEqual(Buffer.concat([int16(2), int32(25), int32(25)]));
    raw.close();
  });

  test('skips everything after an error until Sync, and fails the block', async () => {
    await start();
    const { client: raw } = await RawClient.session(server!.port);
    raw.send(query('BEGIN'));
    await raw.until('Z');
    raw.send(bind('', 'missing'), execute(''), query('SELECT generate_series(1, 1)'), parse('', 'BEGIN'), sync, query('ROLLBACK'));
    const answer = await raw.until('Z');
    expect(types(answer)).toBe('EZ');
    expect(errorFields(answer[0]!)).toMatchObject({ C: '26000', M: 'prepared statement "missing" does not exist' });
    expect(answer[1]!.body.toString()).toBe('E');
    expect(types(await raw.until('Z'))).toBe('CZ');
    raw.close();
  });

  test('runs what is pipelined, each Sync apart', async () => {
    await start();
    const { client: raw } = await RawClient.session(server!.port);
    const one = [parse('', 'SELECT generate_series(1, 1)'), bind('', ''), execute(''), sync];
    raw.send(...one, parse('', 'FAIL AT 3'), bind('', ''), execute(''), sync, ...one);
    expect(types(await raw.until('Z'))).toBe('12DCZ');
    expect(types(await raw.until('Z'))).toBe('EZ');
    expect(types(await raw.until('Z'))).toBe('12DCZ');
    raw.close();
  });

  test('flushes without Sync', async () => {
    await start();
    const { client: raw } = await RawClient.session(server!.port);
    raw.send(parse('', 'SELECT generate_series(1, 1)'), flush);
    expect((await raw.message()).type).toBe('1');
    raw.close();
  });

  test('answers an empty statement, and closes what does not exist', async () => {
    await start();
    const { client: raw } = await RawClient.session(server!.port);
    raw.send(parse('', ''), bind('', ''), describe('P', ''), execute(''), close('S', 'nothing'), close('P', 'nothing'), sync);
    expect(types(await raw.until('Z'))).toBe('12nI33Z');
    raw.close();
  });

  test.each([
    ['a statement of that name', [parse('a', 'BEGIN'), parse('a', 'BEGIN')], '42P05'],
    ['a portal of that name', [parse('', 'BEGIN'), bind('p', ''), bind('p', '')], '42P03'],
    ['two statements in one Parse', [parse('', 'BEGIN; COMMIT')], '42601'],
    ['too few parameters', [parse('', 'SELECT $1'), bind('', '')], '08P01'],
    ['a second run of what returns no rows', [parse('', 'BEGIN'), bind('', ''), execute(''), execute('')], '55000'],
    ['too many statements', Array.from({ length: 6 }, (_, i) => parse(`s${i}`, 'BEGIN')), '53400'],
    ['too many portals', [parse('', 'BEGIN'), ...Array.from({ length: 4 }, (_, i) => bind(`p${i}`, ''))], '53400'],
  ])('refuses %s', async (_, messages, sqlstate) => {
    await start({ limits: { statementsMax: 5, portalsMax: 3 } });
    const { client: raw } = await RawClient.session(server!.port);
    raw.send(...messages, sync);
    const error = (await raw.until('Z')).find((m) => m.type === 'E')!;
    expect(errorFields(error)['C']).toBe(sqlstate);
    raw.close();
  });

  test('drops statements by SQL as well as by message', async () => {
    await start();
    const { client: raw } = await RawClient.session(server!.port);
    raw.send(
      parse('a', 'BEGIN'),
      parse('b', 'BEGIN'),
      parse('c', 'BEGIN'),
      sync,
      query('DEALLOCATE a'),
      describe('S', 'a'),
      sync,
      describe('S', 'b'),
      sync,
    );
    expect(types(await raw.until('Z'))).toBe('111Z');
    expect(types(await raw.until('Z'))).toBe('CZ');
    expect(types(await raw.until('Z'))).toBe('EZ');
    expect(types(await raw.until('Z'))).toBe('tnZ');
    raw.send(query('DEALLOCATE nothing'), parse('', 'DEALLOCATE ALL'), bind('', ''), execute(''), describe('S', 'c'), sync);
    expect(errorFields((await raw.until('Z'))[0]!)).toMatchObject({ C: '26000', M: 'prepared statement "nothing" does not exist' });
    expect(types(await raw.until('Z'))).toBe('12CEZ');
    raw.close();
  });

  test('closes a statement, and its portals live on', async () => {
    await start();
    const { client: raw } = await RawClient.session(server!.port);
    raw.send(parse('s', 'SELECT generate_series(1, 5)'), bind('p', 's'), close('S', 's'), execute('p'), sync);
    expect(types(await raw.until('Z'))).toBe('123DDDDDCZ');
    raw.close();
  });
});

suite('COPY TO STDOUT', () => {
  test('streams lines', async () => {
    await start();
    const stream = (await client()).query(copyStreams.to('COPY generate_series(1, 5000) TO STDOUT'));
    let received = '';
    for await (const chunk of stream) received += String(chunk);
    expect(received.trim().split('\n')).toHaveLength(5000);
  });

  test('of a subscription goes on until it is cancelled', async () => {
    await start();
    const { client: raw, greeting } = await RawClient.session(server!.port);
    raw.send(query('SUBSCRIBE'));
    await raw.until('d');
    const key = greeting.find((m) => m.type === 'K')!.body;
    (await RawClient.connect(server!.port)).send(bare(80877102, key));
    const end = await raw.until('Z');
    expect(errorFields(end.at(-2)!)['C']).toBe('57014');
    raw.close();
  });
});

suite('backpressure', () => {
  test('asks for no more batches than the socket takes, and the client gets every row', async () => {
    await start();
    const { client: raw } = await RawClient.session(server!.port);
    raw.socket.pause();
    raw.send(query('SELECT generate_series(1, 2000000)'));
    let before = -1;
    await until(() => {
      const made = sessions.opened[0]!.batchesMade;
      const still = made > 0 && made === before;
      before = made;
      return still;
    });
    // The whole is 2,000 batches (30 MB); what the kernel's buffers take is a few MB.
    expect(before).toBeLessThan(1_000);
    let receivedBytes = 0;
    const whole = new Promise<void>((resolve) => {
      raw.socket.removeAllListeners('data').on('data', (chunk: Buffer) => {
        receivedBytes += chunk.length;
        if (chunk.includes('SELECT 2000000')) resolve();
      });
    });
    raw.socket.resume();
    await whole;
    expect(sessions.opened[0]!.batchesMade).toBe(2_000);
    expect(receivedBytes).toBeGreaterThan(30_000_000);
    raw.close();
  });

  test('a client that leaves amid a result ends the result and the session', async () => {
    await start();
    const { client: raw } = await RawClient.session(server!.port);
    raw.socket.pause();
    raw.send(query('SELECT generate_series(1, 100000000)'));
    await until(() => sessions.opened[0]!.batchesMade > 10);
    raw.close();
    await until(() => sessions.opened[0]!.closed);
    expect(sessions.opened[0]!.iteratorsEnded).toBe(1);
    await until(() => server!.sessionCount === 0);
  });
});

suite('leaving', () => {
  test.each([
    ['abruptly', (raw: RawClient) => raw.socket.resetAndDestroy()],
    ['half-way', (raw: RawClient) => raw.socket.end()],
  ])('%s cancels what runs', async (_, leave) => {
    await start();
    const { client: raw } = await RawClient.session(server!.port);
    raw.send(query('SLEEP'));
    await new Promise((resolve) => setTimeout(resolve, 50));
    leave(raw);
    await until(() => sessions.opened[0]!.closed);
    expect(sessions.opened[0]!.cancelled).toBe(1);
  });

  test('while a statement is still being prepared keeps it from running', async () => {
    await start();
    const { client: raw } = await RawClient.session(server!.port);
    raw.send(query('PONDER'));
    await new Promise((resolve) => setTimeout(resolve, 30));
    raw.close();
    await until(() => sessions.opened[0]!.closed);
    expect(sessions.opened[0]!.executed).toBe(0);
  });

  test('politely closes the session', async () => {
    await start();
    const { client: raw } = await RawClient.session(server!.port);
    raw.send(terminate);
    expect(await raw.rest()).toEqual([]);
    await until(() => sessions.opened[0]!.closed);
    expect(sessions.opened[0]!.cancelled).toBe(0);
  });

  test('the server says why when it stops, also to a statement that runs', async () => {
    await start();
    const [idle, busy] = [(await RawClient.session(server!.port)).client, (await RawClient.session(server!.port)).client];
    busy.send(query('SLEEP'));
    await new Promise((resolve) => setTimeout(resolve, 50));
    await server!.close();
    for (const raw of [idle, busy]) expect(errorFields((await raw.rest()).at(-1)!)).toMatchObject({ S: 'FATAL', C: '57P01' });
  });
});

suite('cancelling', () => {
  test.each([
    ['3.0', PROTOCOL_3_0, 4],
    ['3.2', PROTOCOL_3_2, 32],
  ])('a statement needs the secret key (%s)', async (_, version, secretBytes) => {
    await start();
    const { client: raw, greeting } = await RawClient.session(server!.port, version);
    const key = greeting.find((m) => m.type === 'K')!.body;
    expect(key.length).toBe(4 + secretBytes);
    raw.send(query('SLEEP'));
    const wrong = Buffer.from(key);
    wrong[5]! ^= 1;
    const first = await RawClient.connect(server!.port);
    first.send(bare(80877102, wrong));
    expect(await first.rest()).toEqual([]);
    expect(sessions.opened[0]!.cancelled).toBe(0);
    const second = await RawClient.connect(server!.port);
    second.send(bare(80877102, key));
    expect(errorFields((await raw.until('Z'))[0]!)['C']).toBe('57014');
    raw.close();
  });

  test('while it is still being prepared', async () => {
    await start();
    const { client: raw, greeting } = await RawClient.session(server!.port);
    raw.send(parse('', 'PONDER'), bind('', ''), execute(''), sync, query('SELECT generate_series(1, 1)'));
    await new Promise((resolve) => setTimeout(resolve, 30));
    (await RawClient.connect(server!.port)).send(bare(80877102, greeting.find((m) => m.type === 'K')!.body));
    const answer = await raw.until('Z');
    expect(types(answer)).toBe('12EZ');
    expect(errorFields(answer[2]!)['C']).toBe('57014');
    expect(types(await raw.until('Z'))).toBe('TDCZ');
    expect(sessions.opened[0]!.executed).toBe(1);
    raw.close();
  });

  test('an idle session is left alone', async () => {
    await start();
    const { client: raw, greeting } = await RawClient.session(server!.port);
    const other = await RawClient.connect(server!.port);
    other.send(bare(80877102, greeting.find((m) => m.type === 'K')!.body));
    await other.rest();
    expect(sessions.opened[0]!.cancelled).toBe(0);
    raw.close();
  });
});

suite('startup', () => {
  test('refuses encryption with one byte, and goes on', async () => {
    await start();
    const raw = await RawClient.connect(server!.port);
    raw.send(bare(80877104));
    expect((await raw.bytes(1)).toString()).toBe('N');
    raw.send(bare(80877103));
    expect((await raw.bytes(1)).toString()).toBe('N');
    raw.send(startup(PROTOCOL_3_0, { user: 'millrace', application_name: 'test' }));
    const greeting = await raw.until('Z');
    expect(types(greeting)).toMatch(/^RS+KZ$/);
    expect(sessions.opened[0]!.startup.get('database')).toBe('millrace');
    expect(sessions.opened[0]!.startup.get('application_name')).toBe('test');
    raw.close();
  });

  test('negotiates down a newer minor version and options it does not know', async () => {
    await start();
    const raw = await RawClient.connect(server!.port);
    raw.send(startup(0x0003_270f, { user: 'millrace', '_pq_.grease': '1' }));
    const [negotiated] = await raw.until('Z');
    expect(negotiated).toEqual({ type: 'v', body: Buffer.concat([int32(PROTOCOL_3_2), int32(1), text('_pq_.grease')]) });
    raw.close();
  });

  test.each([
    ['version 2', startup(0x0002_0000, { user: 'millrace' }), '0A000'],
    ['no user', startup(PROTOCOL_3_0, { database: 'x' }), '28000'],
    ['replication', startup(PROTOCOL_3_0, { user: 'millrace', replication: 'database' }), '0A000'],
    ['HTTP', Buffer.from('GET / HTTP/1.1\r\n\r\n'), '08P01'],
    ['TLS at once', Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]), '08P01'],
    ['an unfinished parameter list', bare(PROTOCOL_3_0, text('user'), text('millrace')), '08P01'],
    ['a packet without a version', int32(4), '08P01'],
  ])('refuses %s', async (_, bytes, sqlstate) => {
    await start();
    const raw = await RawClient.connect(server!.port);
    raw.send(bytes);
    expect(errorFields((await raw.rest()).at(-1)!)).toMatchObject({ S: 'FATAL', C: sqlstate });
    expect(sessions.opened).toEqual([]);
  });

  test('waits for authentication a limited time', async () => {
    await start({ limits: { authenticationTimeoutMs: 50 } });
    const raw = await RawClient.connect(server!.port);
    expect(errorFields((await raw.rest())[0]!)).toMatchObject({ S: 'FATAL', C: '08006' });
  });

  test.each([
    ['that say nothing', async (): Promise<void> => undefined],
    [
      'that stop before their proof',
      async (raw: RawClient): Promise<void> => {
        raw.send(startup(PROTOCOL_3_0, { user: 'millrace' }));
        await raw.message();
      },
    ],
  ])('sockets %s do not lock anybody out', async (_, begin) => {
    const users = new Map([['millrace', scramVerifier('secret')]]);
    await start({ authentication: { kind: 'scram', users }, limits: { unauthenticatedMax: 10, connectionsMax: 5 } });
    const stuck: RawClient[] = [];
    for (let i = 0; i < 50; i++) {
      const raw = await RawClient.connect(server!.port);
      raw.socket.on('error', () => undefined);
      stuck.push(raw);
      await begin(raw).catch(() => undefined);
    }
    expect((await (await client({ password: 'secret' })).query('SELECT generate_series(1, 1)')).rowCount).toBe(1);
    await until(() => stuck.filter(({ socket }) => !socket.destroyed && !socket.readableEnded).length <= 10);
    for (const { socket } of stuck) socket.destroy();
  });

  test('takes so many sessions, and a place again when one leaves', async () => {
    await start({ limits: { connectionsMax: 1 } });
    const first = await client();
    await expect(client()).rejects.toMatchObject({ code: '53300' });
    await first.end();
    await until(() => server!.sessionCount === 0);
    await client();
  });
});

suite('authentication', () => {
  const scram: Authentication = { kind: 'scram', users: new Map([['millrace', scramVerifier('mühle ﬁ')]]) };

  test('by SCRAM-SHA-256 lets the right password in', async () => {
    await start({ authentication: scram });
    // The password is normalised on both sides: ﬁ (one character) is fi.
    expect((await (await client({ password: 'mühle fi' })).query('SELECT generate_series(1, 1)')).rowCount).toBe(1);
  });

  test.each([
    ['a wrong password', { password: 'wrong' }],
    ['an unknown user', { user: 'nobody', password: 'mühle fi' }],
  ])('keeps %s out', async (_, options) => {
    await start({ authentication: scram });
    await expect(client(options)).rejects.toMatchObject({ code: '28P01', severity: 'FATAL' });
    expect(sessions.opened).toEqual([]);
  });

  test.each([
    ['a query instead of a proof', query('SELECT 1')],
    ['another mechanism', message('p', text('PLAIN'), int32(0))],
    ['no initial response', message('p', text('SCRAM-SHA-256'), int32(-1))],
    ['a malformed first message', message('p', text('SCRAM-SHA-256'), int32(3), Buffer.from('n,,'))],
    ['an oversized message', message('p', Buffer.alloc(4096))],
  ])('closes on %s', async (_, bytes) => {
    await start({ authentication: scram });
    const raw = await RawClient.connect(server!.port);
    raw.send(startup(PROTOCOL_3_0, { user: 'millrace' }));
    await raw.message();
    raw.send(bytes);
    expect(errorFields((await raw.rest()).at(-1)!)).toMatchObject({ S: 'FATAL', C: expect.stringMatching(/^(?:08P01|54000)$/) as string });
  });

  test('answers wrong passwords later and later, a few at a time, and right ones at once', async () => {
    await start({ authentication: scram });
    const before = performance.now();
    const tries = Array.from({ length: 30 }, () =>
      client({ password: 'wrong' }).then(
        () => '',
        (error: { code?: string }) => error.code ?? 'closed',
      ),
    );
    const fast = await client({ password: 'mühle fi' });
    expect((await fast.query('SELECT generate_series(1, 1)')).rowCount).toBe(1);
    const outcomes = await Promise.all(tries);
    // Thirty at once: about ten are answered, after up to 5 s, and the others closed.
    const answered = outcomes.filter((outcome) => outcome === '28P01').length;
    expect(answered).toBeGreaterThanOrEqual(10);
    expect(answered).toBeLessThan(20);
    expect(performance.now() - before).toBeGreaterThan(4_900);
  }, 30_000);

  test('without a password is for loopback only', async () => {
    await expect(
      listenPgwire({ host: '0.0.0.0', port: 0, authentication: { kind: 'trust' }, sessions, logger: createLogger('silent') }),
    ).rejects.toMatchObject({
      code: 'TRUST_NEEDS_LOOPBACK',
    });
  });
});

suite('malformed bytes', () => {
  test.each([
    ['an unknown message type', message('%'), '08P01'],
    ['a negative length', Buffer.concat([Buffer.from('Q'), int32(-5)]), '08P01'],
    ['a message beyond the limit', Buffer.concat([Buffer.from('Q'), int32(5000)]), '54000'],
    ['a query without its zero', message('Q', Buffer.from('SELECT 1')), '08P01'],
    ['a Parse that promises more types than it has', message('P', text(''), text('BEGIN'), int16(-1)), '08P01'],
    ['a Bind that ends early', message('B', text(''), text('')), '08P01'],
    ['a Describe of nothing known', message('D', Buffer.from('Q'), text('')), '08P01'],
    ['a Sync with a body', message('S', Buffer.from([1])), '08P01'],
  ])('%s: a clear error, and the connection closes', async (_, bytes, sqlstate) => {
    await start({ limits: { messageBytesMax: 4096 } });
    const { client: raw } = await RawClient.session(server!.port);
    raw.send(parse('', 'BEGIN'), flush);
    await raw.message();
    raw.send(bytes);
    expect(errorFields((await raw.rest()).at(-1)!)).toMatchObject({ S: 'FATAL', C: sqlstate });
    await until(() => sessions.opened[0]!.closed);
  });

  test('a statement that is too long is an error, and the session goes on: simple and extended', async () => {
    await start({ limits: { statementBytesMax: 1_000 } });
    const { client: raw } = await RawClient.session(server!.port);
    raw.send(query(`SELECT '${'x'.repeat(2_000_000)}'`), query('SELECT generate_series(1, 2)'));
    const answer = await raw.until('Z');
    expect(errorFields(answer[0]!)).toMatchObject({ S: 'ERROR', C: '54000' });
    expect((await raw.until('Z')).map(({ type: kind }) => kind)).toEqual(['T', 'D', 'D', 'C', 'Z']);
    raw.send(parse('', 'x'.repeat(2_000)), bind('', '', []), execute('', 0), sync);
    expect((await raw.until('Z')).map(({ type: kind }) => kind)).toEqual(['E', 'Z']);
    raw.close();
  });

  test('what a session keeps is counted, refused by name and given back', async () => {
    await start();
    const { client: raw } = await RawClient.session(server!.port);
    const { memory } = sessions.opened[0]!;
    const large = 'x'.repeat(50 << 20);
    raw.send(query('BEGIN'));
    await raw.until('Z');
    raw.send(parse('s', 'SELECT $1'), bind('a', 's', [large]), sync);
    expect((await raw.until('Z')).map(({ type: kind }) => kind)).toEqual(['1', '2', 'Z']);
    expect(memory.held('portals')).toBeGreaterThan(50 << 20);
    raw.send(bind('b', 's', [large]), sync);
    expect(errorFields((await raw.until('Z'))[0]!)).toMatchObject({ C: '53200', H: expect.stringContaining('close portals') as string });
    raw.send(query('ROLLBACK'));
    await raw.until('Z');
    expect([memory.held('portals'), memory.held('messages')]).toEqual([0, 0]);
    raw.send(close('S', 's'), sync);
    await raw.until('Z');
    expect(memory.bytes).toBe(0);
    raw.close();
  });

  test('text that is not UTF-8 is an error of the statement only', async () => {
    await start();
    const { client: raw } = await RawClient.session(server!.port);
    raw.send(message('Q', Buffer.from([0xc3, 0x28, 0])));
    const answer = await raw.until('Z');
    expect(errorFields(answer[0]!)).toMatchObject({ S: 'ERROR', C: '22021' });
    raw.close();
  });

  test('never crash the server: any bytes, at any stage, in any pieces', async () => {
    await start({ limits: { messageBytesMax: 1 << 16 } });
    const valid = fc.constantFrom(
      query('SELECT generate_series(1, 3)'),
      parse('a', 'SELECT $1'),
      bind('p', 'a', ['x']),
      describe('P', 'p'),
      execute('p', 1),
      close('S', 'a'),
      sync,
      flush,
    );
    const mutated = fc
      .tuple(valid, fc.nat(), fc.nat(255))
      .map(([bytes, at, value]) => Buffer.from(bytes.map((byte, i) => (i === at % bytes.length ? value : byte))));
    const noise = fc.uint8Array({ maxLength: 64 }).map((bytes) => Buffer.from(bytes));
    await fc.assert(
      fc.asyncProperty(
        fc.boolean(),
        fc.array(fc.oneof(valid, mutated, noise), { maxLength: 12 }),
        fc.nat(40),
        async (started, pieces, cut) => {
          const raw = started ? (await RawClient.session(server!.port)).client : await RawClient.connect(server!.port);
          const bytes = Buffer.concat(pieces);
          raw.socket.write(bytes.subarray(0, cut));
          await new Promise((resolve) => setImmediate(resolve));
          raw.socket.end(bytes.subarray(cut));
          await raw.rest();
        },
      ),
      { numRuns: 150 },
    );
    expect((await (await client()).query('SELECT generate_series(1, 3)')).rowCount).toBe(3);
    await until(() => server!.sessionCount === 1);
    expect(sessions.opened.filter((session) => !session.closed)).toHaveLength(1);
  });
});

suite.skipIf(!hasPsql)('psql', () => {
  const run = promisify(execFile);

  test('queries, sees errors with their place, and copies', async () => {
    await start();
    const line = ['-h', '127.0.0.1', '-p', String(server!.port), '-U', 'millrace', '-X', '-At', 'millrace'];
    expect((await run(PSQL, [...line, '-c', 'SELECT generate_series(1, 3)'])).stdout).toBe('1\n2\n3\n');
    expect((await run(PSQL, [...line, '-c', 'COPY generate_series(1, 3) TO STDOUT'])).stdout).toBe('1\n2\n3\n');
    await expect(run(PSQL, [...line, '-c', 'FAIL AT 6'])).rejects.toMatchObject({
      stderr: expect.stringContaining('LINE 1: FAIL AT 6\n             ^\nHINT:  mend it') as string,
    });
  });

  test('authenticates, and cancels with Ctrl-C', async () => {
    await start({ authentication: { kind: 'scram', users: new Map([['millrace', scramVerifier('secret')]]) } });
    const child = spawn(PSQL, ['-h', '127.0.0.1', '-p', String(server!.port), '-U', 'millrace', '-X', '-c', 'SLEEP', 'millrace'], {
      env: { PGPASSWORD: 'secret' },
    });
    let stderr = '';
    child.stderr.on('data', (chunk) => (stderr += String(chunk)));
    await until(() => sessions.opened.length === 1);
    await new Promise((resolve) => setTimeout(resolve, 100));
    child.kill('SIGINT');
    await new Promise((resolve) => child.on('close', resolve));
    expect(stderr).toContain('canceling statement due to user request');
  });
});
