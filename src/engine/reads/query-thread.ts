/** A query worker in a thread (`query-worker.ts`). Started by the engine worker's entry. */
import { millraceError } from '../../base/errors.ts';
import { RpcClient } from '../../base/rpc.ts';
import { startWorker } from '../../base/worker.ts';
import type { QueryMethods, QueryWorkerOptions } from './query-protocol.ts';
import type { QueryWorker } from './query-workers.ts';

/** JavaScript's own heap; rows lie outside of it. */
const HEAP_MB_MAX = 512;

export class QueryThread implements QueryWorker {
  readonly rpc: RpcClient<QueryMethods>;
  busyWith: number | undefined;
  isEnded = false;
  readonly #worker: ReturnType<typeof startWorker>;

  constructor(options: QueryWorkerOptions) {
    this.#worker = startWorker(import.meta.url, './query-worker.ts', {
      workerData: options,
      resourceLimits: { maxOldGenerationSizeMb: HEAP_MB_MAX },
    });
    this.rpc = new RpcClient<QueryMethods>(this.#worker);
    this.#worker.on('error', (error: Error & { code?: string }) => {
      this.isEnded = true;
      this.rpc.end(
        error.code === 'ERR_WORKER_OUT_OF_MEMORY'
          ? millraceError('QUERY_TOO_LARGE', { bytesMax: options.bytesMax }, error)
          : millraceError('ENGINE_FAULT', { reason: `a query worker ended: ${error.stack ?? error.message}` }, error),
      );
    });
    this.#worker.on('exit', () => {
      this.isEnded = true;
      this.rpc.end(millraceError('QUERY_CANCELLED', {}));
    });
  }

  async end(): Promise<void> {
    this.isEnded = true;
    await this.#worker.terminate();
  }
}
