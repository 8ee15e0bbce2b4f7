/**
 * A prepared query executed: rows from the engine where it reads views or tables, from the system catalog where it reads that, from the session itself where it only
 * sleeps. Called by sessions.
 */
import type { SessionMemory } from '../../base/client-memory.ts';
import { MillraceError } from '../../base/errors.ts';
import type { CallOptions } from '../../pglite/catalog-client.ts';
import type { Result } from '../../server/session.ts';
import type { Coordinator } from '../coordinator.ts';
import { hasManyParameters, withValues } from '../many-parameters.ts';
import { parameterTexts } from '../parameters.ts';
import type { NameSettings } from '../planner.ts';
import type { PreparedStatement } from '../prepared-statement.ts';
import type { RowFormat } from '../../engine/contract/protocol.ts';
import { catalogQuery, peek } from './queries.ts';
import type { SessionSettings } from '../settings.ts';
import { sleepOf, sleepResult } from './sleep.ts';
import { staleness } from '../status/staleness.ts';

export interface BoundQuery {
  readonly prepared: PreparedStatement;
  readonly sql: string;
  readonly parameters: readonly (Uint8Array | null)[];
  readonly parameterFormats: readonly number[];
  readonly format: RowFormat;
}

export interface QueryingSession {
  /** Who asks: of one session at most one statement runs on the system catalog. */
  readonly session: { readonly memory: SessionMemory };
  readonly settings: SessionSettings;
  readonly names: NameSettings;
  /** The tick of the transaction block, if there is one. */
  readonly snapshot: () => Promise<number | undefined>;
  readonly call: CallOptions & { readonly signal: AbortSignal };
}

export async function rowQuery(coordinator: Coordinator, query: BoundQuery, by: QueryingSession): Promise<Result> {
  const { prepared, sql, parameters, parameterFormats, format } = query;
  const { mirror, planner } = coordinator;
  const { settings, names, call } = by;
  const textsOf = (): Promise<(string | null)[]> =>
    parameterTexts(mirror.catalog, parameters, parameterFormats, prepared.parameterTypes, call);
  const sleep = sleepOf(sql);
  if (sleep !== undefined && format.kind === 'dataRow') {
    const [given] = sleep === '$1' ? await textsOf() : [sleep];
    return sleepResult(Number(given ?? 0), settings.statementTimeoutMs, call.signal);
  }
  let { analysis, parameterTypes } = prepared;
  let text = sql;
  let texts: (string | null)[] | undefined;
  if (hasManyParameters(prepared)) {
    text = withValues(sql, await textsOf(), parameterTypes, await mirror.types());
    analysis = await planner.analyse(text, [], names, call, sql);
    texts = parameterTypes = [];
  }
  if (analysis === undefined || planner.isCatalogStatement(analysis)) {
    const statement = { sql, parameterTypes: prepared.parameterTypes, parameters, parameterFormats, searchPath: names.searchPath };
    const trivial = analysis !== undefined && planner.isTrivial(analysis);
    // That it reads rows is no reason when analysis had one.
    return catalogQuery(coordinator, { session: by.session, trivial }, statement, format, call).catch((error: unknown) => {
      throw error instanceof MillraceError && error.code === 'CATALOG_AND_ROWS' ? (prepared.reason ?? error) : error;
    });
  }
  texts ??= await textsOf();
  // Names are resolved anew when the catalog or the search path has changed: what was prepared may have been dropped and made again.
  const isCurrent = prepared.searchPath === settings.get('search_path') && (await mirror.types()) === analysis.types;
  const current = isCurrent ? analysis : await planner.analyse(text, parameterTypes, names, call, sql);
  const planned = await planner.query(current, texts, names, call);
  const batches = await peek(coordinator, planned, format, settings, by.snapshot, call.signal);
  const suspended = (isSuspended: boolean): void => batches.suspended(isSuspended);
  const notices = staleness(coordinator);
  if (format.kind === 'copyText')
    return { notices, body: { kind: 'copy', columnCount: planned.finish.project.length, batches }, tag: (sent) => `COPY ${sent}` };
  return { notices, body: { kind: 'rows', batches }, suspended, tag: (sent) => `SELECT ${sent}` };
}
