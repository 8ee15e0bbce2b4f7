import { once } from 'node:events';
import { expect, test } from 'vitest';
import { startWorker, workerUrl } from './worker.ts';

test.each([
  ['file:///project/src/store/fold.ts', './fold-worker.ts', 'file:///project/src/store/fold-worker.ts'],
  ['file:///package/dist/store/fold.js', './fold-worker.ts', 'file:///package/dist/store/fold-worker.js'],
  ['file:///package/dist/store/rows/fold.js', '../worker.ts', 'file:///package/dist/store/worker.js'],
])('from %s, %s is %s', (caller, path, expected) => expect(workerUrl(caller, path).href).toBe(expected));

test('a worker in TypeScript starts unbuilt', async () => {
  const worker = startWorker(import.meta.url, './testing/echo-worker.ts', { workerData: 'hello' });
  const [message] = (await once(worker, 'message')) as [unknown];
  expect(message).toBe('hello');
  await worker.terminate();
});
