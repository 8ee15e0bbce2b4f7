import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeCertificates } from '../../../test/postgres/certificates.ts';
import { startPostgres, type TestPostgres } from '../../../test/postgres/postgres.ts';
import type { Lsn } from '../../base/lsn.ts';
import {
  BEGIN,
  COMMIT,
  commitEndLsn,
  DELETE,
  FIRST_TUPLE_OFFSET,
  INSERT,
  KEEPALIVE,
  NEW_TUPLE,
  parseRelation,
  parseTruncate,
  RELATION,
  relationOid,
  skipTuple,
  TRUNCATE,
  UPDATE,
  WalCursor,
} from '../../wire/pgoutput.ts';
import { parseTuple } from '../../wire/testing/parse-tuple.ts';
import { readPublishedTables } from '../catalog/publication.ts';
import { identifySystem } from '../catalog/facts.ts';
import { connectUpstream } from '../connection/connect.ts';
import { parseLsn } from '../../base/lsn.ts';
import { parseConnectionString, type ConnectionParameters } from '../connection/parameters.ts';
import { Snapshot } from '../snapshot/snapshot.ts';
import { connectForSlot, createSlot, dropSlot, parseTimelineHistory, readSlot, readTimelineHistory } from './slot.ts';
import { connectForStream, type StreamSink, type WalStream } from './stream.ts';
import { endOfRecordBefore, readWalEnd } from './wal-end.ts';

const certificates = makeCertificates();
let pg: TestPostgres;
let parameters: ConnectionParameters;
beforeAll(async () => {
  pg = await startPostgres(certificates === undefined ? {} : { settings: certificates.settings });
  parameters = parseConnectionString(`${pg.url()}?sslmode=disable`);
});
afterAll(async () => {
  await pg.stop();
  certificates?.remove();
});

/** Notes what comes, as text; shows how a sink asks to see a part again. */
class Recorder implements StreamSink {
  readonly messages: string[] = [];
  readonly rows = new Map<string, (string | null | undefined)[]>();
  endLsn: Lsn = 0n;
  error: { code: string } | undefined;
  finished = false;
  takes = 0;
  readonly #cursor = new WalCursor();
  #relation = '';

  take(bytes: Buffer, start: number, end: number): number {
    this.takes++;
    this.#cursor.reset(bytes, start, end);
    let done = start;
    // Only whole transactions are looked at; the rest is shown again.
    let lastCommit = start;
    while (this.#cursor.next() !== 0) if (this.#cursor.kind === COMMIT || this.#cursor.kind === KEEPALIVE) lastCommit = this.#cursor.end;
    this.#cursor.reset(bytes, start, lastCommit);
    while (this.#cursor.next() !== 0) {
      this.#message(this.#cursor.kind, bytes, this.#cursor.at);
      done = this.#cursor.end;
    }
    return done;
  }

  #message(kind: number, bytes: Buffer, at: number): void {
    if (kind === BEGIN) this.messages.push('begin');
    else if (kind === COMMIT) {
      this.messages.push('commit');
      this.endLsn = commitEndLsn(bytes, at);
    } else if (kind === RELATION) {
      this.#relation = parseRelation(bytes, at).name;
      this.messages.push(`relation ${this.#relation}`);
    } else if (kind === TRUNCATE) {
      this.messages.push(`truncate ${parseTruncate(bytes, at).oids.length}`);
      this.rows.clear();
    } else if (kind === INSERT || kind === UPDATE || kind === DELETE) {
      const first = bytes[at + FIRST_TUPLE_OFFSET]!;
      const tuple = at + FIRST_TUPLE_OFFSET + 1;
      const old = first === NEW_TUPLE ? undefined : parseTuple(bytes, tuple);
      const fresh =
        first === NEW_TUPLE ? parseTuple(bytes, tuple) : kind === UPDATE ? parseTuple(bytes, skipTuple(bytes, tuple) + 1) : undefined;
      this.messages.push(`${String.fromCharCode(kind)} ${JSON.stringify(old ?? null)} ${JSON.stringify(fresh ?? null)}`);
      expect(relationOid(bytes, at)).toBeGreaterThan(0);
      const before = this.rows.get(String((old ?? fresh)![0]));
      if (old !== undefined) this.rows.delete(String(old[0]));
      if (fresh !== undefined)
        this.rows.set(
          String(fresh[0]),
          fresh.map((value, i) => (value === undefined ? before?.[i] : value)),
        );
    }
  }

  ended(error: { code: string } | undefined): void {
    this.finished = true;
    this.error = error;
  }
}

async function tables(...names: string[]) {
  const connection = await connectUpstream(parameters, { purpose: 'test' });
  const published = await readPublishedTables(connection, 'mz_source');
  await connection.end();
  return names.map((name) => published.find(({ table }) => table.name === name)!.table);
}

