/**
 * The one writer of the log (the ingest worker). Appends records, rolls segments, syncs. Keeps I-3: `syncedOffset` moves only behind a successful fdatasync, a
 * failed one is final, and what recovery cuts off was never synced. A full disk is not final: the append throws, the log ends where it did, and the
 * next append writes over the rest.
 *
 * Every offset returned is the one *behind* the record: what may be published as `committedOffset` when it closes a transaction.
 */
import { assert } from '../../base/assert.ts';
import { MillraceError, millraceError, reasonOf } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import type { Lsn } from '../../base/lsn.ts';
import type { UpstreamTable } from '../../upstream/table.ts';
import type { Disk, DiskFile } from '../disk.ts';
import { failpoint } from '../failpoints.ts';
import type { Position } from '../position.ts';
import type { LogBounds } from './bounds.ts';
import type { CopiedFact, InForce, ShapeFact, StoppedFact } from './in-force.ts';
import { AFTER_SYNC, encodeRecordHeader, RECORD_HEADER_BYTES, recordKind, type RecordKind } from './record.ts';
import { recover } from './recovery.ts';
import { segmentPath } from './segment.ts';

export interface LogWriterOptions {
  readonly bounds?: LogBounds;
  readonly segmentBytesMax?: number;
  /** What the row store has folded: a log that ends before it has lost what was synced (LOG_DAMAGED). */
  readonly atLeast?: number;
}

interface Segment {
  readonly start: number;
  readonly file: DiskFile;
}

export class LogWriter {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #bounds: LogBounds | undefined;
  readonly #segmentBytesMax: number;
  /** What is in force at the end of the log: after `open`, what resume decides by (position, lastCommitLsn, progressLsn, tables). */
  readonly inForce: InForce;
  #segment: Segment | undefined;
  #end: number;
  #syncedOffset: number;
  #failure: MillraceError | undefined;
  #syncInFlight: Promise<void> | undefined;
  readonly #header = Buffer.alloc(RECORD_HEADER_BYTES);

  /** Recovers the log in `directory` (made when absent). Throws LOG_DAMAGED. */
  static open(disk: Disk, directory: string, options: LogWriterOptions = {}): LogWriter {
    return new LogWriter(disk, directory, options);
  }

  private constructor(disk: Disk, directory: string, options: LogWriterOptions) {
    this.#disk = disk;
    this.#directory = directory;
    this.#bounds = options.bounds;
    this.#segmentBytesMax = options.segmentBytesMax ?? limits.logSegmentBytesMax;
    disk.makeDirectory(directory);
    const recovered = recover(disk, directory);
    if (recovered.end < (options.atLeast ?? 0))
      throw millraceError('LOG_DAMAGED', {
        file: directory,
        offset: recovered.end,
        reason: `it ends here, but the rows hold it up to ${options.atLeast}`,
      });
    this.inForce = recovered.inForce;
    this.#end = recovered.end;
    this.#syncedOffset = recovered.end;
    if (recovered.segmentStart !== undefined) {
      this.#segment = { start: recovered.segmentStart, file: disk.open(segmentPath(directory, recovered.segmentStart), 'write') };
      // What is read back may never have been synced (a process that died before its fdatasync): only now it is.
      this.#segment.file.sync();
      disk.syncDirectory(directory);
    }
    try {
      // Whatever sent the rest of an open transaction is gone.
      this.appendInterrupted();
    } catch (error) {
      // On a full disk what is here is served all the same; whoever appends next does this first.
      if (!(error instanceof MillraceError) || error.code !== 'LOG_DISK_FULL') throw error;
    }
    this.#bounds?.publishSynced(recovered.end);
  }

  /** Log offset behind the last record. */
  get end(): number {
    return this.#end;
  }

  get syncedOffset(): number {
    return this.#syncedOffset;
  }

  /** The server, timeline or slot is known, or changed. Takes effect with the next segment or `wal` record. */
  moveTo(position: Position): void {
    this.inForce.moveTo(position);
  }

  /** Each chunk holds whole CopyData messages. */
  appendWal(chunks: readonly Uint8Array[]): number {
    return this.append(recordKind.wal, chunks);
  }

  appendProgress(lsn: Lsn): number {
    const payload = Buffer.alloc(8);
    payload.writeBigUInt64BE(lsn);
    return this.append(recordKind.progress, [payload]);
  }

  appendTable(table: UpstreamTable): number {
    return this.append(recordKind.table, [Buffer.from(JSON.stringify(table))]);
  }

  /** `rows`: whole rows as TupleData, one after another. */
  appendCopy(oid: number, rows: readonly Uint8Array[]): number {
    return this.append(recordKind.copy, [oidBytes(oid), ...rows]);
  }

  appendCopied(fact: CopiedFact): number {
    return this.append(recordKind.copied, [Buffer.from(JSON.stringify(fact))]);
  }

  /** What the table's rows are kept by; again when something changed that makes no difference to them. */
  appendShape(fact: ShapeFact): number {
    return this.append(recordKind.shape, [Buffer.from(JSON.stringify(fact))]);
  }

  /** Nothing behind this record is read of the table. */
  appendStopped(fact: StoppedFact): number {
    return this.append(recordKind.stopped, [Buffer.from(JSON.stringify(fact))]);
  }

  appendRemoved(oid: number): number {
    return this.append(recordKind.removed, [oidBytes(oid)]);
  }

