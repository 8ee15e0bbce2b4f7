import { expect, test } from 'vitest';
import { ClientsMemory } from '../base/client-memory.ts';
import type { Result } from '../server/session.ts';
import { Cursors } from './cursors.ts';
import { batchesOf, textColumns, textRows } from './literal-result.ts';

const columns = textColumns('a');
const rows =
  (...batches: string[][]) =>
  (): Promise<Result> =>
    Promise.resolve({
      notices: [],
      body: { kind: 'rows', batches: batchesOf(batches.map((values) => textRows(values.map((value) => [value])))) },
      tag: () => '',
    });

test('rows are fetched in order, over the edges of batches, and held until then', async () => {
  const memory = new ClientsMemory().session();
  const cursors = new Cursors(memory);
  await cursors.declare('c', true, false, columns, rows(['1', '2', '3'], ['4'], ['5', '6']));
  const whole = textRows(['1', '2', '3', '4', '5', '6'].map((value) => [value])).bytes;
  expect(memory.held('cursors')).toBe(whole.length);
  const parts = [2, 3, 0, 5].map((count) => cursors.fetch('c', count));
  expect(parts.map((part) => part.rows)).toEqual([2, 3, 0, 1]);
  expect(Buffer.concat(parts.map((part) => part.bytes))).toEqual(Buffer.from(whole));
  expect(memory.held('cursors')).toBe(0);
  expect(cursors.fetch('c', Infinity).rows).toBe(0);
});

test('what is too much is refused, and nothing of it stays', async () => {
  const memory = new ClientsMemory(1_000, 100).session();
  const cursors = new Cursors(memory);
  await cursors.declare('small', true, false, columns, rows(['x'.repeat(50)]));
  await expect(cursors.declare('large', true, false, columns, rows(['x'.repeat(20)], ['x'.repeat(20)]))).rejects.toMatchObject({
    code: 'SESSION_MEMORY_EXHAUSTED',
    hint: 'CLOSE ALL;',
  });
  cursors.close(undefined);
  expect(memory.bytes).toBe(0);
  await cursors.declare('large', false, true, columns, rows(['x'.repeat(20)], ['x'.repeat(20)]));
  cursors.endBlock(true);
  expect(memory.bytes).toBe(0);
});
