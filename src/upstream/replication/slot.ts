/**
 * Replication slots by the walsender's own commands: made with an exported snapshot, looked at, dropped. Keeps I-4: a slot that could not be made is not left
 * behind, and making one is bounded, since it waits for every transaction that is open (fault 6; only lock_timeout bounds that, statement_timeout does not).
 */
import { must } from '../../base/assert.ts';
import { millraceError } from '../../base/errors.ts';
import { ident } from '../../base/ident.ts';
import { parseLsn, type Lsn } from '../../base/lsn.ts';
import { connectUpstream, type UpstreamConnection } from '../connection/connect.ts';
import type { ConnectionParameters } from '../connection/parameters.ts';

export const SLOT_CREATION_TIMEOUT_MS = 60_000;

export interface CreatedSlot {
  readonly name: string;
  /** Transactions whose commit record starts at or past this are in the stream; all others are in the snapshot. */
  readonly consistentPoint: Lsn;
  /** For SET TRANSACTION SNAPSHOT, until the replication connection runs another command. */
  readonly snapshotName: string;
}

/** A connection for making slots: `lock_timeout` bounds the wait. */
export function connectForSlot(
  parameters: ConnectionParameters,
  purpose: string,
  signal?: AbortSignal,
  timeoutMs: number = SLOT_CREATION_TIMEOUT_MS,
): Promise<UpstreamConnection> {
  return connectUpstream(parameters, {
    purpose,
    replication: true,
    statementTimeoutMs: 0,
    lockTimeoutMs: timeoutMs,
    signal,
  });
}

/** `replication`: from `connectForSlot`. A temporary slot ends with that connection. Survives a failover (17 on) where the standby is set up to take slots over. */
export async function createSlot(replication: UpstreamConnection, name: string, kind: 'permanent' | 'temporary'): Promise<CreatedSlot> {
  const failover = kind === 'permanent' && replication.versionNum >= 170_000 && !replication.inRecovery;
  const options = failover ? `(SNAPSHOT 'export', FAILOVER true)` : 'EXPORT_SNAPSHOT';
  try {
    const [row] = await replication.query(
      `CREATE_REPLICATION_SLOT ${ident(name)} ${kind === 'temporary' ? 'TEMPORARY ' : ''}LOGICAL pgoutput ${options}`,
    );
    return {
      name,
      consistentPoint: parseLsn(must(row?.['consistent_point'], 'consistent_point')),
      snapshotName: must(row!['snapshot_name'], 'snapshot_name'),
    };
  } catch (error) {
    if ((error as { code?: unknown }).code === '55P03') {
      throw millraceError(
        'SLOT_CREATION_BLOCKED',
        { slot: name, seconds: SLOT_CREATION_TIMEOUT_MS / 1000, blockers: await openTransactions(replication.parameters) },
        error,
      );
    }
    throw replication.failure(error, { doing: `making replication slot "${name}"`, slot: name, replication: true });
  }
}

/** Drops a temporary slot on the connection that made it, at once. */
export async function dropTemporarySlot(replication: UpstreamConnection, name: string): Promise<void> {
  try {
    await replication.query(`DROP_REPLICATION_SLOT ${ident(name)}`);
  } catch (error) {
    throw replication.failure(error, { doing: `dropping replication slot "${name}"`, slot: name, replication: true });
  }
}

async function openTransactions(parameters: ConnectionParameters): Promise<string[]> {
  try {
    const connection = await connectUpstream(parameters, { purpose: 'slot creation' });
    const rows = await connection.query(
      `SELECT format('pid %s (%s, %s) since %s', pid, usename, state, date_trunc('second', xact_start)) AS who FROM pg_catalog.pg_stat_activity WHERE backend_xid IS NOT NULL ORDER BY xact_start LIMIT 10`,
    );
    await connection.end();
    return rows.map((row) => row['who'] ?? '');
  } catch {
    return [];
  }
}

export interface SlotFacts {
  readonly name: string;
  readonly plugin: string;
  readonly database: string;
  readonly active: boolean;
  readonly confirmedFlushLsn: Lsn;
  readonly restartLsn: Lsn | undefined;
  /** Why the server has invalidated it; undefined while it is good. */
  readonly lost: string | undefined;
  readonly retainedBytes: number;
  /** How much more WAL may be written before the server gives the slot up (max_slot_wal_keep_size). */
  readonly safeBytes: number | undefined;
}

export async function readSlot(connection: UpstreamConnection, name: string): Promise<SlotFacts | undefined> {
  const [row] = await connection.query(
    `SELECT s.plugin, s.database, s.active, s.confirmed_flush_lsn, s.restart_lsn, to_jsonb(s) ->> 'wal_status' AS wal_status, to_jsonb(s) ->> 'invalidation_reason' AS reason,
        to_jsonb(s) ->> 'safe_wal_size' AS safe_bytes, pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, s.restart_lsn) AS retained
     FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = $1`,
    [name],
  );
  if (row === undefined) return undefined;
  const restartLsn = row['restart_lsn'] ?? undefined;
  const lost = row['reason'] ?? (row['wal_status'] === 'lost' ? 'wal_removed' : undefined);
  return {
    name,
    plugin: row['plugin'] ?? 'none: a physical slot',
    database: row['database'] ?? 'none',
    active: row['active'] === 't',
    // Null while the slot is still being made.
    confirmedFlushLsn: parseLsn(row['confirmed_flush_lsn'] ?? '0/0'),
    restartLsn: restartLsn === undefined ? undefined : parseLsn(restartLsn),
    lost,
    retainedBytes: Number(row['retained'] ?? 0),
    safeBytes: row['safe_bytes'] === null || row['safe_bytes'] === undefined ? undefined : Number(row['safe_bytes']),
  };
}

/** Gone already is fine. Busy (SLOT_IN_USE) is the caller's to try again. */
export async function dropSlot(connection: UpstreamConnection, name: string): Promise<void> {
  try {
    await connection.query('SELECT pg_drop_replication_slot($1)', [name]);
  } catch (error) {
    if ((error as { code?: unknown }).code === '42704') return;
    throw connection.failure(error, { doing: `dropping replication slot "${name}"`, slot: name, replication: true });
  }
}

export interface TimelineHistory {
  /** Timelines before the current one, each with the position at which the next began. */
  readonly switches: readonly { readonly timeline: number; readonly lsn: Lsn }[];
}

/** The history of a timeline, from the walsender. Timeline 1 has none. */
export async function readTimelineHistory(replication: UpstreamConnection, timeline: number): Promise<TimelineHistory> {
  if (timeline === 1) return { switches: [] };
  const [row] = await replication.query(`TIMELINE_HISTORY ${timeline}`);
  return parseTimelineHistory(must(row?.['content'], 'the timeline history'));
}

/** Lines of `timeline <TAB> switch position <TAB> reason`; the column is a bytea in some versions. */
export function parseTimelineHistory(content: string): TimelineHistory {
  const text = content.startsWith('\\x') ? Buffer.from(content.slice(2), 'hex').toString('utf8') : content;
  const switches = [...text.matchAll(/^\s*(\d+)\s+([0-9A-Fa-f]+\/[0-9A-Fa-f]+)/gm)].map((match) => ({
    timeline: Number(match[1]),
    lsn: parseLsn(match[2]!),
  }));
  return { switches };
}
