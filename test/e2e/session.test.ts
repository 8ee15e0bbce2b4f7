/** The documented session, as a user meets it: definitions, SHOW, SELECT, psql's \d, DROP. */
import { existsSync } from 'node:fs';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CUSTOMERS, eventually, ORDERS, PASSWORD, pause, refusal, run, Shop, textRows } from './shop.ts';

const PSQL = '/usr/bin/psql';

let shop: Shop;
let client: pg.Client;

beforeAll(async () => {
  shop = await Shop.open();
  client = await shop.connect();
});

afterAll(async () => {
  await client?.end();
  await shop?.close();
});

/** A statement's names in its first column. */
async function names(sql: string): Promise<string[]> {
  return (await textRows(client, sql)).map(([name]) => name!);
}

describe('definitions', () => {
  test('a source of some tables, one under a name of ours', async () => {
    await client.query(`CREATE SECRET pgpass AS '${PASSWORD}'`);
    await client.query(shop.connection());
    await client.query(
      `CREATE SOURCE shop FROM POSTGRES CONNECTION shop (PUBLICATION 'mz_source') FOR TABLES (customers, public.orders AS purchases)`,
    );
    expect(await names('SHOW TABLES')).toEqual(['customers', 'purchases']);
    expect(await textRows(client, 'SELECT count(*) FROM customers')).toEqual([[String(CUSTOMERS)]]);
    expect(await textRows(client, 'SELECT count(*) FROM purchases')).toEqual([[String(ORDERS)]]);
  });

  test('a table that is added while writes go on', async () => {
    const state = { writing: true };
    const writer = (async () => {
      for (let id = 1_000; state.writing; id++) {
        await shop.upstream(
          `BEGIN; INSERT INTO notes VALUES (${id}, 'written'); UPDATE notes SET text = 'touched ${id}' WHERE id = ${id % 500}; DELETE FROM notes WHERE id = ${id - 20}; COMMIT`,
        );
        await pause(2);
      }
    })();
    try {
      await pause(50);
      await client.query('CREATE TABLE jottings FROM SOURCE shop (REFERENCE public.notes)');
      await client.query('CREATE MATERIALIZED VIEW touched AS SELECT count(*) AS notes, min(id) AS first, max(text) AS last FROM jottings');
      await pause(200);
    } finally {
      state.writing = false;
      await writer;
    }
    await client.query('SET real_time_recency = true');
    const wanted = await shop.oracle('SELECT count(*), min(id), max(text) FROM notes');
    expect(await textRows(client, 'TABLE touched')).toEqual(wanted);
    expect(await textRows(client, 'SELECT count(*), min(id), max(text) FROM jottings')).toEqual(wanted);
    expect(await textRows(client, 'SELECT * FROM jottings ORDER BY id')).toEqual(await shop.oracle('SELECT * FROM notes ORDER BY id'));
    await client.query('RESET real_time_recency');
  });

  test('a view, a view on a view, materialized views on both and on each other, an index', async () => {
    await client.query('CREATE TABLE ratios FROM SOURCE shop (REFERENCE ratios)');
    await client.query('CREATE VIEW dear AS SELECT * FROM purchases WHERE total > 50');
    await client.query(
      'CREATE VIEW dear_named AS SELECT d.id, c.name, c.region, d.total FROM dear d JOIN customers c ON c.id = d.customer',
    );
    await client.query(`CREATE MATERIALIZED VIEW revenue AS
      SELECT c.region, count(*) AS orders, sum(p.total) AS revenue FROM purchases p JOIN customers c ON c.id = p.customer GROUP BY c.region`);
    await client.query('CREATE MATERIALIZED VIEW best AS SELECT * FROM revenue ORDER BY revenue DESC LIMIT 2');
    await client.query('CREATE MATERIALIZED VIEW dear_by_name (who, how_many) AS SELECT name, count(*) FROM dear_named GROUP BY name');
    await client.query('CREATE INDEX revenue_region ON revenue (region)');
    await client.query('CREATE DEFAULT INDEX ON best');
    const revenue = `SELECT c.region, count(*), sum(o.total) FROM orders o JOIN customers c ON c.id = o.customer GROUP BY c.region`;
    expect(await textRows(client, 'SELECT * FROM revenue ORDER BY region')).toEqual(await shop.oracle(`${revenue} ORDER BY 1`));
    expect(await textRows(client, 'SELECT * FROM best ORDER BY revenue DESC')).toEqual(
      await shop.oracle(`${revenue} ORDER BY 3 DESC LIMIT 2`),
    );
    expect(await textRows(client, 'SELECT sum(how_many) FROM dear_by_name')).toEqual(
      await shop.oracle('SELECT count(*) FROM orders WHERE total > 50'),
    );
    expect(await textRows(client, 'SELECT count(*) FROM dear_named')).toEqual(
      await shop.oracle('SELECT count(*) FROM orders WHERE total > 50'),
    );
  });

  test('IF NOT EXISTS leaves what is there, and says so; without it the name is taken', async () => {
    const notices: string[] = [];
    client.on('notice', (notice) => notices.push(notice.message ?? ''));
    await client.query('CREATE VIEW IF NOT EXISTS dear AS SELECT 1 AS other FROM customers');
    expect(notices).toEqual(['view "dear" already exists, skipping']);
    client.removeAllListeners('notice');
    expect(await refusal(client.query('CREATE VIEW dear AS SELECT 1 AS other FROM customers'))).toMatchObject({ code: '42P07' });
  });

  test('a view that is not exact says so when it is made, and is refused where exactness is required', async () => {
    const notices: string[] = [];
    client.on('notice', (notice) => notices.push(notice.message ?? ''));
    await client.query('CREATE MATERIALIZED VIEW floating AS SELECT sum(total::float8) AS total FROM purchases');
    expect(notices.join()).toContain('float');
    client.removeAllListeners('notice');
    expect(await textRows(client, `SELECT exactness FROM millrace.views WHERE name = 'floating'`)).toEqual([['float_aggregate']]);
    await client.query('SET require_exact = on');
    expect(await refusal(client.query('CREATE MATERIALIZED VIEW floating2 AS SELECT avg(total::float8) FROM purchases'))).toMatchObject({
      code: '0A000',
    });
    await client.query('RESET require_exact');
    await client.query('DROP MATERIALIZED VIEW floating');
  });
});

