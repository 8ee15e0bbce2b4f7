/**
 * A client that sees every byte: the Postgres protocol without a driver in between. Text and binary, simple and extended, COPY out, a portal read in pieces,
 * a reader that stalls. For servers that trust their clients. Used by the proofs that read at the socket (`test/life`, `test/property`, `bench/neighbours.ts`).
 */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface Address {
  readonly host?: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
}

export interface WireField {
  readonly name: string;
  readonly typeOid: number;
}

/** Of an ErrorResponse or NoticeResponse. */
export interface WireError {
  readonly sqlstate: string;
  readonly message: string;
  readonly detail: string;
  readonly hint: string;
}

export interface Answer {
  readonly fields: WireField[];
  readonly rows: (Buffer | null)[][];
  /** Of a COPY: its data, message for message. */
  readonly copied: Buffer[];
  readonly notices: WireError[];
  error: WireError | undefined;
}

interface Waiting {
  readonly answer: Answer;
  readonly settle: (answer: Answer) => void;
  readonly fail: (error: Error) => void;
  /** Asks for the next piece of a portal. */
  readonly more?: () => void;
  readonly onCopied?: (data: Buffer) => void;
  /** Rows are counted by nobody and kept nowhere. */
  readonly drains?: true;
}

const PROTOCOL = 196_608;
const EMPTY = Buffer.alloc(0);

export class WireClient {
  readonly socket: Socket;
  readonly #waiting: Waiting[] = [];
  #chunks: Buffer[] = [];
  #chunkBytes = 0;
  #needBytes = 5;
  #ended: Error | undefined;

  static async open(address: Address): Promise<WireClient> {
    const socket = connect({ host: address.host ?? '127.0.0.1', port: address.port, noDelay: true });
    await once(socket, 'connect');
    const client = new WireClient(socket);
    const parameters = Buffer.from(`user\0${address.user}\0database\0${address.database}\0client_encoding\0UTF8\0\0`);
    const startup = Buffer.alloc(8);
    startup.writeInt32BE(8 + parameters.length, 0);
    startup.writeInt32BE(PROTOCOL, 4);
    const answer = client.#ask([startup, parameters]);
    const { error } = await answer;
    if (error !== undefined) throw new Error(`${error.sqlstate} ${error.message}`);
    return client;
  }

  /** Over a socket on which somebody else has logged in. */
  static over(socket: Socket): WireClient {
    socket.removeAllListeners('data');
    return new WireClient(socket);
  }

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (bytes: Buffer) => this.#read(bytes));
    socket.on('error', (error) => this.#end(error));
    socket.on('close', () => this.#end(new Error('the connection was closed')));
  }

  get open(): boolean {
    return this.#ended === undefined;
  }

  /** A simple query; the last statement's rows. */
  async simple(sql: string): Promise<Answer> {
    return this.#ask([message('Q', cstring(sql))]);
  }

  /** Parse, Bind, Describe, Execute, Sync. With `rowsAtATime` the portal is read in pieces. Parameters are text. */
  async extended(
    sql: string,
    options: { format: 'text' | 'binary'; parameters?: readonly string[]; rowsAtATime?: number },
  ): Promise<Answer> {
    return this.#extended([message('P', cstring(''), cstring(sql), int16(0))], '', options);
  }

  /** Names a statement, to be asked again and again with `run`. */
  async prepare(name: string, sql: string): Promise<Answer> {
    return this.#ask([message('P', cstring(name), cstring(sql), int16(0)), message('S')]);
  }

  async run(name: string, parameters: readonly string[], format: 'text' | 'binary' = 'text'): Promise<Answer> {
    return this.#extended([], name, { format, parameters });
  }

  /** A COPY whose data is wanted as it comes; ends with the statement. */
  async follow(sql: string, onCopied: (data: Buffer) => void): Promise<Answer> {
    return this.#ask([message('Q', cstring(sql))], { onCopied });
  }

  /** Reads a result of any size and keeps nothing of it. */
  async drain(sql: string): Promise<Answer> {
    return this.#ask([message('Q', cstring(sql))], { drains: true, onCopied: () => undefined });
  }

  close(): void {
    this.socket.destroy();
  }

  async #extended(
    first: readonly Buffer[],
    statement: string,
    options: { format: 'text' | 'binary'; parameters?: readonly string[]; rowsAtATime?: number },
  ): Promise<Answer> {
    const parameters = options.parameters ?? [];
    const values = parameters.flatMap((value) => {
      const bytes = Buffer.from(value);
      return [int32(bytes.length), bytes];
    });
    const formats = options.format === 'binary' ? [int16(1), int16(1)] : [int16(0)];
    const execute = message('E', cstring(''), int32(options.rowsAtATime ?? 0));
    const bind = message('B', cstring(''), cstring(statement), int16(0), int16(parameters.length), ...values, ...formats);
    const pieces = [...first, bind, message('D', Buffer.from('P'), cstring('')), execute];
    if (options.rowsAtATime === undefined) return this.#ask([...pieces, message('S')]);
    // Flush instead of Sync, which would close the portal outside a block.
    return this.#ask([...pieces, message('H')], { more: () => this.socket.write(Buffer.concat([execute, message('H')])) });
  }

