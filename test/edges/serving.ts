/** Rows on their way to clients: of any size, while the view changes, past readers who stall; one reader's trouble is that reader's alone. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import pg from 'pg';
import type { RunningMillrace } from '../harness/millrace.ts';
import { eventually, refusal, textRows, type EdgeCase, type Upstream, type World } from './edge.ts';
import { copyLines, socketOf } from './roads.ts';

const ROWS = 300_000;
const BODY_BYTES = 320;
/** Where the number is not the point. */
const FEWER_ROWS = 100_000;

interface Large {
  readonly upstream: Upstream;
  readonly millrace: RunningMillrace;
  readonly client: pg.Client;
}

/** A view `v` of rows (id, version, body) with an index on id. */
async function largeView(world: World, rows = ROWS, bodyBytes = BODY_BYTES): Promise<Large> {
  const upstream = await world.upstream(`
    CREATE TABLE t (id int PRIMARY KEY, version int NOT NULL, body text NOT NULL);
    INSERT INTO t SELECT g, 0, rpad(g::text, ${bodyBytes}, 'x') FROM generate_series(1, ${rows}) g;
    CREATE PUBLICATION mz_source FOR ALL TABLES;
  `);
  const { millrace, client } = await world.following(upstream);
  await client.query('CREATE MATERIALIZED VIEW v AS SELECT id, version, body FROM t');
  await client.query('CREATE INDEX ON v (id)');
  return { upstream, millrace, client };
}

/** 300 MB of rows, from a view that takes half a megabyte: each of its 550 rows occurs 550 times. */
async function wideView(world: World): Promise<Large> {
  const upstream = await world.upstream(`
    CREATE TABLE small (id int PRIMARY KEY, g int NOT NULL, body text NOT NULL);
    INSERT INTO small SELECT n, 1, rpad(n::text, 1000, 'y') FROM generate_series(1, 550) n;
    CREATE TABLE near (id int PRIMARY KEY, n int NOT NULL);
    INSERT INTO near SELECT n, 0 FROM generate_series(1, 100) n;
    CREATE PUBLICATION mz_source FOR ALL TABLES;
  `);
  const { millrace, client } = await world.following(upstream);
  await client.query('CREATE MATERIALIZED VIEW wide AS SELECT a.id, a.body FROM small a JOIN small b ON a.g = b.g');
  await client.query('CREATE MATERIALIZED VIEW near_view AS SELECT id, n FROM near');
  await client.query('CREATE INDEX ON near_view (id)');
  return { upstream, millrace, client };
}

