/** EXPLAIN: the plan of a query or view as text, a line a row, and how exact it is. Called by sessions. */
import { millraceError } from '../../base/errors.ts';
import type { CallOptions } from '../../pglite/catalog-client.ts';
import { printPlan } from '../../plan/print.ts';
import type { Statement } from '../../sql/statements/statement.ts';
import type { Coordinator } from '../coordinator.ts';
import type { NameSettings } from '../planner.ts';

export async function explain(coordinator: Coordinator, inner: Statement, names: NameSettings, call: CallOptions): Promise<string[][]> {
  if (inner.kind !== 'query' && inner.kind !== 'createView')
    throw millraceError('STATEMENT_UNSUPPORTED', { statement: 'EXPLAIN of this statement' });
  const sql = inner.kind === 'query' ? inner.text : inner.query;
  const planned = await coordinator.planner.view(sql, undefined, names, call);
  const lines = printPlan(planned.plan, (id) => coordinator.catalog.get(id)?.name ?? id).split('\n');
  return [...lines, `Exactness: ${planned.exactness}`, ...planned.reasons.map((reason) => `  ${reason}`)].map((line) => [line]);
}