  #ask(pieces: readonly Buffer[], more: Pick<Waiting, 'more' | 'onCopied' | 'drains'> = {}): Promise<Answer> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    return new Promise((settle, fail) => {
      this.#waiting.push({ answer: { fields: [], rows: [], copied: [], notices: [], error: undefined }, settle, fail, ...more });
      this.socket.write(Buffer.concat(pieces));
    });
  }

  #end(error: Error): void {
    this.#ended ??= error;
    for (const { fail } of this.#waiting.splice(0)) fail(this.#ended);
  }

  /** Messages may be cut anywhere; a long one is put together once. */
  #read(bytes: Buffer): void {
    this.#chunks.push(bytes);
    this.#chunkBytes += bytes.length;
    if (this.#chunkBytes < this.#needBytes) return;
    const all = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks);
    let at = 0;
    this.#needBytes = 5;
    while (all.length - at >= 5) {
      const end = at + 1 + all.readInt32BE(at + 1);
      if (end > all.length) {
        this.#needBytes = end - at;
        break;
      }
      this.#message(all[at]!, all.subarray(at + 5, end));
      at = end;
    }
    const rest = at === all.length ? EMPTY : all.subarray(at);
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#chunkBytes = rest.length;
  }

  #message(type: number, body: Buffer): void {
    const waiting = this.#waiting[0];
    if (waiting === undefined) return;
    const { answer } = waiting;
    switch (String.fromCharCode(type)) {
      case 'T':
        answer.fields.splice(0, answer.fields.length, ...fieldsOf(body));
        answer.rows.length = 0;
        return;
      case 'D':
        if (waiting.drains !== true) answer.rows.push(valuesOf(body));
        return;
      case 'd':
        if (waiting.onCopied === undefined) answer.copied.push(body);
        else waiting.onCopied(body);
        return;
      case 'N':
        answer.notices.push(errorOf(body));
        return;
      case 'E':
        answer.error ??= errorOf(body);
        if (waiting.more !== undefined) this.socket.write(message('S'));
        return;
      case 's':
        waiting.more?.();
        return;
      case 'C':
        if (waiting.more !== undefined) this.socket.write(message('S'));
        return;
      case 'Z':
        this.#waiting.shift();
        waiting.settle(answer);
        return;
      default:
    }
  }
}

/** Lines of a COPY in text format, from messages that may hold a part of one or several. */
export class CopyLines {
  #rest: Buffer = EMPTY;
  readonly #onLine: (line: string) => void;

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  /** Lines are latin1 strings: bytes, nothing decoded. */
  take(data: Buffer): void {
    const all = this.#rest.length === 0 ? data : Buffer.concat([this.#rest, data]);
    let at = 0;
    for (let end = all.indexOf(10); end >= 0; end = all.indexOf(10, at)) {
      this.#onLine(all.toString('latin1', at, end));
      at = end + 1;
    }
    this.#rest = all.subarray(at);
  }
}

function fieldsOf(body: Buffer): WireField[] {
  const fields: WireField[] = [];
  let at = 2;
  for (let count = body.readInt16BE(0); count > 0; count--) {
    const end = body.indexOf(0, at);
    fields.push({ name: body.toString('utf8', at, end), typeOid: body.readUInt32BE(end + 7) });
    at = end + 19;
  }
  return fields;
}

function valuesOf(body: Buffer): (Buffer | null)[] {
  const values: (Buffer | null)[] = [];
  let at = 2;
  for (let count = body.readInt16BE(0); count > 0; count--) {
    const length = body.readInt32BE(at);
    at += 4;
    values.push(length < 0 ? null : body.subarray(at, at + length));
    at += Math.max(0, length);
  }
  return values;
}

function errorOf(body: Buffer): WireError {
  const parts = new Map<string, string>();
  for (const part of body.toString('utf8').split('\0')) if (part !== '') parts.set(part[0]!, part.slice(1));
  return {
    sqlstate: parts.get('C') ?? '',
    message: parts.get('M') ?? '',
    detail: parts.get('D') ?? '',
    hint: parts.get('H') ?? '',
  };
}

function message(type: string, ...parts: readonly Buffer[]): Buffer {
  const length = 4 + parts.reduce((sum, part) => sum + part.length, 0);
  return Buffer.concat([Buffer.from(type), int32(length), ...parts]);
}

function cstring(text: string): Buffer {
  return Buffer.from(`${text}\0`);
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}
