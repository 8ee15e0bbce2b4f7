/**
 * The value stored for a keyless table's row: a count for each different row whose 128-bit hash is the same (nearly always one), so that counts are exact even
 * when hashes collide. Entries: u48 count, u16 shape, u32 length, TupleData. Used by the merge and the table reader.
 */
export interface BucketEntry {
  count: number;
  readonly shape: number;
  readonly tuple: Buffer;
}

const ENTRY_HEADER_BYTES = 12;

export function readBucket(value: Buffer): BucketEntry[] {
  const entries: BucketEntry[] = [];
  for (let at = 0; at < value.length;) {
    const start = at + ENTRY_HEADER_BYTES;
    const end = start + value.readUInt32BE(at + 8);
    entries.push({ count: value.readUIntBE(at, 6), shape: value.readUInt16BE(at + 6), tuple: value.subarray(start, end) });
    at = end;
  }
  return entries;
}

export function writeBucket(entries: readonly BucketEntry[]): Buffer {
  let length = 0;
  for (const { tuple } of entries) length += ENTRY_HEADER_BYTES + tuple.length;
  const value = Buffer.alloc(length);
  let at = 0;
  for (const { count, shape, tuple } of entries) {
    value.writeUIntBE(count, at, 6);
    value.writeUInt16BE(shape, at + 6);
    value.writeUInt32BE(tuple.length, at + 8);
    tuple.copy(value, at + ENTRY_HEADER_BYTES);
    at += ENTRY_HEADER_BYTES + tuple.length;
  }
  return value;
}
