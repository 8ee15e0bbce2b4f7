/**
 * What every fake control API stands on: an HTTP server on a free port that records each request and answer (for `specs/` to hold against the vendor's model), and lets a test
 * injure an operation by name: throttle it, do it and lose the answer, or change something behind its back first. The fakes of the vendors keep the state.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { DressedServer } from '../dressed/server.ts';

/** What a fake needs of the Postgres that it controls. */
export type Controlled = Pick<
  DressedServer,
  'host' | 'port' | 'major' | 'database' | 'admin' | 'superuser' | 'configure' | 'configured' | 'restart' | 'gate'
>;

export interface FakeRequest {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

export interface FakeAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface Exchange {
  readonly operation: string;
  readonly request: FakeRequest;
  readonly answer: FakeAnswer;
  /** Done by the fake, never seen by the client. */
  readonly lost: boolean;
}

export interface Injury {
  /** Operation, as the fake names it: `RebootDBInstance`, `PATCH instance`. */
  readonly on: string;
  /** throttled: refused with the vendor's own answer · lost: done, then the connection breaks · busy: refused as long as another operation runs · before: `act` happens first. */
  readonly kind: 'throttled' | 'lost' | 'busy' | 'before';
  /** How many requests it meets. Default 1. */
  times?: number;
  readonly act?: () => void | Promise<void>;
}

export interface Vendor {
  operation(request: FakeRequest): string;
  answer(request: FakeRequest, operation: string): Promise<FakeAnswer>;
  throttled(): FakeAnswer;
  busy(): FakeAnswer;
}

export class ControlPlane {
  readonly exchanges: Exchange[] = [];
  readonly #vendor: Vendor;
  readonly #server: Server;
  readonly #injuries: Injury[] = [];
  #url = '';

  constructor(vendor: Vendor) {
    this.#vendor = vendor;
    this.#server = createServer((request, response) => {
      this.#serve(request, response).catch((error: unknown) => {
        // A fault of the fake itself: loud, and no vendor's answer.
        response
          .writeHead(599, { 'content-type': 'text/plain' })
          .end(error instanceof Error ? (error.stack ?? error.message) : String(error));
      });
    });
  }

  get url(): string {
    return this.#url;
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    this.#url = `http://127.0.0.1:${address.port}`;
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  injure(injury: Injury): void {
    this.#injuries.push({ ...injury, times: injury.times ?? 1 });
  }

  /** Operations since the start (or the last `forget`), in order. */
  operations(): string[] {
    return this.exchanges.map(({ operation }) => operation);
  }

  forget(): void {
    this.exchanges.length = 0;
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const url = new URL(incoming.url ?? '/', this.#url);
    const request: FakeRequest = {
      method: incoming.method ?? 'GET',
      path: url.pathname,
      query: url.searchParams,
      headers: incoming.headers,
      body: Buffer.concat(chunks).toString('utf8'),
    };
    const operation = this.#vendor.operation(request);
    const injury = this.#take(operation);
    if (injury?.kind === 'before') await injury.act?.();
    const answer =
      injury?.kind === 'throttled'
        ? this.#vendor.throttled()
        : injury?.kind === 'busy'
          ? this.#vendor.busy()
          : await this.#vendor.answer(request, operation);
    const lost = injury?.kind === 'lost';
    this.exchanges.push({ operation, request, answer, lost });
    if (lost) {
      incoming.socket.destroy();
      return;
    }
    response.writeHead(answer.status, answer.headers ?? {});
    response.end(answer.body ?? '');
  }

  #take(operation: string): Injury | undefined {
    const injury = this.#injuries.find(({ on, times }) => on === operation && times! > 0);
    if (injury !== undefined) injury.times!--;
    return injury;
  }
}

export function json(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}): FakeAnswer {
  return { status, headers: { 'content-type': 'application/json', ...headers }, body: JSON.stringify(body) };
}
