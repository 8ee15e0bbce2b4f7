/**
 * One record of the log as bytes: u32 payload length, u32 crc32 of all that follows, u8 kind, u8 flags, 2 zero bytes, payload. Big-endian, like the protocol.
 * The flag AFTER_SYNC says that everything before this record was synced when it was written. By it a damaged record is told from a torn tail: behind a torn
 * tail no such record can stand (I-3). Used by the writer, the reader and recovery.
 */
import { crc32 } from 'node:zlib';

export const RECORD_HEADER_BYTES = 12;

export const recordKind = {
  segment: 1,
  wal: 2,
  progress: 3,
  table: 4,
  copy: 5,
  copied: 6,
  removed: 7,
  altered: 8,
  interrupted: 9,
  shape: 10,
  stopped: 11,
} as const;

export type RecordKind = (typeof recordKind)[keyof typeof recordKind];

export const AFTER_SYNC = 1;

const KIND_MAX = 11;

/** Writes the header of a record whose payload is `chunks` into `header` (12 bytes). Returns the payload's length. */
export function encodeRecordHeader(header: Buffer, kind: RecordKind, flags: number, chunks: readonly Uint8Array[]): number {
  let length = 0;
  header[8] = kind;
  header[9] = flags;
  header[10] = 0;
  header[11] = 0;
  let crc = crc32(header.subarray(8, 12));
  for (const chunk of chunks) {
    length += chunk.byteLength;
    crc = crc32(chunk, crc);
  }
  header.writeUInt32BE(length, 0);
  header.writeUInt32BE(crc, 4);
  return length;
}

/** The payload's length if a record header can stand here, else −1. Cheap: the checksum is not looked at. */
export function plausibleRecord(bytes: Buffer, at: number): number {
  const kind = bytes[at + 8]!;
  if (kind === 0 || kind > KIND_MAX || bytes[at + 9]! > AFTER_SYNC || bytes[at + 10] !== 0 || bytes[at + 11] !== 0) return -1;
  return bytes.readUInt32BE(at);
}

/** Whether the whole record that stands at `at` is as it was written. */
export function checksumHolds(bytes: Buffer, at: number, payloadLength: number): boolean {
  return crc32(bytes.subarray(at + 8, at + RECORD_HEADER_BYTES + payloadLength)) === bytes.readUInt32BE(at + 4);
}
