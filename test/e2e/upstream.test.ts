/** What happens to the upstream while Millrace runs: it restarts, is killed, loses its publication or our slot. Old rows are served, and `millrace.sources` says what to do. */
import type pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, ORDERS, refusal, runMillrace, Shop, textRows } from './shop.ts';

let shop: Shop;
let client: pg.Client;

beforeAll(async () => {
  shop = await Shop.open();
  client = await shop.connect();
  await shop.define(client, `CREATE MATERIALIZED VIEW all_orders AS SELECT count(*) AS n, sum(total) AS total FROM orders`);
  expect(await textRows(client, 'SELECT n FROM all_orders')).toEqual([[String(ORDERS)]]);
});

afterAll(async () => {
  await client?.end();
  await shop?.close();
});

interface Source {
  readonly status: string;
  readonly error: string | null;
  readonly hint: string | null;
}

async function source(): Promise<Source> {
  return (await client.query<Source>('SELECT status, error, hint FROM millrace.sources')).rows[0]!;
}

/** The view equals the upstream, soon. */
async function rightAgain(): Promise<void> {
  const [wanted] = await shop.oracle('SELECT count(*), sum(total) FROM orders');
  await eventually(
    () => textRows(client, 'TABLE all_orders'),
    ([row]) => row!.join() === wanted!.join(),
    20_000,
  );
  expect(await eventually(source, ({ status }) => status === 'running')).toEqual({ status: 'running', error: null, hint: null });
}

test('our slot is dropped behind our back: a typed refusal, old rows are served, and it is said what to do', async () => {
  const [row] = await shop.upstream<{ slot_name: string }>('SELECT slot_name FROM pg_replication_slots');
  const rows = await textRows(client, 'TABLE all_orders');
  // Terminated and waited for; then there is a quarter of a second before Millrace is back.
  await eventually(
    () =>
      shop.upstream(
        `SELECT pg_terminate_backend(active_pid, 1000) FROM pg_replication_slots WHERE active_pid IS NOT NULL; SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots`,
      ),
    () => true,
  );
  const failed = await eventually(source, ({ error }) => error?.includes(row!.slot_name) === true);
  expect(failed.status).toBe('failed');
  expect(failed.hint).toBeTruthy();
  expect(await textRows(client, 'TABLE all_orders')).toEqual(rows);
  // Nothing was made again behind the user's back.
  expect(await shop.upstream('SELECT slot_name FROM pg_replication_slots')).toEqual([]);
  client = await shop.startAgain();
  expect(await textRows(client, 'TABLE all_orders')).toEqual(rows);
  await eventually(source, ({ status }) => status === 'failed');
  // The way out that is named: the source anew.
  await shop.upstream('CREATE PUBLICATION again FOR TABLE orders');
  await client.query('DROP SOURCE shop CASCADE');
  await client.query(`CREATE SOURCE shop FROM POSTGRES CONNECTION shop (PUBLICATION 'again') FOR ALL TABLES`);
  await client.query('CREATE MATERIALIZED VIEW all_orders AS SELECT count(*) AS n, sum(total) AS total FROM orders');
  await rightAgain();
});

test.each([
  ['restarted', () => shop.postgres.restart('fast')],
  ['restarted in a hurry', () => shop.postgres.restart('immediate')],
])('the upstream is %s', async (_, happen) => {
  await shop.upstream(`INSERT INTO orders SELECT max(id) + 1, 1, 1, 'new' FROM orders`);
  await happen();
  await shop.upstream(`INSERT INTO orders SELECT max(id) + 1, 1, 1, 'new' FROM orders`);
  await rightAgain();
});

test('the upstream is killed and stays away for a while: old rows are served, and it is said', async () => {
  const rows = await textRows(client, 'TABLE all_orders');
  await shop.postgres.kill();
  const stalled = await eventually(source, ({ status }) => status === 'stalled');
  expect(stalled.error).toBeTruthy();
  expect(await textRows(client, 'TABLE all_orders')).toEqual(rows);
  // What needs the upstream says that it is not there.
  await client.query(`SET real_time_recency = true; SET real_time_recency_timeout = '500ms'`);
  const refused = await refusal(client.query('TABLE all_orders'));
  expect(refused.code).toMatch(/^(08\d\d\d|57014|55000)$/);
  await client.query('RESET ALL');
  expect((await runMillrace('audit', shop.millrace.url)).code).toBe(2);
  // A restart of ours meanwhile finds its rows, too.
  client = await shop.startAgain();
  expect(await textRows(client, 'TABLE all_orders')).toEqual(rows);
  await shop.postgres.start();
  await shop.upstream('DELETE FROM orders WHERE id < 11');
  await rightAgain();
  expect((await runMillrace('audit', shop.millrace.url)).code).toBe(0);
});

test('connections cut by an administrator are made again', async () => {
  await shop.upstream(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'millrace' OR backend_type = 'walsender'`);
  await shop.upstream('UPDATE orders SET total = total + 1 WHERE id < 30');
  await rightAgain();
});

test('a password that was rotated upstream: refused by name, with the statement that brings the new one', async () => {
  await shop.upstream(
    `ALTER ROLE millrace PASSWORD 'rotated'; SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'millrace'`,
  );
  const stalled = await eventually(source, ({ error }) => error?.includes('password') === true);
  expect(stalled.hint).toContain('ALTER SECRET');
  await shop.upstream('UPDATE orders SET total = total + 1 WHERE id = 40');
  await client.query(`ALTER SECRET pgpass AS 'rotated'`);
  await rightAgain();
  expect(await refusal(client.query(`ALTER SECRET nothing AS 'x'`))).toMatchObject({ code: '42P01' });
});

test('the publication is dropped: said with the statement that makes it again', async () => {
  await shop.upstream('DROP PUBLICATION again');
  await shop.upstream('UPDATE orders SET total = total + 1 WHERE id = 50');
  const failed = await eventually(source, ({ error }) => error?.includes('publication "again"') === true);
  expect(failed.hint).toContain('CREATE PUBLICATION');
  expect(await textRows(client, 'SELECT count(*) FROM all_orders')).toEqual([['1']]);
}, 40_000);
