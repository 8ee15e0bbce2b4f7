import { expect, test } from 'vitest';
import { session } from '../session.fixture.ts';

test('what reads a table is planned and peeked at, what reads the catalog is run in Postgres', async () => {
  const { run, asked } = session();
  expect(await run('SELECT n FROM orders')).toMatchObject({ tag: 'SELECT 1', columns: ['n'], rows: [['1']] });
  expect(asked()).toEqual(['analyse SELECT n FROM orders', 'plan SELECT n FROM orders with []', 'engine peek']);
  await run('SELECT relname FROM pg_class');
  expect(asked()).toEqual(['analyse SELECT relname FROM pg_class', 'catalog SELECT relname FROM pg_class']);
});

test('pg_sleep alone is the session’s own', async () => {
  const { run, asked, session: client } = session();
  expect((await run('SELECT pg_sleep(0)')).rows).toEqual([['']]);
  expect(asked()).toEqual(['analyse SELECT pg_sleep(0)']);
  const slept = run('SELECT pg_sleep($1)', ['60']);
  setTimeout(() => client.cancel(), 20);
  await expect(slept).rejects.toMatchObject({ code: 'QUERY_CANCELLED' });
});

test('COPY shows rows of the engine, and none of the catalog', async () => {
  const { run } = session();
  expect((await run('COPY (SELECT n FROM orders) TO STDOUT')).result).toMatchObject({ body: { kind: 'copy', columnCount: 1 } });
  for (const sql of ['SELECT 1', 'SELECT pg_sleep(1)'])
    await expect(run(`COPY (${sql}) TO STDOUT`)).rejects.toMatchObject({ code: 'STATEMENT_UNSUPPORTED' });
});

test('SHOW: a setting, all of them, how an object was made, and lists as queries', async () => {
  const { run, asked } = session();
  expect(await run('SHOW server_version')).toMatchObject({ columns: ['server_version'], rows: [['18.6']], tag: 'SHOW' });
  expect((await run('SHOW ALL')).rows.length).toBeGreaterThan(30);
  expect((await run('SHOW CREATE SECRET pw')).rows).toEqual([['public.pw', `CREATE SECRET pw AS '********'`]]);
  expect(asked()).toEqual([]);
  await run("SHOW VIEWS LIKE 'a%'");
  expect(asked().at(-1)).toMatch(/^catalog SELECT .* WHERE name LIKE 'a%' ORDER BY name$/);
  await expect(run('SHOW COLUMNS FROM nothing')).rejects.toMatchObject({ code: 'OBJECT_MISSING' });
});

test('EXPLAIN and AUDIT need what they are about', async () => {
  const { run } = session();
  await expect(run('EXPLAIN SHOW ALL')).rejects.toMatchObject({ code: 'STATEMENT_UNSUPPORTED' });
  expect(await run('AUDIT')).toMatchObject({ rows: [], columns: ['view', 'lsn', 'state', 'exactness', 'rows', 'differences', 'detail'] });
  await expect(run('AUDIT VIEW nothing')).rejects.toMatchObject({ code: 'OBJECT_MISSING' });
});
