/** Values that are equal, or ordered, by other rules than their bytes: types of extensions, collations, rows, names of objects. */
import assert from 'node:assert/strict';
import { refusal, textRows, type EdgeCase } from './edge.ts';
import { PUBLISHED, sorted } from './same-as-upstream.ts';

export const comparisons: readonly EdgeCase[] = [
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
];
