/** Queries as users write them: hidden columns, text that is equal by other rules than its bytes, keys that are computed, subqueries, many parameters, texts that nest too deeply. */
import assert from 'node:assert/strict';
import type pg from 'pg';
import { eventually, refusal, textRows, type EdgeCase, type World } from './edge.ts';

const PUBLISHED = 'CREATE PUBLICATION mz_source FOR ALL TABLES;';

/** Views v0, v1 … of the queries and the queries asked once: each has the upstream's own rows. */
async function sameAsUpstream(world: World, ddl: string, queries: readonly string[]): Promise<pg.Client> {
  const upstream = await world.upstream(`${ddl} ${PUBLISHED}`);
  const { client } = await world.following(upstream);
  const direct = await upstream.connect();
  for (const [i, sql] of queries.entries()) {
    const want = sorted(await textRows(direct, sql));
    assert.deepEqual(
      sorted(
        await textRows(client, sql).catch((e) => {
          throw new Error(sql + e.message);
        }),
      ),
      want,
      sql,
    );
    await client.query(`CREATE MATERIALIZED VIEW v${i} AS ${sql}`);
    assert.deepEqual(sorted(await textRows(client, `SELECT * FROM v${i}`)), want, `as a view: ${sql}`);
  }
  return client;
}

function sorted(rows: (string | null)[][]): string[] {
  return rows.map((row) => JSON.stringify(row)).sort();
}