describe('SHOW and EXPLAIN', () => {
  test.each([
    ['SHOW SECRETS', ['pgpass']],
    ['SHOW CONNECTIONS', ['shop']],
    ['SHOW SOURCES', ['shop']],
    ['SHOW TABLES', ['customers', 'jottings', 'purchases', 'ratios']],
    ["SHOW TABLES LIKE 'c%'", ['customers']],
    ['SHOW VIEWS', ['dear', 'dear_named']],
    ['SHOW MATERIALIZED VIEWS', ['best', 'dear_by_name', 'revenue', 'touched']],
    ['SHOW INDEXES', ['best_primary_idx', 'revenue_region']],
    ['SHOW INDEXES ON revenue', ['revenue_region']],
    ['SHOW COLUMNS FROM revenue', ['region', 'orders', 'revenue']],
    ['SHOW DATABASES', ['millrace']],
    ['SHOW timezone', ['UTC']],
  ])('%s', async (sql, wanted) => {
    expect(await names(sql)).toEqual(wanted);
  });

  test('SHOW ALL, SHOW OBJECTS and SHOW SCHEMAS list', async () => {
    expect(await names('SHOW ALL')).toContain('statement_timeout');
    expect(await names('SHOW OBJECTS')).toEqual(expect.arrayContaining(['pgpass', 'shop', 'dear', 'revenue', 'revenue_region']));
    expect(await names('SHOW SCHEMAS')).toEqual(expect.arrayContaining(['public', 'millrace', 'pg_catalog']));
  });

  test.each([
    ['SHOW CREATE SECRET pgpass', /^CREATE SECRET pgpass AS '\*+'$/],
    ['SHOW CREATE CONNECTION shop', /PASSWORD SECRET pgpass/],
    ['SHOW CREATE SOURCE shop', /PUBLICATION 'mz_source'/],
    ['SHOW CREATE TABLE purchases', /^CREATE TABLE public\.purchases FROM SOURCE shop \(REFERENCE public\.orders\)$/],
    ['SHOW CREATE VIEW dear', /^CREATE VIEW dear AS/],
    ['SHOW CREATE MATERIALIZED VIEW revenue', /^CREATE MATERIALIZED VIEW revenue AS/],
    ['SHOW CREATE INDEX revenue_region', /ON revenue \(region\)$/],
  ])('%s', async (sql, wanted) => {
    const [[, created]] = (await textRows(client, sql)) as [string[]];
    expect(created).toMatch(wanted);
  });

  test('a secret is nowhere to be read', async () => {
    const everything = await textRows(client, 'SELECT create_sql FROM millrace.objects');
    expect(everything.flat().join()).not.toContain(PASSWORD);
  });

  test('EXPLAIN tells the plan and its exactness', async () => {
    const plan = (await names(`EXPLAIN SELECT region, sum(revenue) FROM revenue WHERE region <> 'south' GROUP BY region`)).join('\n');
    expect(plan).toMatch(/Aggregate[^]*Filter[^]*Scan revenue[^]*Exactness: exact/);
    expect((await names('EXPLAIN CREATE MATERIALIZED VIEW x AS SELECT sum(total::float8) FROM purchases')).join()).toContain(
      'Exactness: float_aggregate',
    );
  });
});

