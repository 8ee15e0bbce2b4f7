/**
 * Bytes from a client → whole messages, and the fields in a message. Nothing is trusted: every length is checked before it is used, and a
 * message that is longer than its limit is refused at its header, before it is held (I-6). Called by `connection.ts` and `extended.ts`.
 */
import { millraceError, type MillraceError } from '../../base/errors.ts';

export interface FrontendMessage {
  /** The type byte; 0 for the messages of the startup phase, which have none. */
  readonly type: number;
  readonly body: Buffer;
  /** It is too large: its bytes were dropped as they came, and this is what to answer. */
  readonly refused?: MillraceError;
}

export interface MessageLimits {
  /** Whether messages carry a type byte (all but those before the startup message). */
  readonly typed: boolean;
  readonly bodyBytesMax: number;
  /** Of a message that is within the limit: why it is not taken all the same. Called once, before it is held. */
  admit?(type: number, bodyBytes: number): MillraceError | undefined;
}

export class MessageReader {
  #chunks: Buffer[] = [];
  #availableBytes = 0;
  #header: { type: number; bodyBytes: number; refused: MillraceError | undefined } | undefined;

  /** Bytes received and not yet taken. */
  get availableBytes(): number {
    return this.#availableBytes;
  }

  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#availableBytes += chunk.length;
  }

  /** The next whole message, or undefined until more bytes come. */
  next(limits: MessageLimits): FrontendMessage | undefined {
    if (this.#header === undefined) {
      const headerBytes = limits.typed ? 5 : 4;
      if (this.#availableBytes < headerBytes) return undefined;
      const header = this.#take(headerBytes);
      const length = header.readInt32BE(headerBytes - 4);
      if (length < 4) throw millraceError('PROTOCOL_VIOLATION', { reason: `invalid message length ${length}` });
      if (length - 4 > limits.bodyBytesMax) {
        // Before the startup message, a wild length is another protocol (TLS, HTTP), not a large message.
        if (!limits.typed) throw millraceError('PROTOCOL_VIOLATION', { reason: 'invalid length of startup packet' });
        throw millraceError('PROTOCOL_MESSAGE_TOO_LARGE', { bytes: length - 4, bytesMax: limits.bodyBytesMax });
      }
      const type = limits.typed ? header[0]! : 0;
      this.#header = { type, bodyBytes: length - 4, refused: limits.admit?.(type, length - 4) };
    }
    const { type, bodyBytes, refused } = this.#header;
    if (refused !== undefined) {
      const dropped = Math.min(bodyBytes, this.#availableBytes);
      if (dropped > 0) this.#take(dropped);
      this.#header.bodyBytes -= dropped;
      if (this.#header.bodyBytes > 0) return undefined;
      this.#header = undefined;
      return { type, body: Buffer.alloc(0), refused };
    }
    if (this.#availableBytes < bodyBytes) return undefined;
    this.#header = undefined;
    return { type, body: this.#take(bodyBytes) };
  }

  /** The caller has checked that so many bytes are there. */
  #take(bytes: number): Buffer {
    this.#availableBytes -= bytes;
    const first = this.#chunks[0];
    if (first !== undefined && first.length > bytes) {
      this.#chunks[0] = first.subarray(bytes);
      return first.subarray(0, bytes);
    }
    const parts: Buffer[] = [];
    let missing = bytes;
    while (missing > 0) {
      const chunk = this.#chunks.shift()!;
      if (chunk.length > missing) {
        parts.push(chunk.subarray(0, missing));
        this.#chunks.unshift(chunk.subarray(missing));
        missing = 0;
      } else {
        parts.push(chunk);
        missing -= chunk.length;
      }
    }
    return parts.length === 1 ? parts[0]! : Buffer.concat(parts, bytes);
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decodeText(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch (error) {
    throw millraceError('TEXT_NOT_UTF8', {}, error);
  }
}

/** The fields of one message body, in order. Throws PROTOCOL_VIOLATION where the body is too short, and at `end` where it is too long. */
export class BodyReader {
  readonly #body: Buffer;
  #at = 0;

  constructor(body: Buffer) {
    this.#body = body;
  }

  get remainingBytes(): number {
    return this.#body.length - this.#at;
  }

  byte(): number {
    return this.bytes(1)[0]!;
  }

  int16(): number {
    return this.bytes(2).readInt16BE(0);
  }

  int32(): number {
    return this.bytes(4).readInt32BE(0);
  }

  uint32(): number {
    return this.bytes(4).readUInt32BE(0);
  }

  bytes(count: number): Buffer {
    if (count < 0 || count > this.remainingBytes)
      throw millraceError('PROTOCOL_VIOLATION', { reason: 'insufficient data left in message' });
    const found = this.#body.subarray(this.#at, this.#at + count);
    this.#at += count;
    return found;
  }

  text(): string {
    const end = this.#body.indexOf(0, this.#at);
    if (end < 0) throw millraceError('PROTOCOL_VIOLATION', { reason: 'invalid string in message' });
    const found = this.#body.subarray(this.#at, end);
    this.#at = end + 1;
    return decodeText(found);
  }

  /** A count of entries that each take at least `bytesEach`: a count that cannot be true is refused before anything is allocated. */
  count(bytesEach: number): number {
    const count = this.bytes(2).readUInt16BE(0);
    if (count * bytesEach > this.remainingBytes) throw millraceError('PROTOCOL_VIOLATION', { reason: 'insufficient data left in message' });
    return count;
  }

  end(): void {
    if (this.remainingBytes !== 0) throw millraceError('PROTOCOL_VIOLATION', { reason: 'invalid message format' });
  }
}
