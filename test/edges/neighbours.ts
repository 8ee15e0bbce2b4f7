/** What one client does to all others: cross products in a view and in a query, and the end of the process while they run. */
import assert from 'node:assert/strict';
import type pg from 'pg';
import type { RunningMillrace } from '../harness/millrace.ts';
import { refusal, textRows, type EdgeCase, type Upstream, type World } from './edge.ts';
import { Watch, WATCHED } from './watch.ts';

const SECOND_MS = 1000;
const ENDS_WITHIN_MS = 10_000;
/** From the cancel to the error at the client: 100 ms in the engine, and the way there and back on a busy machine. */
const NOTICED_WITHIN_MS = 500;

interface Scene {
  readonly upstream: Upstream;
  readonly millrace: RunningMillrace;
  readonly client: pg.Client;
  readonly watch: Watch;
}

async function scene(world: World, sql: string): Promise<Scene> {
  const upstream = await world.upstream(`${WATCHED}${sql} CREATE PUBLICATION mz_source FOR ALL TABLES;`);
  const { millrace, client } = await world.following(upstream);
  return { upstream, millrace, client, watch: await Watch.of(world, millrace, upstream, client) };
}

const PAIR = (rows: number): string => `
  CREATE TABLE a (id int PRIMARY KEY, v int NOT NULL);
  CREATE TABLE b (id int PRIMARY KEY, v int NOT NULL);
  INSERT INTO a SELECT g, g % 7 FROM generate_series(1, ${rows}) g;
  INSERT INTO b SELECT g, g % 7 FROM generate_series(1, ${rows}) g;
`;
/** No part of it is a key that a join could use. */
const CROSS = 'SELECT count(*) AS n FROM a JOIN b ON a.id + b.id = 3';
const TRIPLE = 'SELECT count(*) FROM va x, va y, va z WHERE x.id + y.id + z.id = -1';

async function withView(world: World, rows: number): Promise<Scene> {
  const one = await scene(world, PAIR(rows));
  await one.client.query('CREATE MATERIALIZED VIEW va AS SELECT id, v FROM a');
  return one;
}

/** On a machine that is busy anyway, as many times as long as everything takes there. */
const noticedWithinMs = ({ calmMs }: Watch): number => Math.max(NOTICED_WITHIN_MS, 10 * calmMs);

async function soon<T>(work: Promise<T>, watch: Watch, what: string): Promise<T> {
  const before = performance.now();
  const result = await work;
  const tookMs = performance.now() - before;
  assert.ok(tookMs < noticedWithinMs(watch), `${what} took ${Math.round(tookMs)} ms`);
  return result;
}

const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function cancel(client: pg.Client, millrace: RunningMillrace): Promise<void> {
  const { processID, secretKey } = client as pg.Client & { processID: number; secretKey: number };
  const { connect } = await import('node:net');
  const socket = connect(millrace.port, '127.0.0.1');
  const bytes = Buffer.alloc(16);
  bytes.writeInt32BE(16, 0);
  bytes.writeInt32BE(80_877_102, 4);
  bytes.writeInt32BE(processID, 8);
  bytes.writeInt32BE(secretKey, 12);
  socket.end(bytes);
  socket.on('error', () => undefined);
}

async function endsOnTerm(millrace: RunningMillrace): Promise<void> {
  const before = performance.now();
  millrace.process.kill('SIGTERM');
  assert.ok(await millrace.ended(ENDS_WITHIN_MS), `SIGTERM did not end it within ${ENDS_WITHIN_MS} ms`);
  assert.ok(performance.now() - before < ENDS_WITHIN_MS);
}

/** The number of engine threads' CPU seconds is not to be had from outside: an idle server answers at once, and its process takes no CPU. */
async function isIdle(millrace: RunningMillrace): Promise<void> {
  const { readFile } = await import('node:fs/promises');
  const ticks = async (): Promise<number> => {
    const fields = (await readFile(`/proc/${millrace.process.pid}/stat`, 'utf8')).split(') ')[1]!.split(' ');
    return Number(fields[11]) + Number(fields[12]);
  };
  const before = await ticks();
  await later(2 * SECOND_MS);
  const used = (await ticks()) - before;
  assert.ok(used < 60, `the process took ${used / 100} CPU seconds of two while nothing was asked of it`);
}

