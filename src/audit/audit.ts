/**
 * AUDIT: each view's rows here at exactly LSN L against the upstream's own answer at L (I-1). Records, and holds nothing: ticks go on.
 *
 *     1. the engine copies the views' contents and keeps their deltas from now on, transaction by transaction
 *     2. a temporary slot upstream gives L and a snapshot of exactly L (it waits for open transactions: bounded)
 *     3. upstream answers each view's SQL in that snapshot, read only
 *     4. the engine rolls its copies forward to L; both are compared as multisets
 *
 * Read-only upstream, and nothing is left behind: the slot ends with its connection. Called by the coordinator.
 *
 * TRUNCATE and rewrites are not MVCC-safe: a table truncated after L is empty in L's snapshot, too (Postgres's documentation, "Caveats" of concurrency control).
 * So each table's file is compared with the one that the snapshot's catalog names, and a view that met another file is audited again at a later L.
 */
import { randomBytes } from 'node:crypto';
import { MillraceError, reasonOf } from '../base/errors.ts';
import { formatLsn, type Lsn } from '../base/lsn.ts';
import { literal } from '../base/ident.ts';
import type { Exactness } from '../plan/facts/exactness.ts';
import { connectUpstream, type UpstreamConnection } from '../upstream/connection/connect.ts';
import type { ConnectionParameters } from '../upstream/connection/parameters.ts';
import { connectForSlot, createSlot } from '../upstream/replication/slot.ts';
import { compare, type AuditedColumn, type TextRow } from './compare.ts';

export interface AuditedView {
  readonly id: string;
  readonly name: string;
  readonly upstreamSql: string;
  readonly columns: readonly AuditedColumn[];
  /** Upstream OIDs of the tables that it reads. */
  readonly tables: readonly number[];
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

/** Tables are seldom truncated twice within an audit. */
const ATTEMPTS_MAX = 5;

type Outcome = AuditResult | 'rewritten';

export async function runAudit(
  views: readonly AuditedView[],
  parameters: ConnectionParameters,
  recorder: Recorder,
): Promise<AuditResult[]> {
  const results = new Map<string, AuditResult>();
  let left = views;
  for (let attempt = 1; left.length > 0 && attempt <= ATTEMPTS_MAX; attempt++) {
    const outcomes = await attemptAudit(left, parameters, recorder, attempt > 1);
    for (const [id, outcome] of outcomes) if (outcome !== 'rewritten') results.set(id, outcome);
    left = left.filter((view) => !results.has(view.id));
  }
  return views.map((view) => results.get(view.id) ?? unsettled(view));
}

function unsettled(view: AuditedView): AuditResult {
  const reason = `its tables were truncated or rewritten during each of ${ATTEMPTS_MAX} attempts; audit again when that is over`;
  return { view: view.name, lsn: '0/0', exactness: view.exactness, state: 'cannot_run', rows: 0, differences: 0, detail: { reason } };
}

/** `lockFirst`: its tables are truncated often, so they are locked (as any reader does) the moment L is known, for as long as the attempt takes. */
async function attemptAudit(
  views: readonly AuditedView[],
  parameters: ConnectionParameters,
  recorder: Recorder,
  lockFirst: boolean,
): Promise<Map<string, Outcome>> {
  await recorder.begin(views.map((view) => view.id));
  let replication: UpstreamConnection | undefined;
  let reader: UpstreamConnection | undefined;
  try {
    replication = await connectForSlot(parameters, 'audit');
    reader = await connectUpstream(parameters, { purpose: 'audit', statementTimeoutMs: VIEW_TIMEOUT_MS });
    const tables = lockFirst ? await tableNames(reader, [...new Set(views.flatMap((view) => view.tables))]) : [];
    await reader.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
    const slot = await createSlot(replication, `millrace_audit_${randomBytes(6).toString('hex')}`, 'temporary');
    await reader.query(`SET TRANSACTION SNAPSHOT ${literal(slot.snapshotName)}`);
    if (tables.length > 0) await reader.query(`LOCK TABLE ${tables.join(', ')} IN ACCESS SHARE MODE`);
    const results = new Map<string, Outcome>();
    for (const view of views) results.set(view.id, await auditOne(view, slot.consistentPoint, reader, recorder));
    await reader.query('ROLLBACK');
    return results;
  } finally {
    await recorder.end();
    await reader?.end();
    await replication?.end();
  }
}

async function tableNames(reader: UpstreamConnection, oids: readonly number[]): Promise<string[]> {
  const rows = await reader.query(
    `SELECT format('%I.%I', n.nspname, c.relname) AS name FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = ANY ($1::oid[])`,
    [`{${oids.join(',')}}`],
  );
  return rows.map((row) => row['name'] ?? '');
}

async function auditOne(view: AuditedView, lsn: Lsn, reader: UpstreamConnection, recorder: Recorder): Promise<Outcome> {
  const common = { view: view.name, lsn: formatLsn(lsn), exactness: view.exactness };
  let upstream: TextRow[];
  try {
    await reader.query('SAVEPOINT one_view');
    for (const [name, value] of Object.entries(view.settings)) await setLocally(reader, name, value);
    upstream = (await reader.client.query<(string | null)[]>({ text: view.upstreamSql, rowMode: 'array' })).rows;
    const isRewritten = await wasRewritten(reader, view.tables);
    await reader.query('ROLLBACK TO SAVEPOINT one_view');
    if (isRewritten) return 'rewritten';
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

/** Asked after the view's query, which by then holds its locks: no later TRUNCATE comes in between. */
async function wasRewritten(reader: UpstreamConnection, tables: readonly number[]): Promise<boolean> {
  const rows = await reader.query(
    `SELECT 1 AS yes FROM unnest($1::oid[]) AS wanted(oid) LEFT JOIN pg_catalog.pg_class c ON c.oid = wanted.oid
     WHERE c.oid IS NULL OR (c.relkind <> 'p' AND c.relfilenode <> 0 AND pg_catalog.pg_relation_filenode(c.oid) IS DISTINCT FROM c.relfilenode)`,
    [`{${tables.join(',')}}`],
  );
  return rows.length > 0;
}

/** A setting that this server does not have changes nothing there. */
async function setLocally(reader: UpstreamConnection, name: string, value: string): Promise<void> {
  await reader.query(
    `SELECT set_config(s.name, $2, true) FROM pg_catalog.pg_settings s WHERE lower(s.name) = lower($1) AND s.context = 'user'`,
    [name, value],
  );
}

function messageOf(error: unknown): string {
  return error instanceof MillraceError ? `${error.message} (${error.code})` : reasonOf(error);
}
