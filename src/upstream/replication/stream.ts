/**
 * The walsender's stream as whole CopyData messages in one large reused buffer. Follows the protocol by itself from START_REPLICATION on: `pg` only connects.
 *
 * A walsender sends one packet a change. Reading each as it comes costs 3.5 µs of CPU a change and slows the server; so when much comes, the socket is left alone
 * for 25 ms between reads of up to 2 MiB and the kernel merges the packets (0.3 µs a change, twice the rate). When little comes, every packet is read at once: the
 * pause never adds latency to a stream that is near. Pauses under 20 ms are unstable (docs/internals/change.md).
 *
 * The one owner of `pg`'s internals beside `connection/connect.ts`. Used by `ingest`.
 */
import { Socket } from 'node:net';
import { assert } from '../../base/assert.ts';
import type { MillraceError } from '../../base/errors.ts';
import { ident, literal } from '../../base/ident.ts';
import { formatLsn, type Lsn } from '../../base/lsn.ts';
import { ByteWriter, readInt32 } from '../../wire/bytes.ts';
import { COPY_DATA } from '../../wire/pgoutput.ts';
import { connectUpstream, type UpstreamConnection } from '../connection/connect.ts';
import type { ConnectionParameters } from '../connection/parameters.ts';

const READ_BYTES = 2 << 20;
const PAUSE_MS = 25;
/** So much within so short a time means that the stream is behind or heavy. */
const BUSY_WINDOW_MS = 10;
const BUSY_BYTES_PLAIN = 64 << 10;
/** TLS records come one by one, each an event of its own: a rest pays only after many of them. */
const BUSY_WINDOW_MS_TLS = 100;
const BUSY_BYTES_TLS = 1 << 20;
/** A buffer that one huge row made larger than this is given back. */
const KEEP_BYTES_MAX = 16 << 20;
/** Postgres sends nothing larger than its 1 GB allocation limit; a length beyond is a protocol error. */
const MESSAGE_BYTES_MAX = 1.1 * 2 ** 30;

const COPY_BOTH_RESPONSE = 0x57;
const COPY_DONE = 0x63;
const ERROR_RESPONSE = 0x45;
const NOTICE_RESPONSE = 0x4e;
const PARAMETER_STATUS = 0x53;
/** Between the Unix epoch and that of Postgres (2000-01-01). */
const POSTGRES_EPOCH_MS = 946_684_800_000;

export interface StreamSink {
  /**
   * Whole CopyData messages lie in bytes[start, end). Returns where the part begins that must be shown again, in front of what comes next (end: nothing):
   * the next call begins with exactly that part. Synchronous: the bytes move afterwards.
   */
  take(bytes: Buffer, start: number, end: number): number;
  /** The stream has ended: by `stop`, by the server, by the network. Once. */
  ended(error: MillraceError | undefined): void;
  notice?(severity: string, code: string, message: string): void;
}

export interface StartOptions {
  readonly slot: string;
  readonly publication: string;
  readonly from: Lsn;
}

/** A replication connection whose socket can be read in large pieces. */
export async function connectForStream(parameters: ConnectionParameters, signal?: AbortSignal): Promise<StreamConnection> {
  const reader = new SocketReader();
  const connection = await connectUpstream(parameters, {
    purpose: 'stream',
    replication: true,
    statementTimeoutMs: 0,
    carriesRows: true,
    socket: () => reader.socket(),
    ...(signal === undefined ? {} : { signal }),
  });
  return new StreamConnection(connection, reader);
}

export class StreamConnection {
  readonly connection: UpstreamConnection;
  readonly #reader: SocketReader;

  constructor(connection: UpstreamConnection, reader: SocketReader) {
    this.connection = connection;
    this.#reader = reader;
  }

  /** START_REPLICATION. Resolves when the server has accepted; from then on the connection carries nothing but the stream. */
  start(options: StartOptions, sink: StreamSink): Promise<WalStream> {
    return new Promise((resolve, reject) => {
      const stream: WalStream = new WalStream(this.connection, this.#reader, options.slot, options.publication, sink, (error) =>
        error === undefined ? resolve(stream) : reject(error),
      );
      stream.send(
        `START_REPLICATION SLOT ${ident(options.slot)} LOGICAL ${formatLsn(options.from)} (proto_version '1', publication_names ${literal(ident(options.publication))})`,
      );
    });
  }
}

export class WalStream {
  readonly #connection: UpstreamConnection;
  readonly #reader: SocketReader;
  readonly #slot: string;
  readonly #publication: string;
  readonly #sink: StreamSink;
  #started: ((error: MillraceError | undefined) => void) | undefined;
  #buffer = Buffer.alloc(READ_BYTES + (64 << 10));
  #length = 0;
  /** bytes[0, #shown) were shown to the sink, which wants to see them again. */
  #shown = 0;
  #error: MillraceError | undefined;
  #ended = false;
  #held = false;
  #resting: NodeJS.Timeout | undefined;
  #delivery: NodeJS.Immediate | undefined;
  #windowStart = 0;
  #windowBytes = 0;
  readonly #out = new ByteWriter(64);
  /** Milliseconds of performance.now() when bytes last came. */
  lastReceivedMs = performance.now();

