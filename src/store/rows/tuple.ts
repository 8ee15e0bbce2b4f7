/**
 * Tuples as pgoutput sends them, taken apart by offsets: the identity key of a row, filling in unchanged TOAST values, and rewriting a row into the shape that its
 * table has now. No values are interpreted here: a row is its text (identity). Used by the fold and the table reader.
 */
import { hash } from 'node:crypto';
import { type ByteWriter, readInt16, readInt32 } from '../../wire/bytes.ts';
import { COLUMN_BINARY, COLUMN_NULL, COLUMN_TEXT, COLUMN_UNCHANGED, skipTuple } from '../../wire/pgoutput.ts';

/** Keys longer than this are hashed: short keys keep the B-tree's pages full. LMDB would take 4,026 bytes at our page size. */
const KEY_BYTES_MAX = 480;
export const OID_BYTES = 4;
/** No UTF-8 text holds this byte: it marks what is not plain text in a key. */
const NO_TEXT = 0xff;

/** The LMDB key of every row of a table begins with its OID. */
export function tablePrefix(oid: number): Buffer {
  const key = Buffer.alloc(OID_BYTES);
  key.writeUInt32BE(oid);
  return key;
}

/** Where the rows of a table end: the next OID. */
export function tableEnd(oid: number): Buffer {
  return oid === 0xffffffff ? Buffer.alloc(OID_BYTES + 1, 0xff) : tablePrefix(oid + 1);
}

/**
 * Appends the key of a row of a keyed table: OID, then the text of each key column and a zero byte (which no text holds), in column order.
 * `isKey`: one flag a column. False when a key value was not sent.
 */
export function writeIdentityKey(out: ByteWriter, oid: number, bytes: Uint8Array, at: number, isKey: Uint8Array): boolean {
  out.int32(oid);
  const start = out.length;
  let next = at + 2;
  const count = Math.min(readInt16(bytes, at), isKey.length);
  for (let i = 0; i < count; i++) {
    const kind = bytes[next]!;
    if (kind === COLUMN_TEXT || kind === COLUMN_BINARY) {
      const length = readInt32(bytes, next + 1);
      next += 5;
      if (isKey[i] === 1) {
        out.raw(bytes, next, next + length);
        out.int8(0);
      }
      next += length;
    } else {
      next += 1;
      if (isKey[i] !== 1) continue;
      if (kind === COLUMN_UNCHANGED) return false;
      out.int8(NO_TEXT);
      out.int8(0);
    }
  }
  if (out.length - start > KEY_BYTES_MAX) {
    const digest = hash('sha256', out.bytes.subarray(start, out.length), 'buffer');
    out.length = start;
    out.int8(NO_TEXT);
    out.int8(NO_TEXT);
    out.raw(digest);
  }
  return true;
}

/** Appends the key of a row of a keyless table: OID and 128 bits of a hash. Equal hashes of different rows share an entry (`bucket.ts`). */
export function writeContentKey(out: ByteWriter, oid: number, bytes: Uint8Array, at: number, end: number): void {
  out.int32(oid);
  out.raw(contentHash(bytes, at, end), 0, 16);
}

let contentHash = (bytes: Uint8Array, at: number, end: number): Buffer => hash('sha256', bytes.subarray(at, end), 'buffer');

/** For tests: a worse hash, so that collisions happen. Returns the undoing. */
export function withContentHash(worse: typeof contentHash): () => void {
  const before = contentHash;
  contentHash = worse;
  return () => {
    contentHash = before;
  };
}

export function hasUnchanged(bytes: Uint8Array, at: number): boolean {
  let next = at + 2;
  for (let left = readInt16(bytes, at); left > 0; left--) {
    const kind = bytes[next]!;
    if (kind === COLUMN_UNCHANGED) return true;
    next += kind === COLUMN_TEXT || kind === COLUMN_BINARY ? 5 + readInt32(bytes, next + 1) : 1;
  }
  return false;
}

/** The offset of each column's kind byte in a tuple. */
function columnOffsets(bytes: Uint8Array, at: number): number[] {
  const offsets: number[] = [];
  let next = at + 2;
  for (let left = readInt16(bytes, at); left > 0; left--) {
    offsets.push(next);
    const kind = bytes[next]!;
    next += kind === COLUMN_TEXT || kind === COLUMN_BINARY ? 5 + readInt32(bytes, next + 1) : 1;
  }
  offsets.push(next);
  return offsets;
}

/**
 * Appends the tuple at `newAt` with every value that was not sent taken from the tuple at `oldAt`. `source`: for each column of the new tuple its place in the
 * old one, −1 when it was not there (then it is NULL).
 */
export function writeFilled(
  out: ByteWriter,
  bytes: Uint8Array,
  newAt: number,
  oldBytes: Uint8Array,
  oldAt: number,
  source: (column: number) => number,
): void {
  const columns = columnOffsets(bytes, newAt);
  const old = columnOffsets(oldBytes, oldAt);
  out.raw(bytes, newAt, newAt + 2);
  for (let i = 0; i + 1 < columns.length; i++) {
    if (bytes[columns[i]!] === COLUMN_UNCHANGED) writeColumn(out, oldBytes, old, source(i));
    else out.raw(bytes, columns[i]!, columns[i + 1]!);
  }
}

/** Appends a tuple of another shape: `source` gives each new column's place in it, −1 for NULL. */
export function writeReshaped(out: ByteWriter, bytes: Uint8Array, at: number, source: readonly number[]): void {
  const columns = columnOffsets(bytes, at);
  out.int16(source.length);
  for (const place of source) writeColumn(out, bytes, columns, place);
}

function writeColumn(out: ByteWriter, bytes: Uint8Array, offsets: readonly number[], column: number): void {
  const start = offsets[column];
  const end = offsets[column + 1];
  if (start === undefined || end === undefined) out.int8(COLUMN_NULL);
  else out.raw(bytes, start, end);
}

export function tupleLength(bytes: Uint8Array, at: number): number {
  return skipTuple(bytes, at) - at;
}
