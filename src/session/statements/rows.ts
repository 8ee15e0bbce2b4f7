/**
 * A query from its text to rows, by whoever answers it: the engine where it reads views or tables, the system catalog where it reads that, the session itself where it
 * only sleeps. Called by statements that have a query in them.
 */
import { literal } from '../../base/ident.ts';
import { must } from '../../base/assert.ts';
import { MillraceError } from '../../base/errors.ts';
import type { RowFormat } from '../../engine/contract/protocol.ts';
import type { Result } from '../../server/session.ts';
import type { PlannedQuery } from '../../sql/plan-query.ts';
import type { TypeTable } from '../../sql/mirror/types.ts';
import { replaceParameters } from '../../sql/tree/parameters.ts';
import { plainTypeName } from '../../values/type-name.ts';
import { parameterTexts } from '../parameters.ts';
import type { AnalysedText } from '../planner.ts';
import { PREPARED_BYTES } from '../prepared-statements.ts';
import { recentLsn } from '../recency.ts';
import { resultColumns } from '../results/result-columns.ts';
import { ResultStream } from '../results/result-stream.ts';
import { staleness } from '../status/staleness.ts';
import { catalogQuery } from './catalog-query.ts';
import { sleepOf, sleepResult } from './sleep.ts';
import type { Bind, Parse, Shape, StatementContext } from './statement.ts';

export interface RowQuery {
  readonly sql: string;
  readonly parameterTypes: readonly number[];
  readonly answer: Answer;
}

type Answer =
  | { readonly by: 'engine'; readonly analysis: AnalysedText }
  /** `reason`: why analysis did not understand it. */
  | { readonly by: 'catalog'; readonly isTrivial: boolean; readonly reason: MillraceError | undefined }
  /** More parameters than can be analysed: known when it is executed. */
  | { readonly by: 'its values'; readonly reason: MillraceError }
  | { readonly by: 'session'; readonly seconds: string };

/** FUNC_MAX_ARGS of Postgres: analysis makes a function of a statement (`pglite/analyse.ts`). */
const ANALYSED_PARAMETERS_MAX = 100;

/** Nobody else could do better. */
const FINAL_REFUSALS = new Set([
  'QUERY_CANCELLED',
  'QUERY_TIMED_OUT',
  'STATEMENT_TOO_COMPLEX',
  'STATEMENT_TREE_TOO_LARGE',
  'CATALOG_STATEMENT_TIMED_OUT',
  'CATALOG_UNAVAILABLE',
]);

export async function prepareRows({ text: sql, parameterTypes }: Parse, by: StatementContext): Promise<Shape<RowQuery>> {
  const { coordinator, names, call } = by;
  const { planner, mirror } = coordinator;
  const seconds = sleepOf(sql);
  const bytes = PREPARED_BYTES + sql.length;
  try {
    const analysis = await planner.analyse(sql, parameterTypes, names, call);
    const answer: Answer =
      seconds !== undefined
        ? { by: 'session', seconds }
        : planner.isCatalogStatement(analysis)
          ? { by: 'catalog', isTrivial: planner.isTrivial(analysis), reason: undefined }
          : { by: 'engine', analysis };
    return {
      parameterTypes: analysis.parameterTypes,
      columns: resultColumns(analysis.columns, analysis.types),
      heldBytes: bytes + (answer.by === 'engine' ? analysis.tree.length : 0),
      form: { sql, parameterTypes: analysis.parameterTypes, answer },
    };
  } catch (error) {
    if (!(error instanceof MillraceError) || FINAL_REFUSALS.has(error.code)) throw error;
    // What only the catalog understands; rows of ours it may not read (42501 there), so nothing is answered wrongly.
    const described = await mirror.catalog.describe({ sql, parameterTypes, searchPath: names.searchPath }, call);
    const answer: Answer =
      described.parameterTypes.length > ANALYSED_PARAMETERS_MAX
        ? { by: 'its values', reason: error }
        : { by: 'catalog', isTrivial: false, reason: error };
    return { ...described, heldBytes: bytes, form: { sql, parameterTypes: described.parameterTypes, answer } };
  }
}

