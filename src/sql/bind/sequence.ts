/**
 * Arguments and order of an aggregate in which each row has a place (string_agg, array_agg, JSON, percentile_cont …), and what of them is refused by name.
 * Pure. Called by `aggregate.ts`.
 */
import { assert } from '../../base/assert.ts';
import { millraceError } from '../../base/errors.ts';
import type { AggregateName } from '../../plan/aggregates.ts';
import type { Expression } from '../../plan/expression.ts';
import { isJson, isManifold } from '../../plan/facts/type.ts';
import type { AggregateCall, SortKey } from '../../plan/plan.ts';
import type { PgType } from '../../values/type.ts';
import { requireOrder, requireOwn } from '../judge/key-type.ts';
import type { PlanContext } from '../tree/context.ts';
import type { TreeNode } from '../tree/node-tree.ts';

const FLOAT8 = 701;

/** `bind`: over what the aggregate reads. */
export function bindSequence(
  node: TreeNode,
  fn: AggregateName,
  context: PlanContext,
  bind: (node: TreeNode) => Expression,
): Pick<AggregateCall, 'arg' | 'more' | 'order'> {
  const targets = node.nodes('args');
  const written = targets.filter((target) => !target.flag('resjunk')).map((target) => bind(target.node('expr')));
  const isDistinct = node.list('aggdistinct').length > 0;
  const order = node.nodes(isDistinct ? 'aggdistinct' : 'aggorder').map((clause): SortKey => {
    const target = targets.find((candidate) => candidate.number('ressortgroupref') === clause.number('tleSortGroupRef'));
    assert(target !== undefined, 'the target of ORDER BY in an aggregate');
    const operator = context.operatorOf(clause.number('sortop'));
    if (operator === undefined || (operator.name !== '<' && operator.name !== '>')) throw unsupported(`${fn}(… ORDER BY … USING)`);
    const expression = bind(target.node('expr'));
    const { type } = expression;
    requireOrder(type, isDistinct ? `${fn}(DISTINCT …)` : `ORDER BY in ${fn}()`);
    return {
      expression,
      descending: operator.name === '>',
      nullsFirst: clause.flag('nulls_first'),
      ...(type.collation === undefined ? {} : { collation: type.collation }),
    };
  });
  const direct = node.nodes('aggdirectargs').map(bind);
  const [arg, ...more] = written;
  assert(arg !== undefined, () => `${fn} without an argument`);
  judge(fn, written);
  if (fn.startsWith('percentile_')) requireFraction(fn, arg.type, direct);
  const all = [...direct, ...more];
  return {
    arg,
    ...(all.length === 0 ? {} : { more: all }),
    ...(order.length === 0 ? {} : { order }),
  };
}

function judge(fn: AggregateName, [first, second]: readonly Expression[]): void {
  if (fn === 'array_agg' && standing(first!.type).kind === 'array') throw unsupported('array_agg() of arrays');
  if (!fn.startsWith('json')) return;
  for (const { type } of second === undefined ? [first!] : [first!, second]) requireOwn(type, `${fn}()`);
  if (second !== undefined && (isManifold(first!.type) || isJson(first!.type)))
    throw unsupported(`${fn}() with a key of type ${first!.type.name}`);
}

function requireFraction(fn: AggregateName, type: PgType, [fraction]: readonly Expression[]): void {
  if (fraction?.type.storage !== 'float64') throw unsupported(`${fn}() of several fractions`);
  if (fraction.kind !== 'constant') throw unsupported(`${fn}() of a fraction that is no constant`);
  if (fn === 'percentile_cont' && standing(type).oid !== FLOAT8) throw unsupported(`${fn}() of type ${type.name}`);
}

function standing(type: PgType): PgType {
  return type.base ?? type;
}

function unsupported(feature: string): Error {
  return millraceError('FEATURE_NOT_SUPPORTED', { feature });
}
