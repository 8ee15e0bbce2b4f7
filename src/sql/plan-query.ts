/**
 * From a loaded statement to a plan that can run: it is given its values, bound, rewritten and judged. A view's ORDER BY … LIMIT is part of it; an ad hoc query's
 * order, limit and junk columns are what remains to do with its rows (`finish`). Called by the planner.
 */
import type { Exactness } from '../plan/facts/exactness.ts';
import type { Plan, SortKey } from '../plan/plan.ts';
import { rewritten } from '../plan/rewrite/rewrite.ts';
import { objectsRead } from '../plan/scans.ts';
import type { Column } from '../values/type.ts';
import { Binding, QueryBinder } from './bind/bind-query.ts';
import { share } from './rewrite/share.ts';
import type { PlanContext } from './tree/context.ts';
import { judge, type Judgement } from './judge/exactness.ts';
import { decorrelate } from './rewrite/decorrelate.ts';
import { valued, type LoadedStatement } from './tree/load.ts';

export interface PlannedView extends Judgement {
  readonly plan: Plan;
  /** The view's columns: names, types and typmods as Postgres gives them. */
  readonly columns: readonly Column[];
  /** Tables and materialized views that it scans. */
  readonly reads: readonly string[];
}

export interface PlannedQuery extends PlannedView {
  readonly finish: Finish;
}

/** What remains to do on the rows of an ad hoc query: order, cut, drop the junk columns. */
export interface Finish {
  readonly order: readonly SortKey[];
  readonly limit: number | null;
  readonly offset: number;
  /** Columns of the plan that are shown, in order. */
  readonly project: readonly number[];
}

/** Of ev_action; its select list has the names of `CREATE VIEW v (a, b)`. */
export async function planView(statement: LoadedStatement, context: PlanContext): Promise<PlannedView> {
  const loaded = await valued(statement, context, []);
  const binding = new Binding(context, loaded);
  const plan = asItRuns(new QueryBinder(binding, loaded.query).bind().plan, binding);
  return { plan, columns: plan.columns, reads: objectsRead(plan), ...judge(plan, context) };
}

/** Of ev_action or prosqlbody. `parameters`: the values of $1 … $n as text. */
export async function planQuery(
  statement: LoadedStatement,
  context: PlanContext,
  parameters: readonly (string | null)[] = [],
): Promise<PlannedQuery> {
  const loaded = await valued(statement, context, parameters);
  const binding = new Binding(context, loaded);
  const { relation, shown, order, limit, offset } = new QueryBinder(binding, loaded.query).select('always');
  const plan = asItRuns(relation.plan, binding);
  return {
    plan,
    columns: shown.map((position) => plan.columns[position]!),
    reads: objectsRead(plan),
    finish: { order, limit, offset, project: shown },
    ...judge(plan, context),
  };
}

function asItRuns(bound: Plan, binding: Binding): Plan {
  const joined = decorrelate(binding.whole(bound), (expression) => binding.joins.keyPair(expression));
  return rewritten(share(joined, binding.numbering));
}

/** What a NOTICE at CREATE says; undefined for an exact view of which nothing is to be known. */
export function exactnessNotice(
  name: string,
  { exactness, reasons }: { readonly exactness: Exactness; readonly reasons: readonly string[] },
): string | undefined {
  if (reasons.length === 0) return undefined;
  const how = exactness === 'exact' ? 'exact' : `up to ${exactness.replace('_', ' ')}`;
  return `view "${name}" is kept ${how}: ${reasons.join('; ')}`;
}
