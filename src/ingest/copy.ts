/**
 * Copies tables into the log at one exported snapshot: `table` records stand before, then `copy` records, then `copied` with the snapshot's LSN. A table that cannot be
 * copied leaves again (`removed`) with its reason, its neighbours stay (I-8); a lost connection or a full disk ends the whole attempt.
 */
import { MillraceError } from '../base/errors.ts';
import { formatLsn } from '../base/lsn.ts';
import { failpoint } from '../store/failpoints.ts';
import type { LogWriter } from '../store/log/writer.ts';
import type { ConnectionParameters } from '../upstream/connection/parameters.ts';
import type { CreatedSlot } from '../upstream/replication/slot.ts';
import { Snapshot } from '../upstream/snapshot/snapshot.ts';
import type { UpstreamTable } from '../upstream/table.ts';

export interface CopyRequest {
  readonly parameters: ConnectionParameters;
  readonly publication: string;
  readonly tables: readonly UpstreamTable[];
  readonly slot: CreatedSlot;
  readonly signal: AbortSignal;
}

export interface CopyEvents {
  /** A fact record ends at `offset`. */
  appended(offset: number): void;
  copying(oid: number, rows: number): void;
  /** `membership`: see `PublishedTable`. Told before the record is written. */
  copied(oid: number, rows: number, snapshotLsn: string, membership: string): void;
  refused(oid: number, error: MillraceError): void;
}

/** Refusals of one table, not of the whole source. */
const OF_ONE_TABLE = new Set([
  'TABLE_NOT_PUBLISHED',
  'UPSTREAM_TABLE_MISSING',
  'UPSTREAM_TABLE_CHANGED',
  'REPLICA_IDENTITY_MISSING',
  'PUBLICATION_FILTERS_ROWS',
  'UPSTREAM_SELECT_NOT_PERMITTED',
  'ROW_SECURITY_FILTERS',
  'UPSTREAM_QUERY_FAILED',
]);

export async function copyTables(writer: LogWriter, request: CopyRequest, events: CopyEvents): Promise<void> {
  const snapshotLsn = formatLsn(request.slot.consistentPoint);
  const waiting = [...request.tables];
  while (waiting.length > 0) {
    // An error ends the snapshot's transaction: the tables left are read in another one on the same snapshot.
    const snapshot = await Snapshot.open(request.parameters, request.slot.snapshotName, request.signal);
    const abort = (): void => snapshot.destroy();
    request.signal.addEventListener('abort', abort, { once: true });
    try {
      while (waiting.length > 0) {
        const table = waiting.shift()!;
        try {
          const { membership } = await snapshot.verify(request.publication, table);
          const rows = await copyTable(writer, snapshot, table, events);
          events.copied(table.oid, rows, snapshotLsn, membership);
          events.appended(writer.appendCopied({ oid: table.oid, snapshotLsn, rows }));
        } catch (error) {
          request.signal.throwIfAborted();
          if (!(error instanceof MillraceError) || !OF_ONE_TABLE.has(error.code)) throw error;
          events.appended(writer.appendRemoved(table.oid));
          events.refused(table.oid, error);
          break;
        }
      }
    } finally {
      request.signal.removeEventListener('abort', abort);
      await snapshot.close();
    }
  }
}

async function copyTable(writer: LogWriter, snapshot: Snapshot, table: UpstreamTable, events: CopyEvents): Promise<number> {
  let copied = 0;
  events.copying(table.oid, 0);
  return snapshot.copy(table, {
    rows: (tuples, count) => {
      failpoint('copy');
      events.appended(writer.appendCopy(table.oid, [tuples]));
      copied += count;
      events.copying(table.oid, copied);
    },
  });
}

/** Reasons why tables cannot be copied now that do not concern the stream. */
export function concernsCopyOnly(error: MillraceError): boolean {
  return OF_COPYING.has(error.code);
}

const OF_COPYING = new Set([
  'SLOTS_EXHAUSTED',
  'WALSENDERS_EXHAUSTED',
  'UPSTREAM_CONNECTIONS_EXHAUSTED',
  'SLOT_CREATION_BLOCKED',
  'UPSTREAM_QUERY_FAILED',
]);
