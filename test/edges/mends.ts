/**
 * Every mend that an error names is run as it is printed, and mends. A row is a situation: what is done to bring it about, the error that comes, where its hint is run, and
 * whether the same then succeeds. Errors whose mend cannot be staged are in `unstaged-mends.ts` with the reason; `test/staged-mends.test.ts` holds that each is in one of the two.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type pg from 'pg';
import { findBinaries } from '../../src/demo/embedded-postgres.ts';
import { errors } from '../../src/base/errors.ts';
import { eventually, refusal, textRows, type EdgeCase, type Upstream } from './edge.ts';
import { dropSlot, followed, noticesOf } from './states.ts';

/** The statements of a hint; what stands behind three spaces is for people. */
export function statementsOf(hint: string | undefined): string {
  const [statements = ''] = (hint ?? '').split('   ');
  assert.match(statements, /;$/, `not a statement: ${hint}`);
  return statements;
}

/** In one session here: `before` succeeds, `provoke` is refused, the hint runs; `again`: `provoke` then succeeds. */
interface Here {
  readonly code: keyof typeof errors;
  readonly before?: readonly string[];
  readonly provoke: string;
  readonly again: boolean;
}

const HERE: readonly Here[] = [
  { code: 'SETTING_UNKNOWN', provoke: 'SHOW no_such_setting', again: false },
  { code: 'SETTING_REFUSED', provoke: `SET standard_conforming_strings = off`, again: false },
  { code: 'OBJECT_MISSING', provoke: 'DROP TABLE nothing', again: false },
  { code: 'OBJECT_MISSING', provoke: 'DROP INDEX nothing', again: false },
  { code: 'OBJECT_MISSING', provoke: 'SHOW COLUMNS FROM nothing', again: false },
  {
    code: 'OBJECT_IN_USE',
    before: ['CREATE VIEW low AS SELECT id FROM t', 'CREATE VIEW high AS SELECT id FROM low'],
    provoke: 'DROP VIEW low',
    again: false,
  },
  { code: 'WRONG_OBJECT_KIND', before: ['CREATE VIEW a_view AS SELECT id FROM t'], provoke: 'DROP TABLE a_view', again: false },
  { code: 'TABLE_ALREADY_REFERENCED', provoke: 'CREATE TABLE t2 FROM SOURCE s (REFERENCE public.t)', again: false },
  {
    code: 'NOT_EXACT',
    before: ['SET require_exact = on'],
    provoke: 'CREATE MATERIALIZED VIEW rough AS SELECT sum(f) FROM t',
    again: true,
  },
  { code: 'QUERY_TIMED_OUT', before: [`SET statement_timeout = '1ms'`], provoke: 'SELECT count(*) FROM t a, t b, t c', again: true },
  {
    code: 'HYDRATION_TOO_LARGE',
    before: ['SET max_hydration_rows = 100'],
    provoke: 'CREATE MATERIALIZED VIEW wide AS SELECT a.id FROM t a JOIN t b ON a.id = b.id',
    again: true,
  },
  { code: 'TRANSACTION_ABORTED', before: ['BEGIN', 'SELECT nothing FROM t'], provoke: 'SELECT 1', again: true },
  { code: 'SAVEPOINT_MISSING', before: ['BEGIN'], provoke: 'ROLLBACK TO nothing', again: false },
  { code: 'SAVEPOINT_NEEDS_BLOCK', provoke: 'SAVEPOINT a', again: true },
  { code: 'CURSOR_NEEDS_BLOCK', provoke: 'DECLARE c CURSOR FOR SELECT 1', again: true },
  {
    code: 'CURSOR_EXISTS',
    before: ['DECLARE c CURSOR WITH HOLD FOR SELECT 1'],
    provoke: 'DECLARE c CURSOR WITH HOLD FOR SELECT 2',
    again: true,
  },
  { code: 'DDL_IN_TRANSACTION', before: ['BEGIN'], provoke: 'CREATE VIEW in_block AS SELECT id FROM t', again: true },
  {
    code: 'COLUMN_MISSING',
    before: ['CREATE MATERIALIZED VIEW "Seen" AS SELECT id FROM t'],
    provoke: 'CREATE INDEX ON "Seen" (nothing)',
    again: false,
  },
  { code: 'PREPARED_STATEMENT_EXISTS', before: ['PREPARE p AS SELECT 1'], provoke: 'PREPARE p AS SELECT 2', again: true },
  { code: 'SECOND_SOURCE', provoke: `CREATE SOURCE s2 FROM POSTGRES CONNECTION pg (PUBLICATION 'mz_source')`, again: true },
];

