import { expect, test } from 'vitest';
import { session } from '../session.fixture.ts';

test('a cursor is read where it stopped, and shows its query’s columns', async () => {
  const { run, session: client } = session({ rows: [['1'], ['2'], ['3']] });
  await run('BEGIN');
  expect(await run('DECLARE c CURSOR FOR SELECT n FROM orders')).toMatchObject({ tag: 'DECLARE CURSOR', columns: null });
  expect(client.cursorColumns('c')).toMatchObject([{ name: 'n', typeOid: 23 }]);
  expect(await run('FETCH 1 FROM c')).toMatchObject({ tag: 'FETCH 1', columns: ['n'], rows: [['1']] });
  expect(await run('MOVE 1 FROM c')).toMatchObject({ tag: 'MOVE 1', columns: null });
  expect(await run('FETCH ALL FROM c')).toMatchObject({ tag: 'FETCH 1', rows: [['3']] });
  expect((await run('CLOSE c')).tag).toBe('CLOSE CURSOR');
  await expect(run('FETCH c')).rejects.toMatchObject({ code: 'CURSOR_MISSING' });
});

test('without a block it must be held; it is read with its parameters', async () => {
  const { run, asked } = session();
  await expect(run('DECLARE c CURSOR FOR SELECT n FROM orders')).rejects.toMatchObject({ code: 'CURSOR_NEEDS_BLOCK' });
  asked();
  await run('DECLARE c CURSOR WITH HOLD FOR SELECT n FROM orders WHERE a = $1', ['x']);
  expect(asked()[1]).toBe('plan SELECT n FROM orders WHERE a = $1 with ["x"]');
  expect((await run('CLOSE ALL')).tag).toBe('CLOSE CURSOR ALL');
});
