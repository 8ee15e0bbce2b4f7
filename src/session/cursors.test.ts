import { expect, test } from 'vitest';
import { ClientsMemory } from '../base/client-memory.ts';
import type { Result } from '../server/session.ts';
import { Cursors } from './cursors.ts';
import { batchesOf, textColumns, textRows } from './results/literal-result.ts';

const columns = textColumns('a');
const rows =
  (...batches: string[][]) =>
  (): Promise<Result> =>
    Promise.resolve({
      notices: [],
      body: { kind: 'rows', batches: batchesOf(batches.map((values) => textRows(values.map((value) => [value])))) },
      tag: () => '',
    });

async function fetched(cursors: Cursors, count: number): Promise<{ rows: number; bytes: Buffer }> {
  const parts: Uint8Array[] = [];
  let sum = 0;
  for await (const batch of cursors.fetch('c', count, () => undefined).batches) {
    parts.push(batch.bytes);
    sum += batch.rows;
  }
  return { rows: sum, bytes: Buffer.concat(parts) };
}

test('rows are fetched in order, over the edges of batches; what waits is the rest of one batch', async () => {
  const memory = new ClientsMemory().session();
  const cursors = new Cursors(memory);
  await cursors.declare('c', true, false, columns, rows(['1', '2', '3'], ['4'], ['5', '6', '7']));
  const whole = textRows(['1', '2', '3', '4', '5', '6'].map((value) => [value])).bytes;
  const parts = [];
  const held = [];
  for (const count of [2, 3, 0, 1]) {
    parts.push(await fetched(cursors, count));
    held.push(memory.held('cursors'));
  }
  expect(parts.map((part) => part.rows)).toEqual([2, 3, 0, 1]);
  expect(Buffer.concat(parts.map((part) => part.bytes))).toEqual(Buffer.from(whole));
  expect(held).toEqual([12, 24, 24, 12]);
  expect(await cursors.move('c', Infinity, () => undefined)).toBe(1);
  expect([(await fetched(cursors, Infinity)).rows, memory.bytes]).toEqual([0, 0]);
});

test('a cursor that is closed gives up its result, also in the midst of a FETCH', async () => {
  const memory = new ClientsMemory().session();
  const cursors = new Cursors(memory);
  let isEnded = false;
  const endless = async function* () {
    try {
      for (;;) yield textRows([['1'], ['2']]);
    } finally {
      isEnded = true;
    }
  };
  const suspensions: boolean[] = [];
  const suspended = (is: boolean): void => void suspensions.push(is);
  await cursors.declare('c', false, true, columns, () =>
    Promise.resolve({ notices: [], body: { kind: 'rows', batches: endless() }, suspended, tag: () => '' }),
  );
  expect((await fetched(cursors, 3)).rows).toBe(3);
  expect(suspensions).toEqual([true, false, true]);
  const running = cursors.fetch('c', Infinity, () => undefined).batches[Symbol.asyncIterator]();
  await running.next();
  cursors.endBlock(true);
  expect((await running.next()).done).toBe(true);
  await expect.poll(() => isEnded).toBe(true);
  expect(memory.bytes).toBe(0);
  expect(() => cursors.fetch('c', 1, () => undefined)).toThrow(expect.objectContaining({ code: 'CURSOR_MISSING' }));
});
