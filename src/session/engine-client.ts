/** The coordinator's side of the engine worker: typed requests, and subscriptions as streams of batches with backpressure accounting. Main thread. */
import { must } from '../base/assert.ts';
import { millraceError, type MillraceError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { revivedError, RpcClient } from '../base/rpc.ts';
import { within } from '../base/within.ts';
import { startWorker } from '../base/worker.ts';
import type { MessageBatch } from '../server/session.ts';
import { CancelFlags } from '../engine/contract/cancel-flags.ts';
import type { EngineEvent, EngineMethods, EngineOptions, SubscribeRequest } from '../engine/contract/protocol.ts';

export class EngineClient {
  readonly rpc: RpcClient<EngineMethods>;
  readonly cancelFlags = new CancelFlags();
  readonly #worker: ReturnType<typeof startWorker>;
  readonly #subscriptions = new Map<number, SubscriptionStream>();
  #closing = false;

  constructor(options: Omit<EngineOptions, 'cancelFlags'>, onFailure: (error: MillraceError) => void) {
    this.#worker = startWorker(import.meta.url, '../engine/worker.ts', {
      workerData: { ...options, cancelFlags: this.cancelFlags.buffer } satisfies EngineOptions,
    });
    this.rpc = new RpcClient<EngineMethods>(this.#worker);
    this.#worker.on('message', (message: EngineEvent | { id: number }) => {
      if ('event' in message) this.#event(message);
    });
    const failed = (reason: string): void => {
      const error = millraceError('ENGINE_FAULT', { reason });
      this.rpc.end(error);
      for (const stream of this.#subscriptions.values()) stream.fail(error);
      if (!this.#closing) onFailure(error);
    };
    this.#worker.on('error', (error: Error) => failed(error.stack ?? error.message));
    this.#worker.on('exit', (code) => failed(`the engine worker ended with code ${code}`));
  }

  /** `work` asks the engine for something under this number: it ends when the client cancels. */
  async cancellable<T>(queryId: number, signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T> {
    const stop = (): void => this.cancelFlags.cancel(queryId);
    if (signal?.aborted === true) stop();
    signal?.addEventListener('abort', stop, { once: true });
    try {
      return await work();
    } finally {
      signal?.removeEventListener('abort', stop);
    }
  }

  async subscribe(request: SubscribeRequest, signal: AbortSignal): Promise<AsyncIterable<MessageBatch>> {
    const stream = new SubscriptionStream(
      (bytes) => void this.rpc.call('taken', { subscriptionId: request.subscriptionId, bytes }).catch(() => undefined),
    );
    this.#subscriptions.set(request.subscriptionId, stream);
    const stop = (): void => {
      stream.fail(millraceError('QUERY_CANCELLED', {}));
      void this.rpc.call('unsubscribe', { subscriptionId: request.subscriptionId }).catch(() => undefined);
    };
    try {
      await this.cancellable(request.subscriptionId, signal, () => this.rpc.call('subscribe', request));
    } catch (error) {
      this.#subscriptions.delete(request.subscriptionId);
      throw error;
    }
    if (signal.aborted) stop();
    else signal.addEventListener('abort', stop, { once: true });
    return stream.batches(() => {
      signal.removeEventListener('abort', stop);
      this.#subscriptions.delete(request.subscriptionId);
      void this.rpc.call('unsubscribe', { subscriptionId: request.subscriptionId }).catch(() => undefined);
    });
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.cancelFlags.stop();
    // A tick that takes long hears nothing; what it holds is made again at the next start.
    await within(limits.closeMsMax, this.rpc.call('close', {}));
    await this.#worker.terminate();
  }

  #event(event: EngineEvent): void {
    const stream = this.#subscriptions.get(event.subscriptionId);
    if (stream === undefined) return;
    if (event.event === 'subscription') stream.push({ bytes: event.bytes, rows: event.rows });
    else if (event.error === null) stream.end();
    else stream.fail(revivedError(event.error));
  }
}

/** What is taken is told the engine now and then: it sends as much as it may be ahead, and no more. */
const TOLD_BYTES = 64 << 10;

/** Batches between the engine's pushes and the client's pulls. Bounded by the engine, which counts what was not taken. */
class SubscriptionStream {
  readonly #taken: (bytes: number) => void;
  readonly #waiting: MessageBatch[] = [];
  #untoldBytes = 0;
  #more = Promise.withResolvers<void>();
  #ended = false;
  #error: Error | undefined;

  constructor(taken: (bytes: number) => void) {
    this.#taken = taken;
  }

  push(batch: MessageBatch): void {
    this.#waiting.push(batch);
    this.#more.resolve();
  }

  end(): void {
    this.#ended = true;
    this.#more.resolve();
  }

  fail(error: Error): void {
    this.#error ??= error;
    this.end();
  }

  async *batches(close: () => void): AsyncGenerator<MessageBatch, void> {
    try {
      for (;;) {
        if (this.#waiting.length > 0) {
          const batch = must(this.#waiting.shift(), 'batch');
          this.#untoldBytes += batch.bytes.length;
          if (this.#untoldBytes >= TOLD_BYTES) {
            this.#taken(this.#untoldBytes);
            this.#untoldBytes = 0;
          }
          yield batch;
          continue;
        }
        if (this.#error !== undefined) throw this.#error;
        if (this.#ended) return;
        await this.#more.promise;
        this.#more = Promise.withResolvers<void>();
      }
    } finally {
      close();
    }
  }
}
