import { expect, test } from 'vitest';
import { session } from '../session.fixture.ts';

test('PREPARE analyses, EXECUTE plans with its arguments as Bind would bring them', async () => {
  const { run, asked } = session();
  expect((await run('PREPARE p AS SELECT n FROM orders WHERE a = $1 AND b = $2 AND c = $3')).tag).toBe('PREPARE');
  expect(asked()).toEqual(['analyse SELECT n FROM orders WHERE a = $1 AND b = $2 AND c = $3']);
  const { tag, columns, rows } = await run("EXECUTE p ('it''s', NULL, 7)");
  expect({ tag, columns, rows }).toEqual({ tag: 'SELECT 1', columns: ['n'], rows: [['1']] });
  expect(asked()[0]).toMatch(/^plan .* with \["it's",null,"7"\]$/);
});

test('a name is used once; what it held is given back', async () => {
  const { run, session: client } = session();
  await run('PREPARE p AS SELECT n FROM orders');
  expect(client.memory.held('prepared statements')).toBeGreaterThan(1_000);
  await expect(run('PREPARE p AS SELECT 1')).rejects.toMatchObject({ code: 'PREPARED_STATEMENT_EXISTS' });
  expect((await run('DEALLOCATE p')).result.deallocates).toBeUndefined();
  expect(client.memory.bytes).toBe(0);
});

test('DEALLOCATE of what Parse made is the protocol server’s', async () => {
  const { run } = session();
  expect((await run('DEALLOCATE s1')).result.deallocates).toEqual({ name: 's1' });
  expect((await run('DEALLOCATE ALL')).result.deallocates).toEqual({});
});