export const neighbours: readonly EdgeCase[] = [
  {
    id: 'E42 a cross product comes in',
    right: 'the view is right, and nobody else waits',
    async run(world) {
      const { client, watch } = await scene(world, PAIR(6_000));
      const made = client.query(`CREATE MATERIALIZED VIEW c AS ${CROSS}`);
      await watch.undisturbed(made);
      await made;
      assert.deepEqual(await textRows(client, 'SELECT n FROM c'), [['2']]);
    },
  },
  {
    id: 'E42 cancel and statement_timeout of a hydration',
    right: 'heard at once',
    async run(world) {
      const { client, millrace, watch } = await scene(world, PAIR(40_000));
      const cancelled = refusal(client.query(`CREATE MATERIALIZED VIEW c AS ${CROSS}`));
      await later(1.5 * SECOND_MS);
      await cancel(client, millrace);
      assert.equal((await soon(cancelled, watch, 'the cancel')).code, '57014');
      await client.query(`SET statement_timeout = '1s'`);
      const before = performance.now();
      assert.equal((await refusal(client.query(`CREATE MATERIALIZED VIEW c AS ${CROSS}`))).code, '57014');
      assert.ok(performance.now() - before < SECOND_MS + 2 * noticedWithinMs(watch));
      assert.deepEqual(await textRows(client, `SELECT name FROM millrace.views WHERE name = 'c'`), []);
      await isIdle(millrace);
    },
  },
  {
    id: 'E42 a hydration past its budget',
    right: 'refused with the operator, the figure and what to do; doing it helps',
    async run(world) {
      const { client } = await scene(world, PAIR(3_000));
      await client.query('SET max_hydration_rows = 1000000');
      const tooLong = await refusal(client.query(`CREATE MATERIALIZED VIEW c AS ${CROSS}`));
      assert.match(tooLong.message, /1000000 pairs of rows.*\(a, b\)/);
      await client.query(must(tooLong.hint));
      await client.query(`CREATE MATERIALIZED VIEW c AS ${CROSS}`);
      await client.query(`SET max_view_bytes = '100kB'`);
      const tooLarge = await refusal(
        client.query('CREATE MATERIALIZED VIEW d AS SELECT a.id, max(b.v) FROM a JOIN b USING (id) GROUP BY 1'),
      );
      assert.match(tooLarge.message, /102400 bytes/);
      await client.query(`SET max_view_bytes = '100MB'`);
      await client.query('CREATE MATERIALIZED VIEW d AS SELECT a.id, max(b.v) FROM a JOIN b USING (id) GROUP BY 1');
      assert.deepEqual(await textRows(client, 'SELECT count(*) FROM d'), [['3000']]);
    },
  },
  {
    id: 'E42 one row that meets more than a million',
    right: 'refused by the join’s name: each of its changes would take as long',
    async run(world) {
      const { client, watch } = await withView(world, 2_000);
      const refused = refusal(client.query(`CREATE MATERIALIZED VIEW t AS ${TRIPLE}`));
      await watch.undisturbed(refused);
      const { message, code } = await refused;
      assert.equal(code, '54000');
      assert.match(message, /one row met more than 1,000,000 pairs of rows in .*join.*va/i);
    },
  },
  {
    id: 'E42 few rows that many others meet',
    right: 'a view like any other',
    async run(world) {
      const { client, watch } = await scene(
        world,
        `CREATE TABLE country (id int PRIMARY KEY, name text NOT NULL);
         INSERT INTO country VALUES (1, 'here'), (2, 'there');
         CREATE TABLE trade (id int PRIMARY KEY, country int NOT NULL);
         INSERT INTO trade SELECT g, 1 + g % 2 FROM generate_series(1, 300000) g;`,
      );
      const made = (async () => {
        await client.query(
          'CREATE MATERIALIZED VIEW sums AS SELECT name, count(*) AS n FROM country c JOIN trade t ON t.country = c.id GROUP BY name',
        );
        await client.query(
          'CREATE MATERIALIZED VIEW all_sums AS SELECT name, count(t.id) AS n FROM country c LEFT JOIN trade t ON t.country = c.id GROUP BY name',
        );
      })();
      await watch.undisturbed(made);
      await made;
      const expected = [
        ['here', '150000'],
        ['there', '150000'],
      ];
      assert.deepEqual(await textRows(client, 'SELECT name, n FROM sums ORDER BY name'), expected);
      assert.deepEqual(await textRows(client, 'SELECT name, n FROM all_sums ORDER BY name'), expected);
    },
  },
  {
    id: 'SIGTERM while a cross product comes in',
    right: 'the process ends within ten seconds',
    async run(world) {
      const { client, millrace } = await scene(world, PAIR(40_000));
      const ended = client.query(`CREATE MATERIALIZED VIEW c AS ${CROSS}`).catch(() => undefined);
      await later(SECOND_MS);
      await endsOnTerm(millrace);
      await ended;
    },
  },
  {
    id: 'E45 a cross product is asked',
    right: 'nobody else waits; cancel, statement_timeout and a client that leaves end it at once',
    async run(world) {
      const { client, millrace, watch } = await withView(world, 10_000);
      const asked = refusal(client.query(TRIPLE));
      await watch.undisturbed(later(4 * SECOND_MS));
      await cancel(client, millrace);
      assert.equal((await soon(asked, watch, 'the cancel')).code, '57014');
      await client.query(`SET statement_timeout = '2s'`);
      const before = performance.now();
      assert.equal((await refusal(client.query(TRIPLE))).code, '57014');
      assert.ok(performance.now() - before < 2 * SECOND_MS + 2 * noticedWithinMs(watch));
      await isIdle(millrace);
      const leaving = await world.connect(millrace);
      const left = leaving.query(TRIPLE).catch(() => undefined);
      await later(SECOND_MS);
      (leaving as pg.Client & { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
      await left;
      await isIdle(millrace);
    },
  },
  {
    id: 'E45 more of them than there are workers',
    right: 'look-ups go on, the others wait for their turn, and each ends by itself',
    async run(world) {
      const { millrace, watch } = await withView(world, 10_000);
      const clients = await Promise.all(Array.from({ length: 5 }, () => world.connect(millrace)));
      for (const one of clients) await one.query(`SET statement_timeout = '5s'`);
      const all = Promise.all(clients.map((one) => refusal(one.query(TRIPLE))));
      await watch.undisturbed(all);
      assert.deepEqual(
        (await all).map(({ code }) => code),
        clients.map(() => '57014'),
      );
      await isIdle(millrace);
    },
  },
  {
    id: 'E45 what takes long is right',
    right: 'as Postgres, from views and tables, of one tick, of any size, also in a transaction whose tick has passed',
    async run(world) {
      const { client, upstream } = await withView(world, 3_000);
      const queries = [
        'SELECT count(*), sum(x.v + y.v) FROM va x JOIN b y ON x.v <> y.v',
        'SELECT x.id, y.id, x.v * y.v FROM va x JOIN b y ON x.id + y.id < 700 ORDER BY 1 DESC, 2',
        'SELECT x.v, y.v, count(*) FROM va x LEFT JOIN va y ON x.id < y.id AND y.v = 3 GROUP BY x.v, y.v ORDER BY 1, 2',
      ];
      const onUpstream = await upstream.connect();
      const expected: (string | null)[][][] = [];
      for (const sql of queries) expected.push(await textRows(onUpstream, sql.replaceAll('va ', 'a ')));
      for (const [i, sql] of queries.entries()) assert.deepEqual(await textRows(client, sql), expected[i], sql);
      await client.query('BEGIN');
      assert.deepEqual(await textRows(client, 'SELECT count(*) FROM va'), [['3000']]);
      await upstream.query('UPDATE a SET v = v + 1; DELETE FROM b WHERE id > 10');
      await later(SECOND_MS);
      for (const [i, sql] of queries.entries()) assert.deepEqual(await textRows(client, sql), expected[i], `in a transaction: ${sql}`);
      await client.query('COMMIT');
      assert.deepEqual(await textRows(client, queries[0]!), await textRows(onUpstream, queries[0]!.replaceAll('va ', 'a ')));
    },
  },
  {
    id: 'E45 a query that needs more memory than one may have',
    right: 'an error for its client, and the next one is answered',
    async run(world) {
      const { client, millrace, watch } = await scene(
        world,
        `CREATE TABLE wide (id int PRIMARY KEY, body text NOT NULL);
         INSERT INTO wide SELECT g, repeat('x', 4000) || g FROM generate_series(1, 1000) g;`,
      );
      await client.query('CREATE MATERIALIZED VIEW wides AS SELECT id, body FROM wide');
      await client.query(`SET statement_timeout = '120s'`);
      const refused = refusal(client.query('SELECT DISTINCT x.id, y.id, x.body FROM wides x, wides y'));
      await watch.undisturbed(refused);
      const { code, message } = await refused;
      assert.match(`${code} ${message}`, /^54000 .*more than \d+ bytes of memory/);
      assert.deepEqual(await textRows(client, 'SELECT count(*) FROM wides x JOIN wides y ON x.id + y.id < 100'), [['4851']]);
      await isIdle(millrace);
    },
  },
  {
    id: 'SIGTERM while cross products are asked',
    right: 'the process ends within ten seconds',
    async run(world) {
      const { millrace } = await withView(world, 10_000);
      const clients = await Promise.all(Array.from({ length: 4 }, () => world.connect(millrace)));
      const all = clients.map((one) => one.query(TRIPLE).catch(() => undefined));
      await later(2 * SECOND_MS);
      await endsOnTerm(millrace);
      await Promise.all(all);
    },
  },
  {
    id: 'SIGTERM while the catalog hangs and clients do not read',
    right: 'the process ends within ten seconds',
    async run(world) {
      const { client, millrace } = await withView(world, 300_000);
      const hanging = (await world.connect(millrace)).query('SELECT pg_sleep(100)').catch(() => undefined);
      const deaf = client.query('SELECT x.id, x.v, y.id, y.v FROM va x JOIN va y ON x.id = y.id').catch(() => undefined);
      const { stream } = (client as pg.Client & { connection: { stream: { pause(): void; resume(): void } } }).connection;
      stream.pause();
      await later(2 * SECOND_MS);
      await endsOnTerm(millrace);
      // So that it sees that the other end is gone.
      stream.resume();
      await Promise.all([hanging, deaf]);
    },
  },
];

function must(text: string | undefined): string {
  assert.ok(text !== undefined);
  return text;
}