/** At CREATE SOURCE by a user of few rights: `upstream` brings it about, the hint is run upstream by its owner, and the statement succeeds. */
interface AtSource {
  readonly code: keyof typeof errors;
  readonly upstream: string;
}

const AT_SOURCE: readonly AtSource[] = [
  { code: 'PUBLICATION_MISSING', upstream: 'DROP PUBLICATION mz_source' },
  { code: 'PUBLICATION_INCOMPLETE', upstream: `ALTER PUBLICATION mz_source SET (publish = 'insert')` },
  { code: 'PUBLICATION_FILTERS_ROWS', upstream: 'ALTER PUBLICATION mz_source SET TABLE t WHERE (id > 1)' },
  { code: 'REFERENCE_MISSING', upstream: 'ALTER PUBLICATION mz_source DROP TABLE t' },
  {
    code: 'TABLE_NOT_PUBLISHED',
    upstream: 'DROP PUBLICATION mz_source; ALTER TABLE t SET UNLOGGED; CREATE PUBLICATION mz_source FOR ALL TABLES',
  },
  { code: 'REPLICA_IDENTITY_MISSING', upstream: 'ALTER TABLE t DROP CONSTRAINT t_pkey' },
  { code: 'UPSTREAM_SELECT_NOT_PERMITTED', upstream: 'REVOKE SELECT ON t FROM $user' },
  { code: 'ROW_SECURITY_FILTERS', upstream: 'ALTER TABLE t ENABLE ROW LEVEL SECURITY' },
  { code: 'REPLICATION_NOT_PERMITTED', upstream: 'ALTER ROLE $user NOREPLICATION' },
];

/** While it streams: `upstream` brings the source down with the code, the hint is run here or there, and what was changed meanwhile is seen. */
interface Streaming {
  readonly code: keyof typeof errors;
  readonly where: 'here' | 'upstream';
  readonly major?: number;
  readonly bring: (upstream: Upstream, client: pg.Client) => Promise<void>;
}

const STREAMING: readonly Streaming[] = [
  { code: 'SLOT_DROPPED', where: 'here', bring: dropSlot },
  {
    code: 'SLOT_ADVANCED',
    where: 'here',
    async bring(upstream, client) {
      await client.query('ALTER CONNECTION pg SET (PORT 1) WITH (VALIDATE = false)');
      await eventually(async () => {
        await upstream.query(`INSERT INTO t VALUES (90, 'x') ON CONFLICT DO NOTHING`);
        await upstream.query(
          `SELECT pg_replication_slot_advance(slot_name, pg_current_wal_insert_lsn()) FROM pg_replication_slots WHERE slot_name LIKE 'millrace_%'`,
        );
      });
      await client.query(`ALTER CONNECTION pg SET (PORT ${upstream.postgres.port})`);
    },
  },
  {
    code: 'SLOT_LOST',
    where: 'here',
    async bring(upstream, client) {
      await client.query('ALTER CONNECTION pg SET (PORT 1) WITH (VALIDATE = false)');
      await upstream.query(`ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'`);
      await upstream.query('SELECT pg_reload_conf()');
      await eventually(async () => {
        for (let i = 0; i < 4; i++)
          await upstream.query('SELECT pg_switch_wal(); CREATE TABLE IF NOT EXISTS noise (id int); INSERT INTO noise VALUES (1)');
        await upstream.query('CHECKPOINT');
        const [slot] = await upstream.query(`SELECT wal_status FROM pg_replication_slots WHERE slot_name LIKE 'millrace_%'`);
        assert.equal(slot?.['wal_status'], 'lost');
      }, 60_000);
      await upstream.query('ALTER SYSTEM RESET max_slot_wal_keep_size');
      await upstream.query('SELECT pg_reload_conf()');
      await client.query(`ALTER CONNECTION pg SET (PORT ${upstream.postgres.port})`);
    },
  },
];