describe('SELECT', () => {
  test.each([
    `SELECT id, total FROM orders WHERE total BETWEEN 90 AND 96 AND state = 'paid' ORDER BY total DESC, id LIMIT 7 OFFSET 2`,
    `SELECT o.id, c.name FROM orders o LEFT JOIN customers c ON c.id = o.customer + 299 WHERE o.id < 20 ORDER BY o.id`,
    `SELECT c.region, o.state, count(*), avg(o.total), min(o.total), max(c.name) FROM orders o JOIN customers c ON c.id = o.customer GROUP BY 1, 2 HAVING count(*) > 100 ORDER BY 1, 2`,
    `SELECT count(*) FILTER (WHERE state = 'new'), count(DISTINCT customer), sum(total)::text FROM orders`,
    `SELECT DISTINCT region FROM customers ORDER BY region`,
    `SELECT id FROM orders WHERE id < 4 UNION ALL SELECT id FROM customers WHERE id < 4 ORDER BY id`,
    `SELECT upper(name) || '!' AS loud, length(name), CASE WHEN id % 2 = 0 THEN 'even' END FROM customers WHERE id IN (1, 2, 30) ORDER BY id`,
    `WITH regional AS (SELECT region, count(*) AS n FROM customers GROUP BY region) SELECT * FROM regional ORDER BY region`,
    `SELECT md5(name), regexp_replace(name, '[aeiou]', '_', 'g') FROM customers WHERE id = 7`,
  ])('%s', async (sql) => {
    expect(await textRows(client, sql.replaceAll('orders', 'purchases'))).toEqual(await shop.oracle(sql));
  });

  test('parameters, and their types as Postgres infers them', async () => {
    const sql = 'SELECT id, total FROM purchases WHERE customer = $1 AND total > $2 ORDER BY id LIMIT $3';
    expect(await textRows(client, sql, [5, '20.5', 3])).toEqual(
      await shop.oracle('SELECT id, total FROM orders WHERE customer = 5 AND total > 20.5 ORDER BY id LIMIT 3'),
    );
    expect(await textRows(client, 'SELECT id FROM customers WHERE id = ANY ($1) ORDER BY id', [[3, 1, 2]])).toEqual([['1'], ['2'], ['3']]);
    expect(await textRows(client, 'SELECT count(*) FROM customers WHERE $1::text IS NULL OR region = $1', [null])).toEqual([['300']]);
  });

  test('node-postgres reads types as from Postgres', async () => {
    const { rows, fields } = await client.query('SELECT id, total, state, customer = 5 AS five FROM purchases WHERE id = 4');
    expect(rows).toEqual([{ id: 4, total: '4.50', state: 'paid', five: true }]);
    expect(fields.map((field) => field.dataTypeID).slice(0, 2)).toEqual([23, 1700]);
  });

  test('named prepared statements, of the protocol and of SQL', async () => {
    const named = { name: 'by region', text: 'SELECT orders::int AS n FROM revenue WHERE region = $1' };
    for (const region of ['north', 'south', 'north'])
      expect((await client.query({ ...named, values: [region] })).rows).toEqual([
        {
          n: Number(
            (
              await shop.oracle(`SELECT count(*) FROM orders WHERE (SELECT region FROM customers WHERE id = customer) = '${region}'`)
            )[0]![0],
          ),
        },
      ]);
    await client.query('PREPARE one (text) AS SELECT region FROM revenue WHERE region = $1');
    expect(await textRows(client, `EXECUTE one ('east')`)).toEqual([['east']]);
    await client.query('DEALLOCATE one');
    expect(await refusal(client.query(`EXECUTE one ('east')`))).toMatchObject({ code: '26000' });
  });

  test('an index look-up finds its rows and no others', async () => {
    expect(await names(`SELECT region FROM revenue WHERE region = 'east'`)).toEqual(['east']);
    expect(await names(`SELECT region FROM revenue WHERE region = 'nowhere'`)).toEqual([]);
  });

  test('several statements in one message, and what failed ends the rest', async () => {
    const results = (await client.query(
      'SELECT 1 AS a; SELECT region FROM revenue WHERE orders > 0 ORDER BY 1 LIMIT 1',
    )) as unknown as pg.QueryResult[];
    expect(results.map((result) => result.rows)).toEqual([[{ a: 1 }], [{ region: 'east' }]]);
    expect(await refusal(client.query('SELECT 1; SELECT * FROM nothing; SELECT 2'))).toMatchObject({ code: '42P01' });
  });

  test('questions to the catalog are answered by Postgres itself', async () => {
    expect(
      await names(`SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_name = 'purchases'`),
    ).toEqual(['purchases']);
    expect(await names(`SELECT 'revenue'::regclass::text`)).toEqual(['revenue']);
    expect(await names(`SELECT version()`)).toEqual([expect.stringContaining('PostgreSQL')]);
  });

  test('the status relations say what is going on', async () => {
    expect(await textRows(client, `SELECT name, status, error FROM millrace.sources`)).toEqual([['shop', 'running', null]]);
    expect(await textRows(client, `SELECT name, status, rows FROM millrace.tables WHERE name = 'customers'`)).toEqual([
      ['customers', 'running', '300'],
    ]);
    expect(await textRows(client, `SELECT name, exactness, status, rows, error_rows FROM millrace.views WHERE name = 'revenue'`)).toEqual([
      ['revenue', 'exact', 'running', '3', '0'],
    ]);
    await eventually(
      () => textRows(client, 'SELECT behind_bytes FROM millrace.lag'),
      ([row]) => row?.[0] === '0',
    );
  });
});