async function publish(...names: string[]): Promise<void> {
  await pg.query(`DROP PUBLICATION IF EXISTS mz_source; CREATE PUBLICATION mz_source FOR TABLE ${names.join(', ')}`);
}

async function caughtUp(recorder: Recorder): Promise<void> {
  const [row] = await pg.query<{ lsn: string }>('SELECT pg_current_wal_lsn()::text AS lsn');
  const [hi, lo] = row!.lsn.split('/');
  const lsn = (BigInt(`0x${hi!}`) << 32n) | BigInt(`0x${lo!}`);
  await expect.poll(() => recorder.endLsn >= lsn || recorder.finished, { interval: 5, timeout: 5_000 }).toBe(true);
}

async function stream(slot: string, recorder: Recorder, from: Lsn = 0n, by: ConnectionParameters = parameters): Promise<WalStream> {
  const connection = await connectForStream(by);
  return connection.start({ slot, publication: 'mz_source', from }, recorder);
}

test('a snapshot and the stream behind it give the table, whatever was written meanwhile', async () => {
  await pg.query(`CREATE TABLE items (id int PRIMARY KEY, name text, big text, at timestamptz); ALTER TABLE items ALTER big SET STORAGE EXTERNAL;
    INSERT INTO items SELECT i, E'tab\\tline\\nback\\\\slash ' || i, CASE WHEN i % 3 = 0 THEN NULL ELSE repeat('x', 3000) END, now() FROM generate_series(1, 200) i`);
  await publish('items');
  const [items] = await tables('items');
  const making = await connectForSlot(parameters, 'test');
  const slot = await createSlot(making, 'whole', 'permanent');
  // Written behind the snapshot, before it is read.
  await pg.query(`UPDATE items SET name = 'behind' WHERE id = 1; DELETE FROM items WHERE id = 2; INSERT INTO items VALUES (1000, 'new')`);
  const snapshot = await Snapshot.open(parameters, slot.snapshotName);
  const { parts } = await snapshot.plan('mz_source', items!, 1_000);
  expect(parts).toEqual([{ only: true }]);
  const recorder = new Recorder();
  const count = await snapshot.copy(items!, parts[0]!, {
    rows: (bytes, rows) => {
      let seen = 0;
      for (let at = 0; at < bytes.length; at = skipTuple(bytes, at), seen++) {
        const values = parseTuple(bytes, at);
        recorder.rows.set(values[0]!, values);
      }
      expect(seen).toBe(rows);
    },
  });
  await snapshot.close();
  await making.end();
  expect(count).toBe(200);
  expect(recorder.rows.get('1')![1]).toBe('tab\tline\nback\\slash 1');

  const wal = await stream('whole', recorder, slot.consistentPoint);
  await pg.query(
    `UPDATE items SET name = 'toast stays' WHERE id = 4; UPDATE items SET id = 3000 WHERE id = 5; UPDATE items SET big = NULL WHERE id = 7`,
  );
  await caughtUp(recorder);
  await wal.stop();
  const expected = await pg.query<Record<string, string | null>>(
    `SET timezone = 'UTC'; SELECT id::text, name, big, at::text FROM items ORDER BY items.id`,
  );
  const got = [...recorder.rows.values()].toSorted((a, b) => Number(a[0]) - Number(b[0]));
  expect(got).toEqual(expected.map((row) => [row['id'], row['name'], row['big'], row['at']]));
  expect(recorder.messages.filter((message) => message.startsWith('U'))).toContainEqual(expect.stringContaining('["5",null,null,null]'));
});