export const here: readonly EdgeCase[] = [
  {
    id: 'in a session',
    right: 'each hint runs as printed; where it can, the statement then succeeds',
    async run(world) {
      const upstream = await world.upstream(`
        CREATE TABLE t (id int PRIMARY KEY, f float8); INSERT INTO t SELECT i, i FROM generate_series(1, 300) i; CREATE PUBLICATION mz_source FOR ALL TABLES`);
      const { millrace, client: first } = await world.following(upstream);
      await textRows(first, 'SELECT count(*) FROM t');
      const failures: string[] = [];
      for (const { code, before, provoke, again } of HERE) {
        const client = await world.connect(millrace);
        try {
          for (const sql of before ?? [])
            await client.query(sql).catch((error: unknown) => void (code === 'TRANSACTION_ABORTED' || assert.fail(String(error))));
          const error = await refusal(client.query(provoke));
          assert.equal(error.code, errors[code].sqlstate);
          await client.query(statementsOf(error.hint));
          if (again) await client.query(provoke);
        } catch (error) {
          failures.push(`${code}, ${provoke}: ${error instanceof Error ? error.message : String(error)}`);
        }
      }
      assert.deepEqual(failures, []);
    },
  },
  {
    id: 'at CREATE SOURCE',
    right: 'each hint, run upstream as printed, lets the statement succeed',
    async run(world) {
      const upstream = await world.upstream('SELECT 1');
      const user = `mender_${upstream.database}`;
      await upstream.query(`CREATE ROLE ${user} LOGIN PASSWORD 'secret'`);
      const { host, port } = upstream.postgres;
      const client = await world.connect(await world.millrace());
      await client.query(`CREATE SECRET pw AS 'secret'`);
      await client.query(
        `CREATE CONNECTION c TO POSTGRES (HOST '${host}', PORT ${port}, DATABASE '${upstream.database}', USER '${user}', PASSWORD SECRET pw)`,
      );
      const failures: string[] = [];
      for (const { code, upstream: bring } of AT_SOURCE) {
        try {
          await upstream.query(`DROP PUBLICATION IF EXISTS mz_source; DROP TABLE IF EXISTS t; CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1), (2);
            ALTER ROLE ${user} REPLICATION NOBYPASSRLS; GRANT SELECT ON t TO ${user}; CREATE PUBLICATION mz_source FOR TABLE t`);
          await upstream.query(bring.replace('$user', user));
          const create = `CREATE SOURCE s FROM POSTGRES CONNECTION c (PUBLICATION 'mz_source') FOR TABLES (t)`;
          const error = await refusal(client.query(create));
          assert.equal(error.code, errors[code].sqlstate, error.message);
          // The error of a statement cannot know the tables that a publication shall have.
          const hint = statementsOf(error.hint).replace('<schema.table, …>', 'public.t');
          await upstream.query(hint);
          await client.query(create);
          assert.deepEqual(await textRows(client, 'SELECT count(*) FROM t'), [['2']]);
          await client.query('DROP SOURCE s CASCADE');
        } catch (error) {
          failures.push(`${code}: ${error instanceof Error ? error.message : String(error)}`);
          await client.query('DROP SOURCE IF EXISTS s CASCADE');
        }
      }
      await upstream.query(`DROP PUBLICATION mz_source; DROP TABLE t; DROP OWNED BY ${user}; DROP ROLE ${user}`);
      assert.deepEqual(failures, []);
    },
  },
];

