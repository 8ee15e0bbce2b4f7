/** The upstream's WAL end at this moment: everything committed before is in the stream once the stream is past it (real_time_recency, audit). */
import { setTimeout as sleep } from 'node:timers/promises';
import { must } from '../../base/assert.ts';
import { parseLsn, type Lsn } from '../../base/lsn.ts';
import type { UpstreamConnection } from '../connection/connect.ts';

const PAGE_BYTES = 8192n;
const PAGE_HEADER_BYTES = 24n;
const SEGMENT_HEADER_BYTES = 40n;
const SEGMENT_BYTES_DEFAULT = 16n << 20n;

const FLUSH_POLL_MS = 10;
/** The insert position that was found last on a connection, and since when it is the same. */
const seenFirst = new WeakMap<UpstreamConnection, { readonly inserted: Lsn; readonly atMs: number }>();

/**
 * What is inserted and no commit (a pruned page, a hint bit) may stay unflushed, and so unsent, until the next checkpoint or snapshot record, some 15 s on an idle server. A
 * commit does not: it is flushed at once, or under synchronous_commit = off within three times wal_writer_delay
 * (https://www.postgresql.org/docs/current/wal-async-commit.html). After that time what is flushed by then has all that was committed at the beginning.
 */
export async function readWalEnd(connection: UpstreamConnection): Promise<Lsn> {
  const asked = await walPosition(connection);
  // Nothing was inserted since it was seen first: the time counts from there, and whoever asks again does not wait again.
  const before = seenFirst.get(connection);
  const seen = before?.inserted === asked.inserted ? before : { inserted: asked.inserted, atMs: performance.now() };
  seenFirst.set(connection, seen);
  const deadline = seen.atMs + 3 * asked.walWriterDelayMs;
  let { flushed } = asked;
  while (flushed < asked.inserted && performance.now() < deadline) {
    await sleep(FLUSH_POLL_MS);
    ({ flushed } = await walPosition(connection));
  }
  return endOfRecordBefore(flushed < asked.inserted ? flushed : asked.inserted);
}

async function walPosition(connection: UpstreamConnection): Promise<{ inserted: Lsn; flushed: Lsn; walWriterDelayMs: number }> {
  const [row] = await connection.query(
    `SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END AS inserted, ${FLUSHED_LSN_SQL} AS flushed,
       (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_writer_delay') AS delay`,
  );
  const lsn = (column: string): Lsn => parseLsn(must(row?.[column], 'the WAL end'));
  return { inserted: lsn('inserted'), flushed: lsn('flushed'), walWriterDelayMs: Number(row!['delay']) };
}

/** How far the WAL is durable, and so may be sent. */
export const FLUSHED_LSN_SQL = `CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END`;

/**
 * The insert position is where the *next* record begins. At the start of a page that lies behind a page header, and the stream, which reports ends of
 * records, would not reach it until something else is written.
 */
export function endOfRecordBefore(insertLsn: Lsn, segmentBytes: bigint = SEGMENT_BYTES_DEFAULT): Lsn {
  if (insertLsn % segmentBytes === SEGMENT_HEADER_BYTES) return insertLsn - SEGMENT_HEADER_BYTES;
  if (insertLsn % PAGE_BYTES === PAGE_HEADER_BYTES) return insertLsn - PAGE_HEADER_BYTES;
  return insertLsn;
}
