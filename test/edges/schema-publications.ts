/** Changes of the publication and of what it publishes, each taken back at once with changes between: noticed for good, and mended by what the hint says. */
import assert from 'node:assert/strict';
import type pg from 'pg';
import { eventually, refusal, textRows, type EdgeCase, type Upstream, type World } from './edge.ts';

const NOTICED_WITHIN_MS = 12_000;

export const publications: readonly EdgeCase[] = [
  {
    id: 'E38 entries of the publication taken out and put back',
    right: 'each such table is refused, also after a restart, until it is taken in again; its neighbour goes on',
    async run(world) {
      const upstream = await world.upstream(`CREATE SCHEMA s2; CREATE SCHEMA s3; CREATE SCHEMA s4;
        ${['readded', 'filtered', 'neighbour', 's2.apart', 's3.moved'].map((name) => `CREATE TABLE ${name} (id int PRIMARY KEY, v text); INSERT INTO ${name} VALUES (1, 'a'), (2, 'b')`).join(';')};
        CREATE PUBLICATION mz_source FOR TABLE readded, filtered, neighbour, TABLES IN SCHEMA s2, s3`);
      await noticed(
        world,
        upstream,
        [
          `ALTER PUBLICATION mz_source DROP TABLE readded; UPDATE readded SET v = 'lost'; ALTER PUBLICATION mz_source ADD TABLE readded`,
          `ALTER PUBLICATION mz_source DROP TABLE filtered; ALTER PUBLICATION mz_source ADD TABLE filtered WHERE (id > 1); UPDATE filtered SET v = 'lost'`,
          `ALTER PUBLICATION mz_source DROP TABLE filtered; ALTER PUBLICATION mz_source ADD TABLE filtered`,
          `ALTER PUBLICATION mz_source DROP TABLES IN SCHEMA s2; UPDATE s2.apart SET v = 'lost'; ALTER PUBLICATION mz_source ADD TABLES IN SCHEMA s2`,
          `ALTER TABLE s3.moved SET SCHEMA s4; UPDATE s4.moved SET v = 'lost'; ALTER TABLE s4.moved SET SCHEMA s3`,
        ],
        ['public.readded', 'public.filtered', 's2.apart', 's3.moved'],
        ['public.neighbour'],
      );
    },
  },
  {
    id: 'E38 publish set to insert and back',
    right: 'every table is refused until it is taken in again',
    async run(world) {
      const upstream = await world.upstream(
        `CREATE TABLE a (id int PRIMARY KEY, v text); INSERT INTO a VALUES (1, 'a'), (2, 'b'); CREATE PUBLICATION mz_source FOR TABLE a`,
      );
      await noticed(
        world,
        upstream,
        [
          `ALTER PUBLICATION mz_source SET (publish = 'insert'); UPDATE a SET v = 'lost'; ALTER PUBLICATION mz_source SET (publish = 'insert, update, delete, truncate')`,
        ],
        ['public.a'],
        [],
      );
    },
  },
  {
    id: 'E38 publish_via_partition_root off and on',
    right: 'the table is refused until it is taken in again',
    async run(world) {
      const upstream = await world.upstream(`CREATE TABLE p (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
        CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10); INSERT INTO p VALUES (1, 'a'), (2, 'b'); CREATE PUBLICATION mz_source FOR TABLE p WITH (publish_via_partition_root)`);
      await noticed(
        world,
        upstream,
        [
          `ALTER PUBLICATION mz_source SET (publish_via_partition_root = false); UPDATE p SET v = 'lost'; ALTER PUBLICATION mz_source SET (publish_via_partition_root = true)`,
        ],
        ['public.p'],
        [],
      );
    },
  },
  {
    id: 'a root that changed by itself is taken in again',
    right:
      'Postgres does not describe a root anew in the same stream when it alone was altered: the table follows all the same once it is taken in again',
    async run(world) {
      const upstream = await world.upstream(`CREATE TABLE p (id int PRIMARY KEY, v text) PARTITION BY RANGE (id);
        CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10); INSERT INTO p VALUES (1, 'a'), (2, 'b'); CREATE PUBLICATION mz_source FOR TABLE p WITH (publish_via_partition_root)`);
      const { millrace, client } = await world.following(upstream);
      await client.query('SET real_time_recency = on');
      await textRows(client, 'SELECT * FROM p');
      await upstream.query('ALTER TABLE p REPLICA IDENTITY NOTHING');
      await upstream.query(`UPDATE p SET v = 'c' WHERE id = 1`);
      assert.match((await refusal(client.query('SELECT * FROM p'))).message, /identity|identified/);
      await upstream.query('ALTER TABLE p REPLICA IDENTITY DEFAULT');
      await client.query('DROP TABLE p; CREATE TABLE p FROM SOURCE s (REFERENCE p)');
      for (const value of ['d', 'e']) {
        await upstream.query(`UPDATE p SET v = '${value}' WHERE id = 2`);
        assert.deepEqual(await textRows(client, 'SELECT id, v FROM p ORDER BY id'), [
          ['1', 'c'],
          ['2', value],
        ]);
      }
      await millrace.kill();
      const again = await world.connect(await world.again(millrace));
      assert.deepEqual((await textRows(again, 'SELECT id, v FROM p ORDER BY id')).at(-1), ['2', 'e']);
    },
  },
  {
    id: 'E34 partitions that come, go, and are emptied',
    right: 'the rows of the root, or an error that names the partition',
    async run(world) {
      const roots = ['attached', 'detached', 'dropped', 'emptied', 'grown', 'cleared', 'quiet'];
      const upstream = await world.upstream(`${roots
        .map(
          (
            root,
          ) => `CREATE TABLE ${root} (id int PRIMARY KEY, v text) PARTITION BY RANGE (id); CREATE TABLE ${root}_1 PARTITION OF ${root} FOR VALUES FROM (0) TO (10);
            CREATE TABLE ${root}_2 PARTITION OF ${root} FOR VALUES FROM (10) TO (20); INSERT INTO ${root} VALUES (1, 'a'), (11, 'b')`,
        )
        .join(';')}; CREATE TABLE apart (id int PRIMARY KEY, v text); INSERT INTO apart VALUES (21, 'c');
        CREATE TABLE slim (id int PRIMARY KEY, v int); INSERT INTO slim VALUES (1, 1);
        CREATE PUBLICATION mz_source FOR TABLE slim, ${roots.join(', ')} WITH (publish_via_partition_root)`);
      let { millrace, client } = await world.following(upstream);
      for (const root of roots) await client.query(`CREATE MATERIALIZED VIEW v_${root} AS SELECT * FROM ${root}`);
      const changed: Readonly<Record<string, [string, RegExp | undefined]>> = {
        attached: ['ALTER TABLE attached ATTACH PARTITION apart FOR VALUES FROM (20) TO (30)', /partition apart was added/],
        detached: ['ALTER TABLE detached DETACH PARTITION detached_2', /partition detached_2 was detached or dropped/],
        dropped: ['DROP TABLE dropped_2', /partition dropped_2 was detached or dropped/],
        emptied: ['TRUNCATE emptied_2', /partition emptied_2 was truncated or rewritten/],
        grown: [
          `CREATE TABLE grown_3 PARTITION OF grown FOR VALUES FROM (20) TO (30); INSERT INTO grown VALUES (21, 'c')`,
          /partition grown_3 was added/,
        ],
        cleared: [`TRUNCATE cleared; INSERT INTO cleared VALUES (3, 'd')`, undefined],
        quiet: [`UPDATE quiet SET id = 12 WHERE id = 1`, undefined],
      };
      for (const [statements] of Object.values(changed)) for (const statement of statements.split(';')) await upstream.query(statement);
      await client.query('SET real_time_recency = on');
      const theirs = await upstream.connect();
      for (const [root, [, cause]] of Object.entries(changed)) {
        const query = `SELECT * FROM ${root} ORDER BY id`;
        if (cause === undefined)
          assert.deepEqual(await textRows(client, query.replace(' FROM ', ' FROM v_')), await textRows(theirs, query), root);
        else assert.match((await refusal(client.query(`SELECT * FROM v_${root}`))).message, cause);
      }
      // What the stream has said of a TRUNCATE is known after a restart, too.
      await upstream.query('TRUNCATE cleared');
      await upstream.query(`INSERT INTO cleared VALUES (4, 'e')`);
      assert.deepEqual(await textRows(client, 'SELECT id, v FROM v_cleared'), [['4', 'e']]);
      await upstream.query('TRUNCATE cleared');
      await eventually(async () => assert.deepEqual(await textRows(await world.connect(millrace), 'SELECT * FROM v_cleared'), []));
      await millrace.kill();
      // Nor is one a rewrite that came while nobody listened.
      await upstream.query('TRUNCATE slim');
      await upstream.query('TRUNCATE cleared');
      millrace = await world.again(millrace);
      client = await world.connect(millrace);
      await upstream.query(`INSERT INTO slim VALUES (2, 2)`);
      await upstream.query(`INSERT INTO cleared VALUES (5, 'f')`);
      await client.query('SET real_time_recency = on');
      assert.deepEqual(await textRows(client, 'SELECT id, v FROM v_cleared'), [['5', 'f']]);
      assert.deepEqual(await textRows(client, 'SELECT id, v FROM slim'), [['2', '2']]);
    },
  },
];