async function mended(client: pg.Client, upstream: Upstream, code: string, where: 'here' | 'upstream'): Promise<void> {
  const [row] = await eventually(async () => {
    const rows = await textRows(client, `SELECT hint FROM millrace.errors WHERE code = '${code}'`);
    assert.equal(rows.length, 1);
    return rows;
  }, 40_000);
  await upstream.query(`INSERT INTO t VALUES (91, 'meanwhile') ON CONFLICT DO NOTHING`);
  const hint = statementsOf(row?.[0] ?? undefined);
  await (where === 'here' ? client.query(hint) : upstream.query(hint));
  const [count] = await upstream.query('SELECT count(*)::text AS n FROM t');
  await eventually(async () => assert.deepEqual(await textRows(client, 'SELECT n FROM v'), [[count?.['n']]]), 90_000);
  await upstream.query(`INSERT INTO t VALUES (92, 'after')`);
  await eventually(async () => assert.deepEqual(await textRows(client, 'SELECT n FROM v'), [[String(Number(count?.['n']) + 1)]]), 40_000);
  assert.deepEqual(await textRows(client, 'SELECT code FROM millrace.errors'), []);
  assert.deepEqual(
    (await textRows(client, 'AUDIT')).map((audit) => audit[2]),
    ['equal'],
  );
}

function publicationRemade(major: number): EdgeCase {
  return {
    id: `E29 PUBLICATION_MISSING, PUBLICATION_REMADE, TABLE_REPUBLISHED on ${major}`,
    right: 'made again as the hint says, with changes in between: the gap is named, and its hint mends it',
    async run(world) {
      if ((await findBinaries(major)) === undefined) {
        process.stdout.write(`     (skipped: Postgres ${major} is not installed)\n`);
        return;
      }
      const { upstream, client } = await followed(world, {}, major);
      await textRows(client, 'SELECT * FROM v');
      await upstream.query(`DROP PUBLICATION mz_source; INSERT INTO t VALUES (80, 'unpublished')`);
      const [[hint]] = (await eventually(async () => {
        const rows = await textRows(client, `SELECT hint FROM millrace.errors WHERE code = 'PUBLICATION_MISSING'`);
        assert.equal(rows.length, 1);
        return rows;
      }, 40_000)) as [[string]];
      await upstream.query(statementsOf(hint));
      const [[code]] = (await eventually(async () => {
        const rows = await textRows(client, `SELECT code FROM millrace.errors WHERE code IN ('PUBLICATION_REMADE', 'TABLE_REPUBLISHED')`);
        assert.notEqual(rows.length, 0);
        return rows;
      }, 90_000)) as [[string]];
      await mended(client, upstream, code, 'here');
    },
  };
}

