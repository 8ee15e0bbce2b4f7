/**
 * CREATE [MATERIALIZED] VIEW: Postgres analyses, the planner binds and judges, the upstream is asked whether it means the same, the engine hydrates and commits.
 * What is not exact is said now (a NOTICE), never discovered later (I-1).
 */
import { millraceError, reasonOf } from '../../base/errors.ts';
import type { Exactness } from '../../plan/facts/exactness.ts';
import { PLAN_VERSION } from '../../plan/plan.ts';
import type { Notice } from '../../server/session.ts';
import { exactnessNotice } from '../../sql/plan-query.ts';
import type { StatementOf } from '../../sql/statements/statement.ts';
import { connectUpstream } from '../../upstream/connection/connect.ts';
import type { Column } from '../../values/type.ts';
import type { MaterializedView, View, ViewSettings } from '../../catalog/catalog.ts';
import type { Coordinator } from '../coordinator.ts';
import { schemaFor, taken, type Defined, type Defining } from './defining.ts';
import { mirrored } from './mirrored.ts';
import { look } from '../recency.ts';

/** Types below this OID are the same on every Postgres. */
const FIRST_USER_OID = 16_384;

export async function createView(coordinator: Coordinator, statement: StatementOf<'createView'>, by: Defining): Promise<Defined> {
  const { catalog, engine, mirror, planner } = coordinator;
  const tag = statement.materialized ? 'CREATE MATERIALIZED VIEW' : 'CREATE VIEW';
  const schema = schemaFor(statement.name, by.settings);
  const { name } = statement.name;
  const there = taken(catalog, 'view', schema, name, statement.ifNotExists, tag);
  if (there !== undefined) return there;
  // Positions are the query's; the client counts from the statement's beginning.
  const placed = (error: unknown): never => {
    if (error instanceof Error && 'position' in error && typeof error.position === 'number') error.position += statement.queryOffset;
    throw error;
  };
  const settings: ViewSettings = by.settings.captured();
  const names = { searchPath: by.settings.searchPath, settings: {} };
  const analysis = await planner.analyseView(statement.query, statement.columnNames, names, by.call).catch(placed);
  const planned = await planner.view(analysis, names, by.call).catch(placed);
  const common = {
    id: catalog.nextId(),
    schema,
    name,
    createSql: by.text,
    sql: analysis.definition ?? statement.query,
    columns: planned.columns,
    dependsOn: Array.from(analysis.relations.values(), ({ id }) => id),
    settings,
  };
  if (!statement.materialized) {
    const view: View = { kind: 'view', ...common };
    await mirror.add(mirrored(catalog, view)[0]!, by.call);
    try {
      await engine.rpc.call('commit', { put: [view], remove: [] });
    } catch (error) {
      await mirror.remove([view.id]);
      throw error;
    }
    catalog.add(view);
    return { tag, notices: [] };
  }
  const { exactness: plannedExactness, reasons } = planned;
  const draft: MaterializedView = {
    kind: 'materializedView',
    ...common,
    plan: planned.plan,
    planVersion: PLAN_VERSION,
    upstreamSql: '',
    exactness: plannedExactness,
    exactnessReasons: reasons,
  };
  await mirror.add(mirrored(catalog, draft)[0]!, by.call);
  let exactness: Exactness;
  let exactnessReasons: readonly string[];
  try {
    const upstreamSql = await planner.upstreamSql(schema, name, names, by.call);
    const doubt = await upstreamDoubt(coordinator, upstreamSql, settings, planned.columns);
    exactness = doubt === undefined ? plannedExactness : 'version';
    exactnessReasons = doubt === undefined ? reasons : [...reasons, doubt];
    if (exactness !== 'exact' && by.settings.get('require_exact') === 'on')
      throw millraceError('NOT_EXACT', { view: name, exactness, reasons: exactnessReasons });
    const view: MaterializedView = { ...draft, upstreamSql, exactness, exactnessReasons };
    // Not by rows of another shape; where the upstream cannot be asked, what is here is as it was.
    await look(coordinator).catch(() => undefined);
    const queryId = coordinator.nextNumber();
    const { hydrationBudget: budget, hydrationTimeoutMs: timeoutMs, statementTimeoutMs: tablesTimeoutMs } = by.settings;
    await engine.cancellable(queryId, by.call.signal, () =>
      engine.rpc.call('createMaterializedView', { view, queryId, timeoutMs, tablesTimeoutMs, budget }),
    );
    catalog.add(view);
  } catch (error) {
    await mirror.remove([draft.id]);
    throw error;
  }
  const message = exactnessNotice(name, { exactness, reasons: exactnessReasons });
  const notices: Notice[] = message === undefined ? [] : [{ severity: 'NOTICE', sqlstate: '00000', message }];
  return { tag, notices };
}

/** Whether the upstream reads the view's SQL as we do: it must accept it and give the same types. undefined: it does, or could not be asked. */
async function upstreamDoubt(
  coordinator: Coordinator,
  sql: string,
  settings: ViewSettings,
  columns: readonly Column[],
): Promise<string | undefined> {
  const [source] = coordinator.catalog.all('source');
  if (source === undefined) return undefined;
  let connection;
  try {
    connection = await connectUpstream(coordinator.connectionOf(source), { purpose: 'describe' });
  } catch {
    // Unreachable now: a view can still be made from what is here. The audit will ask again.
    return undefined;
  }
  try {
    await connection.query('BEGIN READ ONLY');
    await connection.query(`SELECT set_config('search_path', $1, true)`, [settings['search_path'] ?? 'public']);
    const described = await connection.client.query({ text: `SELECT * FROM (${sql}\n) described LIMIT 0`, rowMode: 'array' });
    const other = described.fields.findIndex(
      (field, i) =>
        field.dataTypeID < FIRST_USER_OID && (columns[i]?.type.oid ?? 0) < FIRST_USER_OID && field.dataTypeID !== columns[i]?.type.oid,
    );
    if (other >= 0) return `column "${columns[other]?.name ?? other + 1}" has another type on the upstream's version of Postgres`;
    return undefined;
  } catch (error) {
    return `the upstream (${source.facts.version}) does not run it: ${reasonOf(error)}`;
  } finally {
    await connection.end();
  }
}
