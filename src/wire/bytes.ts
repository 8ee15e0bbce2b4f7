/**
 * Reading and writing the Postgres protocol's integers and strings in byte arrays. `ByteWriter` is a growable buffer that is reused: `reset` keeps its memory.
 * Used by every encoder of the server, by the walsender client and by the snapshot copy.
 */
import { assert } from '../base/assert.ts';

export function readInt16(bytes: Uint8Array, at: number): number {
  return (((bytes[at]! << 8) | bytes[at + 1]!) << 16) >> 16;
}

export function readInt32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

/** OIDs are unsigned. */
export function readUint32(bytes: Uint8Array, at: number): number {
  return readInt32(bytes, at) >>> 0;
}

export function readUint64(bytes: Uint8Array, at: number): bigint {
  return (BigInt(readUint32(bytes, at)) << 32n) | BigInt(readUint32(bytes, at + 4));
}

/** The offset of the zero byte that ends the string at `at`. */
export function cstringEnd(bytes: Uint8Array, at: number): number {
  const end = bytes.indexOf(0, at);
  assert(end >= 0, 'a string in a protocol message has no end');
  return end;
}

export function readUtf8(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('utf8');
}

const RELEASED_BYTES = 4096;

export class ByteWriter {
  /** Public for hot loops: call `reserve(n)` first, write from `length`, then set `length`. Replaced when it grows. */
  bytes: Buffer;
  length = 0;
  #messageStart = -1;

  constructor(capacity = 4096) {
    this.bytes = Buffer.alloc(capacity);
  }

  /** Room for `count` more bytes. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    const grown = Buffer.alloc(Math.max(needed, this.bytes.length * 2));
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
  }

  reset(): void {
    this.length = 0;
    this.#messageStart = -1;
  }

  /** Empties it and gives its memory back. */
  release(): void {
    this.reset();
    this.bytes = Buffer.alloc(RELEASED_BYTES);
  }

  /** What was written, without a copy: valid until the next write. */
  view(): Buffer {
    return this.bytes.subarray(0, this.length);
  }

  /** What was written, as bytes of the caller's own. */
  copy(): Buffer {
    return Buffer.from(this.view());
  }

  int8(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }

  int16(value: number): void {
    this.reserve(2);
    this.bytes[this.length++] = value >> 8;
    this.bytes[this.length++] = value;
  }

  int32(value: number): void {
    this.reserve(4);
    this.int32At(this.length, value);
    this.length += 4;
  }

  int64(value: bigint): void {
    this.reserve(8);
    this.length = this.bytes.writeBigUInt64BE(BigInt.asUintN(64, value), this.length);
  }

  int32At(at: number, value: number): void {
    const { bytes } = this;
    bytes[at] = value >>> 24;
    bytes[at + 1] = value >>> 16;
    bytes[at + 2] = value >>> 8;
    bytes[at + 3] = value;
  }

  raw(source: Uint8Array, start = 0, end: number = source.length): void {
    const count = end - start;
    this.reserve(count);
    // A loop beats the call for the short values that most columns hold.
    if (count < 32) for (let i = start; i < end; i++) this.bytes[this.length++] = source[i]!;
    else {
      this.bytes.set(source.subarray(start, end), this.length);
      this.length += count;
    }
  }

  utf8(text: string): void {
    this.reserve(text.length * 3);
    this.length += this.bytes.write(text, this.length, 'utf8');
  }

  cstring(text: string): void {
    this.utf8(text);
    this.int8(0);
  }

  /** Starts a protocol message: its kind, and room for its length. `end` fills that in. Messages do not nest. */
  begin(kind: number): void {
    this.int8(kind);
    this.#messageStart = this.length;
    this.int32(0);
  }

  end(): void {
    assert(this.#messageStart >= 0, 'no message was begun');
    this.int32At(this.#messageStart, this.length - this.#messageStart);
    this.#messageStart = -1;
  }
}
