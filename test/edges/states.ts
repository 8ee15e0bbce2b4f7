/** What becomes of a source and its tables is said at once, where users look, and it goes on by itself when the cause is gone: errors, notices, statuses, log lines. */
import assert from 'node:assert/strict';
import type pg from 'pg';
import type { NoticeMessage } from 'pg-protocol/dist/messages.js';
import { eventually, refusal, textRows, type EdgeCase, type Upstream, type World } from './edge.ts';
import type { RunningMillrace } from '../harness/millrace.ts';

/** A server of the case's own, and a Millrace that follows table `t` (ids 1 and 2) of it. */
export async function followed(
  world: World,
  settings: Readonly<Record<string, string | number>> = {},
  major = 18,
): Promise<{ upstream: Upstream; millrace: RunningMillrace; client: pg.Client }> {
  const upstream = await world.server(
    { settings, major },
    `CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'one'), (2, 'two'); CREATE TABLE later (id int PRIMARY KEY); INSERT INTO later VALUES (7);
     CREATE PUBLICATION mz_source FOR TABLE t, later;`,
  );
  const millrace = await world.millrace();
  const client = await world.connect(millrace);
  await upstream.source(client, 'FOR TABLES (t)');
  await client.query('CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n, sum(1 / id) AS shares FROM t');
  return { upstream, millrace, client };
}

/** The slot of the only source is dropped under it. */
export async function dropSlot(upstream: Upstream): Promise<void> {
  await eventually(async () => {
    await upstream.query(`SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active_pid IS NOT NULL`);
    await upstream.query(`SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name LIKE 'millrace_%'`);
  });
}

/** Notices that come with `sql`. */
export async function noticesOf(client: pg.Client, sql: string): Promise<NoticeMessage[]> {
  const notices: NoticeMessage[] = [];
  const take = (notice: NoticeMessage): void => void notices.push(notice);
  client.on('notice', take);
  await client.query(sql);
  client.off('notice', take);
  return notices;
}

