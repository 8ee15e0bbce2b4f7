import { afterAll, beforeAll, expect, test } from 'vitest';
import { planningFixture, SHOP_DDL, type PlanningFixture } from '../catalog.fixture.ts';
import { upstreamSql, type UpstreamObject } from './upstream-sql.ts';

let shop: PlanningFixture;
beforeAll(async () => {
  shop = await planningFixture(SHOP_DDL);
  // What the upstream calls otherwise, for this test in the same database.
  await shop.catalog.exec([
    'CREATE SCHEMA "Up"',
    'CREATE TABLE "Up".purchases (id bigint PRIMARY KEY, customer_id integer NOT NULL, status order_status NOT NULL, placed_at timestamptz NOT NULL, note varchar(20), tags text[], weight float8)',
  ]);
}, 60_000);
afterAll(() => shop.close());

function objectNamed(schema: string, name: string): UpstreamObject | undefined {
  if (schema !== 'public') return undefined;
  if (name === 'open_orders' || name === 'revenue_by_region') return { kind: 'view' };
  return name === 'orders' ? { kind: 'table', schema: 'Up', name: 'purchases' } : { kind: 'table', schema, name };
}

let views = 0;
/** The text, in one line; Postgres accepts it and gives the view's own columns. */
async function upstreamOf(sql: string): Promise<string> {
  const name = `v${++views}`;
  await shop.catalog.exec(`CREATE VIEW ${name} AS ${sql}`);
  const text = await upstreamSql(shop.catalog, shop.context, { schema: 'public', name }, objectNamed);
  const { columns } = await shop.catalog.describe({ sql: text, searchPath: [] });
  const own = await shop.catalog.describe({ sql: `SELECT * FROM public.${name}`, searchPath: [] });
  const shape = (fields: typeof columns): unknown => fields!.map((field) => [field.name, field.typeOid]);
  expect(shape(columns)).toEqual(shape(own.columns));
  return text.replaceAll(/\s+/g, ' ');
}

test('a table has its own name upstream, and the alias that the text uses', async () => {
  expect(await upstreamOf(`SELECT id FROM orders WHERE status = 'new'`)).toMatchInlineSnapshot(
    `"SELECT id FROM "Up".purchases AS orders WHERE (status = 'new'::public.order_status)"`,
  );
  expect(await upstreamOf(`SELECT o.id, c.name FROM customers c JOIN orders o ON o.customer_id = c.id`)).toMatchInlineSnapshot(
    `"SELECT o.id, c.name FROM (public.customers c JOIN "Up".purchases o ON ((o.customer_id = c.id)))"`,
  );
});

test('views below are CTEs, each once', async () => {
  expect(
    await upstreamOf(`SELECT a.id FROM open_orders a JOIN open_orders b USING (id) JOIN revenue_by_region r ON r.status = b.status`),
  ).toMatchInlineSnapshot(
    `"WITH millrace_below_1 AS (SELECT id, customer_id, status, placed_at FROM "Up".purchases AS orders WHERE (status = ANY (ARRAY['new'::public.order_status, 'paid'::public.order_status]))), millrace_below_2 AS (SELECT c.region, o.status, count(*) AS lines, sum(((l.quantity)::numeric * l.price)) AS revenue FROM ((public.customers c JOIN "Up".purchases o ON ((o.customer_id = c.id))) JOIN public.order_lines l ON ((l.order_id = o.id))) GROUP BY c.region, o.status) SELECT * FROM (SELECT a.id FROM ((millrace_below_1 a JOIN millrace_below_1 b USING (id)) JOIN millrace_below_2 r ON ((r.status = b.status)))) AS millrace_view"`,
  );
});

test('the tie-break of LIMIT is written out: hidden keys, and then all columns', async () => {
  expect(
    await upstreamOf(`SELECT name, since FROM customers ORDER BY since + 1 DESC NULLS LAST, upper(name) LIMIT 3 OFFSET 1`),
  ).toMatchInlineSnapshot(
    `"SELECT millrace_top.c1 AS name, millrace_top.c2 AS since FROM (SELECT name, since, (since + 1), (upper(name)) FROM public.customers) AS millrace_top(c1, c2, k1, k2) ORDER BY millrace_top.k1 DESC NULLS LAST, millrace_top.k2, millrace_top.c1::text COLLATE "C", millrace_top.c2 OFFSET 1 LIMIT 3"`,
  );
  expect(await upstreamOf(`SELECT status, count(*) AS n FROM orders GROUP BY status ORDER BY n DESC LIMIT 2`)).toMatchInlineSnapshot(
    `"SELECT millrace_top.c1 AS status, millrace_top.c2 AS n FROM (SELECT status, count(*) AS n, (count(*)) FROM "Up".purchases AS orders GROUP BY status) AS millrace_top(c1, c2, k1) ORDER BY millrace_top.k1 DESC, millrace_top.c1, millrace_top.c2 LIMIT 2"`,
  );
});

test('LIMITs inside: of a subquery, of a CTE, of a branch of UNION, and words that only look like one', async () => {
  expect(
    await upstreamOf(`SELECT s.id, 'limit 5' AS "offset" FROM (SELECT id FROM orders ORDER BY placed_at LIMIT 5) s`),
  ).toMatchInlineSnapshot(
    `"SELECT id, 'limit 5'::text AS "offset" FROM (SELECT millrace_top.c1 AS id FROM (SELECT orders.id, orders.placed_at FROM "Up".purchases AS orders) AS millrace_top(c1, k1) ORDER BY millrace_top.k1, millrace_top.c1 LIMIT 5) s"`,
  );
  expect(
    await upstreamOf(`WITH a AS (SELECT status, count(*) AS c FROM orders GROUP BY status ORDER BY count(*) LIMIT 1) SELECT a.c FROM a`),
  ).toMatchInlineSnapshot(
    `"WITH a AS (SELECT millrace_top.c1 AS status, millrace_top.c2 AS c FROM (SELECT orders.status, count(*) AS c, (count(*)) FROM "Up".purchases AS orders GROUP BY orders.status) AS millrace_top(c1, c2, k1) ORDER BY millrace_top.k1, millrace_top.c1, millrace_top.c2 LIMIT 1 ) SELECT c FROM a"`,
  );
  expect(
    await upstreamOf(`SELECT id FROM orders UNION (SELECT id FROM customers ORDER BY city LIMIT 2) ORDER BY 1 DESC LIMIT 5`),
  ).toMatchInlineSnapshot(
    `"SELECT millrace_top.c1 AS id FROM (SELECT orders.id FROM "Up".purchases AS orders UNION (SELECT millrace_top.c1 AS id FROM (SELECT customers.id, customers.city FROM public.customers) AS millrace_top(c1, k1) ORDER BY millrace_top.k1, millrace_top.c1 LIMIT 2)) AS millrace_top(c1) ORDER BY millrace_top.c1 DESC, millrace_top.c1 LIMIT 5"`,
  );
  expect(await upstreamOf(`SELECT DISTINCT name FROM customers ORDER BY name LIMIT 5`)).toMatchInlineSnapshot(
    `"SELECT millrace_top.c1 AS name FROM (SELECT DISTINCT name, name FROM public.customers) AS millrace_top(c1, k1) ORDER BY millrace_top.k1, millrace_top.c1::text COLLATE "C" LIMIT 5"`,
  );
});
