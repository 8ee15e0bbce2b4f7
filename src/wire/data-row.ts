/**
 * DataRow and CopyData messages, appended to a growable buffer; and DataRow messages read. Called for every row that a client gets, so the encoder takes bytes where it can.
 *
 *     const row = new DataRowEncoder(out);  row.begin(2);  row.text(bytes, 4, 9);  row.null();  row.end();
 */
import type { ByteWriter } from './bytes.ts';

export const DATA_ROW = 0x44;
const COPY_DATA = 0x64;

export class DataRowEncoder {
  readonly #out: ByteWriter;

  constructor(out: ByteWriter) {
    this.#out = out;
  }

  begin(columnCount: number): void {
    this.#out.begin(DATA_ROW);
    this.#out.int16(columnCount);
  }

  null(): void {
    this.#out.int32(-1);
  }

  /** bytes[start, end) as the value. */
  text(bytes: Uint8Array, start = 0, end: number = bytes.length): void {
    this.#out.int32(end - start);
    this.#out.raw(bytes, start, end);
  }

  utf8(text: string): void {
    const at = this.#out.length;
    this.#out.int32(0);
    this.#out.utf8(text);
    this.#out.int32At(at, this.#out.length - at - 4);
  }

  end(): void {
    this.#out.end();
  }
}

/** A whole row of text values. */
export function dataRow(out: ByteWriter, values: readonly (string | Uint8Array | null)[]): void {
  const row = new DataRowEncoder(out);
  row.begin(values.length);
  for (const value of values) {
    if (value === null) row.null();
    else if (typeof value === 'string') row.utf8(value);
    else row.text(value);
  }
  row.end();
}

/** DataRow messages, taken apart: type, length, number of fields, then each one's length (−1: NULL) and bytes. */
export function* rowsIn(bytes: Uint8Array): Generator<(Buffer | null)[], void> {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < buffer.length;) {
    const end = at + 1 + buffer.readInt32BE(at + 1);
    const fields: (Buffer | null)[] = [];
    let field = at + 7;
    for (let left = buffer.readInt16BE(at + 5); left > 0; left--) {
      const length = buffer.readInt32BE(field);
      field += 4;
      fields.push(length < 0 ? null : buffer.subarray(field, field + length));
      field += Math.max(0, length);
    }
    yield fields;
    at = end;
  }
}

const ESCAPES: Readonly<Record<number, number>> = { 8: 0x62, 9: 0x74, 10: 0x6e, 11: 0x76, 12: 0x66, 13: 0x72, 92: 0x5c };

/** CopyData messages of COPY's text format: one line a row. */
export class CopyTextEncoder {
  readonly #out: ByteWriter;
  #first = true;

  constructor(out: ByteWriter) {
    this.#out = out;
  }

  begin(): void {
    this.#out.begin(COPY_DATA);
    this.#first = true;
  }

  null(): void {
    this.#separate();
    this.#out.int8(0x5c);
    this.#out.int8(0x4e);
  }

  text(bytes: Uint8Array, start = 0, end: number = bytes.length): void {
    this.#separate();
    this.#out.reserve(2 * (end - start));
    const target = this.#out.bytes;
    let to = this.#out.length;
    for (let i = start; i < end; i++) {
      const byte = bytes[i]!;
      if (byte <= 13 || byte === 92) {
        const escape = ESCAPES[byte];
        if (escape !== undefined) {
          target[to++] = 0x5c;
          target[to++] = escape;
          continue;
        }
      }
      target[to++] = byte;
    }
    this.#out.length = to;
  }

  utf8(text: string): void {
    this.text(Buffer.from(text));
  }

  end(): void {
    this.#out.int8(10);
    this.#out.end();
  }

  #separate(): void {
    if (!this.#first) this.#out.int8(9);
    this.#first = false;
  }
}

/** One CopyData message with these bytes. */
export function copyData(out: ByteWriter, bytes: Uint8Array): void {
  out.begin(COPY_DATA);
  out.raw(bytes);
  out.end();
}

/** How many bytes the first `rows` messages of a run of whole messages take. */
export function bytesOfRows(messages: Uint8Array, rows: number): number {
  const view = new DataView(messages.buffer, messages.byteOffset, messages.byteLength);
  let at = 0;
  for (let row = 0; row < rows; row++) at += 1 + view.getInt32(at + 1);
  return at;
}
