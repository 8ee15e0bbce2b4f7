/**
 * COPY … TO STDOUT row by row as it comes off the socket, in the bytes that were read. `pg` only sends the statement and hears its end: its own way (and that of
 * pg-copy-streams) makes objects of every row's message. A message holds one row, by the protocol. Called by `snapshot.ts`.
 */
import type { Socket } from 'node:net';
import type { Connection, Submittable } from 'pg';
import { assert } from '../../base/assert.ts';
import { readInt32 } from '../../wire/bytes.ts';
import { COPY_DATA } from '../../wire/pgoutput.ts';

const COPY_OUT_RESPONSE = 0x48;
const COPY_DONE = 0x63;
const NOTICE_RESPONSE = 0x4e;
const NOTIFICATION_RESPONSE = 0x41;
const PARAMETER_STATUS = 0x53;

const HEADER_BYTES = 5;
/** Postgres sends nothing larger than its 1 GB allocation limit. */
const MESSAGE_BYTES_MAX = 1.1 * 2 ** 30;

/** A row's line is bytes[start, end), its line feed stands at `end`. Valid during the call. What it throws ends the copy, and the connection. */
export type RowSink = (bytes: Uint8Array, start: number, end: number) => void;

type DataListener = (bytes: Buffer) => void;

export class CopyOut implements Submittable {
  /** Resolves with the number of rows that the server counted. */
  readonly finished: Promise<number>;
  /** The sink threw: the connection is of no more use. */
  isAbandoned = false;
  readonly #text: string;
  readonly #sink: RowSink;
  readonly #settle = Promise.withResolvers<number>();
  #rows = 0;
  #socket: Socket | undefined;
  #pgListener: DataListener | undefined;
  readonly #listener = (piece: Buffer): void => this.#received(piece);
  /** A message whose end has not come yet: joined once, however many pieces it has. */
  #rest: Buffer[] = [];
  #restBytes = 0;
  #neededBytes = 0;

  constructor(text: string, sink: RowSink) {
    this.#text = text;
    this.#sink = sink;
    this.finished = this.#settle.promise;
  }

  submit(connection: Connection): void {
    const socket = (connection as unknown as { readonly stream: Socket }).stream;
    const listeners = socket.listeners('data') as DataListener[];
    assert(listeners.length === 1, 'somebody else reads the socket');
    this.#socket = socket;
    this.#pgListener = listeners[0];
    socket.off('data', this.#pgListener!);
    socket.on('data', this.#listener);
    connection.query(this.#text);
  }

  handleError(error: Error): void {
    this.#settle.reject(error);
  }

  handleCommandComplete(message: { readonly text: string }): void {
    const count = /^COPY (\d+)$/.exec(message.text);
    assert(count !== null, `COPY ended with ${message.text}`);
    this.#rows = Number(count[1]);
  }

  handleReadyForQuery(): void {
    this.#settle.resolve(this.#rows);
  }

  #received(piece: Buffer): void {
    let bytes = piece;
    if (this.#restBytes > 0) {
      this.#rest.push(piece);
      this.#restBytes += piece.length;
      if (this.#restBytes < this.#neededBytes) return;
      bytes = Buffer.concat(this.#rest);
      this.#rest = [];
      this.#restBytes = 0;
    }
    try {
      const at = this.#messages(bytes);
      if (at < bytes.length) {
        // A copy: a piece of a few rows must not keep a whole read alive.
        this.#rest = [Buffer.from(bytes.subarray(at))];
        this.#restBytes = bytes.length - at;
      }
    } catch (error) {
      // Whoever waits ends the connection: it is in the middle of an answer that nobody reads.
      this.isAbandoned = true;
      this.#socket!.off('data', this.#listener);
      this.#socket!.pause();
      this.#settle.reject(error);
    }
  }

  /** Returns where the first message stands that is not whole. */
  #messages(bytes: Buffer): number {
    const { length } = bytes;
    let at = 0;
    for (;;) {
      this.#neededBytes = HEADER_BYTES;
      if (at + HEADER_BYTES > length) break;
      const kind = bytes[at]!;
      const size = 1 + readInt32(bytes, at + 1);
      assert(size >= HEADER_BYTES && size <= MESSAGE_BYTES_MAX, `a message of ${size} bytes`);
      this.#neededBytes = size;
      if (kind === COPY_DATA) {
        if (at + size > length) break;
        this.#sink(bytes, at + HEADER_BYTES, at + size - 1);
      } else if (kind === COPY_DONE) {
        this.#giveBack(bytes.subarray(at + size));
        return length;
      } else if (kind === COPY_OUT_RESPONSE || kind === NOTICE_RESPONSE || kind === NOTIFICATION_RESPONSE || kind === PARAMETER_STATUS) {
        if (at + size > length) break;
      } else {
        // An error, or what only pg understands.
        this.#giveBack(bytes.subarray(at));
        return length;
      }
      at += size;
    }
    return at;
  }

  /** The statement is over: `pg` hears the rest. */
  #giveBack(rest: Buffer): void {
    this.#socket!.off('data', this.#listener);
    this.#socket!.on('data', this.#pgListener!);
    if (rest.length > 0) this.#pgListener!(rest);
  }
}
