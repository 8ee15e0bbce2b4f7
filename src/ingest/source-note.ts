/**
 * The note beside the log: which server, timeline and slot it comes from. Written durably *before* the slot is made (the intent, I-4) and whenever one of them changes;
 * LSNs alone do not say whose they are. Read before anything else at a start.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { millraceError } from '../base/errors.ts';
import { isDiskFull } from '../store/disk-full.ts';
import { replaceFile, type Disk } from '../store/disk.ts';
import { InForce } from '../store/log/in-force.ts';
import { LogReader } from '../store/log/reader.ts';
import type { LogWriter } from '../store/log/writer.ts';
import type { DurablePosition } from './resume.ts';

const NAME = 'source.json';

export interface SourceNote {
  readonly systemId: string;
  readonly timeline: number;
  readonly slotName: string;
  readonly database: string;
  readonly publication: string;
  /** Log offset at which this source began: what stands before is another server's. */
  readonly since: number;
}

/** The source was dropped: whatever comes next begins at `since`. */
export function noSource(since: number): SourceNote {
  return { systemId: '', timeline: 0, slotName: '', database: '', publication: '', since };
}

export function readSourceNote(logDirectory: string): SourceNote | undefined {
  const file = join(logDirectory, NAME);
  if (!existsSync(file)) return undefined;
  const text = readFileSync(file, 'utf8');
  try {
    return JSON.parse(text) as SourceNote;
  } catch (cause) {
    throw millraceError('LOG_DAMAGED', { file, offset: 0, reason: 'it is not the note that was written' }, cause);
  }
}

export function writeSourceNote(disk: Disk, logDirectory: string, note: SourceNote): void {
  try {
    replaceFile(disk, logDirectory, NAME, `${JSON.stringify(note)}\n`);
  } catch (error) {
    throw isDiskFull(error, logDirectory) ? millraceError('LOG_DISK_FULL', { directory: logDirectory }, error) : error;
  }
}

/**
 * Puts right what the writer has in force: positions, relations and duplicates of a source count from where that source began. Needed when another source's
 * records stand before it in the last segment.
 */
export function forgetEarlierSource(writer: LogWriter, disk: Disk, logDirectory: string, since: number): void {
  const { inForce } = writer;
  const reader = new LogReader(disk, logDirectory);
  if (since > 0 && writer.end > 0 && since > reader.segmentStartOf(Math.max(0, writer.end - 1))) {
    const own = new InForce();
    reader.seek(since, writer.end);
    while (reader.next()) own.observe(reader.kind, reader.bytes.subarray(reader.start, reader.end), reader.offset);
    inForce.moveTo({ ...inForce.position, lsn: own.position.lsn, ordinal: 0 });
    inForce.lastCommitLsn = own.lastCommitLsn;
    inForce.progressLsn = own.progressLsn;
    inForce.openTransaction = own.openTransaction;
    replace(inForce.relations, own.relations);
    replace(inForce.types, own.types);
  }
  reader.close();
}

/** The source begins at the end of the log: nothing of an earlier one counts. */
export function beginSource(writer: LogWriter, note: SourceNote): void {
  const { inForce } = writer;
  inForce.moveTo({ systemId: note.systemId, timeline: note.timeline, slotName: note.slotName, lsn: 0n, ordinal: 0 });
  inForce.lastCommitLsn = 0n;
  inForce.progressLsn = 0n;
  inForce.openTransaction = undefined;
  inForce.relations.clear();
  inForce.types.clear();
}

function replace(target: Map<number, Buffer>, source: Map<number, Buffer>): void {
  target.clear();
  for (const [key, value] of source) target.set(key, value);
}

/** Where we are: what `resume` compares with the server. */
export function durablePosition(inForce: InForce, note: SourceNote | undefined, slotName: string, database: string): DurablePosition {
  const { position, progressLsn } = inForce;
  const receivedLsn = position.lsn > progressLsn ? position.lsn : progressLsn;
  return {
    systemId: note === undefined || note.systemId === '' ? undefined : note.systemId,
    timeline: note?.timeline ?? 0,
    slotName,
    database,
    // The record that `Acknowledgement.snapshotComplete` writes.
    snapshotComplete: progressLsn > 0n,
    acknowledgedLsn: receivedLsn,
    receivedLsn,
  };
}