export const mends: readonly EdgeCase[] = [
  ...here,
  ...STREAMING.map(({ code, where, bring }): EdgeCase => ({
    id: code,
    right: 'the hint, run as printed, makes the view what the upstream answers, and it goes on from there',
    async run(world) {
      const { upstream, client } = await followed(world);
      await client.query('CREATE INDEX v_n ON v (n)');
      await textRows(client, 'SELECT * FROM v');
      await bring(upstream, client);
      await mended(client, upstream, code, where);
    },
  })),
  publicationRemade(18),
  publicationRemade(17),
  {
    id: 'OTHER_SERVER',
    right: 'moved to another server with the same tables: refused, and the hint takes these in; views stay',
    async run(world) {
      const { client } = await followed(world);
      await textRows(client, 'SELECT * FROM v');
      // Other servers of these tests are copies of one cluster, with one identifier.
      const other = await world.server(
        { initdb: { provider: 'icu' } },
        `CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (5, 'five'); CREATE PUBLICATION mz_source FOR TABLE t`,
      );
      await client.query(`ALTER CONNECTION pg SET (HOST '${other.postgres.host}', PORT ${other.postgres.port})`);
      await mended(client, other, 'OTHER_SERVER', 'here');
    },
  },
  {
    id: 'WAL_LEVEL_TOO_LOW',
    right: 'the hint and a restart let CREATE SOURCE succeed',
    async run(world) {
      const upstream = await world.server(
        { settings: { wal_level: 'replica' } },
        'CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION mz_source FOR ALL TABLES',
      );
      const client = await world.connect(await world.millrace());
      const error = await refusal(upstream.source(client));
      assert.match(error.message, /wal_level/);
      await upstream.query(statementsOf(error.hint));
      await upstream.postgres.restart('fast', { wal_level: 'logical' });
      await client.query(`CREATE SOURCE s FROM POSTGRES CONNECTION pg (PUBLICATION 'mz_source') FOR ALL TABLES`);
      assert.deepEqual(await textRows(client, 'SELECT * FROM t'), []);
    },
  },
  {
    id: 'NO_SOURCE',
    right: 'the statement that is named makes a source, and what was refused succeeds',
    async run(world) {
      const upstream = await world.upstream('CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION mz_source FOR ALL TABLES');
      const client = await world.connect(await world.millrace());
      const { host, port } = upstream.postgres;
      await client.query(`CREATE SECRET pw AS 'postgres'`);
      await client.query(
        `CREATE CONNECTION c TO POSTGRES (HOST '${host}', PORT ${port}, DATABASE '${upstream.database}', USER 'postgres', PASSWORD SECRET pw)`,
      );
      const create = 'CREATE MATERIALIZED VIEW one AS SELECT 1 AS one';
      const error = await refusal(client.query(create));
      assert.match(error.message, /needs a source/);
      await client.query(statementsOf(error.hint));
      await client.query(create);
    },
  },
  {
    id: 'STILL_COPYING, TABLE_NOT_PUBLISHED',
    right: 'the hints let a reader wait, and a copy that was refused go on by itself',
    async run(world) {
      const upstream =
        await world.upstream(`CREATE TABLE t (id int PRIMARY KEY); CREATE TABLE later (id int PRIMARY KEY); INSERT INTO later VALUES (7);
        CREATE PUBLICATION mz_source FOR TABLE t, later`);
      const client = await world.connect(await world.millrace());
      await upstream.source(client, 'FOR TABLES (t)');
      await textRows(client, 'SELECT * FROM t');
      const busy = await upstream.connect();
      await busy.query('BEGIN; SELECT txid_current()');
      await client.query('CREATE TABLE later FROM SOURCE s (REFERENCE public.later)');
      await client.query(`SET statement_timeout = '300ms'`);
      const late = await refusal(client.query('SELECT * FROM later'));
      assert.match(late.message, /gave up waiting for the first copy of later/);
      await client.query(statementsOf(late.hint));
      await upstream.query('ALTER PUBLICATION mz_source DROP TABLE later');
      await busy.query('COMMIT');
      const refused = await refusal(client.query('SELECT * FROM later'));
      assert.match(refused.message, /table public.later is not in publication "mz_source"/);
      await upstream.query(statementsOf(refused.hint));
      await eventually(async () => assert.deepEqual(await textRows(client, 'SELECT id FROM later'), [['7']]), 60_000);
    },
  },
  {
    id: 'SLOT_LEFT_BEHIND',
    right: 'a source that is dropped while its upstream is away: the hint, run there later, leaves nothing',
    async run(world) {
      const { upstream, client } = await followed(world);
      await textRows(client, 'SELECT * FROM v');
      await upstream.postgres.halt();
      const notices = await noticesOf(client, 'DROP SOURCE s CASCADE');
      await upstream.postgres.start();
      await upstream.query(statementsOf(notices.find(({ message }) => message?.includes('could not be dropped') === true)?.hint));
      assert.deepEqual(await upstream.query('SELECT slot_name FROM pg_replication_slots'), []);
    },
  },
  {
    id: 'DATA_DIRECTORY_PERMISSIONS',
    right: 'the command that is named lets Millrace start',
    async run(world) {
      const dataDirectory = join(await world.folder(), 'data');
      const first = await world.millrace({ dataDirectory });
      await world.connect(first);
      await first.stop();
      await chmod(dataDirectory, 0o755);
      const second = await world.again(first);
      await second.ended(30_000);
      const [, command] = /(chmod 700 '[^']+')/.exec(second.output) ?? [];
      await promisify(execFile)('sh', ['-c', command ?? 'false']);
      await world.connect(await world.again(first));
    },
  },
];

/** What is run above and by the areas beside it; each error with a mend is here or in `unstaged-mends.ts`. */
export const STAGED: ReadonlySet<string> = new Set<string>([
  ...[...HERE, ...AT_SOURCE, ...STREAMING].map(({ code }) => code),
  ...mends.flatMap(({ id }) => id.match(/[A-Z_]+/g) ?? []).filter((code) => code in errors),
  // states.ts, full-disk.ts
  'SLOTS_EXHAUSTED',
  'TABLE_NOT_COPIED',
  'LOG_DISK_FULL',
  'CATALOG_DISK_FULL',
]);
