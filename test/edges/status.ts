/** Every status relation in every state of a source: no figure that is not true, and none that does not say how old it is. */
import assert from 'node:assert/strict';
import type pg from 'pg';
import { STATUS_RELATIONS } from '../../src/sql/mirror/status.ts';
import type { RunningMillrace } from '../harness/millrace.ts';
import { eventually, refusal, textRows, type EdgeCase, type Upstream, type World } from './edge.ts';
import { dropSlot, followed } from './states.ts';

interface Scene {
  readonly upstream: Upstream;
  readonly millrace: RunningMillrace;
  readonly client: pg.Client;
}

interface State {
  readonly name: string;
  /** What `millrace.sources`, table t and view v say. */
  readonly source: string;
  readonly table: string;
  readonly view: string;
  /** Codes in `millrace.errors`. */
  readonly errors: readonly string[];
  /** Whether the bytes behind can be known. */
  readonly isMeasured: boolean;
  /** Whether there is a slot whose size may be shown. */
  readonly hasSlot?: boolean;
  enter(scene: Scene, world: World): Promise<pg.Client | void>;
}

const until = (client: pg.Client, sql: string, expected: string): Promise<void> =>
  eventually(async () => assert.deepEqual((await textRows(client, sql))[0]?.[0], expected), 30_000);

const STATES: readonly State[] = [
  { name: 'streaming', source: 'running', table: 'running', view: 'running', errors: [], isMeasured: true, enter: async () => {} },
  {
    name: 'upstream down',
    source: 'stalled',
    table: 'stalled',
    view: 'stalled',
    errors: ['UPSTREAM_UNREACHABLE'],
    isMeasured: false,
    async enter({ upstream, client }) {
      await upstream.postgres.halt();
      await until(client, 'SELECT code FROM millrace.errors', 'UPSTREAM_UNREACHABLE');
    },
  },
  {
    name: 'slot dropped',
    source: 'failed',
    table: 'failed',
    view: 'failed',
    errors: ['SLOT_DROPPED'],
    isMeasured: false,
    hasSlot: false,
    async enter({ upstream, client }) {
      await dropSlot(upstream);
      await until(client, 'SELECT status FROM millrace.sources', 'failed');
    },
  },
  {
    name: 'publication missing',
    source: 'stalled',
    table: 'stalled',
    view: 'stalled',
    errors: ['PUBLICATION_MISSING'],
    isMeasured: false,
    async enter({ upstream, client }) {
      await upstream.query('DROP PUBLICATION mz_source');
      await until(client, 'SELECT code FROM millrace.errors', 'PUBLICATION_MISSING');
    },
  },
  {
    name: 'a table stopped',
    source: 'running',
    table: 'failed',
    view: 'failed',
    errors: ['TABLE_NOT_PUBLISHED'],
    isMeasured: true,
    async enter({ upstream, client }) {
      await upstream.query('ALTER PUBLICATION mz_source DROP TABLE t');
      await until(client, 'SELECT status FROM millrace.tables', 'failed');
    },
  },
  {
    name: 'a view faulty',
    source: 'running',
    table: 'running',
    view: 'failed',
    errors: ['EVALUATION_ERROR'],
    isMeasured: true,
    async enter({ upstream, client, millrace }) {
      await upstream.query('INSERT INTO t VALUES (0)');
      await until(client, 'SELECT status FROM millrace.views', 'failed');
      await eventually(async () => assert.match(millrace.output, /WARN view "v" cannot answer: division by zero/));
    },
  },
  {
    name: 'after a restart',
    source: 'running',
    table: 'running',
    view: 'running',
    errors: [],
    isMeasured: true,
    async enter({ millrace }, world) {
      await millrace.stop();
      const client = await world.connect(await world.again(millrace));
      await until(client, 'SELECT status FROM millrace.sources', 'running');
      return client;
    },
  },
  {
    name: 'after a restart with the upstream down',
    source: 'stalled',
    table: 'stalled',
    view: 'stalled',
    errors: ['UPSTREAM_UNREACHABLE'],
    isMeasured: false,
    hasSlot: false,
    async enter({ millrace, upstream }, world) {
      await millrace.stop();
      await upstream.postgres.halt();
      const client = await world.connect(await world.again(millrace));
      await until(client, 'SELECT status FROM millrace.sources', 'stalled');
      return client;
    },
  },
];

/** Every relation, and every view of Materialize's names, can be read. */
async function readAll(client: pg.Client): Promise<void> {
  for (const { name, columns } of STATUS_RELATIONS) await client.query(`SELECT ${Object.keys(columns).join(', ')} FROM millrace.${name}`);
  const named = await textRows(
    client,
    `SELECT schemaname || '.' || viewname FROM pg_catalog.pg_views WHERE schemaname IN ('mz_catalog', 'mz_internal', 'mz_introspection')`,
  );
  assert.ok(named.length > 15);
  for (const [name] of named) await client.query(`SELECT * FROM ${name}`);
}

