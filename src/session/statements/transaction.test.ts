import { expect, test } from 'vitest';
import { session } from '../session.fixture.ts';

test('a block reads one tick, from its first read to its end', async () => {
  const { run, asked, session: client } = session();
  expect([(await run('BEGIN')).tag, client.transactionStatus]).toEqual(['BEGIN', 'T']);
  await run('SELECT n FROM orders');
  await run('SELECT n FROM orders');
  expect((await run('COMMIT')).tag).toBe('COMMIT');
  expect(asked().filter((what) => what.startsWith('engine'))).toEqual([
    'engine openSnapshot',
    'engine peek',
    'engine peek',
    'engine closeSnapshot',
  ]);
  expect(client.transactionStatus).toBe('I');
});

test('in a failed block nothing but its end is heard', async () => {
  const { run, session: client } = session();
  await run('BEGIN');
  await expect(run('SHOW nothing_such')).rejects.toMatchObject({ code: 'SETTING_UNKNOWN' });
  expect(client.transactionStatus).toBe('E');
  await expect(run('SELECT n FROM orders')).rejects.toMatchObject({ code: 'TRANSACTION_ABORTED' });
  expect([(await run('COMMIT')).tag, client.transactionStatus]).toEqual(['ROLLBACK', 'I']);
});

test('ROLLBACK TO takes back a failure and settings', async () => {
  const { run, session: client } = session();
  await run('BEGIN');
  await run('SAVEPOINT a');
  await run("SET statement_timeout = '5s'");
  await expect(run('FETCH 1 FROM nobody')).rejects.toMatchObject({ code: 'CURSOR_MISSING' });
  expect([(await run('ROLLBACK TO a')).tag, client.transactionStatus]).toEqual(['ROLLBACK', 'T']);
  expect((await run('SHOW statement_timeout')).rows).toEqual([['30000ms']]);
  expect((await run('RELEASE SAVEPOINT a')).tag).toBe('RELEASE');
  await run('ROLLBACK');
  await expect(run('SAVEPOINT a')).rejects.toMatchObject({ code: 'SAVEPOINT_NEEDS_BLOCK' });
});

test('what drivers send twice or too late is only warned about', async () => {
  const { run } = session();
  expect((await run('COMMIT')).result.notices).toMatchObject([{ sqlstate: '25P01' }]);
  await run('BEGIN');
  expect((await run('BEGIN')).result.notices).toMatchObject([{ sqlstate: '25001' }]);
});

test('definitions are refused in a block, with their first words', async () => {
  const { run } = session();
  await run('BEGIN');
  await expect(run("CREATE SECRET s AS 'x'")).rejects.toMatchObject({
    code: 'DDL_IN_TRANSACTION',
    message: expect.stringContaining('CREATE SECRET') as string,
  });
});