  /** The connection was lost: a transaction that is open here is void (it will be sent again). Writes nothing when none is. */
  appendInterrupted(): number {
    return this.inForce.openTransaction === undefined ? this.#end : this.append(recordKind.interrupted, []);
  }

  append(kind: RecordKind, chunks: readonly Uint8Array[]): number {
    this.#refuseAfterFailure();
    let length = RECORD_HEADER_BYTES;
    for (const chunk of chunks) length += chunk.byteLength;
    if (this.#segment === undefined) this.#roll();
    else if (this.#end - this.#segment.start + length > this.#segmentBytesMax && kind !== recordKind.segment) this.#roll();
    const at = this.#end;
    this.#write(kind, chunks);
    failpoint('append');
    for (const chunk of chunks) if (kind === recordKind.wal) this.inForce.observe(kind, chunk, at);
    if (kind !== recordKind.wal && kind !== recordKind.copy) this.inForce.observe(kind, Buffer.concat(chunks), at);
    return this.#end;
  }

  /** Everything appended so far is on disk when this returns the offset behind it. */
  sync(): number {
    this.#refuseAfterFailure();
    failpoint('sync');
    if (this.#syncedOffset === this.#end) return this.#end;
    try {
      this.#segment!.file.sync();
    } catch (error) {
      throw this.#fail(error);
    }
    return this.#synced(this.#end);
  }

  /** The same without holding the thread: what was appended before the call is synced when it resolves. One at a time. */
  async syncLater(): Promise<number> {
    this.#refuseAfterFailure();
    failpoint('sync');
    const end = this.#end;
    if (this.#syncedOffset === end) return end;
    assert(this.#syncInFlight === undefined, 'two syncs at once');
    try {
      await (this.#syncInFlight = this.#segment!.file.syncLater());
    } catch (error) {
      throw this.#fail(error);
    } finally {
      this.#syncInFlight = undefined;
    }
    return this.#synced(end);
  }

  close(): void {
    this.#segment?.file.close();
    this.#segment = undefined;
    this.#failure ??= this.#syncFailure(new Error('the log is closed'));
  }

  #synced(end: number): number {
    // A roll may have synced further meanwhile.
    this.#syncedOffset = Math.max(this.#syncedOffset, end);
    this.#bounds?.publishSynced(this.#syncedOffset);
    return this.#syncedOffset;
  }

  #write(kind: RecordKind, chunks: readonly Uint8Array[]): void {
    const segment = this.#segment!;
    const length = encodeRecordHeader(this.#header, kind, this.#syncedOffset === this.#end ? AFTER_SYNC : 0, chunks);
    assert(length < 2 ** 32, 'a record of 4 GiB');
    try {
      segment.file.write([this.#header, ...chunks], this.#end - segment.start);
    } catch (error) {
      throw this.#writeFailure(error);
    }
    this.#end += RECORD_HEADER_BYTES + length;
  }

  /** Syncs the old segment first: only the last one may ever have a torn tail. */
  #roll(): void {
    if (this.#segment !== undefined) this.#finishSegment(this.#segment);
    const start = this.#end;
    let file: DiskFile | undefined;
    const before = this.#segment;
    try {
      file = this.#disk.open(segmentPath(this.#directory, start), 'write');
      file.truncate(0);
      this.#segment = { start, file };
      this.#write(recordKind.segment, [Buffer.from(JSON.stringify(this.inForce.toHeader(start)))]);
    } catch (error) {
      // The old segment stays the current one and may still grow, so the new one must not be found behind it.
      this.#segment = before;
      this.#end = start;
      if (file !== undefined) this.#takeBack(file, start);
      throw this.#writeFailure(error);
    }
    try {
      this.#disk.syncDirectory(this.#directory);
    } catch (error) {
      throw this.#fail(error);
    }
    if (before === undefined) return;
    const { file: old } = before;
    if (this.#syncInFlight === undefined) old.close();
    else
      void this.#syncInFlight.then(
        () => old.close(),
        () => old.close(),
      );
  }

  /** A segment that could not be begun (a full disk): gone for good before anything else is appended. */
  #takeBack(file: DiskFile, start: number): void {
    file.close();
    try {
      this.#disk.unlink(segmentPath(this.#directory, start));
      this.#disk.syncDirectory(this.#directory);
    } catch (error) {
      throw this.#fail(error);
    }
  }

  #finishSegment(segment: Segment): void {
    // A write that failed may have left a part behind the end; the next segment begins where this one ends.
    const size = this.#end - segment.start;
    if (segment.file.size() > size) {
      segment.file.truncate(size);
      this.#syncedOffset = Math.min(this.#syncedOffset, segment.start);
    }
    this.sync();
  }

  #refuseAfterFailure(): void {
    if (this.#failure !== undefined) throw this.#failure;
  }

  #fail(error: unknown): MillraceError {
    return (this.#failure = this.#syncFailure(error));
  }

  #syncFailure(error: unknown): MillraceError {
    return millraceError('LOG_SYNC_FAILED', { directory: this.#directory, reason: reasonOf(error) }, error);
  }

  #writeFailure(error: unknown): unknown {
    const full = error instanceof Error && 'code' in error && (error.code === 'ENOSPC' || error.code === 'EDQUOT');
    return full ? millraceError('LOG_DISK_FULL', { directory: this.#directory }, error) : error;
  }
}

function oidBytes(oid: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(oid);
  return bytes;
}
