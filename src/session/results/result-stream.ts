/**
 * A result as its client takes it: the first batches came with the answer, the rest is asked for when the client has room, one answer ahead. Main thread. However it
 * ends (read, closed, cancelled, its statement's time over) the engine keeps nothing of it. Made by `queries.ts`.
 */
import { millraceError } from '../../base/errors.ts';
import type { MessageBatch } from '../../server/session.ts';
import type { EngineClient } from '../engine-client.ts';
import type { EngineMethods, PeekResult } from '../../engine/contract/protocol.ts';

/** Beyond it a timer would fire at once. */
const TIMER_MS_MAX = 2 ** 31 - 1;

type Next = ReturnType<EngineMethods['nextBatches']>;

export class ResultStream implements AsyncIterableIterator<MessageBatch> {
  readonly #rpc: EngineClient['rpc'];
  readonly #resultId: number | undefined;
  readonly #timeoutMs: number;
  readonly #signal: AbortSignal;
  #ready: MessageBatch[];
  #ahead: Promise<Next> | undefined;
  #error: Error | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isOpen: boolean;

  /** `timeoutMs`: for all of it; begins anew with each Execute of a portal. */
  constructor(rpc: EngineClient['rpc'], first: PeekResult, timeoutMs: number, signal: AbortSignal) {
    this.#rpc = rpc;
    this.#ready = [...first.batches];
    this.#resultId = first.resultId;
    this.#timeoutMs = timeoutMs;
    this.#signal = signal;
    this.#isOpen = first.resultId !== undefined;
    if (!this.#isOpen) return;
    if (signal.aborted) this.#cancel();
    else this.#begin();
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<MessageBatch>> {
    for (;;) {
      if (this.#error !== undefined) throw this.#error;
      const batch = this.#ready.shift();
      if (batch !== undefined) return { done: false, value: batch };
      if (this.#ahead === undefined) return { done: true, value: undefined };
      await this.#takeAhead(this.#ahead);
    }
  }

  return(): Promise<IteratorResult<MessageBatch>> {
    this.#end();
    return Promise.resolve({ done: true, value: undefined });
  }

  /** A portal between two Executes is nobody's running statement: its time begins anew with the next. */
  suspended(isSuspended: boolean): void {
    clearTimeout(this.#timer);
    if (this.#isOpen && !isSuspended) this.#startTimer();
  }

  async #takeAhead(ahead: Promise<Next>): Promise<void> {
    let answer: Next;
    try {
      answer = await ahead;
    } catch (error) {
      // Where the client or the clock ended it, that is the reason.
      this.#end((this.#error ?? error) as Error);
      return;
    }
    if (this.#ahead !== ahead) return;
    this.#ahead = undefined;
    this.#ready = answer.batches;
    if (!answer.isDone) this.#askAhead();
    else {
      this.#isOpen = false;
      this.#end();
    }
  }

  #begin(): void {
    this.#signal.addEventListener('abort', this.#cancel, { once: true });
    this.#startTimer();
    this.#askAhead();
  }

  #askAhead(): void {
    const ahead = this.#rpc.call('nextBatches', { resultId: this.#resultId!, timeoutMs: this.#timeoutMs });
    // Told when it is awaited.
    ahead.catch(() => undefined);
    this.#ahead = ahead;
  }

  #startTimer(): void {
    this.#timer = setTimeout(() => this.#end(millraceError('QUERY_TIMED_OUT', {})), Math.min(this.#timeoutMs, TIMER_MS_MAX)).unref();
  }

  readonly #cancel = (): void => this.#end(millraceError('QUERY_CANCELLED', {}));

  #end(error?: Error): void {
    clearTimeout(this.#timer);
    this.#signal.removeEventListener('abort', this.#cancel);
    this.#error ??= error;
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#ready = [];
    this.#ahead = undefined;
    void this.#rpc.call('closeResult', { resultId: this.#resultId! }).catch(() => undefined);
  }
}
