import { existsSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPostgres, type TestPostgres } from './postgres.ts';

let pg: TestPostgres;
beforeAll(async () => {
  pg = await startPostgres();
});
afterAll(() => pg.stop());

test('a real Postgres answers, ready for logical replication', async () => {
  expect(await pg.query(`SELECT current_setting('wal_level') AS wal_level, 1 + 1 AS two`)).toEqual([{ wal_level: 'logical', two: 2 }]);
});

test('databases of every collation provider sort by their own rule', async () => {
  const order = async (database: string): Promise<unknown> =>
    (await pg.query(`SELECT string_agg(x, '' ORDER BY x) AS sorted FROM unnest('{a,B,c,D}'::text[]) x`, [], database))[0]!['sorted'];
  for (const provider of ['c', 'builtin', 'icu', 'libc'] as const) await pg.createDatabase(`db_${provider}`, { provider });
  expect(await order('db_c')).toBe('BDac');
  expect(await order('db_builtin')).toBe('BDac');
  expect(await order('db_icu')).toBe('aBcD');
  expect(await order('db_libc')).toBe('BDac');
});

test('it can be restarted with other settings, killed, and brought back; committed rows stay', async () => {
  await pg.query('CREATE TABLE kept (id int primary key); INSERT INTO kept VALUES (1)');
  await pg.restart('fast', { work_mem: '5MB' });
  expect(await pg.query('SHOW work_mem')).toEqual([{ work_mem: '5MB' }]);
  await pg.query('INSERT INTO kept VALUES (2)');
  await pg.kill();
  await pg.start();
  expect(await pg.query('SELECT count(*)::int AS n FROM kept')).toEqual([{ n: 2 }]);
});

test('stop leaves nothing behind', async () => {
  const other = await startPostgres({ initdb: { provider: 'icu' } });
  const { directory, pid } = other.server;
  expect(existsSync(directory)).toBe(true);
  await other.stop();
  expect(existsSync(directory)).toBe(false);
  expect(() => process.kill(pid!, 0)).toThrow('ESRCH');
});