/** Statements upstream, within a moment; then which tables are refused, and which are not. */
async function noticed(
  world: World,
  upstream: Upstream,
  statements: readonly string[],
  stopped: readonly string[],
  others: readonly string[],
): Promise<void> {
  let { millrace, client } = await world.following(upstream);
  for (const table of [...stopped, ...others]) await textRows(client, `SELECT * FROM ${table}`);
  for (const statement of statements.flatMap((several) => several.split(/; /))) await upstream.query(statement);
  const theirs = await upstream.connect();
  const check = async (connection: pg.Client): Promise<void> => {
    for (const table of stopped) {
      const error = await refusal(connection.query(`SELECT * FROM ${table}`));
      assert.match(error.message, new RegExp(`changes of table ${table.replace('.', String.raw`\.`)} may be missing`));
    }
    for (const table of others)
      assert.deepEqual(
        await textRows(connection, `SELECT * FROM ${table} ORDER BY 1`),
        await textRows(theirs, `SELECT * FROM ${table} ORDER BY 1`),
      );
  };
  await eventually(() => check(client), NOTICED_WITHIN_MS);
  await millrace.stop();
  millrace = await world.again(millrace);
  client = await world.connect(millrace);
  // At once, before the upstream is asked again.
  await check(client);
  for (const table of stopped) {
    // One mend may take in several tables.
    const hint = await client.query(`SELECT * FROM ${table}`).then(
      () => '',
      (error: pg.DatabaseError) => error.hint ?? '',
    );
    const mend = hint.replaceAll(/;\s+\([^)]*\)/g, ';');
    for (const statement of mend.split(';')) if (statement.trim() !== '') await client.query(statement);
  }
  for (const table of stopped)
    assert.deepEqual(
      await textRows(client, `SELECT * FROM ${table} ORDER BY 1`),
      await textRows(theirs, `SELECT * FROM ${table} ORDER BY 1`),
      `${table}, taken in again`,
    );
}
