/** What a query may contain and Millrace does not maintain yet, by the name that its user knows. Called by `bind-query.ts`. */
import { millraceError, type MillraceError } from '../../base/errors.ts';
import type { TreeNode } from '../tree/node-tree.ts';

export function unsupported(feature: string, instead?: string): MillraceError {
  return millraceError('FEATURE_NOT_SUPPORTED', { feature, ...(instead === undefined ? {} : { instead }) });
}

export function refuseUnsupported(query: TreeNode): void {
  if (query.number('commandType') !== 1 || query.flag('hasModifyingCTE')) {
    throw millraceError('STATEMENT_READ_ONLY', { statement: 'a data-modifying statement' });
  }
  if (query.list('rowMarks').length > 0) throw millraceError('STATEMENT_READ_ONLY', { statement: 'SELECT FOR UPDATE' });
  if (query.flag('hasWindowFuncs')) throw unsupported('a window function');
  if (query.flag('hasTargetSRFs')) throw unsupported('a set-returning function in the select list');
  if (query.list('groupingSets').length > 0) throw unsupported('GROUPING SETS, ROLLUP or CUBE', 'Write one GROUP BY a set, and UNION ALL.');
  if (query.flag('hasDistinctOn')) throw unsupported('DISTINCT ON');
  if (query.flag('hasRecursive')) throw unsupported('WITH RECURSIVE');
  if (query.number('limitOption') === WITH_TIES && query.maybe('limitCount') !== null) throw unsupported('FETCH FIRST … WITH TIES');
}

/** LimitOption: 0 LIMIT_OPTION_COUNT, 1 LIMIT_OPTION_WITH_TIES. */
const WITH_TIES = 1;

const IN_INSTEAD =
  'Write x IN (SELECT y FROM t) as JOIN (SELECT DISTINCT y FROM t) s ON s.y = x, and x NOT IN (…) as LEFT JOIN … WHERE s.y IS NULL, where neither can be NULL.';
const EXISTS_INSTEAD =
  'Write EXISTS (SELECT FROM t WHERE t.y = x) as JOIN (SELECT DISTINCT y FROM t) s ON s.y = x, and NOT EXISTS as LEFT JOIN … WHERE s.y IS NULL.';
const SCALAR_INSTEAD = 'Write it as a join with the subquery in FROM, with GROUP BY what it depends on.';

/** By SubLinkType of primnodes.h. */
const SUBQUERIES: readonly { readonly feature: string; readonly instead: string }[] = [
  { feature: 'EXISTS (subquery)', instead: EXISTS_INSTEAD },
  { feature: 'a comparison with ALL (subquery)', instead: IN_INSTEAD },
  { feature: 'IN or ANY (subquery)', instead: IN_INSTEAD },
  { feature: 'a row comparison with a subquery', instead: SCALAR_INSTEAD },
  { feature: 'a scalar subquery', instead: SCALAR_INSTEAD },
];

/** EXISTS, IN and ANY, a scalar one: what becomes an apply. */
export function requireSubquery(node: TreeNode): void {
  if (![0, 2, 4].includes(node.number('subLinkType'))) refuseSubquery(node);
}

export function refuseSubquery(node: TreeNode): never {
  const { feature, instead } = SUBQUERIES[node.number('subLinkType')] ?? { feature: 'ARRAY(subquery)', instead: SCALAR_INSTEAD };
  throw unsupported(feature, instead);
}
