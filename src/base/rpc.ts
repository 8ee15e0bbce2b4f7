/**
 * Requests and answers between two threads over a message port: typed by one interface of methods, errors carried as MillraceErrors,
 * requests answered in any order. Bounded: a client refuses to have more than `REQUESTS_MAX` open. Used by every worker's client.
 */
import type { MessagePort, TransferListItem, Worker } from 'node:worker_threads';
import { AssertionError } from './assert.ts';
import { MillraceError, type PlainError } from './errors/define.ts';

const REQUESTS_MAX = 10_000;

/** One method: takes one plain object, gives one plain object. */
export type Methods<M> = { [K in keyof M]: (params: never) => unknown };

interface Request {
  readonly id: number;
  readonly method: string;
  readonly params: unknown;
}

interface Response {
  readonly id: number;
  readonly result?: unknown;
  readonly error?: PlainError | { readonly internal: string; readonly stack?: string | undefined };
}

/** A result whose buffers are moved, not copied. */
export class Transferred<T> {
  readonly value: T;
  readonly transfer: readonly TransferListItem[];

  constructor(value: T, transfer: readonly TransferListItem[]) {
    this.value = value;
    this.transfer = transfer;
  }
}

type Handler<F> = F extends (params: infer P) => infer R
  ? (params: P) => Awaited<R> | Transferred<Awaited<R>> | Promise<Awaited<R> | Transferred<Awaited<R>>>
  : never;

/** Serves `methods` on the port. An unexpected error is answered as such, with its stack for the log, and does not end the worker. */
export function serve<M extends Methods<M>>(port: MessagePort, methods: { readonly [K in keyof M]: Handler<M[K]> }): void {
  port.on('message', (message: Request) => {
    void answer(port, methods as unknown as Record<string, (params: unknown) => unknown>, message);
  });
}

async function answer(port: MessagePort, methods: Record<string, (params: unknown) => unknown>, request: Request): Promise<void> {
  let response: Response;
  let transfer: readonly TransferListItem[] = [];
  try {
    const method = methods[request.method];
    if (method === undefined) throw new AssertionError(`no method ${request.method}`);
    const result = await method(request.params);
    if (result instanceof Transferred) {
      transfer = result.transfer;
      response = { id: request.id, result: result.value };
    } else response = { id: request.id, result };
  } catch (error) {
    response = { id: request.id, error: plainError(error) };
  }
  port.postMessage(response, transfer);
}

export function plainError(error: unknown): PlainError | { internal: string; stack?: string | undefined } {
  if (error instanceof MillraceError) return error.toPlain();
  if (error instanceof Error) return { internal: error.message, stack: error.stack };
  return { internal: String(error) };
}

export function revivedError(plain: PlainError | { readonly internal: string; readonly stack?: string | undefined }): Error {
  if ('code' in plain) return MillraceError.fromPlain(plain);
  const error = new Error(plain.internal);
  if (plain.stack !== undefined) error.stack = plain.stack;
  return error;
}

/** The asking side. When the worker ends, every open request fails with `ended`. */
export class RpcClient<M extends Methods<M>> {
  readonly #port: Worker | MessagePort;
  readonly #open = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  #next = 1;
  #ended: Error | undefined;

  constructor(port: Worker | MessagePort) {
    this.#port = port;
    port.on('message', (message: Response | { event: string }) => {
      if ('id' in message) this.#settle(message);
    });
  }

  call<K extends keyof M & string>(
    method: K,
    params: Parameters<M[K]>[0],
    transfer: readonly TransferListItem[] = [],
  ): Promise<Awaited<ReturnType<M[K]>>> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    if (this.#open.size >= REQUESTS_MAX) return Promise.reject(new AssertionError(`more than ${REQUESTS_MAX} requests open (${method})`));
    const id = this.#next++;
    return new Promise((resolve, reject) => {
      this.#open.set(id, { resolve: resolve as (value: unknown) => void, reject });
      this.#port.postMessage({ id, method, params } satisfies Request, transfer);
    });
  }

  /** The other side is gone. */
  end(error: Error): void {
    this.#ended = error;
    for (const request of this.#open.values()) request.reject(error);
    this.#open.clear();
  }

  #settle(response: Response): void {
    const request = this.#open.get(response.id);
    if (request === undefined) return;
    this.#open.delete(response.id);
    if (response.error === undefined) request.resolve(response.result);
    else request.reject(revivedError(response.error));
  }
}
