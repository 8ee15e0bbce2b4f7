/**
 * The log as whole transactions and facts, in order. `walk` visits the messages of a transaction only once its Commit is known to stand before `to`: it looks
 * ahead, and buffers nothing, however large the transaction is (I-6). A transaction that another Begin or an `interrupted` record follows was cut short by a lost connection and
 * is void; one whose end is not in sight yet stops the walk in front of it. Keeps I-1 and I-2 for the engine, the fold and the table reader.
 *
 * Facts (tables, copies) are visited where they stand, which may be between the messages of a transaction when a copy runs beside the stream.
 */
import { parseLsn, type Lsn } from '../../base/lsn.ts';
import type { UpstreamTable } from '../../upstream/table.ts';
import { BEGIN, beginCommitLsn, beginTimestampMicros, COMMIT, commitEndLsn, KEEPALIVE, WalCursor } from '../../wire/pgoutput.ts';
import { fromJson, type CopiedFact, type StoppedFact } from './in-force.ts';
import type { LogReader } from './reader.ts';
import { recordKind } from './record.ts';

export interface LogVisitor {
  /** `commitLsn`: where the commit record starts, what a table's snapshot LSN is compared with. Timestamp: microseconds since 2000. */
  begin?(commitLsn: Lsn, timestampMicros: bigint): void;
  /** One pgoutput message (not Begin or Commit): its kind byte stands at `bytes[at]`. The bytes are valid during the call only. */
  message?(kind: number, bytes: Buffer, at: number, end: number): void;
  /** `offset`: of the record that holds the Commit's end; the engine may stop a tick here. */
  commit?(endLsn: Lsn, offset: number): void;
  table?(table: UpstreamTable, offset: number): void;
  altered?(table: UpstreamTable, offset: number): void;
  /** Whole rows as TupleData, one after another. */
  copy?(oid: number, bytes: Buffer, at: number, end: number): void;
  copied?(fact: { oid: number; snapshotLsn: Lsn; rows: number }, offset: number): void;
  removed?(oid: number, offset: number): void;
  /** Nothing that follows is read of this table, until it enters anew. */
  stopped?(fact: StoppedFact): void;
  progress?(lsn: Lsn): void;
}

/** A place in the log at which a walk stopped and can go on. */
export interface Cut {
  /** Of a record. */
  readonly offset: number;
  /** Bytes of that record's payload that are done. */
  readonly skip: number;
  /** The transaction that the cut lies in; its Commit is known to follow. */
  readonly transaction?: { readonly commitLsn: Lsn; readonly timestampMicros: bigint };
}

export function cutAt(offset: number): Cut {
  return { offset, skip: 0 };
}

/** The offset behind which a sync has everything before the cut: one inside a record needs that record, and what is synced ends between two. */
export function syncedBehind({ offset, skip }: Cut): number {
  return skip > 0 ? offset + 1 : offset;
}

export function isBefore(a: Cut, b: Cut): boolean {
  return a.offset < b.offset || (a.offset === b.offset && a.skip < b.skip);
}

export function sameCut(a: Cut, b: Cut): boolean {
  return a.offset === b.offset && a.skip === b.skip;
}

export interface WalkOptions {
  /** Stop at the first record boundary after so many bytes of log, even inside a transaction. */
  readonly bytesMax?: number;
  /** Asked after every record: stop there? */
  stop?(): boolean;
  /** Asked after every Commit: stop there? */
  stopAtCommit?(): boolean;
  /** Look for Commits up to here, when `to` may lie inside a transaction. */
  readonly knownTo?: number;
}

const WHOLE = 1;
const VOID = 2;
const OPEN = 3;