function inState(state: State): EdgeCase {
  return {
    id: state.name,
    right: `sources ${state.source}, tables ${state.table}, views ${state.view}; every figure is true, NULL, or says when it was measured`,
    async run(world) {
      const scene = await followed(world);
      await textRows(scene.client, 'SELECT * FROM v');
      const client = (await state.enter(scene, world)) ?? scene.client;
      await readAll(client);
      const [source] = await textRows(
        client,
        'SELECT status, since IS NOT NULL, (error IS NULL) = (status IN ($$running$$, $$starting$$)) FROM millrace.sources',
      );
      assert.deepEqual(source, [state.source, 't', 't']);
      const [table] = await textRows(
        client,
        'SELECT status, (error IS NULL) = (status = $$running$$), coalesce(rows BETWEEN 2 AND 3, true) FROM millrace.tables',
      );
      assert.deepEqual(table, [state.table, 't', 't']);
      const [view] = await textRows(
        client,
        'SELECT status, (error IS NULL) = (status = $$running$$), hydrated_at BETWEEN now() - interval $$5 min$$ AND now(), state_bytes > 0 FROM millrace.views',
      );
      assert.deepEqual(view, [state.view, 't', 't', 't']);
      assert.deepEqual(
        await textRows(client, 'SELECT code FROM millrace.errors ORDER BY 1'),
        state.errors.map((code) => [code]),
      );
      const [lag] = await textRows(
        client,
        `SELECT behind_bytes IS NOT NULL, coalesce(behind_ms >= 0, true), (upstream_lsn IS NULL) = (measured_at IS NULL), coalesce(now() - measured_at < interval '1 min', true),
           (slot_retained_bytes IS NULL) = (slot_measured_at IS NULL), slot_retained_bytes IS NULL FROM millrace.lag`,
      );
      assert.deepEqual(lag?.slice(0, 5), [state.isMeasured ? 't' : 'f', 't', 't', 't', 't']);
      if (state.hasSlot === false) assert.equal(lag?.[5], 't');
    },
  };
}

export const status: readonly EdgeCase[] = [
  ...STATES.map(inState),
  {
    id: 'without a source',
    right: 'no rows where there is nothing to say, and no error',
    async run(world) {
      const client = await world.connect(await world.millrace());
      await readAll(client);
      for (const name of ['sources', 'tables', 'views', 'lag', 'errors', 'subscriptions', 'audits', 'arrangements'])
        assert.deepEqual(await textRows(client, `SELECT * FROM millrace.${name}`), [], name);
    },
  },
  {
    id: 'copying',
    right: 'a table that is still copied says copying, and rows that are counted',
    async run(world) {
      const upstream = await world.upstream(
        `CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1); CREATE PUBLICATION mz_source FOR ALL TABLES`,
      );
      const busy = await upstream.connect();
      const client = await world.connect(await world.millrace());
      await busy.query('BEGIN; SELECT txid_current()');
      await upstream.source(client);
      await readAll(client);
      assert.deepEqual(await textRows(client, 'SELECT status, error, rows, snapshot_lsn FROM millrace.tables'), [
        ['copying', null, '0', null],
      ]);
      await client.query(`SET statement_timeout = '200ms'`);
      assert.match((await refusal(client.query('SELECT * FROM t'))).message, /gave up waiting for the first copy of t/);
      await client.query('RESET statement_timeout');
      await busy.query('COMMIT');
      assert.deepEqual(await textRows(client, 'SELECT id FROM t'), [['1']]);
      assert.deepEqual(await textRows(client, 'SELECT status, error, rows FROM millrace.tables'), [['running', null, '1']]);
    },
  },
  {
    id: 'rows after changes and a restart',
    right: 'as many as there are, or NULL',
    async run(world) {
      const { upstream, millrace, client } = await followed(world);
      await upstream.query('INSERT INTO t SELECT i FROM generate_series(10, 29) i; DELETE FROM t WHERE id = 1');
      await eventually(async () => assert.deepEqual(await textRows(client, 'SELECT rows, changes FROM millrace.tables'), [['21', '21']]));
      await millrace.stop();
      const again = await world.connect(await world.again(millrace));
      await eventually(async () => assert.deepEqual(await textRows(again, 'SELECT rows FROM millrace.tables'), [['21']]));
    },
  },
  {
    id: 'a subscription',
    right: 'is there while it is open, with the rows it was sent, and not after',
    async run(world) {
      const { upstream, millrace, client } = await followed(world);
      const reader = await world.connect(millrace);
      const running = reader.query('COPY (SUBSCRIBE t) TO STDOUT').catch(() => undefined);
      const seen = 'SELECT object_name, rows_sent, backlog_bytes IS NOT NULL, started_at < now() FROM millrace.subscriptions';
      await eventually(async () => assert.deepEqual(await textRows(client, seen), [['t', '2', 't', 't']]));
      await upstream.query('INSERT INTO t VALUES (3)');
      await eventually(async () => assert.deepEqual(await textRows(client, seen), [['t', '3', 't', 't']]));
      const [session] = await textRows(
        client,
        `SELECT client_address FROM millrace.sessions WHERE statement IS NULL OR statement NOT LIKE '%sessions%' LIMIT 1`,
      );
      assert.match(session?.[0] ?? '', /127\.0\.0\.1/);
      (reader as unknown as { connection: { stream: { destroy(): void } } }).connection.stream.destroy();
      await running;
      await eventually(async () => assert.deepEqual(await textRows(client, 'SELECT * FROM millrace.subscriptions'), []));
    },
  },
  {
    id: 'audits',
    right: 'the last one of each view that there is, with its LSN and time',
    async run(world) {
      const { client } = await followed(world);
      await client.query('AUDIT');
      const seen = 'SELECT view, lsn IS NOT NULL, state, rows, differences, finished_at <= now() FROM millrace.audits';
      assert.deepEqual(await textRows(client, seen), [['v', 't', 'equal', '1', '0', 't']]);
      await client.query('DROP MATERIALIZED VIEW v');
      assert.deepEqual(await textRows(client, seen), []);
    },
  },
];
