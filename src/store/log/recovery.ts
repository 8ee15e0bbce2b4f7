/**
 * Opening a log after any kind of end: finds where the valid log ends, tells a torn tail (cut off: it was never acknowledged) from damage (refused: LOG_DAMAGED),
 * and rebuilds what is in force there. Keeps I-3: what was synced is found again or missed aloud.
 *
 * - A segment is synced before the next one is made: damage anywhere but in the last segment is damage.
 * - In the last one, a bad record with a record behind it that was written AFTER_SYNC is damage; else it is the tail.
 * - Damage to the very last synced records looks like a torn tail; the resume decision sees it (the server's confirmed position is past ours).
 */
import { millraceError } from '../../base/errors.ts';
import type { Disk } from '../disk.ts';
import { fromJson, InForce } from './in-force.ts';
import { AFTER_SYNC, checksumHolds, plausibleRecord, RECORD_HEADER_BYTES, recordKind, type RecordKind } from './record.ts';
import { listSegments, LOG_FORMAT, segmentPath, type SegmentHeader } from './segment.ts';

export interface Recovered {
  /** Start of the last segment; undefined when the log is empty. */
  readonly segmentStart: number | undefined;
  readonly end: number;
  readonly inForce: InForce;
}

export function recover(disk: Disk, directory: string): Recovered {
  const starts = listSegments(disk, directory);
  for (;;) {
    const start = starts.at(-1);
    if (start === undefined) return { segmentStart: undefined, end: 0, inForce: new InForce() };
    checkSeams(disk, directory, starts);
    const recovered = recoverSegment(disk, directory, start, starts.length === 1);
    if (recovered !== undefined) return recovered;
    // Its very first record is torn: nothing in it was ever synced.
    disk.unlink(segmentPath(directory, start));
    disk.syncDirectory(directory);
    starts.pop();
    if (starts.length === 0) return { segmentStart: undefined, end: start, inForce: new InForce() };
  }
}

/** Every segment but the last ends where the next begins. (Their records are checked when they are read.) */
function checkSeams(disk: Disk, directory: string, starts: readonly number[]): void {
  for (let i = 0; i + 1 < starts.length; i++) {
    const path = segmentPath(directory, starts[i]!);
    const file = disk.open(path, 'read');
    const end = starts[i]! + file.size();
    file.close();
    if (end !== starts[i + 1])
      throw millraceError('LOG_DAMAGED', { file: path, offset: end, reason: `the next segment begins at ${starts[i + 1]}` });
  }
}

function recoverSegment(disk: Disk, directory: string, start: number, only: boolean): Recovered | undefined {
  const path = segmentPath(directory, start);
  const file = disk.open(path, 'write');
  try {
    const size = file.size();
    const bytes = Buffer.alloc(size);
    file.read(bytes, 0, size, 0);
    let inForce: InForce | undefined;
    let at = 0;
    for (;;) {
      const length = validRecord(bytes, at);
      if (length < 0) break;
      const kind = bytes[at + 8] as RecordKind;
      const payload = bytes.subarray(at + RECORD_HEADER_BYTES, at + RECORD_HEADER_BYTES + length);
      if (inForce === undefined) {
        if (kind !== recordKind.segment) break;
        const header = fromJson<SegmentHeader>(payload);
        if (header.format !== LOG_FORMAT || header.start !== start)
          throw millraceError('LOG_DAMAGED', {
            file: path,
            offset: start,
            reason: `it says format ${header.format}, start ${header.start}`,
          });
        inForce = InForce.fromHeader(header);
      } else inForce.observe(kind, payload, start + at);
      at += RECORD_HEADER_BYTES + length;
    }
    if (at < size) {
      const proof = syncedRecordBehind(bytes, at + 1);
      if (proof >= 0) {
        throw millraceError('LOG_DAMAGED', {
          file: path,
          offset: start + at,
          reason: `a record is unreadable, and the one at ${start + proof} was written after it had been synced`,
        });
      }
    }
    if (inForce === undefined) return only && start > 0 ? throwHeaderless(path, start) : undefined;
    if (at < size) {
      file.truncate(at);
      file.sync();
    }
    return { segmentStart: start, end: start + at, inForce };
  } finally {
    file.close();
  }
}

/** A log that once had more segments always keeps one whole one. */
function throwHeaderless(path: string, start: number): never {
  throw millraceError('LOG_DAMAGED', { file: path, offset: start, reason: 'the only segment has no readable header' });
}

function validRecord(bytes: Buffer, at: number): number {
  if (at + RECORD_HEADER_BYTES > bytes.length) return -1;
  const length = plausibleRecord(bytes, at);
  return length < 0 || at + RECORD_HEADER_BYTES + length > bytes.length || !checksumHolds(bytes, at, length) ? -1 : length;
}

/**
 * The offset of a whole AFTER_SYNC record behind a bad one, or −1. Any byte may be its start, since the bad record's length is not to be trusted. No value of the
 * upstream can pose as one by chance or malice: a header holds zero bytes, which no text of Postgres can, and the worst outcome would be a refusal.
 */
function syncedRecordBehind(bytes: Buffer, from: number): number {
  for (let at = from; at + RECORD_HEADER_BYTES <= bytes.length; at++) {
    if (bytes[at + 9] === AFTER_SYNC && validRecord(bytes, at) >= 0) return at;
  }
  return -1;
}
