import { expect, test } from 'vitest';
import { session } from '../session.fixture.ts';

test('SET reports what clients are told of; SET LOCAL ends with its block', async () => {
  const { run } = session();
  expect((await run("SET application_name = 'a'")).result.parameters).toEqual(new Map([['application_name', 'a']]));
  await run('BEGIN');
  await run("SET LOCAL application_name = 'b'");
  expect((await run('SHOW application_name')).rows).toEqual([['b']]);
  await run('COMMIT');
  expect((await run('SHOW application_name')).rows).toEqual([['a']]);
  expect((await run('RESET application_name')).tag).toBe('RESET');
  expect((await run('SHOW application_name')).rows).toEqual([['']]);
});

test('set_config in a query sets the session, before the query runs', async () => {
  const { run, asked } = session();
  const { result } = await run("SELECT set_config('search_path', 'shop', false)");
  expect([(await run('SHOW search_path')).rows, result.parameters?.get('TimeZone')]).toEqual([[['shop']], 'UTC']);
  expect(asked().every((what) => !what.includes('set_config'))).toBe(true);
});

test('DISCARD ALL lets go of everything that the session holds', async () => {
  const { run, session: client } = session({ startup: { application_name: 'mine' } });
  await run("SET application_name = 'other'");
  await run('PREPARE p AS SELECT n FROM orders');
  await run('DECLARE c CURSOR WITH HOLD FOR SELECT n FROM orders');
  expect((await run('DISCARD ALL')).result.deallocates).toEqual({});
  expect([client.applicationName, client.memory.bytes]).toEqual(['mine', 0]);
  await expect(run('EXECUTE p')).rejects.toMatchObject({ code: 'PREPARED_STATEMENT_MISSING' });
});

test('what drivers send is accepted without effect', async () => {
  const { run, asked } = session();
  expect([(await run('LISTEN a')).tag, (await run('')).tag, asked()]).toEqual(['LISTEN', '', []]);
});
