/**
 * `millrace audit <millrace-url> [view …] [--json]`: sends AUDIT to a running Millrace and prints what it says.
 * Exit 0 equal, 1 different, 2 could not run.
 */
import { reasonOf } from '../base/errors.ts';
import { ident } from '../base/ident.ts';
import { connectMillrace } from './connect.ts';
import { fitted, told } from './exit.ts';

/** One row of the AUDIT statement's answer, see `audit/audit.ts`. */
export interface AuditRow {
  readonly view: string;
  readonly state: 'equal' | 'different' | 'cannot_run';
  readonly exactness: string;
  readonly lsn: string;
  readonly rows: string;
  readonly differences: string;
  /** JSON: the first differing rows, or why it could not run. */
  readonly detail: string | null;
}

export interface AuditReport {
  readonly lsn: string | null;
  readonly views: readonly { name: string; state: string; exactness: string; rows: number; differences: number; detail?: unknown }[];
}

export async function requestAudit(url: string, views: readonly string[]): Promise<AuditReport> {
  const client = await connectMillrace(url, 'millrace audit');
  try {
    const rows: AuditRow[] = [];
    if (views.length === 0) rows.push(...(await client.query<AuditRow>('AUDIT')).rows);
    for (const view of views) rows.push(...(await client.query<AuditRow>(`AUDIT VIEW ${view.split('.').map(ident).join('.')}`)).rows);
    return {
      lsn: rows[0]?.lsn ?? null,
      views: rows.map((row) => ({
        name: row.view,
        state: row.state,
        exactness: row.exactness,
        rows: Number(row.rows),
        differences: Number(row.differences),
        ...(row.detail === null ? {} : { detail: JSON.parse(row.detail) as unknown }),
      })),
    };
  } finally {
    await client.end();
  }
}

export async function audit(url: string, views: readonly string[], options: { readonly json?: boolean }): Promise<number> {
  let report: AuditReport;
  try {
    report = await requestAudit(url, views);
  } catch (error) {
    const message = reasonOf(error);
    if (options.json === true) process.stdout.write(`${JSON.stringify({ error: message })}\n`);
    process.stderr.write(fitted(told(error)));
    return 2;
  }
  if (options.json === true) process.stdout.write(`${JSON.stringify(report)}\n`);
  else for (const line of printed(report)) process.stdout.write(`${line}\n`);
  if (report.views.some((view) => view.state === 'different')) return 1;
  return report.views.some((view) => view.state === 'cannot_run') ? 2 : 0;
}

function* printed(report: AuditReport): Generator<string> {
  if (report.views.length === 0) {
    yield 'there is no materialized view to audit';
    return;
  }
  yield `audited at upstream LSN ${report.lsn ?? 'unknown'}`;
  const width = Math.max(...report.views.map((view) => view.name.length));
  for (const view of report.views) {
    yield `  ${view.name.padEnd(width)}  ${view.state.padEnd(10)}  ${String(view.rows).padStart(9)} rows  ${view.exactness}`;
    if (view.state === 'equal') continue;
    const detail = view.detail as { reason?: string; onlyUpstream?: unknown[][]; onlyMillrace?: unknown[][] } | undefined;
    if (detail?.reason !== undefined) yield `    ${detail.reason}`;
    for (const row of detail?.onlyUpstream ?? []) yield `    - upstream only:  ${JSON.stringify(row)}`;
    for (const row of detail?.onlyMillrace ?? []) yield `    + Millrace only:  ${JSON.stringify(row)}`;
  }
}
