/** A client of bare bytes for the protocol server's tests: sends what it is told, reads whole messages. Never part of the product. */
import { connect, type Socket } from 'node:net';

export interface RawMessage {
  readonly type: string;
  readonly body: Buffer;
}

export class RawClient {
  readonly socket: Socket;
  #received = Buffer.alloc(0);
  #wake: (() => void) | undefined;
  #closed = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake?.();
    });
    socket.on('error', () => undefined);
    socket.on('close', () => {
      this.#closed = true;
      this.#wake?.();
    });
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = connect({ host: '127.0.0.1', port });
    await new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    });
    return new RawClient(socket);
  }

  /** Connects and starts a session; resolves at ReadyForQuery. */
  static async session(port: number, version = 0x0003_0000): Promise<{ client: RawClient; greeting: RawMessage[] }> {
    const client = await RawClient.connect(port);
    client.send(startup(version, { user: 'millrace', database: 'millrace' }));
    return { client, greeting: await client.until('Z') };
  }

  send(...messages: readonly Uint8Array[]): void {
    this.socket.write(Buffer.concat(messages));
  }

  /** Bare bytes, without the framing of messages. */
  async bytes(count: number): Promise<Buffer> {
    while (this.#received.length < count) await this.#more();
    return this.#takeBytes(count);
  }

  async message(): Promise<RawMessage> {
    const header = await this.bytes(5);
    return { type: String.fromCharCode(header[0]!), body: await this.bytes(header.readInt32BE(1) - 4) };
  }

  /** All messages up to and with the first of this type. */
  async until(type: string): Promise<RawMessage[]> {
    const messages: RawMessage[] = [];
    do messages.push(await this.message());
    while (messages.at(-1)!.type !== type);
    return messages;
  }

  /** Everything until the server closes. */
  async rest(): Promise<RawMessage[]> {
    while (!this.#closed) await new Promise<void>((resolve) => (this.#wake = resolve));
    const messages: RawMessage[] = [];
    while (this.#received.length >= 5) messages.push(await this.message());
    return messages;
  }

  close(): void {
    this.socket.destroy();
  }

  #takeBytes(count: number): Buffer {
    const taken = this.#received.subarray(0, count);
    this.#received = this.#received.subarray(count);
    return taken;
  }

  async #more(): Promise<void> {
    if (this.#closed) throw new Error('the server closed the connection');
    await new Promise<void>((resolve) => (this.#wake = resolve));
  }
}

export function types(messages: readonly RawMessage[]): string {
  return messages.map((message) => message.type).join('');
}

/** The fields of an ErrorResponse or NoticeResponse, by their letter. */
export function errorFields(message: RawMessage): Record<string, string> {
  const found: Record<string, string> = {};
  for (const field of message.body.toString('utf8').split('\0')) if (field !== '') found[field[0]!] = field.slice(1);
  return found;
}

export function message(type: string, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from(type, 'latin1'), int32(body.length + 4), body]);
}

export function startup(version: number, parameters: Record<string, string>): Buffer {
  const body = Buffer.concat([
    int32(version),
    ...Object.entries(parameters).flatMap(([name, value]) => [text(name), text(value)]),
    Buffer.from([0]),
  ]);
  return Buffer.concat([int32(body.length + 4), body]);
}

export function bare(code: number, ...parts: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat([int32(code), ...parts]);
  return Buffer.concat([int32(body.length + 4), body]);
}

export const query = (sql: string): Buffer => message('Q', text(sql));
export const parse = (name: string, sql: string): Buffer => message('P', text(name), text(sql), int16(0));
export const bind = (portal: string, statement: string, values: readonly string[] = []): Buffer =>
  message(
    'B',
    text(portal),
    text(statement),
    int16(0),
    int16(values.length),
    ...values.flatMap((value) => [int32(Buffer.byteLength(value)), Buffer.from(value)]),
    int16(0),
  );
export const describe = (kind: 'S' | 'P', name: string): Buffer => message('D', Buffer.from(kind), text(name));
export const execute = (portal: string, rows = 0): Buffer => message('E', text(portal), int32(rows));
export const close = (kind: 'S' | 'P', name: string): Buffer => message('C', Buffer.from(kind), text(name));
export const sync = message('S');
export const flush = message('H');
export const terminate = message('X');

export function text(value: string): Buffer {
  return Buffer.from(`${value}\0`, 'utf8');
}

export function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value | 0);
  return bytes;
}

export function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}