test('transactions of every kind, in order', async () => {
  await pg.query(
    'CREATE TABLE kinds (id int PRIMARY KEY, v text); CREATE TABLE full_kinds (a int, b text); ALTER TABLE full_kinds REPLICA IDENTITY FULL',
  );
  await publish('kinds', 'full_kinds');
  const making = await connectForSlot(parameters, 'test');
  const slot = await createSlot(making, 'kinds', 'temporary');
  const recorder = new Recorder();
  // A temporary slot is streamed by the connection that made it; here it only shows that it goes with it.
  await making.end();
  const watching = await connectUpstream(parameters, { purpose: 'test' });
  await expect.poll(async () => await readSlot(watching, slot.name)).toBe(undefined);
  const again = await connectForSlot(parameters, 'test');
  await createSlot(again, 'kinds', 'permanent');
  await again.end();
  const wal = await stream('kinds', recorder);
  await pg.query(`INSERT INTO kinds VALUES (1, 'a')`);
  await pg.query(
    `BEGIN; UPDATE kinds SET v = 'b'; UPDATE kinds SET id = 2; INSERT INTO full_kinds VALUES (1, NULL); DELETE FROM kinds; COMMIT`,
  );
  await pg.query(`BEGIN; INSERT INTO kinds VALUES (9); ROLLBACK`);
  await pg.query(`UPDATE full_kinds SET b = 'x'; TRUNCATE kinds, full_kinds`);
  await caughtUp(recorder);
  // A relation is described before its first change, and again whenever the server feels like it.
  expect(recorder.messages.slice(0, 3)).toEqual(['begin', 'relation kinds', 'I null ["1","a"]']);
  const transactions = [
    ['begin', 'I null ["1","a"]', 'commit'],
    ['begin', 'U null ["1","b"]', 'U ["1",null] ["2","b"]', 'I null ["1",null]', 'D ["2",null] null', 'commit'],
    ['begin', 'U ["1",null] ["1","x"]', 'truncate 2', 'commit'],
  ];
  expect(recorder.messages.filter((message) => !message.startsWith('relation'))).toEqual(transactions.flat());
  // The slot is busy while it streams, free and droppable afterwards.
  expect(
    await stream('kinds', new Recorder()).then(
      () => 'started',
      (error: unknown) => (error as { code: string }).code,
    ),
  ).toBe('SLOT_IN_USE');
  expect(
    await dropSlot(watching, 'kinds').then(
      () => 'dropped',
      (error: unknown) => (error as { code: string }).code,
    ),
  ).toBe('SLOT_IN_USE');
  await wal.stop();
  expect(recorder.error).toBe(undefined);
  await expect
    .poll(() =>
      dropSlot(watching, 'kinds').then(
        () => 'dropped',
        () => 'busy',
      ),
    )
    .toBe('dropped');
  await dropSlot(watching, 'kinds');
  expect(
    await stream('kinds', new Recorder()).then(
      () => 'started',
      (error: unknown) => (error as { code: string }).code,
    ),
  ).toBe('SLOT_DROPPED');
  await watching.end();
});

test('only what was acknowledged is not sent again', async () => {
  await pg.query('CREATE TABLE acks (id int PRIMARY KEY)');
  await publish('acks');
  const making = await connectForSlot(parameters, 'test');
  await createSlot(making, 'acks', 'permanent');
  await making.end();
  const first = new Recorder();
  let wal = await stream('acks', first);
  await pg.query('INSERT INTO acks VALUES (1)');
  await caughtUp(first);
  wal.sendStatus(first.endLsn, first.endLsn);
  await pg.query('INSERT INTO acks VALUES (2)');
  await caughtUp(first);
  await wal.stop();
  const second = new Recorder();
  wal = await stream('acks', second);
  await caughtUp(second);
  expect(second.messages).toEqual(['begin', 'relation acks', 'I null ["2"]', 'commit']);
  await wal.stop();
  await pg.query(`SELECT pg_drop_replication_slot('acks')`);
});

test('much at once is read in few pieces, little at once without delay', async () => {
  await pg.query('CREATE TABLE load (id int PRIMARY KEY, v text)');
  await publish('load');
  const making = await connectForSlot(parameters, 'test');
  await createSlot(making, 'load', 'permanent');
  await making.end();
  await pg.query(`INSERT INTO load SELECT i, repeat('y', 100) FROM generate_series(1, 50000) i`);
  const recorder = new Recorder();
  const wal = await stream('load', recorder);
  await caughtUp(recorder);
  expect(recorder.rows.size).toBe(50_000);
  expect(recorder.takes).toBeLessThan(5_000);
  // A row larger than the buffer.
  await pg.query(`INSERT INTO load VALUES (0, repeat('z', 20000000))`);
  await caughtUp(recorder);
  expect(recorder.rows.get('0')![1]!.length).toBe(20_000_000);
  // Held, nothing comes; released, everything does.
  wal.hold();
  await pg.query('DELETE FROM load WHERE id < 100');
  await new Promise((resolve) => void setTimeout(resolve, 50));
  expect(recorder.rows.size).toBe(50_001);
  wal.release();
  await caughtUp(recorder);
  expect(recorder.rows.size).toBe(49_901);
  const latencies: number[] = [];
  for (let i = 0; i < 20; i++) {
    const before = performance.now();
    const seen = recorder.messages.length;
    await pg.query('INSERT INTO load VALUES ($1)', [100_000 + i]);
    while (recorder.messages.length === seen) await new Promise((resolve) => void setImmediate(resolve));
    latencies.push(performance.now() - before);
  }
  expect(latencies.toSorted((a, b) => a - b)[10]).toBeLessThan(20);
  await wal.stop();
  await pg.query(`SELECT pg_drop_replication_slot('load')`);
});