test.skipIf(!existsSync(PSQL))(`${PSQL} (where it is installed) describes a table, a view and a materialized view`, async () => {
  const psql = (...commands: string[]): Promise<{ code: number | null; stdout: string; stderr: string }> =>
    run(PSQL, [
      '-X',
      '-h',
      '127.0.0.1',
      '-p',
      String(shop.millrace.port),
      '-U',
      'millrace',
      ...commands.flatMap((one) => ['-c', one]),
      'millrace',
    ]);
  const [table, view, materialized, lists] = await Promise.all([
    psql(String.raw`\d purchases`, String.raw`\d+ purchases`),
    psql(String.raw`\d dear`, String.raw`\d+ dear`),
    psql(String.raw`\d revenue`, String.raw`\d+ revenue`),
    psql(
      String.raw`\d`,
      String.raw`\dt`,
      String.raw`\dv`,
      String.raw`\dm`,
      String.raw`\di`,
      String.raw`\dn`,
      String.raw`\dT`,
      String.raw`\df nothing`,
      String.raw`\du`,
    ),
  ]);
  expect([table.stderr, view.stderr, materialized.stderr, lists.stderr]).toEqual(['', '', '', '']);
  expect(table.stdout).toMatch(
    /Table "public\.purchases"[^]*total +\| numeric\(10,2\)[^]*state +\| order_state[^]*"purchases_pkey" PRIMARY KEY, btree \(id\)/,
  );
  expect(view.stdout).toMatch(/View "public\.dear"[^]*total +\| numeric\(10,2\)[^]*View definition:[^]*FROM purchases/);
  expect(materialized.stdout).toMatch(
    /Materialized view "public\.revenue"[^]*orders +\| bigint[^]*"revenue_region" btree \(region\)[^]*View definition:/,
  );
  expect(lists.stdout).toMatch(/purchases +\| table[^]*revenue +\| materialized view/);
});

