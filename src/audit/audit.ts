/**
 * AUDIT: each view's rows here at exactly LSN L against the upstream's own answer at L (I-1, DESIGN 5). Records, and holds nothing: ticks go on.
 *
 *     1. the engine copies the views' contents and keeps their deltas from now on, transaction by transaction
 *     2. a temporary slot upstream gives L and a snapshot of exactly L (it waits for open transactions: bounded)
 *     3. upstream answers each view's SQL in that snapshot, read only
 *     4. the engine rolls its copies forward to L; both are compared as multisets
 *
 * Read-only upstream, and nothing is left behind: the slot ends with its connection. Called by the coordinator.
 */
import { randomBytes } from 'node:crypto';
import { MillraceError } from '../base/errors.ts';
import { formatLsn, type Lsn } from '../base/lsn.ts';
import { literal } from '../base/ident.ts';
import type { Exactness } from '../dataflow/plan/plan.ts';
import { connectUpstream, type UpstreamConnection } from '../upstream/connection/connect.ts';
import type { ConnectionParameters } from '../upstream/connection/parameters.ts';
import { connectForSlot, createSlot } from '../upstream/replication/slot.ts';
import { compare, type AuditedColumn, type TextRow } from './compare.ts';

export interface AuditedView {
  readonly id: string;
  readonly name: string;
  readonly upstreamSql: string;
  readonly columns: readonly AuditedColumn[];
  readonly exactness: Exactness;
  /** As the view captured them: set upstream while its SQL runs. */
  readonly settings: Readonly<Record<string, string>>;
}

/** The engine's side of it. */
export interface Recorder {
  begin(views: readonly string[]): Promise<void>;
  contentsAt(view: string, lsn: Lsn): Promise<TextRow[]>;
  end(): Promise<void>;
}

export interface AuditResult {
  readonly view: string;
  readonly lsn: string;
  readonly state: 'equal' | 'different' | 'cannot_run';
  readonly exactness: Exactness;
  readonly rows: number;
  readonly differences: number;
  readonly detail:
    | { readonly reason?: string; readonly onlyUpstream?: readonly TextRow[]; readonly onlyMillrace?: readonly TextRow[] }
    | undefined;
}

/** Upstream, one view's query at most; it runs in a snapshot and holds back vacuum for as long. */
const VIEW_TIMEOUT_MS = 10 * 60_000;

export async function runAudit(
  views: readonly AuditedView[],
  parameters: ConnectionParameters,
  recorder: Recorder,
): Promise<AuditResult[]> {
  await recorder.begin(views.map((view) => view.id));
  let replication: UpstreamConnection | undefined;
  let reader: UpstreamConnection | undefined;
  try {
    replication = await connectForSlot(parameters, 'audit');
    const slot = await createSlot(replication, `millrace_audit_${randomBytes(6).toString('hex')}`, 'temporary');
    reader = await connectUpstream(parameters, { purpose: 'audit', statementTimeoutMs: VIEW_TIMEOUT_MS });
    await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    await reader.query(`SET TRANSACTION SNAPSHOT ${literal(slot.snapshotName)}`);
    const results: AuditResult[] = [];
    for (const view of views) results.push(await auditOne(view, slot.consistentPoint, reader, recorder));
    await reader.query('ROLLBACK');
    return results;
  } finally {
    await recorder.end();
    await reader?.end();
    await replication?.end();
  }
}

async function auditOne(view: AuditedView, lsn: Lsn, reader: UpstreamConnection, recorder: Recorder): Promise<AuditResult> {
  const common = { view: view.name, lsn: formatLsn(lsn), exactness: view.exactness };
  let upstream: TextRow[];
  try {
    await reader.query('SAVEPOINT one_view');
    for (const [name, value] of Object.entries(view.settings)) await setLocally(reader, name, value);
    upstream = (await reader.client.query<(string | null)[]>({ text: view.upstreamSql, rowMode: 'array' })).rows;
    await reader.query('ROLLBACK TO SAVEPOINT one_view');
  } catch (error) {
    await reader.query('ROLLBACK TO SAVEPOINT one_view');
    return { ...common, state: 'cannot_run', rows: 0, differences: 0, detail: { reason: `upstream: ${messageOf(error)}` } };
  }
  let ours: TextRow[];
  try {
    ours = await recorder.contentsAt(view.id, lsn);
  } catch (error) {
    return { ...common, state: 'cannot_run', rows: upstream.length, differences: 0, detail: { reason: messageOf(error) } };
  }
  const { rows, differences, onlyUpstream, onlyMillrace } = compare(view.columns, upstream, ours);
  const state = differences === 0 ? 'equal' : 'different';
  return { ...common, state, rows, differences, detail: differences === 0 ? undefined : { onlyUpstream, onlyMillrace } };
}

/** A setting that this server does not have changes nothing there. */
async function setLocally(reader: UpstreamConnection, name: string, value: string): Promise<void> {
  await reader.query(
    `SELECT set_config(s.name, $2, true) FROM pg_catalog.pg_settings s WHERE lower(s.name) = lower($1) AND s.context = 'user'`,
    [name, value],
  );
}

function messageOf(error: unknown): string {
  return error instanceof MillraceError ? `${error.message} (${error.code})` : error instanceof Error ? error.message : String(error);
}
