/**
 * Reads records of the log between two offsets, while it is being written: the same bytes that ingest has just appended, from the page cache. Synchronous, large
 * preads into one reused buffer, no object a record. The caller never asks beyond what ingest published, so a torn record met here is damage (LOG_DAMAGED),
 * and an offset behind deleted segments is LOG_GONE (pin before you read: `bounds.ts`). Used by the engine, the fold and the table reader.
 *
 *     reader.seek(from, to);
 *     while (reader.next()) use(reader.kind, reader.bytes, reader.start, reader.end, reader.offset);
 */
import { millraceError } from '../../base/errors.ts';
import type { Disk, DiskFile } from '../disk.ts';
import { checksumHolds, plausibleRecord, RECORD_HEADER_BYTES, type RecordKind } from './record.ts';
import { listSegments, segmentPath } from './segment.ts';

/** One pread: large enough to make the call cheap, small enough to stay in the cache. */
const READ_BYTES = 512 << 10;
/** A buffer that one giant record made larger than this is let go again. */
const KEEP_BYTES_MAX = 8 << 20;

interface OpenSegment {
  readonly start: number;
  readonly path: string;
  readonly file: DiskFile;
}

export class LogReader {
  /** Of the current record: valid until the next `next`, `seek` or `close`. */
  kind: RecordKind = 1;
  bytes: Buffer = Buffer.alloc(0);
  start = 0;
  end = 0;
  /** Log offset of the record's first byte, and the one behind it. */
  offset = 0;
  nextOffset = 0;

  readonly #disk: Disk;
  readonly #directory: string;
  #segment: OpenSegment | undefined;
  /** Known starts, ascending; read again when an offset lies outside. */
  #starts: number[] = [];
  /** Log offset of `bytes[0]`, and how many bytes of it are read. */
  #bufferOffset = 0;
  #bufferLength = 0;
  #to = 0;
  #ahead: LogReader | undefined;

  constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.#directory = directory;
  }

  /** A second reader of the same log, to look ahead with while this one's record stays where it is. */
  get ahead(): LogReader {
    return (this.#ahead ??= new LogReader(this.#disk, this.#directory));
  }

  /** `from` and `to` are offsets of records (as the writer returned them). */
  seek(from: number, to: number): void {
    this.nextOffset = from;
    this.#to = to;
    // The log never changes behind an offset that was published, so bytes once read stay good.
    if (from < this.#bufferOffset || from > this.#bufferOffset + this.#bufferLength) this.#bufferLength = 0;
  }

  next(): boolean {
    const offset = this.nextOffset;
    if (offset >= this.#to) return false;
    const at = this.#buffered(offset, RECORD_HEADER_BYTES);
    const length = plausibleRecord(this.bytes, at);
    if (length < 0) throw this.#damaged(offset, 'no record begins here');
    const start = this.#buffered(offset, RECORD_HEADER_BYTES + length);
    if (!checksumHolds(this.bytes, start, length)) throw this.#damaged(offset, 'the checksum does not hold');
    this.kind = this.bytes[start + 8] as RecordKind;
    this.start = start + RECORD_HEADER_BYTES;
    this.end = this.start + length;
    this.offset = offset;
    this.nextOffset = offset + RECORD_HEADER_BYTES + length;
    return true;
  }

  /** The start of the segment that holds `offset`. */
  segmentStartOf(offset: number): number {
    return this.#segmentAt(offset).start;
  }

  close(): void {
    this.#segment?.file.close();
    this.#segment = undefined;
    this.#bufferLength = 0;
    this.#starts = [];
    this.#ahead?.close();
  }

  /** Makes `length` bytes at `offset` stand in `bytes`; returns where. */
  #buffered(offset: number, length: number): number {
    let at = offset - this.#bufferOffset;
    if (this.#bufferLength > 0 && at >= 0 && at + length <= this.#bufferLength) return at;
    const segment = this.#segmentAt(offset);
    const kept = this.#bufferLength > 0 && at >= 0 && at < this.#bufferLength ? this.#bufferLength - at : 0;
    const wanted = Math.max(length, READ_BYTES);
    if (this.bytes.length < wanted || (this.bytes.length > KEEP_BYTES_MAX && wanted <= KEEP_BYTES_MAX)) {
      const grown = Buffer.alloc(wanted);
      if (kept > 0) this.bytes.copy(grown, 0, at, at + kept);
      this.bytes = grown;
    } else if (kept > 0) this.bytes.copyWithin(0, at, at + kept);
    at = 0;
    this.#bufferOffset = offset;
    this.#bufferLength = kept;
    // Not beyond `to`: what lies there may be half written.
    const room = Math.max(length, Math.min(this.bytes.length, this.#to - offset));
    this.#bufferLength += segment.file.read(this.bytes, kept, room - kept, offset + kept - segment.start);
    if (this.#bufferLength < length) throw this.#damaged(offset, 'the file ends inside a record');
    return at;
  }

  #segmentAt(offset: number): OpenSegment {
    const open = this.#segment;
    const known = this.#startBefore(offset);
    if (open !== undefined && known === open.start && offset < open.start + open.file.size()) return open;
    this.#starts = listSegments(this.#disk, this.#directory);
    const start = this.#startBefore(offset);
    if (start === undefined) throw millraceError('LOG_GONE', { offset, oldest: this.#starts[0] ?? 0 });
    if (open?.start === start) return open;
    open?.file.close();
    this.#segment = undefined;
    const path = segmentPath(this.#directory, start);
    try {
      this.#segment = { start, path, file: this.#disk.open(path, 'read') };
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
        throw millraceError('LOG_GONE', { offset, oldest: start }, error);
      throw error;
    }
    return this.#segment;
  }

  #startBefore(offset: number): number | undefined {
    const starts = this.#starts;
    let low = 0;
    let high = starts.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (starts[middle]! <= offset) low = middle + 1;
      else high = middle;
    }
    return starts[low - 1];
  }

  #damaged(offset: number, reason: string): Error {
    return millraceError('LOG_DAMAGED', { file: this.#segment?.path ?? this.#directory, offset, reason });
  }
}
