/** Segment files: named by the log offset of their first byte, opened by a record that makes them self-contained: replay and fold need the log alone. */
import { join } from 'node:path';
import type { PlainError } from '../../base/errors.ts';
import type { TableShape } from '../../upstream/shape.ts';
import type { UpstreamTable } from '../../upstream/table.ts';
import type { Disk } from '../disk.ts';
import type { PositionJson } from '../position.ts';

export const LOG_FORMAT = 1;

/** A table whose rows the log brings. */
export interface TableInForce {
  readonly table: UpstreamTable;
  /** Log offset of its `table` record. */
  readonly since: number;
  /** `16/B374D848`: a transaction applies iff its commit LSN is at or past this. Absent while the copy is under way. */
  readonly snapshotLsn?: string;
  /** What its rows are kept by, as of its copy; absent where an earlier version copied it. */
  readonly shape?: TableShape;
  /** It takes nothing more, for ever: until it is copied anew. */
  readonly stopped?: PlainError;
}

/** Payload of a `segment` record, as JSON. All of it is as of the segment's first byte. */
export interface SegmentHeader {
  readonly format: number;
  readonly start: number;
  readonly position: PositionJson;
  /** Commit LSN (of the Begin) of the last whole transaction: by it a transaction that is sent again is recognised. */
  readonly lastCommitLsn: string;
  /** The highest LSN of a `progress` record. */
  readonly progressLsn: string;
  /** Commit LSN of the transaction that the segment begins in the middle of. */
  readonly openTransaction?: string;
  /** Relation and Type messages, base64. */
  readonly relations: readonly string[];
  readonly types: readonly string[];
  readonly tables: readonly TableInForce[];
}

export function segmentPath(directory: string, start: number): string {
  return join(directory, `${String(start).padStart(16, '0')}.log`);
}

/** The starts of all segments, ascending. Other names are not ours and left alone. */
export function listSegments(disk: Disk, directory: string): number[] {
  const starts: number[] = [];
  for (const name of disk.list(directory)) {
    const match = /^(\d{16})\.log$/.exec(name);
    if (match !== null) starts.push(Number(match[1]));
  }
  return starts.sort((a, b) => a - b);
}
