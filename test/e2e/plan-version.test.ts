/** A data directory of an earlier version: its views are planned again from their SQL at the first start, and one that cannot be says so alone. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { CatalogStore } from '../../src/engine/catalog-store.ts';
import type { Plan } from '../../src/plan/plan.ts';
import { Shop, textRows } from './shop.ts';

let shop: Shop;

beforeAll(async () => {
  shop = await Shop.open();
});

afterAll(async () => {
  await shop?.close();
});

test('views of another plan version are made again; one that cannot be is faulty, and comes back when it can', async () => {
  let client = await shop.connect();
  await shop.define(
    client,
    `CREATE MATERIALIZED VIEW by_region AS SELECT c.region, count(*) AS n FROM orders o JOIN customers c ON c.id = o.customer GROUP BY c.region`,
    `CREATE MATERIALIZED VIEW top AS SELECT * FROM by_region ORDER BY n DESC LIMIT 2`,
    `CREATE MATERIALIZED VIEW dear AS SELECT id, total FROM orders WHERE total > 90`,
  );
  const rows = async (): Promise<string[][]> => textRows(client, 'SELECT * FROM by_region ORDER BY region');
  const before = await rows();
  const sql = await rewritten({ dear: 'SELECT id, random()::numeric(10,2) AS total FROM orders' });
  expect(await rows()).toEqual(before);
  expect(await textRows(client, 'SELECT count(*) FROM top')).toEqual([['2']]);
  await expect(client.query('SELECT * FROM dear')).rejects.toMatchObject({ message: expect.stringContaining('could not be made again') });
  await rewritten({ dear: sql['dear']! });
  expect(await textRows(client, 'SELECT count(*) > 0 FROM dear')).toEqual([['t']]);
  await client.end();

  /** Stops, writes plans that nobody reads any more and other SQL, starts; the SQL before. */
  async function rewritten(texts: Readonly<Record<string, string>>): Promise<Record<string, string>> {
    await client.end().catch(() => undefined);
    await shop.millrace.kill();
    const store = new CatalogStore(shop.dataDirectory);
    const views = store.objects().filter((object) => object.kind === 'materializedView');
    const plan = { op: 'of another version' } as unknown as Plan;
    store.commit({ put: views.map((view) => ({ ...view, plan, planVersion: 1, sql: texts[view.name] ?? view.sql })) });
    await store.close();
    client = await shop.startAgain();
    return Object.fromEntries(views.map((view) => [view.name, view.sql]));
  }
});