describe('DROP', () => {
  test('RESTRICT is the default and names what depends; CASCADE takes it along', async () => {
    const refused = await refusal(client.query('DROP VIEW dear'));
    expect(refused).toMatchObject({ code: '2BP01' });
    expect(refused.detail).toContain('dear_named');
    expect(await refusal(client.query('DROP TABLE purchases RESTRICT'))).toMatchObject({ code: '2BP01' });
    expect(await refusal(client.query('DROP SECRET pgpass'))).toMatchObject({ code: '2BP01' });
    await client.query('DROP VIEW dear CASCADE');
    expect(await names('SHOW VIEWS')).toEqual([]);
    expect(await names('SHOW MATERIALIZED VIEWS')).toEqual(['best', 'revenue', 'touched']);
    expect(await refusal(client.query('SELECT * FROM dear_by_name'))).toMatchObject({ code: '42P01' });
  });

  test('an index, a table, IF EXISTS, the wrong kind', async () => {
    await client.query('DROP INDEX revenue_region');
    expect(await names('SHOW INDEXES ON revenue')).toEqual([]);
    expect(await refusal(client.query('DROP VIEW revenue'))).toMatchObject({ code: '42809' });
    expect(await refusal(client.query('DROP TABLE nothing'))).toMatchObject({ code: '42P01' });
    await client.query('DROP TABLE IF EXISTS nothing');
    await client.query('DROP TABLE jottings CASCADE');
    expect(await names('SHOW TABLES')).toEqual(['customers', 'purchases', 'ratios']);
    // And it can come back.
    await client.query('CREATE TABLE jottings FROM SOURCE shop (REFERENCE public.notes)');
    expect(await textRows(client, 'SELECT count(*) FROM jottings')).toEqual(await shop.oracle('SELECT count(*) FROM notes'));
  });

  test('a source goes with its tables and views, and leaves no slot behind; another one can follow', async () => {
    await client.query('DROP SOURCE shop CASCADE');
    expect(await names('SHOW OBJECTS')).toEqual(['pgpass', 'shop']);
    expect(await shop.upstream('SELECT slot_name FROM pg_replication_slots')).toEqual([]);
    await client.query(`CREATE SOURCE again FROM POSTGRES CONNECTION shop (PUBLICATION 'mz_source') FOR ALL TABLES`);
    expect(await names('SHOW TABLES')).toEqual(['customers', 'notes', 'orders', 'ratios']);
    await client.query('CREATE MATERIALIZED VIEW counted AS SELECT count(*) AS n FROM orders');
    expect(await textRows(client, 'TABLE counted')).toEqual([[String(ORDERS)]]);
    await client.query('DROP SOURCE again CASCADE');
    await client.query('DROP CONNECTION shop');
    await client.query('DROP SECRET pgpass');
    expect(await names('SHOW OBJECTS')).toEqual([]);
  });
});