export const states: readonly EdgeCase[] = [
  {
    id: 'E31 CREATE TABLE without a free slot',
    right: 'an error with the cause, nothing left behind, and the same statement works when there is a slot',
    async run(world) {
      const { upstream, client } = await followed(world, { max_replication_slots: 1, max_wal_senders: 4 });
      const create = 'CREATE TABLE later FROM SOURCE s (REFERENCE public.later)';
      const error = await refusal(client.query(create));
      assert.deepEqual([error.code, error.message.includes('all replication slots')], ['53400', true]);
      assert.match(error.hint ?? '', /pg_replication_slots/);
      assert.deepEqual(await textRows(client, 'SELECT name FROM millrace.tables'), [['t']]);
      await upstream.query('ALTER SYSTEM SET max_replication_slots = 4');
      await upstream.postgres.restart('fast', { max_replication_slots: 4 });
      await eventually(async () => {
        await client.query(create);
        assert.deepEqual(await textRows(client, 'SELECT id FROM later'), [['7']]);
      }, 40_000);
    },
  },
  {
    id: 'E31 the first copy of a source without a free slot',
    right: 'CREATE SOURCE warns; tables, errors and a read of the table give the reason and the next try; it goes on by itself',
    async run(world) {
      const upstream = await world.server(
        { settings: { max_replication_slots: 1 } },
        `CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE PUBLICATION mz_source FOR ALL TABLES; SELECT pg_create_physical_replication_slot('filler')`,
      );
      const millrace = await world.millrace();
      const client = await world.connect(millrace);
      const notices: string[] = [];
      client.on('notice', ({ message }) => void notices.push(message ?? ''));
      await upstream.source(client);
      assert.match(notices.join(), /its first copy cannot begin yet: all replication slots/);
      const error = await refusal(client.query('SELECT * FROM t'));
      assert.match(error.message, /the first copy of public.t cannot be made now: all replication slots/);
      assert.match(error.detail ?? '', /next try is in \d+ s/);
      // While it is being tried, nothing is to come.
      await eventually(async () => {
        const [table] = await textRows(
          client,
          'SELECT status, error IS NOT NULL, hint IS NOT NULL, next_attempt_at > now(), rows FROM millrace.tables',
        );
        assert.deepEqual(table, ['stalled', 't', 't', 't', null]);
      });
      assert.deepEqual(await textRows(client, 'SELECT object_name, kind, code FROM millrace.errors'), [['s', 'source', 'SLOTS_EXHAUSTED']]);
      await upstream.query(`SELECT pg_drop_replication_slot('filler')`);
      await eventually(async () => assert.deepEqual(await textRows(client, 'SELECT id FROM t'), [['1']]), 40_000);
      assert.deepEqual(await textRows(client, 'SELECT status, error FROM millrace.tables'), [['running', null]]);
      assert.match(millrace.output, /WARN source "s" is lost: all replication slots/);
      assert.match(millrace.output, /INFO source "s" is followed again/);
    },
  },
  {
    id: 'E31 a copy that is refused later',
    right: 'the table says why and when it is tried again, its neighbour goes on, and so does it when the cause is gone',
    async run(world) {
      const upstream = await world.upstream(`
        CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE TABLE shy (id int PRIMARY KEY); INSERT INTO shy VALUES (5);
        CREATE PUBLICATION mz_source FOR ALL TABLES`);
      const role = `shy_${upstream.database}`;
      await upstream.query(`CREATE ROLE ${role} LOGIN REPLICATION PASSWORD 'secret'; GRANT SELECT ON t, shy TO ${role}`);
      const { host, port } = upstream.postgres;
      const millrace = await world.millrace();
      const client = await world.connect(millrace);
      await client.query(`CREATE SECRET pw AS 'secret'`);
      await client.query(
        `CREATE CONNECTION c TO POSTGRES (HOST '${host}', PORT ${port}, DATABASE '${upstream.database}', USER '${role}', PASSWORD SECRET pw)`,
      );
      await client.query(`CREATE SOURCE s FROM POSTGRES CONNECTION c (PUBLICATION 'mz_source') FOR TABLES (t)`);
      await textRows(client, 'SELECT * FROM t');
      // A copy that waits for an open transaction is not known to be refused at once.
      const busy = await upstream.connect();
      await busy.query('BEGIN; SELECT txid_current()');
      await client.query('CREATE TABLE shy FROM SOURCE s (REFERENCE public.shy)');
      await upstream.query(`REVOKE SELECT ON shy FROM ${role}`);
      await busy.query('COMMIT');
      const error = await eventually(async () => {
        const [row] = await textRows(client, `SELECT status, error, next_attempt_at IS NOT NULL FROM millrace.tables WHERE name = 'shy'`);
        assert.deepEqual([row![0], row![2]], ['stalled', 't']);
        return refusal(client.query('SELECT * FROM shy'));
      });
      assert.match(error.message, /may not read public.shy/);
      assert.match(error.hint ?? '', /GRANT SELECT ON public.shy/);
      assert.match(millrace.output, /WARN table public.shy of source "s" cannot be copied now/);
      await upstream.query(error.hint ?? '');
      await eventually(async () => assert.deepEqual(await textRows(client, 'SELECT id FROM shy'), [['5']]), 40_000);
      await upstream.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    },
  },
  {
    id: 'E3A SELECT revoked while it streams',
    right: 'a table that is copied goes on, whatever may be read; copies and audits say why not, and go on after the GRANT that is named',
    async run(world) {
      const upstream = await world.upstream(`
        CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE TABLE later (id int PRIMARY KEY); INSERT INTO later VALUES (7);
        CREATE PUBLICATION mz_source FOR ALL TABLES`);
      const role = `revoked_${upstream.database}`;
      await upstream.query(`CREATE ROLE ${role} LOGIN REPLICATION PASSWORD 'secret'; GRANT SELECT ON t, later TO ${role}`);
      const { host, port } = upstream.postgres;
      const millrace = await world.millrace();
      const client = await world.connect(millrace);
      await client.query(`CREATE SECRET pw AS 'secret'`);
      await client.query(
        `CREATE CONNECTION c TO POSTGRES (HOST '${host}', PORT ${port}, DATABASE '${upstream.database}', USER '${role}', PASSWORD SECRET pw)`,
      );
      await client.query(`CREATE SOURCE s FROM POSTGRES CONNECTION c (PUBLICATION 'mz_source') FOR TABLES (t)`);
      await client.query('CREATE MATERIALIZED VIEW v AS SELECT count(*) AS n FROM t');
      assert.deepEqual(await textRows(client, 'SELECT n FROM v'), [['1']]);
      await upstream.query(`REVOKE SELECT ON t, later FROM ${role}; ALTER TABLE t ENABLE ROW LEVEL SECURITY`);
      // Past the next watch.
      for (let n = 2; n < 20; n++) {
        await upstream.query(`INSERT INTO t VALUES (${n})`);
        await eventually(async () => assert.deepEqual(await textRows(client, 'SELECT n FROM v'), [[String(n)]]));
        assert.deepEqual(await textRows(client, 'SELECT status FROM millrace.tables'), [['running']]);
        await new Promise((resolve) => setTimeout(resolve, 1_000));
      }
      assert.deepEqual(await textRows(client, 'SELECT code FROM millrace.errors'), []);
      const [audit] = await textRows(client, 'AUDIT');
      assert.equal(audit![2], 'cannot_run');
      assert.match(audit![6] ?? '', /permission denied for table t|row-level security policy for table/);
      const create = 'CREATE TABLE later FROM SOURCE s (REFERENCE public.later)';
      const error = await refusal(client.query(create));
      assert.match(error.message, /may not read public.later/);
      await upstream.query(error.hint ?? '');
      await client.query(create);
      assert.deepEqual(await textRows(client, 'SELECT id FROM later'), [['7']]);
      await upstream.query(`GRANT SELECT ON t TO ${role}; ALTER TABLE t DISABLE ROW LEVEL SECURITY`);
      assert.deepEqual((await textRows(client, 'AUDIT'))[0]?.[2], 'equal');
      await upstream.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    },
  },
  {
    id: 'slot dropped while running',
    right: 'AUDIT says so at once, reads bring a notice with the reason and the age, tables, views and errors say so, the log has a line',
    async run(world) {
      const { upstream, millrace, client } = await followed(world);
      await textRows(client, 'SELECT * FROM v');
      await dropSlot(upstream);
      await eventually(async () => assert.deepEqual(await textRows(client, 'SELECT status FROM millrace.sources'), [['failed']]));
      const before = performance.now();
      const error = await refusal(client.query('AUDIT'));
      assert.match(error.message, /replication slot "millrace_\w+" no longer exists upstream/);
      assert.ok(performance.now() - before < 3_000);
      const [notice] = await noticesOf(client, 'SELECT * FROM v');
      assert.match(notice?.message ?? '', /the rows may be old: the upstream was last heard from \d+ s ago/);
      assert.match(notice?.detail ?? '', /no longer exists upstream/);
      assert.deepEqual(await textRows(client, 'SELECT status FROM millrace.tables UNION ALL SELECT status FROM millrace.views'), [
        ['failed'],
        ['failed'],
      ]);
      assert.deepEqual(await textRows(client, 'SELECT object_name, kind, code FROM millrace.errors'), [['s', 'source', 'SLOT_DROPPED']]);
      assert.match(millrace.output, /ERROR source "s" has stopped: replication slot .* \(SLOT_DROPPED\); to mend it: /);
    },
  },
  {
    id: 'upstream down and back',
    right: 'one line when it is lost, one when it is back; reads bring a notice meanwhile, and none after',
    async run(world) {
      const { upstream, millrace, client } = await followed(world);
      assert.deepEqual(await noticesOf(client, 'SELECT * FROM v'), []);
      await upstream.postgres.halt();
      const [notice] = await eventually(async () => {
        const notices = await noticesOf(client, 'SELECT * FROM v');
        assert.equal(notices.length, 1);
        return notices;
      });
      assert.match(notice?.detail ?? '', /UPSTREAM_/);
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      await upstream.postgres.start();
      await eventually(async () => assert.deepEqual(await noticesOf(client, 'SELECT * FROM v'), []), 40_000);
      const lines = millrace.output.split('\n').filter((line) => /source "s" is (lost|followed again)/.test(line));
      assert.ok(lines.length >= 2 && lines.length <= 6, lines.join('\n'));
      assert.match(lines.at(-1) ?? '', /INFO source "s" is followed again after \d+ s/);
    },
  },
  {
    id: 'E3B the host of a connection moves',
    right: 'ALTER CONNECTION: tried first, in force at once, kept through a restart, nothing copied again',
    async run(world) {
      const { upstream, millrace, client } = await followed(world);
      const [[before]] = (await textRows(client, 'SELECT snapshot_lsn FROM millrace.tables')) as [[string]];
      const { host, port } = upstream.postgres;
      const bad = await refusal(client.query(`ALTER CONNECTION pg SET (PORT 1)`));
      assert.equal(bad.code, '08001');
      assert.match((await refusal(client.query(`ALTER CONNECTION pg SET (HOTS 'x')`))).message, /ALTER CONNECTION has no option HOTS/);
      assert.match((await refusal(client.query(`ALTER CONNECTION pg SET (PASSWORD 'x')`))).message, /takes a secret/);
      // Another name of the same server, as after a move.
      const other = host === '127.0.0.1' ? 'localhost' : '127.0.0.1';
      await client.query(`CREATE SECRET again AS 'postgres'`);
      await client.query(`ALTER CONNECTION pg SET (HOST '${other}', PORT = ${port}, PASSWORD SECRET again)`);
      assert.match(
        (await textRows(client, 'SHOW CREATE CONNECTION pg'))[0]?.[1] ?? '',
        new RegExp(`HOST '${other}'.*PASSWORD SECRET again`),
      );
      await upstream.query(`INSERT INTO t VALUES (3, 'three')`);
      await eventually(async () => assert.deepEqual(await textRows(client, 'SELECT n FROM v'), [['3']]));
      // Wrong on purpose, unchecked: nothing streams; right again: it goes on by itself.
      await client.query(`ALTER CONNECTION pg SET (PORT 1) WITH (VALIDATE = false)`);
      await eventually(async () => assert.deepEqual(await textRows(client, 'SELECT status FROM millrace.sources'), [['stalled']]));
      await upstream.query(`INSERT INTO t VALUES (4, 'four')`);
      await millrace.stop();
      const second = await world.again(millrace);
      const later = await world.connect(second);
      await eventually(async () => assert.deepEqual(await textRows(later, 'SELECT status FROM millrace.sources'), [['stalled']]));
      await later.query(`ALTER CONNECTION pg SET (PORT ${port})`);
      await eventually(async () => assert.deepEqual(await textRows(later, 'SELECT n FROM v'), [['4']]));
      assert.deepEqual(await textRows(later, 'SELECT snapshot_lsn FROM millrace.tables'), [[before]]);
    },
  },
];