test.runIf(certificates !== undefined)('under TLS the same: small and large, held and released, ended with a reason', async () => {
  await pg.query('CREATE TABLE secret (id int PRIMARY KEY, v text)');
  await publish('secret');
  const tls = parseConnectionString(`${pg.url()}?sslmode=require`);
  const making = await connectForSlot(tls, 'test');
  expect(making.tls).toBe(true);
  await createSlot(making, 'secret', 'permanent');
  await making.end();
  const recorder = new Recorder();
  const wal = await stream('secret', recorder, 0n, tls);
  await pg.query(
    `INSERT INTO secret SELECT i, repeat('y', 100) FROM generate_series(1, 20000) i; INSERT INTO secret VALUES (0, repeat('z', 5000000))`,
  );
  await caughtUp(recorder);
  expect(recorder.rows.size).toBe(20_001);
  expect(recorder.rows.get('0')![1]!.length).toBe(5_000_000);
  wal.hold();
  await pg.query('DELETE FROM secret WHERE id < 10000');
  await new Promise((resolve) => void setTimeout(resolve, 50));
  expect(recorder.rows.size).toBe(20_001);
  wal.release();
  await caughtUp(recorder);
  expect(recorder.rows.size).toBe(10_001);
  await pg.query(`SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'secret'`);
  await expect
    .poll(() => recorder.error)
    .toMatchObject({ code: 'UPSTREAM_DISCONNECTED', detail: expect.stringContaining('administrator command') as string });
  await expect
    .poll(() => pg.query(`SELECT pg_drop_replication_slot('secret') FROM pg_replication_slots WHERE slot_name = 'secret' AND NOT active`))
    .toHaveLength(1);
});

test('a server that goes away ends the stream with a name for it', async () => {
  await pg.query('CREATE TABLE gone (id int PRIMARY KEY)');
  await publish('gone');
  const making = await connectForSlot(parameters, 'test');
  await createSlot(making, 'gone', 'permanent');
  await making.end();
  const recorder = new Recorder();
  const wal = await stream('gone', recorder);
  await pg.query(`SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = 'gone'`);
  await expect.poll(() => recorder.error?.code).toBe('UPSTREAM_DISCONNECTED');
  await wal.stop();
  await expect
    .poll(() => pg.query(`SELECT pg_drop_replication_slot('gone') FROM pg_replication_slots WHERE slot_name = 'gone' AND NOT active`))
    .toHaveLength(1);
});

test('making a slot waits for open transactions, and says for whose', async () => {
  const open = await pg.connect();
  await open.query('BEGIN; CREATE TABLE never (id int)');
  const connection = await connectUpstream(parameters, { purpose: 'test', replication: true, lockTimeoutMs: 200 });
  const error: unknown = await createSlot(connection, 'blocked', 'permanent').catch((problem: unknown) => problem);
  expect(error).toMatchObject({
    code: 'SLOT_CREATION_BLOCKED',
    detail: expect.stringMatching(/pid \d+ \(postgres, idle in transaction\)/) as string,
  });
  const watching = await connectUpstream(parameters, { purpose: 'test' });
  expect(await readSlot(watching, 'blocked')).toBe(undefined);
  await open.query('ROLLBACK');
  await open.end();
  await connection.end();
  await watching.end();
});

test('the WAL end is one that the stream comes to, also while what stands behind it is no commit', async () => {
  const connection = await connectUpstream(parameters, { purpose: 'test' });
  // Not flushed: nobody waits for an unlogged message of no transaction.
  await pg.query(`SELECT pg_logical_emit_message(false, 'tail', 'x')`);
  const end = await readWalEnd(connection);
  const [row] = await connection.query('SELECT pg_current_wal_flush_lsn() AS flushed');
  expect(end).toBeLessThanOrEqual(parseLsn(row!['flushed']!));
  await connection.end();
});

test('the WAL end and the timeline', async () => {
  const connection = await connectUpstream(parameters, { purpose: 'test' });
  const before = await readWalEnd(connection);
  await pg.query('CREATE TABLE moves (id int)');
  expect(await readWalEnd(connection)).toBeGreaterThan(before);
  await connection.end();
  expect(endOfRecordBefore(0x3000028n)).toBe(0x3000000n);
  expect(endOfRecordBefore(0x3002018n)).toBe(0x3002000n);
  expect(endOfRecordBefore(0x3002020n)).toBe(0x3002020n);
  const replication = await connectUpstream(parameters, { purpose: 'test', replication: true });
  const identity = await identifySystem(replication);
  expect(await readTimelineHistory(replication, identity.timeline)).toEqual({ switches: [] });
  await replication.end();
  expect(parseTimelineHistory('1\t0/3000158\tno recovery target specified\n\n2\t0/5000000\tno recovery\n').switches).toEqual([
    { timeline: 1, lsn: 0x3000158n },
    { timeline: 2, lsn: 0x5000000n },
  ]);
});
