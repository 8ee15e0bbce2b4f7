/** What one client holds, asks of the system catalog, or does before it is let in: an error for that client, and a neighbour who does not notice. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import type pg from 'pg';
import type { RunningMillrace } from '../harness/millrace.ts';
import { refusal, textRows, type EdgeCase, type Upstream, type World } from './edge.ts';
import { Watch, WATCHED } from './watch.ts';

const MB = 1_000_000;
/** Of the whole process, above what it had before. */
const GROWTH_BYTES_MAX = 900 * MB;

interface Scene {
  readonly upstream: Upstream;
  readonly millrace: RunningMillrace;
  readonly client: pg.Client;
  readonly watch: Watch;
}

async function scene(world: World, sql = ''): Promise<Scene> {
  const upstream = await world.upstream(`${WATCHED}${sql} CREATE PUBLICATION mz_source FOR ALL TABLES;`);
  const { millrace, client } = await world.following(upstream);
  return { upstream, millrace, client, watch: await Watch.of(world, millrace, upstream, client) };
}

async function memoryBytes(millrace: RunningMillrace): Promise<number> {
  const status = await readFile(`/proc/${millrace.process.pid}/status`, 'utf8');
  return 1024 * Number(/^VmRSS:\s+(\d+) kB/m.exec(status)![1]);
}

/**
 * `work` ends, its neighbour does not notice, and the process does not grow by more than is allowed. `unwatched`: what keeps this very process busy (making and
 * sending 60 MB), so that a neighbour in it would notice that.
 */
async function bearable({ millrace, watch }: Scene, work: () => Promise<unknown>, unwatched?: () => Promise<unknown>): Promise<void> {
  const before = await memoryBytes(millrace);
  await unwatched?.();
  const working = work();
  await watch.undisturbed(working);
  await working;
  const grown = (await memoryBytes(millrace)) - before;
  assert.ok(grown < GROWTH_BYTES_MAX, `it grew by ${Math.round(grown / MB)} MB`);
}

const later = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const repeated = (text: string, times: number, between = ''): string => Array.from({ length: times }, () => text).join(between);
const nested = (open: string, inside: string, close: string, times: number): string => open.repeat(times) + inside + close.repeat(times);

/** Ends neither by itself nor by memory: Postgres multiplies its own catalog. */
const ENDLESS = 'SELECT count(*) FROM pg_class a, pg_class b, pg_class c, pg_class d, pg_class e';

/** Whatever their text, an answer or one of these. */
const TOO_MUCH = /^(54000|54001|53200|53400|42601)$/;
const DEEP: Readonly<Record<string, string>> = {
  'a list of 22,000': `SELECT n FROM beat WHERE id IN (${repeated('1', 22_000, ',')})`,
  'a list of 200,000': `SELECT n FROM beat WHERE id IN (${repeated('1', 200_000, ',')})`,
  'a sum of 2,000': `SELECT id+${repeated('1', 2_000, '+')} FROM beat`,
  'a sum of 22,000': `SELECT id+${repeated('1', 22_000, '+')} FROM beat`,
  '22,000 conditions': `SELECT n FROM beat WHERE ${repeated('id = 1', 22_000, ' OR ')}`,
  '1,000 nested CASE': `SELECT ${nested('CASE WHEN id > 0 THEN ', '1', ' END', 1_000)} FROM beat`,
  '5,000 brackets': `SELECT ${nested('(1+', 'id', ')', 5_000)} FROM beat`,
  '100,000 brackets': `SELECT ${nested('(', '1', ')', 100_000)}`,
  '2 MB': `SELECT length('${'x'.repeat(2 * MB)}')`,
};

async function open(millrace: RunningMillrace): Promise<Socket> {
  const socket = connect(millrace.port, '127.0.0.1');
  socket.on('error', () => undefined);
  await once(socket, 'connect');
  return socket;
}

