/** For `worker.test.ts`: says what it was started with. Never part of the product. */
import { parentPort, workerData } from 'node:worker_threads';

const said: unknown = workerData;
parentPort?.postMessage(said);