export async function rowsOf(query: RowQuery, by: StatementContext, bind: Bind, format: RowFormat): Promise<Result> {
  const { sql, parameterTypes, answer } = query;
  const { coordinator, names, settings, call } = by;
  const { mirror, planner } = coordinator;
  const texts = (): Promise<(string | null)[]> =>
    parameterTexts(mirror.catalog, bind.parameters, bind.parameterFormats, parameterTypes, call);
  switch (answer.by) {
    case 'session': {
      if (format.kind === 'copyText') return catalogQuery(query, by, bind, format, { isTrivial: false });
      const [given] = answer.seconds === '$1' ? await texts() : [answer.seconds];
      return sleepResult(Number(given ?? 0), settings.statementTimeoutMs, call.signal);
    }
    case 'catalog':
      return catalogQuery(query, by, bind, format, answer);
    case 'engine': {
      const values = await texts();
      // Names are resolved anew when the catalog or the search path has changed: what was prepared may have been dropped and made again.
      const isCurrent = await planner.isCurrent(answer.analysis, names);
      return engineRows(isCurrent ? answer.analysis : await planner.analyse(sql, parameterTypes, names, call), values, by, format);
    }
    case 'its values': {
      const analysis = await planner.analyseOnce(withValues(sql, await texts(), parameterTypes, await mirror.types()), sql, names, call);
      if (planner.isCatalogStatement(analysis))
        return catalogQuery(query, by, bind, format, { isTrivial: planner.isTrivial(analysis), reason: answer.reason });
      return engineRows(analysis, [], by, format);
    }
  }
}

/** `(text::type)` means what the parameter means. */
function withValues(sql: string, values: readonly (string | null)[], parameterTypes: readonly number[], types: TypeTable): string {
  return replaceParameters(sql, (number) => {
    const value = values[number - 1] ?? null;
    const type = plainTypeName(types.typeOf(must(parameterTypes[number - 1], `the type of $${number}`)));
    return `(${value === null ? 'NULL' : literal(value)}::${type})`;
  });
}

async function engineRows(
  analysis: AnalysedText,
  values: readonly (string | null)[],
  by: StatementContext,
  format: RowFormat,
): Promise<Result> {
  const { coordinator, names, call } = by;
  const planned = await coordinator.planner.query(analysis, values, names, call);
  const batches = await peek(planned, by, format);
  const notices = staleness(coordinator);
  if (format.kind === 'copyText')
    return { notices, body: { kind: 'copy', columnCount: planned.finish.project.length, batches }, tag: (sent) => `COPY ${sent}` };
  const suspended = (isSuspended: boolean): void => batches.suspended(isSuspended);
  return { notices, body: { kind: 'rows', batches }, suspended, tag: (sent) => `SELECT ${sent}` };
}

async function peek(
  planned: PlannedQuery,
  { coordinator, settings, block, call }: StatementContext,
  format: RowFormat,
): Promise<ResultStream> {
  const { engine } = coordinator;
  const queryId = coordinator.nextNumber();
  return engine.cancellable(queryId, call.signal, async () => {
    const isRecent = settings.get('real_time_recency') === 'on';
    const atLeastLsn = isRecent ? await recentLsn(coordinator, settings.durationMs('real_time_recency_timeout'), call.signal) : undefined;
    // Once the upstream's position is known.
    const snapshotId = await block.snapshot();
    const order = planned.finish.order.map(({ expression, descending, nullsFirst, collation }) => ({
      column: must(expression.kind === 'column' ? expression.index : undefined, 'a sort column'),
      descending,
      nullsFirst,
      ...(collation === undefined ? {} : { collation }),
    }));
    const result = await engine.rpc.call('peek', {
      queryId,
      plan: planned.plan,
      finish: { ...planned.finish, order },
      format,
      timeoutMs: settings.statementTimeoutMs,
      ...(atLeastLsn === undefined ? {} : { atLeastLsn }),
      ...(snapshotId === undefined ? {} : { snapshotId }),
    });
    return new ResultStream(engine.rpc, result, settings.hydrationTimeoutMs, call.signal);
  });
}
