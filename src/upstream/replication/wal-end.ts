/** The upstream's WAL end at this moment: everything committed before is in the stream once the stream is past it (real_time_recency, audit). */
import { must } from '../../base/assert.ts';
import { parseLsn, type Lsn } from '../../base/lsn.ts';
import type { UpstreamConnection } from '../connection/connect.ts';

const PAGE_BYTES = 8192n;
const PAGE_HEADER_BYTES = 24n;
const SEGMENT_HEADER_BYTES = 40n;
const SEGMENT_BYTES_DEFAULT = 16n << 20n;

export async function readWalEnd(connection: UpstreamConnection): Promise<Lsn> {
  const [row] = await connection.query(
    `SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END AS lsn`,
  );
  return endOfRecordBefore(parseLsn(must(row?.['lsn'], 'the WAL end')));
}

/**
 * The insert position is where the *next* record begins. At the start of a page that lies behind a page header, and the stream, which reports ends of
 * records, would not reach it until something else is written.
 */
export function endOfRecordBefore(insertLsn: Lsn, segmentBytes: bigint = SEGMENT_BYTES_DEFAULT): Lsn {
  if (insertLsn % segmentBytes === SEGMENT_HEADER_BYTES) return insertLsn - SEGMENT_HEADER_BYTES;
  if (insertLsn % PAGE_BYTES === PAGE_HEADER_BYTES) return insertLsn - PAGE_HEADER_BYTES;
  return insertLsn;
}
