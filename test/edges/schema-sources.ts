/** What CREATE SOURCE and CREATE TABLE take, refuse and say; and what a first copy meets. */
import assert from 'node:assert/strict';
import type pg from 'pg';
import { eventually, refusal, textRows, type EdgeCase } from './edge.ts';

export const sources: readonly EdgeCase[] = [
  {
    id: 'E5 E36 an enum that grew is taken in again as the hint says',
    right: 'the order and the labels of the upstream',
    async run(world) {
      const upstream = await world.upstream(`CREATE TYPE level AS ENUM ('low', 'high');
        CREATE TABLE a (id int PRIMARY KEY, l level); INSERT INTO a VALUES (1, 'low'), (2, 'high'); CREATE TABLE b (id int PRIMARY KEY, l level); INSERT INTO b VALUES (1, 'high');
        CREATE PUBLICATION mz_source FOR ALL TABLES`);
      const { client } = await world.following(upstream);
      await client.query('CREATE MATERIALIZED VIEW v AS SELECT min(l) AS lowest, max(l) AS highest FROM a');
      await upstream.query(`ALTER TYPE level ADD VALUE 'medium' BEFORE 'high'`);
      await upstream.query(`INSERT INTO a VALUES (3, 'medium')`);
      const error = await eventually(async () => refusal(client.query('SELECT * FROM v')));
      assert.match(error.message, /public\.a.*medium/);
      await eventually(async () => refusal(client.query('SELECT * FROM b')));
      for (const table of ['a', 'b']) {
        const { hint } = await refusal(client.query(`SELECT * FROM ${table}`));
        for (const statement of (hint ?? '').split(';')) if (statement.trim() !== '') await client.query(statement);
      }
      await client.query(
        `CREATE MATERIALIZED VIEW v AS SELECT min(l) AS lowest, max(l) AS highest, count(*) FILTER (WHERE l > 'low') AS above, count(*) FILTER (WHERE l = 'medium') AS middle FROM a`,
      );
      assert.deepEqual(await textRows(client, 'SELECT * FROM v'), [['low', 'high', '2', '1']]);
      assert.deepEqual(await textRows(client, 'SELECT * FROM b'), [['1', 'high']]);
    },
  },
  {
    id: 'E6 reg* types as a session of the upstream prints them',
    right: 'the same text from the copy, the stream and the upstream',
    async run(world) {
      const upstream =
        await world.upstream(`CREATE SCHEMA other; CREATE TABLE target (id int PRIMARY KEY); CREATE TABLE other.hidden (id int PRIMARY KEY); CREATE TYPE mood AS ENUM ('ok');
        CREATE TABLE r (id int PRIMARY KEY, c regclass, t regtype, p regproc, o regoperator);
        INSERT INTO r VALUES (1, 'target', 'mood', 'pg_backend_pid', '=(int4,int4)'), (2, 'other.hidden', 'int', 'pg_sleep', '+(int4,int4)'); CREATE PUBLICATION mz_source FOR ALL TABLES`);
      const { client } = await world.following(upstream);
      await textRows(client, 'SELECT * FROM r');
      await upstream.query(`INSERT INTO r SELECT id + 10, c, t, p, o FROM r`);
      await client.query('SET real_time_recency = on');
      const theirs = await textRows(await upstream.connect(), 'SELECT * FROM r ORDER BY id');
      assert.equal(theirs[0]![1], 'target');
      assert.deepEqual(await textRows(client, 'SELECT * FROM r ORDER BY id'), theirs);
    },
  },
  {
    id: 'E30 E34 E35 E3C references, partitions, children, names',
    right: 'each is complete, or refused by name',
    async run(world) {
      const upstream =
        await world.upstream(`CREATE SCHEMA s1; CREATE SCHEMA s2; CREATE SCHEMA "Sales"; CREATE TABLE s1.t1 (id int PRIMARY KEY); CREATE TABLE s2.t1 (id int PRIMARY KEY);
        INSERT INTO s2.t1 VALUES (2); CREATE TABLE "Sales"."Big Orders" (id int PRIMARY KEY, "Total" int); INSERT INTO "Sales"."Big Orders" VALUES (1, 5);
        CREATE TABLE g (id int PRIMARY KEY, a int, twice int GENERATED ALWAYS AS (a * 2) STORED); INSERT INTO g VALUES (1, 4);
        CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10); INSERT INTO p VALUES (1);
        CREATE TABLE mother (id int PRIMARY KEY); CREATE TABLE child (PRIMARY KEY (id)) INHERITS (mother); INSERT INTO mother VALUES (1); INSERT INTO child VALUES (2), (3), (4);
        CREATE PUBLICATION mz_source FOR ALL TABLES`);
      const millrace = await world.millrace();
      const client = await world.connect(millrace);
      const notices: string[] = [];
      client.on('notice', ({ message }) => notices.push(message ?? ''));
      const whole = await refusal(upstream.source(client));
      assert.match(whole.message, /table public\.mother has inheritance children \(public\.child\)/);
      await client.query(
        `CREATE SOURCE s FROM POSTGRES CONNECTION pg (PUBLICATION 'mz_source') FOR TABLES (g, "Sales"."Big Orders" AS "Sales"."Big Orders", p1)`,
      );
      assert.ok(
        notices.some((text) => /without column "twice".*generated/.test(text)),
        notices.join('\n'),
      );
      assert.ok(
        notices.some((text) => /the partitions of public\.p are tables of their own here/.test(text)),
        notices.join('\n'),
      );
      assert.match((await textRows(client, 'SHOW CREATE TABLE g')).flat().join(' '), /without twice/);
      const ambiguous = await refusal(client.query('CREATE TABLE t1 FROM SOURCE s (REFERENCE t1)'));
      assert.equal(ambiguous.code, '42P09');
      assert.match(ambiguous.message, /s1\.t1, s2\.t1/);
      await client.query('CREATE TABLE t1 FROM SOURCE s (REFERENCE s2.t1)');
      assert.deepEqual(await textRows(client, 'SELECT * FROM t1'), [['2']]);
      assert.deepEqual(await textRows(client, 'SELECT id, "Total" FROM "Sales"."Big Orders"'), [['1', '5']]);
      await client.query('CREATE MATERIALIZED VIEW "Sales"."V" AS SELECT sum("Total") AS total FROM "Sales"."Big Orders"');
      assert.deepEqual(await textRows(client, 'SELECT * FROM "Sales"."V"'), [['5']]);
      const mother = await refusal(client.query('CREATE TABLE mother FROM SOURCE s (REFERENCE mother)'));
      assert.match(mother.message, /inheritance children \(public\.child\)/);
      const root = await refusal(client.query('CREATE TABLE p FROM SOURCE s (REFERENCE p)'));
      assert.match(root.message, /publishes the partitions of public\.p/);
      await upstream.query((root.hint ?? '').replace(/;.*/, ''));
      await client.query('CREATE TABLE p FROM SOURCE s (REFERENCE p)');
      assert.deepEqual(await textRows(client, 'SELECT * FROM p'), [['1']]);
    },
  },
  {
    id: 'E33 a table that is rewritten while its first copy waits',
    right: 'its rows',
    async run(world) {
      // Two that keep both connections busy for a while.
      const upstream =
        await world.upstream(`${['a1', 'a2'].map((name) => `CREATE TABLE ${name} (id int PRIMARY KEY, v text); INSERT INTO ${name} SELECT i, repeat('x', 200) FROM generate_series(1, 200000) i`).join(';')};
        CREATE TABLE b (id int PRIMARY KEY, v text); INSERT INTO b VALUES (1, 'x'), (2, 'y'); CREATE TABLE c (id int PRIMARY KEY, a int, b int); INSERT INTO c VALUES (1, 1, 2);
        CREATE PUBLICATION mz_source FOR ALL TABLES`);
      const { client } = await world.following(upstream);
      await eventually(async () => {
        const copying = await upstream.query(
          `SELECT 1 FROM pg_stat_activity WHERE application_name = 'millrace snapshot' AND datname = current_database() AND query LIKE 'COPY %'`,
        );
        assert.ok(copying.length > 0);
      });
      await upstream.query('ALTER TABLE b ALTER v TYPE text USING upper(v)');
      await upstream.query('ALTER TABLE c RENAME a TO x');
      await upstream.query('ALTER TABLE c RENAME b TO a');
      await upstream.query('ALTER TABLE c RENAME x TO b');
      assert.deepEqual(await textRows(client, 'SELECT * FROM b ORDER BY id'), [
        ['1', 'X'],
        ['2', 'Y'],
      ]);
      assert.match((await refusal(client.query('SELECT a, b FROM c'))).message, /public\.c/);
    },
  },
  {
    id: 'E39 a row that is not UTF-8 in a database that takes any bytes',
    right: 'its table stops, with the column and the key; the rest goes on',
    async run(world) {
      const upstream = await world.upstream(
        `CREATE TABLE bad (id int PRIMARY KEY, v text); CREATE TABLE good (id int PRIMARY KEY, v text); INSERT INTO bad VALUES (1, 'a'); INSERT INTO good VALUES (1, 'a');
         CREATE PUBLICATION mz_source FOR ALL TABLES`,
        { encoding: 'SQL_ASCII' },
      );
      let { millrace, client } = await world.following(upstream);
      assert.deepEqual(await textRows(client, 'SELECT * FROM bad'), [['1', 'a']]);
      await upstream.query(`INSERT INTO bad VALUES (7, convert_from('\\xff', 'SQL_ASCII'))`);
      await upstream.query(`INSERT INTO good VALUES (2, 'b')`);
      await client.query('SET real_time_recency = on');
      assert.equal((await textRows(client, 'SELECT * FROM good')).length, 2);
      const error = await refusal(client.query('SELECT * FROM bad'));
      assert.match(error.message, /table public\.bad has a value that is not UTF-8: column "v", row \(id = 7\)/);
      await millrace.kill();
      millrace = await world.again(millrace);
      client = await world.connect(millrace);
      assert.match((await refusal(client.query('SELECT * FROM bad'))).message, /column "v", row \(id = 7\)/);
      await upstream.query('DELETE FROM bad WHERE id = 7');
      for (const statement of ((await refusal(client.query('SELECT * FROM bad'))).hint ?? '').split(/then here:|;/).slice(1))
        if (statement.trim() !== '') await client.query(statement);
      assert.deepEqual(await textRows(client, 'SELECT * FROM bad'), [['1', 'a']]);
    },
  },
  {
    id: 'a subscription of a table that stops',
    right: 'it ends with the reason',
    async run(world) {
      const upstream = await world.upstream(
        `${['t', 'u'].map((name) => `CREATE TABLE ${name} (id int PRIMARY KEY, v int); INSERT INTO ${name} VALUES (1, 1)`).join(';')}; CREATE PUBLICATION mz_source FOR ALL TABLES`,
      );
      const { millrace, client } = await world.following(upstream);
      await client.query('CREATE MATERIALIZED VIEW v AS SELECT sum(v) AS s FROM t');
      await textRows(client, 'SELECT * FROM u');
      const subscribed = async (what: string): Promise<{ ended: Promise<pg.DatabaseError> }> => ({
        ended: refusal((await world.connect(millrace)).query(`SUBSCRIBE ${what}`)),
      });
      const onView = await subscribed('v');
      const onQuery = await subscribed('(SELECT v + 1 AS w FROM u)');
      await eventually(async () => assert.equal((await textRows(client, 'SELECT * FROM millrace.subscriptions')).length, 2));
      for (const table of ['t', 'u']) await upstream.query(`ALTER TABLE ${table} ADD COLUMN w int`);
      assert.match((await onView.ended).message, /table public\.t changed upstream: column "w" was added/);
      assert.match((await onQuery.ended).message, /table public\.u changed upstream: column "w" was added/);
      // And what made it is gone: the table can be dropped.
      await client.query('DROP TABLE u');
    },
  },
];