  constructor(
    connection: UpstreamConnection,
    reader: SocketReader,
    slot: string,
    publication: string,
    sink: StreamSink,
    started: (error: MillraceError | undefined) => void,
  ) {
    this.#connection = connection;
    this.#reader = reader;
    this.#slot = slot;
    this.#publication = publication;
    this.#sink = sink;
    this.#started = started;
    reader.redirect(connection.socket, (bytes, length) => this.#received(bytes, length));
    connection.onLost((error) => {
      // The server's last words may lie in what was not shown yet.
      if (this.#delivery !== undefined && !this.#held && !this.#ended) this.#deliver();
      this.#finish(this.#failure(error));
    });
  }

  get walSenderTimeoutMs(): number {
    return this.#connection.walSenderTimeoutMs;
  }

  /** Whether reading is held by `hold`. */
  get held(): boolean {
    return this.#held;
  }

  send(query: string): void {
    this.#out.reset();
    this.#out.begin(0x51);
    this.#out.cstring(query);
    this.#out.end();
    this.#write();
  }

  /** Standby status update. `flushed` is the acknowledgement (I-3): its caller vouches that it is durable. `replyNow` asks for a sign of life. */
  sendStatus(received: Lsn, flushed: Lsn, replyNow = false): void {
    if (this.#ended) return;
    const out = this.#out;
    out.reset();
    out.begin(COPY_DATA);
    out.int8(0x72);
    out.int64(received);
    out.int64(flushed);
    out.int64(flushed);
    out.int64(BigInt(Date.now() - POSTGRES_EPOCH_MS) * 1000n);
    out.int8(replyNow ? 1 : 0);
    out.end();
    this.#write();
  }

  /** Stops reading; the server waits, as long as status updates go on. */
  hold(): void {
    this.#held = true;
    this.#reader.pause();
  }

  release(): void {
    if (!this.#held) return;
    this.#held = false;
    this.lastReceivedMs = performance.now();
    if (this.#length > 0) this.#deliver();
    if (this.#resting === undefined && !this.#held) this.#reader.resume();
  }

  /** Ends the stream and the connection. The sink hears `ended(undefined)`. */
  async stop(): Promise<void> {
    if (this.#ended) return;
    this.#out.reset();
    this.#out.begin(COPY_DONE);
    this.#out.end();
    // Terminate, so that the server lets go of the slot at once.
    this.#out.begin(0x58);
    this.#out.end();
    this.#write();
    const { socket } = this.#connection;
    this.#finish(undefined);
    await new Promise<void>((resolve) => {
      socket.once('close', () => resolve());
      setTimeout(() => socket.destroy(), 1_000).unref();
      socket.end();
      // The close is only seen while reading.
      this.#reader.resume();
    });
  }

  #write(): void {
    const { socket } = this.#connection;
    if (socket.writable) socket.write(this.#out.copy());
  }

  /** True: read on. */
  #received(bytes: Buffer, length: number): boolean {
    if (this.#ended) return true;
    const now = performance.now();
    this.lastReceivedMs = now;
    this.#makeRoom(length);
    bytes.copy(this.#buffer, this.#length, 0, length);
    this.#length += length;
    if (this.#connection.tls) this.#deliverSoon();
    else if (!this.#held) this.#deliver();
    return !this.#held && !this.#rest(now, length);
  }

  /** All records that one look at the socket brings are shown together. */
  #deliverSoon(): void {
    if (this.#delivery !== undefined) return;
    this.#delivery = setImmediate(() => {
      this.#delivery = undefined;
      if (!this.#held && !this.#ended) this.#deliver();
    });
  }

  /** The coalescing: whether the socket is left alone for a while. */
  #rest(now: number, length: number): boolean {
    if (now - this.#windowStart > (this.#connection.tls ? BUSY_WINDOW_MS_TLS : BUSY_WINDOW_MS)) {
      this.#windowStart = now;
      this.#windowBytes = 0;
    }
    this.#windowBytes += length;
    if (this.#windowBytes < (this.#connection.tls ? BUSY_BYTES_TLS : BUSY_BYTES_PLAIN)) return false;
    this.#resting = setTimeout(() => {
      this.#resting = undefined;
      this.#windowStart = performance.now();
      this.#windowBytes = 0;
      if (!this.#held && !this.#ended) this.#reader.resume();
    }, PAUSE_MS);
    return true;
  }

  #makeRoom(length: number): void {
    const needed = this.#length + length;
    const capacity = this.#buffer.length;
    if (needed <= capacity && (capacity <= KEEP_BYTES_MAX || needed > KEEP_BYTES_MAX)) return;
    const grown = Buffer.alloc(
      needed <= KEEP_BYTES_MAX ? Math.max(needed, Math.min(2 * needed, KEEP_BYTES_MAX), READ_BYTES) : Math.ceil(needed * 1.5),
    );
    this.#buffer.copy(grown, 0, 0, this.#length);
    this.#buffer = grown;
  }

  /** Shows what is whole to the sink, and keeps the rest. */
  #deliver(): void {
    const buffer = this.#buffer;
    let at = this.#shown;
    let shownTo = at;
    let from = 0;
    const show = (): void => {
      if (at === shownTo) return;
      const again = this.#sink.take(buffer, from, at);
      assert(again >= from && again <= at, 'the sink took what it was not shown');
      from = again;
      shownTo = at;
    };
    while (at + 5 <= this.#length) {
      const length = 1 + readInt32(buffer, at + 1);
      if (length < 5 || length > MESSAGE_BYTES_MAX) {
        const error = this.#failure(new Error(`Connection terminated: a message of ${length} bytes is none of Postgres`));
        this.#connection.destroy();
        return this.#finish(error);
      }
      if (at + length > this.#length) break;
      if (buffer[at] === COPY_DATA) {
        at += length;
        continue;
      }
      // Anything else is rare, and may end the stream: what stands before it goes to the sink first; then it is cut out.
      show();
      this.#control(buffer, at, at + length);
      if (this.#ended) return;
      buffer.copyWithin(at, at + length, this.#length);
      this.#length -= length;
    }
    show();
    this.#shown = at - from;
    if (from > 0) buffer.copyWithin(0, from, this.#length);
    this.#length -= from;
  }

  #control(buffer: Buffer, start: number, end: number): void {
    switch (buffer[start]!) {
      case COPY_BOTH_RESPONSE: {
        const started = this.#started;
        this.#started = undefined;
        started?.(undefined);
        return;
      }
      case ERROR_RESPONSE: {
        const fields = errorFields(buffer, start + 5, end);
        const error = Object.assign(new Error(fields['M'] ?? 'unknown error'), { code: fields['C'], detail: fields['D'] });
        this.#error = this.#failure(error);
        if (this.#started !== undefined) this.#finish(this.#error);
        return;
      }
      case NOTICE_RESPONSE: {
        const fields = errorFields(buffer, start + 5, end);
        this.#sink.notice?.(fields['V'] ?? fields['S'] ?? '', fields['C'] ?? '', fields['M'] ?? '');
        return;
      }
      case PARAMETER_STATUS:
        return;
      default:
        // CopyDone, CommandComplete, ReadyForQuery: the server has ended the stream.
        this.#finish(this.#error ?? this.#failure(new Error('Connection terminated: the server has ended the stream')));
    }
  }

  #failure(error: unknown): MillraceError {
    return (
      this.#error ??
      this.#connection.failure(error, { doing: 'streaming', slot: this.#slot, publication: this.#publication, replication: true })
    );
  }

  #finish(error: MillraceError | undefined): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#resting);
    clearImmediate(this.#delivery);
    const started = this.#started;
    this.#started = undefined;
    if (error !== undefined) this.#connection.destroy();
    if (started !== undefined) started(error);
    else this.#sink.ended(error);
  }
}

function errorFields(bytes: Buffer, start: number, end: number): Record<string, string> {
  const fields: Record<string, string> = {};
  let at = start;
  while (at < end && bytes[at] !== 0) {
    const stop = bytes.indexOf(0, at + 1);
    fields[String.fromCharCode(bytes[at]!)] = bytes.toString('utf8', at + 1, stop);
    at = stop + 1;
  }
  return fields;
}

/**
 * Reads a socket in pieces as large as what has come: through `onread` where the socket is plain; under TLS, whose records come one by one whatever one does,
 * through 'data'. Until `redirect` everything goes to pg.
 */
class SocketReader {
  #target: ((bytes: Buffer, length: number) => boolean) | undefined;
  #plain: Socket | undefined;
  #socket: Socket | undefined;

  socket(): Socket {
    const socket: Socket = new Socket({
      onread: {
        buffer: Buffer.alloc(READ_BYTES),
        callback: (length, buffer) => {
          if (this.#target !== undefined) return this.#target(buffer as Buffer, length);
          socket.emit('data', Buffer.from(buffer.subarray(0, length)));
          return true;
        },
      },
    } as ConstructorParameters<typeof Socket>[0]);
    this.#plain = socket;
    return socket;
  }

  redirect(socket: Socket, target: (bytes: Buffer, length: number) => boolean): void {
    this.#target = target;
    this.#socket = socket;
    if (socket === this.#plain) return;
    socket.removeAllListeners('data');
    socket.on('data', (chunk: Buffer) => {
      if (!target(chunk, chunk.length)) socket.pause();
    });
  }

  pause(): void {
    this.#socket?.pause();
  }

  resume(): void {
    this.#socket?.resume();
  }
}
