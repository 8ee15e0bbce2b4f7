/** Queries as users write them: hidden columns, keys that are computed, subqueries, many parameters, texts that nest too deeply. */
import assert from 'node:assert/strict';
import type pg from 'pg';
import { eventually, refusal, textRows, type EdgeCase } from './edge.ts';
import { PUBLISHED, sameAsUpstream, sorted } from './same-as-upstream.ts';

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
      const upstream = await world.upstream(
        `CREATE TABLE t (id int PRIMARY KEY, c int); INSERT INTO t VALUES (1, 1), (2, 4), (3, 1), (4, NULL); ${PUBLISHED}`,
      );
      const { client } = await world.following(upstream);
      const direct = await upstream.connect();
      const answered = [
        'id IN (SELECT c FROM t)',
        'id NOT IN (SELECT c FROM t)',
        'id NOT IN (SELECT c FROM t WHERE c IS NOT NULL)',
        'id = ANY (SELECT c FROM t)',
        '(id, c) IN (SELECT id, c FROM t)',
        'EXISTS (SELECT FROM t u WHERE u.c = t.id)',
        'NOT EXISTS (SELECT FROM t u WHERE u.c = t.id)',
        'id = (SELECT max(c) FROM t)',
        '(SELECT count(*) FROM t u WHERE u.c = t.id) < 2',
      ];
      for (const [i, condition] of answered.entries()) {
        const sql = `SELECT id FROM t WHERE ${condition}`;
        assert.deepEqual(sorted(await textRows(client, sql)), sorted(await textRows(direct, sql)), sql);
        await client.query(`CREATE MATERIALIZED VIEW a${i} AS ${sql}`);
      }
      // Two rows where one is expected are an error of the view, which heals.
      const one = 'SELECT id, (SELECT u.id FROM t u WHERE u.c = t.id) AS of FROM t';
      await client.query(`CREATE MATERIALIZED VIEW one AS ${one}`);
      assert.equal((await refusal(client.query('SELECT * FROM one'))).code, '21000');
      await upstream.query(
        'DELETE FROM t WHERE id = 3 OR c IS NULL; INSERT INTO t VALUES (5, 2), (6, 1) ON CONFLICT DO NOTHING; UPDATE t SET c = 6 WHERE id = 6',
      );
      for (const [i, sql] of [...answered.map((condition) => `SELECT id FROM t WHERE ${condition}`), one].entries()) {
        const want = sorted(await textRows(direct, sql));
        const view = i === answered.length ? 'one' : `a${i}`;
        await eventually(async () => assert.deepEqual(sorted(await textRows(client, `SELECT * FROM ${view}`)), want, sql));
      }
      const refused: readonly (readonly [string, RegExp])[] = [
        ['id > ALL (SELECT c FROM t)', /^a comparison with ALL \(subquery\)/],
        ['EXISTS (SELECT FROM t u WHERE u.c < t.id)', /^a subquery that reads outer columns in anything but an equality/],
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
    right: 'a statement of 101 parameters, of 3,000, of 5,800, with NULLs and text among them, is answered',
    async run(world) {
      const upstream = await world.upstream(`
        CREATE TABLE t (id int PRIMARY KEY, body text, at timestamptz); INSERT INTO t SELECT i, 'it''s \\ ' || i, timestamptz '2024-01-01' + i * interval '1 day' FROM generate_series(1, 9000) i; ${PUBLISHED}
      `);
      const { client } = await world.following(upstream);
      const direct = await upstream.connect();
      for (const count of [100, 101, 3_000, 5_800]) {
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
  {
    id: 'texts too deep or too long',
    right: 'an answer, or an error of class 54 that says so; never a fault, and the next statement is answered',
    async run(world) {
      const upstream = await world.upstream(
        `CREATE TABLE t (id int PRIMARY KEY, c int, s text); INSERT INTO t SELECT i, i % 10, i::text FROM generate_series(1, 100) i; ${PUBLISHED}`,
      );
      const { client } = await world.following(upstream);
      const nested = (open: string, inner: string, close: string, depth: number): string =>
        open.repeat(depth) + inner + close.repeat(depth);
      const list = (count: number, of: (i: number) => string, between: string): string =>
        Array.from({ length: count }, (_, i) => of(i)).join(between);
      const conditions: Readonly<Record<string, string>> = {
        '22,000 literals': `id IN (${list(22_000, String, ', ')})`,
        '22,000 numerics': `c::numeric IN (${list(22_000, (i) => `${i}.5`, ', ')})`,
        '150,000 literals': `id IN (${list(150_000, String, ', ')})`,
        '22,000 texts': `s IN (${list(22_000, (i) => `'${i}'`, ', ')})`,
        '22,000 expressions': `id IN (${list(22_000, (i) => `c + ${i}`, ', ')})`,
        '5,000 ANDs': list(5_000, (i) => `c <> ${i + 100}`, ' AND '),
        '5,000 ORs': list(5_000, (i) => `c = ${i}`, ' OR '),
        '2,000 ORs of ANDs': list(2_000, (i) => `(c = ${i} AND id > ${i})`, ' OR '),
        '1,000 nested CASE': `${nested('CASE WHEN c > 5 THEN 1 ELSE ', '2', ' END', 1_000)} = 2`,
        '20,000 nested CASE': `${nested('CASE WHEN c > 5 THEN 1 ELSE ', '2', ' END', 20_000)} = 2`,
        '5,000 additions': `${list(5_000, () => 'c', ' + ')} > 0`,
        '1,000 nested calls': `${nested('abs(', 'c', ')', 1_000)} = 2`,
        '20,000 nested calls': `${nested('abs(', 'c', ')', 20_000)} = 2`,
        '2,000 NOTs': nested('NOT (', 'c IS NULL', ')', 2_000),
        '3,000 alternating': nested('(c = 1 OR (id > 0 AND ', 'true', '))', 3_000),
      };
      for (const [what, condition] of Object.entries(conditions)) {
        const asView = /22,000 literals|5,000 ANDs|CASE/.test(what)
          ? [`CREATE MATERIALIZED VIEW v AS SELECT id FROM t WHERE ${condition}`]
          : [];
        for (const sql of [`SELECT id FROM t WHERE ${condition}`, ...asView]) {
          const started = performance.now();
          const outcome = await client.query(sql).then(
            () => 'answered',
            (error: pg.DatabaseError) => `${error.code} ${error.message}`,
          );
          assert.match(outcome, /^(answered$|54)/, `${what}: ${outcome.slice(0, 300)}`);
          assert.ok(performance.now() - started < 60_000, what);
          assert.equal((await textRows(client, 'SELECT id FROM t WHERE id = 7')).length, 1, `after ${what}`);
        }
        await client.query('DROP MATERIALIZED VIEW IF EXISTS v');
      }
    },
  },
  {
    id: 'long lists',
    right: 'the same rows as upstream, or an error of class 54 whose hint works: = ANY with one array parameter',
    async run(world) {
      const upstream = await world.upstream(
        `CREATE TABLE t (id int PRIMARY KEY, big bigint, s text, u uuid, n numeric, f float8, c char(8)); INSERT INTO t SELECT i, i, i::text, md5(i::text)::uuid, i / 2.0, i, i::text FROM generate_series(1, 30000, 7) i; ${PUBLISHED}`,
      );
      const { client } = await world.following(upstream);
      const direct = await upstream.connect();
      const counted = Array.from({ length: 22_000 }, (_, i) => i);
      const texts = counted.map((i) => `'${i}'`);
      const conditions: readonly (readonly [string, unknown[]?])[] = [
        [`id = ANY (ARRAY[${counted.join(', ')}])`],
        [`id = ANY ('{${counted.join(',')}}')`],
        [`id = ANY ('{${counted.join(',')}}'::int[])`],
        [`id <> ALL (ARRAY[${counted.join(', ')}])`],
        [`s = ANY (ARRAY[${texts.join(', ')}])`],
        [`big = ANY (ARRAY[${counted.join(', ')}])`],
        [`id = ANY ($1)`, [counted]],
        [`id <> ALL ($1)`, [counted]],
        [`big = ANY ($1::bigint[])`, [counted]],
        [`s = ANY ($1)`, [counted.map(String)]],
        [`n = ANY ($1)`, [counted.map(String)]],
        [`n <> ALL ($1)`, [counted.map((i) => (i === 3 ? null : `${i}.500`))]],
        [`f = ANY ($1)`, [counted]],
        [`c = ANY ($1)`, [counted.map(String)]],
        [`big = ANY ($1::int[])`, [counted]],
        [`s LIKE ANY ($1)`, [counted.map((i) => `${i}%`)]],
        [`u = ANY ($1) OR id = 1`, [counted.map((i) => `00000000-0000-0000-0000-${String(i).padStart(12, '0')}`)]],
        [`id IN (${counted.slice(0, 5_000).join(', ')})`],
        [`s IN (${texts.slice(0, 5_000).join(', ')})`],
        [`id NOT IN (${counted.slice(0, 5_000).join(', ')})`],
        [`big IN (${counted.slice(0, 5_000).join(', ')})`],
        [`id IN (${counted.join(', ')})`],
      ];
      // Written out one by one, or not comparable by a look-up.
      const refusable = /ARRAY\[|LIKE|int\[\]|^id IN/;
      for (const [condition, values = []] of conditions) {
        const what = condition.slice(0, 60);
        const sql = `SELECT id FROM t WHERE ${condition} ORDER BY id`;
        const outcome = await textRows(client, sql, values).catch((error: pg.DatabaseError) => error);
        if (!(outcome instanceof Error)) assert.deepEqual(outcome, await textRows(direct, sql, values), what);
        else {
          assert.match(outcome.code ?? '', /^54/, `${what}: ${outcome.message.slice(0, 300)}`);
          assert.match(outcome.hint ?? '', /= ANY \(\$1\)/, what);
          assert.ok(refusable.test(condition), `${what}: ${outcome.message.slice(0, 300)}`);
        }
      }
    },
  },
  {
    id: 'E10 time zones',
    right: 'another zone is refused by name, and the way that the hint names is answered as upstream',
    async run(world) {
      const upstream = await world.upstream(
        `CREATE TABLE t (id int PRIMARY KEY, at timestamptz); INSERT INTO t VALUES (1, '2024-07-01 12:00Z'), (2, '2024-01-01 12:00Z'); ${PUBLISHED}`,
      );
      const { client } = await world.following(upstream);
      const direct = await upstream.connect();
      const error = await refusal(client.query(`SET timezone = 'Europe/Berlin'`));
      assert.equal(error.code, '22023');
      const way = /(at AT TIME ZONE 'Europe\/Berlin')$/.exec(error.hint ?? '')?.[1];
      assert.ok(way !== undefined, error.hint);
      const sql = `SELECT id, ${way} AS local FROM t`;
      assert.deepEqual(sorted(await textRows(client, sql)), sorted(await textRows(direct, sql)));
    },
  },
  {
    id: 'E77 aggregates with an order',
    right:
      "string, array and JSON aggregates, deviations, bits and percentiles are the upstream's own, follow its changes, and AUDIT finds them equal also without an ORDER BY",
    async run(world) {
      const upstream = await world.upstream(
        `CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
         CREATE TABLE t (id int PRIMARY KEY, g int, label text, n numeric, tags text[], at timestamptz, day date, mood mood, f float8);
         INSERT INTO t VALUES (1, 1, 'b', 1.0, '{x,"y z"}', '2024-01-01 12:00+02', '2024-01-01', 'ok', 1.5), (2, 1, 'a "quoted"', 1.00, '{10}', NULL, '2023-12-31', 'sad', 2.25),
           (3, 1, NULL, NULL, '{9}', '2024-02-29 00:00+00', NULL, 'happy', NULL), (4, 2, 'b', 3.50, NULL, '2024-01-01 12:00+02', '2024-01-01', 'ok', -1),
           (5, 2, 'b', 2, '{}', NULL, NULL, NULL, 0), (6, NULL, '', -7.125, '{NULL}', NULL, NULL, 'sad', 4);
         ${PUBLISHED}`,
      );
      const { client } = await world.following(upstream);
      const direct = await upstream.connect();
      const ordered = [
        `string_agg(label, ', ' ORDER BY id DESC)`,
        `string_agg(DISTINCT label, ', ')`,
        `array_agg(n ORDER BY id)`,
        `array_agg(DISTINCT day)`,
        `json_agg(label ORDER BY id)`,
        `json_agg(tags ORDER BY id)`,
        `jsonb_agg(tags ORDER BY id)`,
        `json_agg(at ORDER BY id)`,
        `jsonb_object_agg(coalesce(label, '-'), n ORDER BY id)`,
        `json_object_agg(day, tags ORDER BY id) FILTER (WHERE day IS NOT NULL)`,
        `stddev(n)`,
        `var_pop(n)`,
        `bit_xor(id)`,
        `max(mood)`,
        `max(tags)`,
        `percentile_cont(0.5) WITHIN GROUP (ORDER BY f)`,
        `percentile_disc(0.5) WITHIN GROUP (ORDER BY day)`,
        `mode() WITHIN GROUP (ORDER BY label)`,
      ];
      const unordered = [
        `string_agg(label, ', ')`,
        'array_agg(n)',
        'array_agg(tags::text)',
        'json_agg(tags)',
        'jsonb_agg(mood)',
        'json_agg(at)',
        'any_value(n)',
      ];
      const select = (calls: readonly string[]): string =>
        `SELECT g, ${calls.map((call, i) => `${call} AS x${i}`).join(', ')} FROM t GROUP BY g`;
      await client.query(`CREATE MATERIALIZED VIEW fixed AS ${select(ordered)}`);
      const notices: string[] = [];
      client.on('notice', ({ message }) => void notices.push(message ?? ''));
      await client.query(`CREATE MATERIALIZED VIEW free AS ${select(unordered)}`);
      assert.match(notices.join(), /without an ORDER BY/);
      const compare = async (): Promise<void> => {
        const want = sorted(await textRows(direct, select(ordered)));
        await eventually(async () => assert.deepEqual(sorted(await textRows(client, 'SELECT * FROM fixed')), want));
      };
      await compare();
      await direct.query(
        `BEGIN; UPDATE t SET label = label || '!', n = n + 0.001 WHERE id < 3; DELETE FROM t WHERE id = 4; INSERT INTO t (id, g, label) VALUES (7, 2, 'new'); COMMIT`,
      );
      await compare();
      const audit = await textRows(client, 'AUDIT');
      assert.deepEqual(
        audit.map((row) => row.includes('equal')),
        [true, true],
        JSON.stringify(audit),
      );
    },
  },
];
