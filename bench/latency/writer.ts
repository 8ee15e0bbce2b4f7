/**
 * Commits at a rate, in a worker of its own: plain protocol messages on a few sockets, one transaction in flight on each, so that thousands a second cost little.
 * Row n of `events` is transaction n; when it was sent, and when its commit was acknowledged, stand in shared arrays at place n. Started by `latency.ts`.
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { parentPort, workerData } from 'node:worker_threads';
import { clockMs } from './clock.ts';

export interface WriterOrder {
  readonly port: number;
  readonly perSecond: number;
  readonly forMs: number;
  /** Transactions are numbered from here. */
  readonly first: number;
  readonly accounts: number;
  readonly connections: number;
  /** Milliseconds since 1970, by transaction. */
  readonly sent: SharedArrayBuffer;
  readonly acknowledged: SharedArrayBuffer;
}

export interface WriterReport {
  readonly transactions: number;
  readonly seconds: number;
}

const READY = 'Z'.charCodeAt(0);
const FAILED = 'E'.charCodeAt(0);

async function write(order: WriterOrder): Promise<WriterReport> {
  const sent = new Float64Array(order.sent);
  const acknowledged = new Float64Array(order.acknowledged);
  const idle: Writer[] = await Promise.all(Array.from({ length: order.connections }, () => opened(order.port)));
  const startMs = clockMs();
  const last = order.first + Math.floor((order.perSecond * order.forMs) / 1000);
  let next = order.first;
  const give = (): void => {
    const due = Math.min(last, order.first + Math.floor(((clockMs() - startMs) * order.perSecond) / 1000));
    while (next < due && clockMs() - startMs < order.forMs) {
      const writer = idle.pop();
      if (writer === undefined) return;
      const id = next++;
      sent[id] = clockMs();
      writer.send(`INSERT INTO events VALUES (${id}, ${1 + ((id * 7919) % order.accounts)}, ${(id % 10_000) / 100})`, () => {
        acknowledged[id] = clockMs();
        idle.push(writer);
        give();
      });
    }
  };
  while (clockMs() - startMs < order.forMs) {
    give();
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  while (idle.length < order.connections) await new Promise((resolve) => setTimeout(resolve, 5));
  const seconds = (clockMs() - startMs) / 1000;
  for (const writer of idle) writer.end();
  return { transactions: next - order.first, seconds };
}

class Writer {
  readonly #socket: Socket;
  #done: () => void = () => {};
  #rest: Buffer = Buffer.alloc(0);

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => this.#read(bytes));
  }

  send(sql: string, done: () => void): void {
    this.#done = done;
    const message = Buffer.allocUnsafe(6 + sql.length);
    message[0] = 'Q'.charCodeAt(0);
    message.writeInt32BE(5 + sql.length, 1);
    message.write(sql, 5, 'latin1');
    message[5 + sql.length] = 0;
    this.#socket.write(message);
  }

  end(): void {
    this.#socket.destroy();
  }

  ready(): Promise<void> {
    return new Promise((resolve) => (this.#done = resolve));
  }

  #read(bytes: Buffer): void {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    let at = 0;
    while (at + 5 <= all.length) {
      const end = at + 1 + all.readInt32BE(at + 1);
      if (end > all.length) break;
      if (all[at] === FAILED) throw new Error(all.toString('latin1', at + 5, end).replaceAll('\0', ' '));
      if (all[at] === READY) this.#done();
      at = end;
    }
    this.#rest = all.subarray(at);
  }
}

async function opened(port: number): Promise<Writer> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  const writer = new Writer(socket);
  const parameters = 'user\0postgres\0database\0postgres\0\0';
  const startup = Buffer.alloc(8 + parameters.length);
  startup.writeInt32BE(startup.length, 0);
  startup.writeInt32BE(196_608, 4);
  startup.write(parameters, 8, 'latin1');
  const ready = writer.ready();
  socket.write(startup);
  await ready;
  return writer;
}

parentPort?.postMessage(await write(workerData as WriterOrder));