export const clients: readonly EdgeCase[] = [
  {
    id: 'E46 settings of 60 MB',
    right: 'an error by name for that client, which goes on; what fits is given back by RESET ALL',
    async run(world) {
      const one = await scene(world);
      const { client } = one;
      const large = 'x'.repeat(900_000);
      await bearable(
        one,
        async () => {
          await client.query(`SET my.s0 = '${large}'`);
          for (let i = 0; i < 5; i++) assert.deepEqual(await textRows(client, 'SELECT n FROM beats WHERE id = 50'), [['0']]);
        },
        async () => {
          for (const name of ['a', 'b', 'c'])
            assert.equal((await refusal(client.query(`SET my.${name} = '${'x'.repeat(60 * MB)}'`))).code, '54000');
          assert.equal((await refusal(client.query(`SELECT length('${'x'.repeat(60 * MB)}')`))).code, '54000');
          const fill = async (): Promise<void> => {
            for (let i = 0; i < 200; i++) await client.query(`SET my.s${i} = '${large}'`);
          };
          const full = await refusal(fill());
          assert.equal(full.code, '53200');
          assert.match(full.detail!, /settings \d+ bytes/);
          await client.query(full.hint!);
        },
      );
    },
  },
  {
    id: 'E46 prepared statements without end, and parameters of 60 MB',
    right: 'an error by name; what lets go of them is named',
    async run(world) {
      const one = await scene(world);
      const { client } = one;
      await bearable(
        one,
        async () => {
          const prepare = async (): Promise<void> => {
            for (let i = 0; i < 100_000; i++) await client.query(`PREPARE p${i} AS RESET ALL`);
          };
          const full = await refusal(prepare());
          assert.equal(full.code, '53400');
          await client.query(full.hint!);
          await client.query('PREPARE p0 AS RESET ALL');
        },
        async () => {
          const parameter = 'x'.repeat(60 * MB);
          for (let i = 0; i < 4; i++) {
            const other = await world.connect(one.millrace);
            await other.query('SELECT length($1)', [parameter]).catch((error: { code: string }) => assert.match(error.code, /^5[34]/));
            assert.deepEqual(await textRows(other, 'SELECT 1'), [['1']]);
          }
        },
      );
    },
  },
  {
    id: 'E46 cursors over large results',
    right: 'they are read on as they are fetched; nothing of them is kept here',
    async run(world) {
      const one = await scene(
        world,
        'CREATE TABLE big (id int PRIMARY KEY, body text); INSERT INTO big SELECT g, repeat(md5(g::text), 10) FROM generate_series(1, 100000) g;',
      );
      const { client } = one;
      await client.query('CREATE MATERIALIZED VIEW bigs AS SELECT * FROM big');
      await bearable(one, async () => {
        for (let i = 0; i < 8; i++) await client.query(`DECLARE c${i} CURSOR WITH HOLD FOR SELECT * FROM bigs`);
        for (let i = 0; i < 8; i++) assert.equal((await textRows(client, `FETCH 1000 FROM c${i}`)).length, 1_000);
        const { command } = await client.query('MOVE ALL FROM c7');
        assert.equal(command, 'MOVE');
        assert.deepEqual(await textRows(client, 'FETCH 1 FROM c7'), []);
      });
      await client.end();
      assert.equal((await textRows(await world.connect(one.millrace), 'SELECT count(*) FROM bigs'))[0]![0], '100000');
    },
  },
  {
    id: 'E47 a catalog statement that hangs',
    right: 'that client alone waits; cancel ends it; others ask the catalog meanwhile',
    async run(world) {
      const one = await scene(world);
      await one.client.query('SET statement_timeout = 0');
      const sleeper = await world.connect(one.millrace);
      await sleeper.query('SET statement_timeout = 0');
      await textRows(one.client, 'SELECT count(*) FROM pg_class');
      const hanging = [refusal(one.client.query(ENDLESS)), refusal(sleeper.query('SELECT pg_sleep(1e9)'))];
      const third = await world.connect(one.millrace);
      await one.watch.undisturbed(
        (async () => {
          await later(300);
          assert.deepEqual(await textRows(third, 'SELECT 1'), [['1']]);
          assert.deepEqual(await textRows(third, "SELECT relname FROM pg_class WHERE relname = 'beats'"), [['beats']]);
          await third.query('CREATE VIEW seen_now AS SELECT 1 AS a');
          assert.deepEqual(await textRows(third, "SELECT relname FROM pg_class WHERE relname = 'seen_now'"), [['seen_now']]);
        })(),
      );
      await one.client.end();
      const { processID } = sleeper as pg.Client & { processID: number };
      assert.ok(processID > 0);
      await sleeper.end();
      await Promise.allSettled(hanging);
      assert.deepEqual(await textRows(third, "SELECT relname FROM pg_class WHERE relname = 'seen_now'"), [['seen_now']]);
    },
  },
  {
    id: 'E47 functions that leave something behind',
    right: 'refused by name; pg_sleep alone is answered; the next client finds nothing',
    async run(world) {
      const one = await scene(world);
      const { client } = one;
      await bearable(one, async () => {
        for (const sql of [
          'SELECT count(pg_advisory_lock(g)) FROM generate_series(1, 1000000) g',
          'SELECT setseed(0.5)',
          'SELECT pg_terminate_backend(1)',
          "SELECT nextval('x')",
          'SELECT pg_sleep(1), 2',
        ])
          assert.match((await refusal(client.query(sql))).code!, /^42/, sql);
        for (let i = 0; i < 100; i++)
          assert.equal((await refusal(client.query(`SELECT pg_logical_emit_message(false, 'a', repeat('x', 1000000))`))).code, '42501');
        const before = performance.now();
        assert.deepEqual(await textRows(client, 'SELECT pg_sleep(0.3)'), [['']]);
        assert.ok(performance.now() - before >= 290);
        await client.query("SET statement_timeout = '200ms'");
        assert.equal((await refusal(client.query('SELECT pg_sleep(10)'))).code, '57014');
      });
    },
  },
  {
    id: 'E46 texts that are too deep or too long',
    right: 'an answer, or a clear error with what helps; never an internal error',
    async run(world) {
      const upstream = await world.upstream(`${WATCHED} CREATE PUBLICATION mz_source FOR ALL TABLES;`);
      const { client } = await world.following(upstream);
      for (const [what, sql] of Object.entries(DEEP)) {
        const outcome = await client.query(sql).then(
          () => undefined,
          (error: pg.DatabaseError) => error,
        );
        if (outcome !== undefined) assert.match(outcome.code!, TOO_MUCH, `${what}: ${outcome.code} ${outcome.message.slice(0, 300)}`);
        assert.deepEqual(await textRows(client, 'SELECT count(*) FROM beat'), [['100']]);
      }
    },
  },
  {
    id: 'E48 300 sockets that say nothing',
    right: 'new clients get in, and cancel requests',
    async run(world) {
      const one = await scene(world);
      const silent: Socket[] = [];
      await one.watch.undisturbed(
        (async () => {
          for (let i = 0; i < 300; i++) silent.push(await open(one.millrace));
          for (let i = 0; i < 20; i++) assert.deepEqual(await textRows(await world.connect(one.millrace), 'SELECT 1'), [['1']]);
        })(),
      );
      for (const socket of silent) socket.destroy();
    },
  },
  {
    id: 'thirty AUDITs at once',
    right: 'one after another: few of the upstream’s places are taken, and all are answered',
    async run(world) {
      const one = await scene(world);
      const askers = await Promise.all(Array.from({ length: 30 }, () => world.connect(one.millrace)));
      const audits = Promise.all(askers.map((asker) => textRows(asker, 'AUDIT VIEW beats')));
      const most = { connections: 0 };
      const audited = { isOver: false };
      const counting = (async () => {
        while (!audited.isOver) {
          const [row] = await one.upstream.query(
            `SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name LIKE 'millrace%audit%' AND datname = '${one.upstream.database}'`,
          );
          most.connections = Math.max(most.connections, Number(row!['n']));
          await later(20);
        }
      })();
      await one.watch.undisturbed(audits);
      audited.isOver = true;
      await counting;
      for (const [row] of await audits) assert.equal(row![2], 'equal');
      assert.ok(most.connections <= 3, `${most.connections} connections`);
    },
  },
  {
    id: 'a recency read waits for the sync, not for a clock',
    right: 'read your writes without a wait for a clock, over one connection',
    async run(world) {
      const { upstream, client } = await scene(world);
      const writer = await upstream.connect();
      const medianOf = async (recency: 'on' | 'off'): Promise<number> => {
        await client.query(`SET real_time_recency = ${recency}`);
        const took: number[] = [];
        for (let n = 1; n <= 100; n++) {
          await writer.query('UPDATE beat SET n = $1 WHERE id = 2', [n]);
          const before = performance.now();
          const rows = await textRows(client, 'SELECT n FROM beats WHERE id = 2');
          took.push(performance.now() - before);
          if (recency === 'on') assert.deepEqual(rows, [[String(n)]]);
        }
        return took.toSorted((x, y) => x - y)[50]!;
      };
      const plain = await medianOf('off');
      const recent = await medianOf('on');
      // What is left is the look at the tables' shapes, and on a busy machine everybody's turn; the strict figure is that of `npm run bench:neighbours`.
      assert.ok(recent <= Math.max(500, 10 * plain), `the median is ${recent.toFixed(1)} ms, that of a plain read ${plain.toFixed(1)} ms`);
      const kept = await upstream.query(
        `SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = 'millrace recency' AND datname = '${upstream.database}'`,
      );
      assert.equal(kept[0]!['n'], 1);
    },
  },
];