export const queries: readonly EdgeCase[] = [
  {
    id: 'E2 hidden columns',
    right: 'columns that are grouped or ordered by and not shown take no part in DISTINCT, UNION and what is above',
    async run(world) {
      await sameAsUpstream(
        world,
        `CREATE TABLE g (id int PRIMARY KEY, a int, b int);
         INSERT INTO g VALUES (1, 1, 1), (2, 1, 2), (3, 2, 1), (4, NULL, 3), (5, NULL, 4);`,
        [
          'SELECT DISTINCT a FROM g GROUP BY a, b',
          'SELECT DISTINCT count(*) FROM g GROUP BY a, b',
          'SELECT DISTINCT a + 1 AS n FROM g GROUP BY a, b HAVING count(*) = 1 ORDER BY n',
          'SELECT DISTINCT a FROM g GROUP BY a, b ORDER BY a DESC LIMIT 2',
          'SELECT count(*) AS n FROM (SELECT DISTINCT a FROM g GROUP BY a, b ORDER BY a) s',
          'SELECT a FROM g GROUP BY a, b UNION SELECT a FROM g GROUP BY a, b, id',
          'SELECT s.a, count(*) AS n FROM (SELECT a FROM g ORDER BY b DESC, id LIMIT 3) s GROUP BY s.a',
          'SELECT a FROM g GROUP BY a, b ORDER BY b, a LIMIT 2',
          'WITH c AS (SELECT DISTINCT max(b) AS m FROM g GROUP BY a, id ORDER BY 1 OFFSET 1) SELECT m FROM c',
        ],
      );
    },
  },
  {
    id: 'E42 computed keys are hash joins',
    right: 'no equality between two sides makes a cross product; EXPLAIN names the keys',
    async run(world) {
      const ddl = `
        CREATE TABLE a (id int PRIMARY KEY, at timestamptz, ts timestamp, code text, doc jsonb, n numeric, f float8, name name, ip cidr, k int, x int);
        CREATE TABLE b (id int PRIMARY KEY, day date, ref text, small smallint, ip inet, k int, y int);
        INSERT INTO a SELECT i, timestamptz '2024-01-01' + i * interval '1 hour', timestamp '2024-01-01' + i * interval '1 day', i::text,
          jsonb_build_object('ref', 'r' || i), i, i, 'r' || i, format('10.0.%s.%s/32', i / 250, i % 250)::cidr, i % 100, i % 7 FROM generate_series(1, 6000) i;
        INSERT INTO b SELECT i, date '2024-01-01' + i, 'r' || i, i % 1000, format('10.0.%s.%s', i / 250, i % 250)::inet, i % 100, i % 5 FROM generate_series(1, 6000) i;
      `;
      const conditions = [
        'b.id = a.id + 1',
        'b.day = a.at::date',
        'b.day = a.ts',
        "b.ref = a.doc->>'ref'",
        'a.code::int = b.id',
        'b.id = a.n',
        'a.f = b.id * 2',
        'a.name = b.ref',
        'b.ip = a.ip',
        'a.id - 1 = b.small AND a.id % 10 = b.id % 10',
        'lower(b.ref) = lower(a.name::text) AND a.id + b.id > 100',
        '(a.id = b.id AND a.x = 1) OR (a.id = b.id AND b.y = 2)',
        '(b.y = 2 AND a.code::int = b.id) OR (a.x = 3 AND a.code::int = b.id AND b.y < 4)',
      ];
      const sqls = conditions.flatMap((condition) => [
        `SELECT a.id, b.id AS other FROM a JOIN b ON ${condition}`,
        `SELECT a.id, b.id AS other FROM a LEFT JOIN b ON ${condition}`,
        `SELECT a.id, b.id AS other FROM a, b WHERE ${condition}`,
      ]);
      const client = await sameAsUpstream(world, ddl, sqls);
      for (const sql of sqls) {
        const lines = (await textRows(client, `EXPLAIN ${sql}`)).flat().join('\n');
        assert.match(lines, /[Jj]oin on .* = /, lines);
        assert.doesNotMatch(lines, /Cross join/, lines);
      }
    },
  },
  {
    id: 'E44 keys that fail',
    right: 'a row whose key fails is an error, unless what is asked of its side alone rejects it; mended by the next change',
    async run(world) {
      const upstream = await world.upstream(`
        CREATE TABLE a (id int PRIMARY KEY, kind text, code text);
        CREATE TABLE b (id int PRIMARY KEY, label text);
        INSERT INTO a VALUES (1, 'num', '10'), (2, 'num', '20'), (3, 'word', 'x'), (4, NULL, NULL), (5, 'num', NULL);
        INSERT INTO b VALUES (10, 'ten'), (20, 'twenty'), (30, 'thirty');
        ${PUBLISHED}
      `);
      const { client } = await world.following(upstream);
      const direct = await upstream.connect();
      const right = [
        `SELECT a.id, b.label FROM a JOIN b ON b.id = a.code::int WHERE a.kind = 'num'`,
        `SELECT a.id, b.label FROM a JOIN b ON b.id = a.code::int WHERE a.code ~ '^\\d+$'`,
        `SELECT a.id, b.label FROM a LEFT JOIN b ON a.kind = 'num' AND b.id = a.code::int`,
        `SELECT a.id, b.label FROM a LEFT JOIN b ON a.code ~ '^\\d+$' AND b.id = a.code::int AND b.label <> 'ten'`,
        `SELECT a.id, b.label FROM a LEFT JOIN b ON b.id = a.code::int WHERE a.code ~ '^\\d+$'`,
        `SELECT s.id, s.label FROM (SELECT a.id, a.code, b.label FROM a JOIN b ON b.id = a.code::int) s WHERE s.code ~ '^\\d+$'`,
        `SELECT b.id, a.id AS other FROM b LEFT JOIN a ON a.code::int = b.id AND a.kind = 'num'`,
        `SELECT b.id, a.id AS other FROM a RIGHT JOIN b ON a.code::int = b.id AND a.code ~ '^\\d+$'`,
        `SELECT a.id, b.label FROM a, b WHERE 100 / nullif(a.id, 3) = b.id + 90 AND a.id <> 3`,
      ];
      for (const [i, sql] of right.entries()) {
        await direct.query(
          'SET enable_hashjoin = off; SET enable_mergejoin = off; SET enable_indexscan = off; SET enable_bitmapscan = off',
        );
        const want = sorted(await textRows(direct, sql));
        assert.deepEqual(
          sorted(
            await textRows(client, sql).catch((e) => {
              throw new Error(sql + e.message);
            }),
          ),
          want,
          sql,
        );
        await client.query(`CREATE MATERIALIZED VIEW w${i} AS ${sql}`);
        assert.deepEqual(sorted(await textRows(client, `SELECT * FROM w${i}`)), want, sql);
      }
      const failing = [
        'SELECT a.id, b.label FROM a JOIN b ON b.id = a.code::int',
        'SELECT a.id, b.label FROM a LEFT JOIN b ON b.id = a.code::int',
        'SELECT a.id, b.label FROM b LEFT JOIN a ON b.id = a.code::int',
      ];
      for (const [i, sql] of failing.entries()) {
        assert.equal((await refusal(client.query(sql))).code, '22P02', sql);
        await client.query(`CREATE MATERIALIZED VIEW f${i} AS ${sql}`);
        assert.equal((await refusal(client.query(`SELECT * FROM f${i}`))).code, '22P02', sql);
      }
      await upstream.query(`UPDATE a SET code = '30' WHERE id = 3`);
      for (const [i, sql] of failing.entries()) {
        const want = sorted(await textRows(direct, sql));
        await eventually(async () => assert.deepEqual(sorted(await textRows(client, `SELECT * FROM f${i}`)), want, sql));
      }
    },
  },
  {
    id: 'E7 subqueries in expressions',
    right: 'answered, or refused by the name of the SQL feature with a way to write it',
    async run(world) {
      const upstream = await world.upstream(`CREATE TABLE t (id int PRIMARY KEY, c int); INSERT INTO t VALUES (1, 1); ${PUBLISHED}`);
      const { client } = await world.following(upstream);
      const refused: readonly (readonly [string, RegExp])[] = [
        ['id IN (SELECT c FROM t)', /^IN or ANY \(subquery\)/],
        ['id NOT IN (SELECT c FROM t)', /^IN or ANY \(subquery\)/],
        ['id = ANY (SELECT c FROM t)', /^IN or ANY \(subquery\)/],
        ['id > ALL (SELECT c FROM t)', /^a comparison with ALL \(subquery\)/],
        ['(id, c) IN (SELECT id, c FROM t)', /^IN or ANY \(subquery\)/],
        ['EXISTS (SELECT FROM t u WHERE u.c = t.id)', /^EXISTS \(subquery\)/],
        ['id = (SELECT max(c) FROM t)', /^a scalar subquery/],
        ['id = ANY (ARRAY(SELECT c FROM t))', /^ARRAY\(subquery\)/],
      ];
      for (const [condition, name] of refused) {
        for (const sql of [`SELECT id FROM t WHERE ${condition}`, `CREATE MATERIALIZED VIEW v AS SELECT id FROM t WHERE ${condition}`]) {
          const error = await refusal(client.query(sql));
          assert.equal(error.code, '0A000', sql);
          assert.match(error.message, name, sql);
          assert.match(error.hint ?? '', /join|JOIN/, sql);
        }
      }
    },
  },
  {
    id: 'E8 many parameters',
    right: 'a statement of 101 parameters, of 3,000, with NULLs and text among them, is answered',
    async run(world) {
      const upstream = await world.upstream(`
        CREATE TABLE t (id int PRIMARY KEY, body text, at timestamptz); INSERT INTO t SELECT i, 'it''s \\ ' || i, timestamptz '2024-01-01' + i * interval '1 day' FROM generate_series(1, 5000) i; ${PUBLISHED}
      `);
      const { client } = await world.following(upstream);
      const direct = await upstream.connect();
      for (const count of [100, 101, 3_000]) {
        const places = Array.from({ length: count - 4 }, (_, i) => `$${i + 1}`).join(', ');
        const sql = `SELECT id, body, at, $${count}::text AS said FROM t WHERE (id IN (${places}) OR body = $${count - 3} OR at < $${count - 2}) AND $${count - 1}::int IS NULL ORDER BY id`;
        const values = [...Array.from({ length: count - 4 }, (_, i) => i + 10), `it's \\ 4000`, '2024-01-04 00:00:00Z', null, `$1 'x'`];
        await client.query(`SET timezone = 'UTC'`);
        await direct.query(`SET timezone = 'UTC'`);
        assert.deepEqual(await textRows(client, sql, values), await textRows(direct, sql, values), `${count} parameters`);
      }
      const places = Array.from({ length: 101 }, (_, i) => `$${i + 1}::text`).join(', ');
      const values = Array.from({ length: 101 }, (_, i) => String(i));
      assert.deepEqual(await textRows(client, `SELECT ${places}`, values), [values]);
      assert.equal((await refusal(client.query(`SELECT id FROM t WHERE nothing IN (${places})`, values))).code, '42703');
    },
  },
  {
    id: 'E9 questions about a value',
    right: 'pg_typeof is answered; what cannot be says why, in words of a query and not of a view',
    async run(world) {
      const ddl = `
        CREATE TYPE mood AS ENUM ('ok'); CREATE DOMAIN positive AS int CHECK (VALUE > 0); CREATE SCHEMA other; CREATE TYPE other.mood AS ENUM ('sad');
        CREATE TABLE t (id int PRIMARY KEY, a text, b numeric(5,2), c mood, d other.mood, e positive, f int[], g varchar(3), h timestamptz);
        INSERT INTO t VALUES (1, 'x', 1, 'ok', 'sad', 1, '{1}', 'abc', now());`;
      const columns = ['id', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'a || g', 'b * 2', 'ARRAY[a]'];
      const client = await sameAsUpstream(world, ddl, [
        `SELECT ${columns.map((column, i) => `pg_typeof(${column}) AS t${i}`).join(', ')} FROM t`,
        'SELECT pg_typeof(sum(id)) AS p FROM t',
      ]);
      const size = await refusal(client.query('SELECT pg_column_size(a) FROM t'));
      assert.equal(size.code, '0A000');
      assert.match(`${size.message} ${size.detail} ${size.hint}`, /stored upstream.*octet_length/);
      assert.doesNotMatch(size.message, /view, /);
      assert.equal((await textRows(client, 'SELECT pg_column_size(1)')).length, 1);
      assert.match((await refusal(client.query('SELECT age(h) FROM t'))).hint ?? '', /age\(current_date/);
    },
  },
  {
    id: 'E3 types of extensions',
    right: 'their values are read as they are; what would compare them is refused by name, at CREATE and ad hoc',
    async run(world) {
      const upstream = await world.upstream(`
        CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION ltree;
        CREATE DOMAIN email AS citext CHECK (VALUE LIKE '%@%'); CREATE TYPE contact AS (name text, mail citext); CREATE TYPE words AS RANGE (subtype = text);
        CREATE TABLE account (id int PRIMARY KEY, mail citext, other email, mails citext[], who contact, h hstore, path ltree, w words, n int);
        INSERT INTO account VALUES (1, 'Ann@X.example', 'A@b.c', '{Ann@X,ann@x}', '(Ann,Ann@X)', 'a=>1', 'Top.Sub', '[a,b)', 3), (2, 'ann@x.example', 'a@B.c', '{}', NULL, 'b=>NULL', 'top', 'empty', 4), (3, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
        ${PUBLISHED}
      `);
      const { client } = await world.following(upstream);
      const direct = await upstream.connect();
      const right = [
        'SELECT * FROM account',
        `SELECT id, coalesce(mail, other, '') AS m, mail IS NULL AS nothing, CASE WHEN id = 1 THEN mail END AS c FROM account`,
        `SELECT id FROM account WHERE mail::text = 'Ann@X.example'`,
        `SELECT lower(mail::text) AS m, count(*) AS n FROM account GROUP BY 1`,
        'SELECT count(mail) AS n, count(other) AS o, count(who) AS w FROM account',
        'SELECT a.id, b.id AS o, a.mail FROM account a JOIN account b ON lower(a.mail::text) = lower(b.mail::text)',
        'SELECT mail, n FROM account ORDER BY n LIMIT 2',
        'SELECT mail FROM account UNION ALL SELECT other FROM account',
        `SELECT (who).name AS name, mails[1] AS first, (who).mail AS m, array_length(mails::text[], 1) AS l, h::text AS h, path::text AS p FROM account`,
      ];
      for (const [i, sql] of right.entries()) {
        const want = sorted(await textRows(direct, sql));
        assert.deepEqual(
          sorted(
            await textRows(client, sql).catch((e) => {
              throw new Error(sql + e.message);
            }),
          ),
          want,
          sql,
        );
        await client.query(`CREATE MATERIALIZED VIEW v${i} AS ${sql}`);
        assert.deepEqual(sorted(await textRows(client, `SELECT * FROM v${i}`)), want, sql);
      }
      const refused = [
        `SELECT id FROM account WHERE mail = 'ann@x.example'`,
        `SELECT id FROM account WHERE mail <> 'ann@x.example'`,
        `SELECT id FROM account WHERE mail IN ('ann@x.example', 'b')`,
        `SELECT id FROM account WHERE mail = ANY ('{a,b}')`,
        `SELECT id FROM account WHERE mail LIKE 'ann%'`,
        `SELECT id FROM account WHERE other = 'a@b.c'`,
        `SELECT id FROM account WHERE (mail, id) > ('a', 1)`,
        `SELECT id FROM account WHERE (mail, id) = ('a', 1)`,
        `SELECT id FROM account WHERE (who).mail = 'a'`,
        `SELECT id FROM account WHERE mails = ARRAY['a@x']::citext[]`,
        `SELECT id FROM account WHERE mails[1] = 'a'`,
        `SELECT id FROM account WHERE who = ROW('a', 'b')::contact`,
        `SELECT id FROM account WHERE w @> 'a'::text`,
        `SELECT id FROM account WHERE w = '[a,c)'`,
        `SELECT id FROM account WHERE mail IS DISTINCT FROM 'x'`,
        `SELECT id FROM account WHERE coalesce(mail, '') = 'x'`,
        `SELECT CASE WHEN id = 1 THEN mail END AS n FROM account GROUP BY 1`,
        `SELECT nullif(mail, 'x') AS n FROM account`,
        `SELECT CASE mail WHEN 'x' THEN 1 END AS n FROM account`,
        `SELECT greatest(mail, other) AS n FROM account`,
        `SELECT replace(mail, 'a', 'b') AS n FROM account`,
        `SELECT mail FROM account GROUP BY mail`,
        `SELECT DISTINCT mail FROM account`,
        `SELECT DISTINCT who FROM account`,
        `SELECT count(DISTINCT mail) AS n FROM account`,
        `SELECT count(DISTINCT mails) AS n FROM account`,
        `SELECT min(mail) AS n FROM account`,
        `SELECT mail FROM account ORDER BY mail LIMIT 1`,
        `SELECT mail FROM account UNION SELECT other FROM account`,
        `SELECT a.id FROM account a JOIN account b ON a.mail = b.mail`,
        `SELECT a.id FROM account a JOIN account b USING (mail)`,
        `SELECT a.id FROM account a LEFT JOIN account b ON a.mail = b.other`,
        `SELECT path FROM account GROUP BY path`,
        `SELECT to_jsonb(h) AS j FROM account`,
      ];
      for (const sql of refused) {
        await textRows(direct, sql);
        for (const text of [sql, `CREATE MATERIALIZED VIEW x AS ${sql}`]) {
          const error = await refusal(client.query(text));
          assert.equal(error.code, '0A000', `${text}: ${error.message}`);
          assert.match(error.message, /citext|email|contact|words|hstore|ltree/, text);
        }
      }
      // Operators that text does not have: Postgres's own words name them and the type.
      assert.match((await refusal(client.query(`SELECT h -> 'a' FROM account`))).message, /operator does not exist: .*hstore/);
    },
  },
  {
    id: 'E4 nondeterministic collations',
    right: 'what depends on which texts are equal is refused by the name of the collation, or right',
    async run(world) {
      const upstream = await world.upstream(`
        CREATE COLLATION nocase (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
        CREATE DOMAIN ci AS text COLLATE nocase;
        CREATE TABLE t (id int PRIMARY KEY, a text COLLATE nocase, b ci, c text, d text[] COLLATE nocase, e varchar(9) COLLATE nocase);
        INSERT INTO t VALUES (1, 'X', 'X', 'X', '{X}', 'X'), (2, 'x', 'x', 'x', '{x}', 'x'), (3, NULL, NULL, NULL, NULL, NULL), (4, 'y', 'y', 'y', '{y}', 'y');
        ${PUBLISHED}
      `);
      const { client } = await world.following(upstream);
      const direct = await upstream.connect();
      const right = [
        'SELECT * FROM t',
        `SELECT id FROM t WHERE a COLLATE "C" = 'x'`,
        `SELECT a COLLATE "C" AS k, count(*) AS n FROM t GROUP BY 1`,
        `SELECT a || '!' AS a, length(a) AS l, a IS NULL AS n, count(a) AS m FROM t GROUP BY id`,
        'SELECT x.id, y.id AS o FROM t x JOIN t y ON x.c = y.c',
        `SELECT coalesce(a, b) AS c FROM t UNION ALL SELECT c FROM t`,
      ];
      for (const sql of right) assert.deepEqual(sorted(await textRows(client, sql)), sorted(await textRows(direct, sql)), sql);
      const refused: string[] = [];
      for (const column of ['a', 'b', 'e', 'c COLLATE nocase']) {
        refused.push(
          `SELECT id FROM t WHERE ${column} = 'x'`,
          `SELECT id FROM t WHERE ${column} <> 'x'`,
          `SELECT id FROM t WHERE ${column} < 'x'`,
          `SELECT id FROM t WHERE ${column} IN ('x', 'y')`,
          `SELECT id FROM t WHERE ${column} = ANY ('{x,y}')`,
          `SELECT id FROM t WHERE (${column}, id) > ('x', 1)`,
          `SELECT id FROM t WHERE ${column} IS DISTINCT FROM 'x'`,
          `SELECT nullif(${column}, 'x') AS n FROM t`,
          `SELECT CASE ${column} WHEN 'x' THEN 1 END AS n FROM t`,
          `SELECT least(${column}, 'x') AS n FROM t`,
          `SELECT count(*) AS n FROM t GROUP BY ${column}`,
          `SELECT DISTINCT ${column} AS k FROM t`,
          `SELECT count(DISTINCT ${column}) AS n FROM t`,
          `SELECT max(${column}) AS n FROM t`,
          `SELECT id FROM t ORDER BY ${column} LIMIT 2`,
          `SELECT ${column} AS k FROM t UNION SELECT 'x'`,
          `SELECT id FROM t WHERE ${column} LIKE 'x%'`,
          `SELECT starts_with(${column}, 'x') AS n FROM t`,
        );
      }
      refused.push(
        `SELECT x.id FROM t x JOIN t y ON x.a = y.a`,
        `SELECT x.id FROM t x JOIN t y USING (a)`,
        `SELECT id FROM t WHERE d = '{x}'`,
        `SELECT id FROM t WHERE 'x' = ANY (d)`,
        'SELECT DISTINCT d FROM t',
      );
      for (const sql of refused) {
        for (const text of [sql, `CREATE MATERIALIZED VIEW v AS ${sql}`]) {
          const error = await refusal(client.query(text));
          assert.equal(error.code, '0A000', `${text}: ${error.message}`);
          assert.match(error.message, /nocase|several dimensions/, `${text}: ${error.message}`);
        }
      }
    },
  },
  {
    id: 'E4 text inside rows and arrays',
    right: 'ordered under the collation of the upstream, or refused by its name',
    async run(world) {
      const upstream = await world.upstream(
        `CREATE TYPE pair AS (x text, y int); CREATE TABLE t (id int PRIMARY KEY, a text, b text[], j jsonb, ip inet, k text COLLATE "C", p pair);
         INSERT INTO t VALUES (1, 'a', '{a}', '1', '10.0.0.1', 'a'), (2, 'B', '{B}', '"a"', '9.0.0.1', 'B'), (3, 'ä', '{ä}', '{}', '::1', 'ä'), (4, 'z', '{z,a}', '10', NULL, 'z'), (5, NULL, NULL, NULL, NULL, NULL); ${PUBLISHED}`,
        { provider: 'icu' },
      );
      const { client } = await world.following(upstream);
      const direct = await upstream.connect();
      const right = [
        `SELECT id FROM t WHERE (a, id) > ('b', 1)`,
        `SELECT id FROM t WHERE (a, id) <= ('B', 2)`,
        `SELECT id, (a, k, id) < ('b', 'b', 3) AS l, (k, a) >= ('B', 'a') AS g, (id, NULL::text) < (3, a) AS n FROM t`,
        `SELECT id, greatest(b, '{b}') AS g, least(a, 'b') AS l FROM t`,
      ];
      for (const sql of right) assert.deepEqual(sorted(await textRows(client, sql)), sorted(await textRows(direct, sql)), sql);
      for (const sql of [
        `SELECT id FROM t WHERE b < '{b}'`,
        `SELECT id FROM t WHERE p < ROW('b', 1)::pair`,
        `SELECT greatest(j, '2') AS g FROM t`,
        `SELECT least(ip, '10.0.0.0') AS g FROM t`,
      ]) {
        await textRows(direct, sql);
        assert.equal((await refusal(client.query(sql))).code, '0A000', sql);
      }
    },
  },
  {
    id: 'E6 names of objects as values',
    right: 'equal as upstream, or refused by name',
    async run(world) {
      const upstream = await world.upstream(`
        CREATE TABLE target (id int PRIMARY KEY); CREATE TABLE r (id int PRIMARY KEY, c regclass, y regtype);
        INSERT INTO r VALUES (1, 'target', 'int4'), (2, 'pg_class', 'text'), (3, NULL, NULL), (4, 'target', 'int4'); ${PUBLISHED}
      `);
      const { client } = await world.following(upstream);
      const direct = await upstream.connect();
      for (const sql of [
        'SELECT y, count(*) AS n FROM r GROUP BY y',
        'SELECT count(DISTINCT c) AS n FROM r',
        `SELECT id FROM r WHERE y::text = 'integer'`,
      ])
        assert.deepEqual(sorted(await textRows(client, sql)), sorted(await textRows(direct, sql)), sql);
      for (const sql of [
        `SELECT id FROM r WHERE c = 'target'::regclass`,
        'SELECT c::oid AS o FROM r',
        'SELECT r.id FROM r JOIN r s ON r.c = s.c',
        'SELECT id FROM r ORDER BY c LIMIT 1',
        'SELECT max(c::oid) AS m FROM r',
      ]) {
        const error = await refusal(client.query(sql));
        assert.equal(error.code, '0A000', `${sql}: ${error.message}`);
        assert.match(error.message, /regclass/, sql);
      }
    },
  },
  {
    id: 'E11 float averages beyond the range',
    right: 'an average is 22003 where Postgres finds its squared deviations beyond float8, and recovers when the value goes',
    async run(world) {
      const upstream = await world.upstream(`
        CREATE TABLE f (id int PRIMARY KEY, g text, v float8);
        INSERT INTO f VALUES (1, 'a', 0.1), (2, 'a', 1.7e308), (3, 'b', 1e200), (4, 'b', 1e200), (5, 'c', 1e154), (6, 'c', -1e153), (7, 'd', 1e155), (8, 'd', -1e155), (9, 'e', 1.7e308), (10, 'e', 'Infinity'), (11, 'f', 1.7e308);
        ${PUBLISHED}
      `);
      const { client } = await world.following(upstream);
      const direct = await upstream.connect();
      const outcome = (on: pg.Client, group: string, fn: string): Promise<unknown> =>
        textRows(on, `SELECT ${fn}(v) AS a FROM f WHERE g = '${group}'`).catch((error: pg.DatabaseError) => error.code);
      for (const group of 'abcdef')
        for (const fn of ['avg', 'sum'])
          assert.deepEqual(await outcome(client, group, fn), await outcome(direct, group, fn), `${fn} of ${group}`);
      await client.query(`CREATE MATERIALIZED VIEW m AS SELECT avg(v) AS a FROM f WHERE g = 'a'`);
      assert.equal((await refusal(client.query('SELECT a FROM m'))).code, '22003');
      await upstream.query('DELETE FROM f WHERE id = 1');
      await eventually(async () => assert.deepEqual(await textRows(client, 'SELECT a FROM m'), [['1.7e+308']]));
    },
  },
];