async function residentBytes({ process }: RunningMillrace): Promise<number> {
  const status = await readFile(`/proc/${process.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) * 1024;
}

/** Asks for one row again and again until `work` is over; the ninth of ten times. */
async function lookupMs(client: pg.Client, sql: string, work: Promise<unknown>): Promise<number> {
  let isOver = false;
  const done = work.finally(() => (isOver = true));
  const took: number[] = [];
  while (!isOver) {
    const before = performance.now();
    const rows = await textRows(client, sql);
    took.push(performance.now() - before);
    assert.equal(rows.length, 1);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await done;
  return took.sort((a, b) => a - b)[Math.floor(took.length * 0.9)]!;
}

/** What a look-up takes while nothing else runs here. */
async function quietMs(client: pg.Client, sql: string): Promise<number> {
  return lookupMs(client, sql, new Promise((resolve) => setTimeout(resolve, 2_000)));
}

/** Generous, because machines are busy: what it must not be is as long as the others' work. */
function assertQuick(tookMs: number, quiet: number, what: string): void {
  assert.ok(tookMs < 1_500 + 10 * quiet, `${what}: a look-up took ${Math.round(tookMs)} ms, in quiet ${Math.round(quiet)} ms (p90)`);
}

/** A client that asks and does not read, in a state to read later. */
async function stalled(world: World, millrace: RunningMillrace, sql: string): Promise<{ client: pg.Client; rows: Promise<number> }> {
  const client = await world.connect(millrace);
  let rows = 0;
  const query = new pg.Query<(string | null)[]>({ text: sql, rowMode: 'array' } as never);
  const read = new Promise<number>((resolve, reject) => {
    query.on('row', () => void rows++);
    query.on('end', () => resolve(rows));
    query.on('error', reject);
  });
  read.catch(() => undefined);
  client.query(query);
  await new Promise<void>((resolve) => query.once('row', () => resolve()));
  socketOf(client).pause();
  return { client, rows: read };
}

export const serving: readonly EdgeCase[] = [
  {
    id: 'E40 SUBSCRIBE to a large view, and a large tick',
    right: 'the snapshot streams, a change of more than a subscriber may be behind does, too, and the server lives',
    async run(world) {
      const { upstream, millrace, client } = await largeView(world);
      const quiet = await quietMs(client, 'SELECT version FROM v WHERE id = 7');
      const idle = await residentBytes(millrace);
      // Of 390 bytes, out and in.
      const changed = 110_000;
      const sums = new Map<string, number>();
      let lines = 0;
      let highest = 0;
      const watch = setInterval(() => void residentBytes(millrace).then((bytes) => (highest = Math.max(highest, bytes))), 100);
      let began: (() => void) | undefined;
      const snapshotRead = new Promise<void>((resolve) => (began = resolve));
      const subscription = copyLines(millrace.url, 'COPY (SUBSCRIBE v) TO STDOUT', (line) => {
        const [, diff, , version, body] = line.split('\t');
        assert.equal(body?.length, BODY_BYTES);
        sums.set(version!, (sums.get(version!) ?? 0) + Number(diff));
        if (++lines === ROWS) began?.();
        return lines < ROWS + 2 * changed;
      });
      const took = await lookupMs(client, 'SELECT version FROM v WHERE id = 7', snapshotRead);
      const afterSnapshot = highest;
      await upstream.query(`UPDATE t SET version = 1 WHERE id <= ${changed}`);
      await subscription;
      clearInterval(watch);
      assert.deepEqual([sums.get('0'), sums.get('1')], [ROWS - changed, changed]);
      assert.deepEqual(await textRows(client, 'SELECT count(*) FROM v WHERE id <= 10'), [['10']]);
      assert.ok(afterSnapshot < idle + (150 << 20), `the snapshot took ${(afterSnapshot - idle) >> 20} MiB`);
      assertQuick(took, quiet, 'beside a snapshot');
    },
  },
  {
    id: 'E41 SELECT and COPY of a large view',
    right: 'every row, whatever the size, in bounded memory, and neighbours are not disturbed',
    async run(world) {
      const { millrace, client } = await largeView(world);
      const quiet = await quietMs(client, 'SELECT version FROM v WHERE id = 7');
      const idle = await residentBytes(millrace);
      let highest = 0;
      const watch = setInterval(() => void residentBytes(millrace).then((bytes) => (highest = Math.max(highest, bytes))), 50);
      const other = await world.connect(millrace);
      let copied = 0;
      const copy = copyLines(millrace.url, 'COPY (SELECT id, body FROM v) TO STDOUT', (line) => {
        assert.equal(line.split('\t')[1]?.length, BODY_BYTES);
        copied++;
        return true;
      });
      const both = Promise.all([copy, textRows(other, 'SELECT id, version, body FROM v ORDER BY id DESC')]);
      const took = await lookupMs(client, 'SELECT version FROM v WHERE id = 7', both);
      clearInterval(watch);
      const [, selected] = await both;
      assert.equal(copied, ROWS);
      assert.equal(selected.length, ROWS);
      assert.ok(selected.every(([id], i) => id === String(ROWS - i)));
      assert.deepEqual(await textRows(client, 'SELECT id FROM v ORDER BY id DESC LIMIT 3 OFFSET 1'), [
        [String(ROWS - 1)],
        [String(ROWS - 2)],
        [String(ROWS - 3)],
      ]);
      // The ordered one keeps its rows to sort them, which is bounded; what goes out unordered takes next to nothing.
      assert.ok(highest < idle + (400 << 20), `the results took ${(highest - idle) >> 20} MiB`);
      assertQuick(took, quiet, 'beside large results');
    },
  },
  {
    id: 'E41 a result is of one tick',
    right: 'rows that change while a client reads are shown as they were; the next read shows the change',
    async run(world) {
      const { upstream, millrace, client } = await largeView(world, FEWER_ROWS);
      const reader = await world.connect(millrace);
      const versions = new Map<string, number>();
      const query = new pg.Query<string[]>({ text: 'SELECT id, version, body FROM v', rowMode: 'array' } as never);
      const read = new Promise<void>((resolve, reject) => {
        query.on('row', (row) => {
          const version = String((row as unknown as unknown[])[1]);
          versions.set(version, (versions.get(version) ?? 0) + 1);
        });
        query.on('end', () => resolve());
        query.on('error', reject);
      });
      reader.query(query);
      await new Promise<void>((resolve) => query.once('row', () => resolve()));
      socketOf(reader).pause();
      await upstream.query(`UPDATE t SET version = 1 WHERE id % 5 = 0;`);
      await upstream.query(
        `DELETE FROM t WHERE id % 5 = 1 AND id > 60000; INSERT INTO t SELECT g, 2, 'new' FROM generate_series(400001, 410000) g`,
      );
      await eventually(async () => assert.deepEqual(await textRows(client, 'SELECT version FROM v WHERE id = 410000'), [['2']]));
      socketOf(reader).resume();
      await read;
      assert.deepEqual([...versions], [['0', FEWER_ROWS]]);
      assert.deepEqual(await textRows(client, 'SELECT version FROM v WHERE id = 5'), [['1']]);
    },
  },
  {
    id: 'E41 more changes than a reader may keep waiting',
    right: 'that reader ends with the reason; the others read on',
    async run(world) {
      const { upstream, millrace, client } = await largeView(world, FEWER_ROWS, 1_000);
      const reader = await stalled(world, millrace, 'SELECT id, version, body FROM v');
      await upstream.query('UPDATE t SET version = 1');
      await eventually(async () => assert.deepEqual(await textRows(client, 'SELECT version FROM v WHERE id = 100000'), [['1']]), 60_000);
      socketOf(reader.client).resume();
      const error = await refusal(reader.rows);
      assert.equal(error.code, '53400', error.message);
      assert.equal((await textRows(client, 'SELECT id FROM v')).length, FEWER_ROWS);
    },
  },
  {
    id: 'E41 fetched in parts',
    right: 'a cursor of the protocol is of one tick, and may be closed before its end',
    async run(world) {
      const { millrace, upstream } = await wideView(world);
      const client = await world.connect(millrace);
      await client.query('BEGIN');
      const first = await portal(client, 'SELECT id, body FROM wide', 1_000);
      assert.equal(first, 1_000);
      await client.query('COMMIT');
      await upstream.query('UPDATE near SET n = 1');
      assert.deepEqual(await textRows(client, 'SELECT count(*) FROM near_view'), [['100']]);
    },
  },
  {
    id: 'E46 eight clients that do not read 300 MB each',
    right: 'bounded memory, quick neighbours; who reads on gets every row, who leaves leaves nothing',
    async run(world) {
      const { millrace, client, upstream } = await wideView(world);
      const quiet = await quietMs(client, 'SELECT n FROM near_view WHERE id = 7');
      const idle = await residentBytes(millrace);
      const readers = [];
      for (let i = 0; i < 8; i++)
        readers.push(
          await stalled(world, millrace, i % 2 === 0 ? 'SELECT id, body FROM wide' : 'SELECT body FROM wide ORDER BY body DESC'),
        );
      const wait = new Promise((resolve) => setTimeout(resolve, 3_000));
      const took = await lookupMs(client, 'SELECT n FROM near_view WHERE id = 7', wait);
      assertQuick(took, quiet, 'beside stalled readers');
      const held = (await residentBytes(millrace)) - idle;
      assert.ok(held < 600 << 20, `they hold ${held >> 20} MiB`);
      await upstream.query('UPDATE near SET n = 1');
      await eventually(async () => assert.deepEqual(await textRows(client, 'SELECT n FROM near_view WHERE id = 7'), [['1']]));
      for (const { client: gone } of readers.slice(1)) socketOf(gone).destroy();
      socketOf(readers[0]!.client).resume();
      assert.equal(await readers[0]!.rows, 550 * 550);
    },
  },
  {
    id: 'E46 subscribers that do not read',
    right: 'each ends alone, by name, once it is too far behind; the one that reads goes on',
    async run(world) {
      const { upstream, millrace, client } = await largeView(world, FEWER_ROWS, 1_000);
      const idle = await residentBytes(millrace);
      const readers = [];
      for (let i = 0; i < 4; i++) readers.push(await stalled(world, millrace, 'SUBSCRIBE v'));
      let seen = 0;
      const watched = copyLines(millrace.url, 'COPY (SUBSCRIBE v WITH (SNAPSHOT = false)) TO STDOUT', () => ++seen < 2 * FEWER_ROWS);
      const started = async (): Promise<void> =>
        assert.deepEqual(await textRows(client, 'SELECT count(*)::int >= 5 FROM mz_internal.mz_subscriptions'), [['t']]);
      await eventually(started).catch(() => undefined);
      for (let from = 0; from < FEWER_ROWS; from += 20_000) {
        await upstream.query(`UPDATE t SET version = 1 WHERE id > ${from} AND id <= ${from + 20_000}`);
        await eventually(() => Promise.resolve(assert.ok(seen >= 2 * (from + 20_000))), 60_000);
      }
      await watched;
      const held = (await residentBytes(millrace)) - idle;
      assert.ok(held < 900 << 20, `they hold ${held >> 20} MiB`);
      for (const { client: reader, rows } of readers) {
        socketOf(reader).resume();
        const error = await refusal(rows);
        assert.equal(error.code, '53400', error.message);
      }
      assert.deepEqual(await textRows(client, 'SELECT version FROM v WHERE id = 100000'), [['1']]);
    },
  },
];

/** Executes a portal with a row limit once, and closes it; how many rows came. */
async function portal(client: pg.Client, text: string, rows: number): Promise<number> {
  let received = 0;
  const query = new pg.Query<unknown[]>({ text, rows, rowMode: 'array', values: [] } as never);
  const connection = (client as unknown as { connection: { sync(): void } }).connection;
  await new Promise<void>((resolve, reject) => {
    query.on('row', () => void received++);
    query.on('error', reject);
    query.on('end', () => resolve());
    // Where the portal is suspended `pg` would ask for more: this client has enough.
    (query as unknown as { handlePortalSuspended(): void }).handlePortalSuspended = () => connection.sync();
    client.query(query);
  });
  return received;
}
