/**
 * Starting a worker thread by the name of its file. In a checkout the file ends in .ts, in the package in .js: the ending follows the caller's own.
 * Called by every room that owns a worker: `startWorker(import.meta.url, './fold-worker.ts', { workerData })`.
 */
import { Worker, type WorkerOptions } from 'node:worker_threads';
import { assert } from './assert.ts';

export function startWorker(callerUrl: string, path: `./${string}.ts` | `../${string}.ts`, options: WorkerOptions = {}): Worker {
  return new Worker(workerUrl(callerUrl, path), options);
}

/** Exported for its test. */
export function workerUrl(callerUrl: string, path: string): URL {
  const ending = /\.[jt]s$/.exec(new URL(callerUrl).pathname)?.[0];
  assert(ending !== undefined, `a worker is started from a module, not from ${callerUrl}`);
  return new URL(path.replace(/\.ts$/, ending), callerUrl);
}
