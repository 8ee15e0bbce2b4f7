/**
 * The fold worker as other threads see it. Started by the engine (or `serve`), which pins what it has read (`LogBounds`) and asks for folds before it reads tables.
 * When the worker ends by itself, every open request and all later ones fail, and `ended` says why: without a fold the log only grows.
 */
import { startWorker } from '../../base/worker.ts';
import { RpcClient } from '../../base/rpc.ts';
import type { LogBounds } from '../log/bounds.ts';
import type { Holdable } from '../table-reader.ts';
import type { FoldOptions } from './fold.ts';
import type { FoldMethods, FoldStatus, FoldWorkerData } from './fold-worker.ts';

export interface FoldClientOptions extends FoldOptions {
  readonly rowsDirectory: string;
  readonly logDirectory: string;
  readonly bounds: LogBounds;
  /** After so long with little to fold, it is folded all the same. */
  readonly idleMs?: number;
}

export class FoldClient implements Holdable {
  readonly #rpc: RpcClient<FoldMethods>;
  /** Resolves with the reason when the worker ended without being closed; with undefined after `close`. */
  readonly ended: Promise<Error | undefined>;
  #isClosed = false;
  readonly #terminate: () => Promise<number>;

  constructor(options: FoldClientOptions) {
    const data: FoldWorkerData = { ...options, bounds: options.bounds.buffer };
    const worker = startWorker(import.meta.url, './fold-worker.ts', { workerData: data, name: 'fold' });
    this.#rpc = new RpcClient(worker);
    this.#terminate = () => worker.terminate();
    let failure: Error | undefined;
    worker.on('error', (error: unknown) => {
      failure = error instanceof Error ? error : new Error(String(error));
    });
    this.ended = new Promise((resolve) => {
      worker.on('exit', (code) => {
        const reason = failure ?? new Error(`the fold worker ended with code ${code}`);
        this.#rpc.end(reason);
        resolve(this.#isClosed ? undefined : reason);
      });
    });
  }

  /** Resolves when the rows hold everything before `offset`, or as much of it as is synced, whole, and passed by every pin. */
  async foldTo(offset: number): Promise<void> {
    await this.#rpc.call('foldTo', { offset });
  }

  /** Resolves when no pass is under way; none begins until `release`. Keep it short: open the snapshot and let go. */
  async hold(): Promise<void> {
    await this.#rpc.call('hold', undefined);
  }

  release(): void {
    // The worker's end is told by `ended`.
    this.#rpc.call('release', undefined).catch(() => undefined);
  }

  status(): Promise<FoldStatus> {
    return this.#rpc.call('status', undefined);
  }

  /** Ends between two commits; what is half folded is finished at the next start. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#rpc.call('close', undefined);
    await this.#terminate();
  }
}
