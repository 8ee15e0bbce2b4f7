/**
 * The ingest worker as the coordinator sees it: promises for what it asks, a listener for what the worker tells. The worker's death fails all open requests and is told
 * once. Nothing here touches the log.
 */
import { Worker } from 'node:worker_threads';
import { AssertionError } from '../base/assert.ts';
import { RpcClient } from '../base/rpc.ts';
import type { ConnectionParameters } from '../upstream/connection/parameters.ts';
import type { UpstreamTable } from '../upstream/table.ts';
import type { IngestEvent, IngestMethods, IngestStart, IngestStatus, TableFault } from './protocol.ts';

export interface IngestListener {
  status?(status: IngestStatus): void;
  /** The worker is gone without having been asked to. */
  died?(error: Error): void;
}

export class IngestClient {
  readonly #worker: Worker;
  readonly #rpc: RpcClient<IngestMethods>;
  #closing = false;

  constructor(listener: IngestListener = {}) {
    const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
    this.#worker = new Worker(new URL(`./ingest-worker.${extension}`, import.meta.url), { name: 'millrace ingest' });
    this.#rpc = new RpcClient<IngestMethods>(this.#worker);
    this.#worker.on('message', (message: IngestEvent | { id: number }) => {
      if ('event' in message) listener.status?.(message.status);
    });
    let told: Error | undefined;
    const ended = (error: Error): void => {
      if (told !== undefined) return;
      told = error;
      this.#rpc.end(error);
      if (!this.#closing) listener.died?.(error);
    };
    this.#worker.on('error', (error) => ended(error as Error));
    this.#worker.on('exit', (code) => ended(new AssertionError(`the ingest worker ended with code ${code}`)));
  }

  /** Answers when the log is open; throws LOG_DAMAGED and the like. */
  start(params: IngestStart): Promise<{ committedOffset: number }> {
    return this.#rpc.call('start', params);
  }

  addTables(tables: readonly UpstreamTable[]): Promise<{ snapshotLsn: string }> {
    return this.#rpc.call('addTables', { tables: [...tables] });
  }

  removeTables(oids: readonly number[]): Promise<void> {
    return this.#rpc.call('removeTables', { oids: [...oids] });
  }

  setConnection(connection: ConnectionParameters): Promise<void> {
    return this.#rpc.call('setConnection', { connection });
  }

  /** The answer is told by the progress. */
  askPosition(): Promise<void> {
    return this.#rpc.call('askPosition', {});
  }

  look(): Promise<TableFault[]> {
    return this.#rpc.call('look', {});
  }

  status(): Promise<IngestStatus> {
    return this.#rpc.call('status', {});
  }

  /** A last acknowledgement, the log closed, the worker ended. */
  async stop(options: { readonly dropSlot: boolean } = { dropSlot: false }): Promise<void> {
    this.#closing = true;
    try {
      await this.#rpc.call('stop', options);
    } finally {
      await this.#worker.terminate();
    }
  }

  /** Without asking: for tests, and for a worker that does not answer. */
  async terminate(): Promise<void> {
    this.#closing = true;
    await this.#worker.terminate();
  }
}