/** Visits what stands between `from` and `to`. Returns where it stopped: at `to`, save for an open transaction or a limit. */
export function walk(reader: LogReader, from: number | Cut, to: number | Cut, visitor: LogVisitor, options: WalkOptions = {}): Cut {
  const begin = typeof from === 'number' ? cutAt(from) : from;
  const until = typeof to === 'number' ? cutAt(to) : to;
  const bytesMax = options.bytesMax ?? Infinity;
  // With the record that `to` lies in: it may hold the Commit of a transaction that began in an earlier one.
  const knownTo = Math.max(options.knownTo ?? 0, syncedBehind(until));
  const cursor = new WalCursor();
  let { transaction } = begin;
  let skip = begin.skip;
  let isVoid = false;
  reader.seek(begin.offset, syncedBehind(until));
  while (reader.next()) {
    const { bytes, start, end, offset, nextOffset } = reader;
    if (reader.kind === recordKind.wal) {
      cursor.reset(bytes, start + skip, offset === until.offset ? start + until.skip : end);
      for (;;) {
        const kind = cursor.next();
        if (kind === 0) break;
        if (kind === KEEPALIVE) continue;
        if (kind === BEGIN) {
          const fate = fateOf(reader, cursor.end, nextOffset, knownTo);
          if (fate === OPEN) return { offset, skip: cursor.start - start };
          isVoid = fate === VOID;
          if (isVoid) continue;
          transaction = { commitLsn: beginCommitLsn(bytes, cursor.at), timestampMicros: beginTimestampMicros(bytes, cursor.at) };
          visitor.begin?.(transaction.commitLsn, transaction.timestampMicros);
        } else if (isVoid || transaction === undefined) {
          continue;
        } else if (kind === COMMIT) {
          transaction = undefined;
          visitor.commit?.(commitEndLsn(bytes, cursor.at), nextOffset);
          if (options.stopAtCommit?.() === true) return cursor.end === end ? cutAt(nextOffset) : { offset, skip: cursor.end - start };
        } else visitor.message?.(kind, bytes, cursor.at, cursor.end);
      }
    } else if (reader.kind === recordKind.interrupted) isVoid = false;
    else visitFact(reader, visitor);
    if (offset === until.offset) break;
    skip = 0;
    // Never inside a void transaction: whoever walks up to this place would not see what makes it void, and take it for an open one.
    if (!isVoid && (nextOffset - begin.offset >= bytesMax || options.stop?.() === true)) return inside(nextOffset, 0, transaction);
  }
  return until.offset < begin.offset ? begin : inside(until.offset, until.skip, transaction);
}

function inside(offset: number, skip: number, transaction: Cut['transaction']): Cut {
  return transaction === undefined ? { offset, skip } : { offset, skip, transaction };
}

function visitFact(reader: LogReader, visitor: LogVisitor): void {
  const { bytes, start, end, offset } = reader;
  switch (reader.kind) {
    case recordKind.segment:
    case recordKind.wal:
    case recordKind.interrupted:
    case recordKind.shape:
      return;
    case recordKind.progress:
      return visitor.progress?.(bytes.readBigUInt64BE(start));
    case recordKind.table:
      return visitor.table?.(fromJson<UpstreamTable>(bytes.subarray(start, end)), offset);
    case recordKind.altered:
      return visitor.altered?.(fromJson<UpstreamTable>(bytes.subarray(start, end)), offset);
    case recordKind.copy:
      return visitor.copy?.(bytes.readUInt32BE(start), bytes, start + 4, end);
    case recordKind.copied: {
      const fact = fromJson<CopiedFact>(bytes.subarray(start, end));
      return visitor.copied?.({ oid: fact.oid, snapshotLsn: parseLsn(fact.snapshotLsn), rows: fact.rows }, offset);
    }
    case recordKind.removed:
      return visitor.removed?.(bytes.readUInt32BE(start), offset);
    case recordKind.stopped:
      return visitor.stopped?.(fromJson<StoppedFact>(bytes.subarray(start, end)));
    default:
      reader.kind satisfies never;
  }
}

/** Whether the transaction whose Begin ends at `at` of the current record is whole, void or open before `to`. */
function fateOf(reader: LogReader, at: number, nextOffset: number, to: number): number {
  const cursor = new WalCursor();
  cursor.reset(reader.bytes, at, reader.end);
  const here = scan(cursor);
  if (here !== OPEN) return here;
  const { ahead } = reader;
  ahead.seek(nextOffset, to);
  while (ahead.next()) {
    if (ahead.kind === recordKind.interrupted) return VOID;
    if (ahead.kind !== recordKind.wal) continue;
    cursor.reset(ahead.bytes, ahead.start, ahead.end);
    const there = scan(cursor);
    if (there !== OPEN) return there;
  }
  return OPEN;
}

function scan(cursor: WalCursor): number {
  for (;;) {
    const kind = cursor.next();
    if (kind === 0) return OPEN;
    if (kind === COMMIT) return WHOLE;
    if (kind === BEGIN) return VOID;
  }
}
