/** SUBSCRIBE: a view's, a table's or a query's rows and then their changes, until the client has enough. What it reads is analysed when it is prepared, and planned once. */
import { millraceError } from '../../base/errors.ts';
import type { RowFormat } from '../../engine/contract/protocol.ts';
import type { Result } from '../../server/session.ts';
import { qualified } from '../../base/ident.ts';
import { objectNamed, RELATIONS } from '../object-named.ts';
import type { Name, StatementOf } from '../../sql/statements/statement.ts';
import { OpenSubscription } from '../open-subscription.ts';
import type { AnalysedText } from '../planner.ts';
import { PREPARED_BYTES } from '../prepared-statements.ts';
import { countColumns } from '../results/literal-result.ts';
import { encodingOf, recoded } from '../results/recoded.ts';
import { resultColumns } from '../results/result-columns.ts';
import { staleness } from '../status/staleness.ts';
import type { StatementContext, StatementKind } from './statement.ts';

type Subscribe = StatementOf<'subscribe'>;

export interface Subscribed {
  readonly sql: string;
  readonly analysis: AnalysedText;
}

export const subscribe: StatementKind<Subscribe, Subscribed> = {
  async prepare(statement, by) {
    const form = await analysedSubscription(statement, by);
    const columns = [
      { name: 'mz_timestamp', typeOid: 1700, typeSize: -1, typmod: -1 },
      ...(statement.progress ? [{ name: 'mz_progressed', typeOid: 16, typeSize: 1, typmod: -1 }] : []),
      ...countColumns('mz_diff'),
      ...resultColumns(form.analysis.columns, form.analysis.types),
    ];
    return { columns, heldBytes: PREPARED_BYTES + form.sql.length + form.analysis.tree.length, form };
  },
  async execute(statement, by, { columns, resultFormats }, form) {
    const encoding = encodingOf(columns ?? [], resultFormats, leadingColumns(statement));
    const isCurrent = await by.coordinator.planner.isCurrent(form.analysis, by.names);
    const current = isCurrent ? form : await analysedSubscription(statement, by);
    const result = await subscribed(statement, by, current, { kind: 'dataRow', formats: encoding.formats });
    return recoded(by.coordinator.mirror.catalog, result, columns ?? [], encoding, by.call);
  },
};

export async function analysedSubscription(
  { target }: Subscribe,
  { coordinator, settings, names, call }: StatementContext,
): Promise<Subscribed> {
  const { catalog, planner } = coordinator;
  const tableOf = (name: Name): string => {
    const object = objectNamed(catalog, RELATIONS, name, settings.searchPath);
    return `TABLE ${qualified(object.schema, object.name)}`;
  };
  const sql = 'query' in target ? target.query : tableOf(target.object);
  return { sql, analysis: await planner.analyseView(sql, undefined, names, call) };
}

/** From now on it is the client's open subscription. */
export async function subscribed(
  statement: Subscribe,
  by: StatementContext,
  { sql, analysis }: Subscribed,
  format: RowFormat,
): Promise<Result> {
  const { coordinator, client, settings, block, names, call } = by;
  const { engine, planner } = coordinator;
  if (block.status === 'T') throw millraceError('STATEMENT_UNSUPPORTED', { statement: 'SUBSCRIBE in a transaction block' });
  if (planner.isCatalogStatement(analysis))
    throw millraceError('STATEMENT_UNSUPPORTED', { statement: 'SUBSCRIBE to what is no view or table' });
  const planned = await planner.view(analysis, names, call);
  const subscriptionId = coordinator.nextNumber();
  const started = await engine.subscribe(
    {
      subscriptionId,
      timeoutMs: settings.statementTimeoutMs,
      budget: settings.hydrationBudget,
      plan: planned.plan,
      snapshot: statement.snapshot,
      progress: statement.progress,
      format,
    },
    call.signal,
  );
  const open = new OpenSubscription(subscriptionId, sql, 'object' in statement.target ? statement.target.object.name : undefined);
  client.subscription = open;
  const batches = open.counted(started, () => (client.subscription = undefined));
  const tag = format.kind === 'copyText' ? 'COPY' : 'SUBSCRIBE';
  return {
    notices: staleness(coordinator),
    body: {
      kind: format.kind === 'copyText' ? 'copy' : 'rows',
      columnCount: planned.columns.length + leadingColumns(statement),
      batches,
    },
    tag: (rows) => `${tag} ${rows}`,
  };
}

function leadingColumns({ progress }: Subscribe): number {
  return progress ? 3 : 2;
}
