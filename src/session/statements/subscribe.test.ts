import { expect, test } from 'vitest';
import { session } from '../session.fixture.ts';

test('it is analysed once and planned once, and seen by others until it ends', async () => {
  const { session: client, asked } = session();
  const prepared = await client.prepare('SUBSCRIBE (SELECT n FROM orders) WITH (PROGRESS)', []);
  expect(prepared.columns?.map(({ name }) => name)).toEqual(['mz_timestamp', 'mz_progressed', 'mz_diff', 'n']);
  const result = await client.execute(prepared, [], [], []);
  expect(asked()).toEqual(['analyse SELECT n FROM orders', 'plan view SELECT n FROM orders', 'engine subscribe']);
  expect([client.subscription?.query, result.tag(2)]).toEqual(['SELECT n FROM orders', 'SUBSCRIBE 2']);
  if (result.body.kind !== 'none') for await (const { rows } of result.body.batches) expect(rows).toBe(1);
  expect(client.subscription).toBeUndefined();
});

test('COPY of it is analysed once, too', async () => {
  const { run, asked } = session();
  expect((await run('COPY (SUBSCRIBE (SELECT n FROM orders)) TO STDOUT')).tag).toBe('COPY 1');
  expect(asked()).toEqual(['analyse SELECT n FROM orders', 'plan view SELECT n FROM orders', 'engine subscribe']);
});

test('not in a block, and not to what never changes', async () => {
  const { run } = session();
  await expect(run('SUBSCRIBE (SELECT 1)')).rejects.toMatchObject({ code: 'STATEMENT_UNSUPPORTED' });
  await run('BEGIN');
  await expect(run('SUBSCRIBE (SELECT n FROM orders)')).rejects.toMatchObject({ code: 'STATEMENT_UNSUPPORTED' });
});
