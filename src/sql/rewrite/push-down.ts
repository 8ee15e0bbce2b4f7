/**
 * Conditions written above a join whose key can fail (of a subquery, a view, a left join), brought below it as Postgres brings them, so that a row which the query
 * rejects is none whose key is computed (`join.ts` has the rule). Everything else stays where it was bound: a condition that can fail runs as late as it may.
 *
 *     σ p (L ⋈ R) → σ p (L) ⋈ R      p reads L alone          σ p (L ⟕ R) → σ p (L) ⟕ R          L ⟕p R → L ⟕ σ p (R)      p reads R alone
 *     σ p (L ⟕ R) → σ p (L ⟕ σ p (R))      p reads R alone and is not true where R is NULL: what it takes from R leaves rows that it rejects
 *     σ p (π e) → π e (σ p∘e)          σ p (A ∪ B) → σ p (A) ∪ σ p (B)          σ p (γ k) → γ k (σ p∘k)      p reads keys alone; equal keys are identical
 *
 * Law: the same rows. Errors: fewer of keys, and of conditions those that Postgres could have met. Pure. Called by `plan-query.ts`.
 */
import { AssertionError, unreachable } from '../../base/assert.ts';
import { needsCanonical } from '../../values/canonical.ts';
import { columnRef, columnsRead, mapColumns } from '../../plan/columns.ts';
import type { Expression } from '../../plan/expression.ts';
import type { Join, Plan } from '../../plan/plan.ts';
import { nodesOf } from '../../plan/walk.ts';
import { safeFirst } from '../bind/join.ts';
import { cannotFail } from '../judge/safety.ts';

export function pushDown(plan: Plan): Plan {
  return pushed(plan, []);
}

/** σ conditions (plan), under the plan's own column names. */
function pushed(plan: Plan, conditions: readonly Expression[]): Plan {
  if (!hasFailingKeys(plan)) return above(plan, conditions);
  switch (plan.op) {
    case 'scan':
    case 'ref':
    case 'values':
      return above(plan, conditions);
    case 'let':
      return { ...plan, value: pushed(plan.value, []), body: pushed(plan.body, conditions) };
    case 'filter':
      return { ...pushed(plan.input, [...plan.predicates, ...conditions]), columns: plan.columns };
    case 'map': {
      const inside = conditions.map((condition) => over(condition, plan.expressions));
      return { ...plan, input: pushed(plan.input, inside) };
    }
    case 'union':
      return { ...plan, inputs: plan.inputs.map((input) => pushed(input, conditions)) };
    case 'join':
      return pushedJoin(plan, conditions);
    case 'distinct': {
      const [inside, rest] = split(conditions, (condition) => readsIdentities(condition, plan.columns.length, plan));
      return above({ ...plan, input: pushed(plan.input, inside) }, rest);
    }
    case 'aggregate': {
      const [inside, rest] = split(conditions, (condition) => readsIdentities(condition, plan.keys.length, plan));
      const overInput = inside.map((condition) => over(condition, plan.keys));
      return above({ ...plan, input: pushed(plan.input, overInput) }, rest);
    }
    case 'topk':
      return above({ ...plan, input: pushed(plan.input, []) }, conditions);
    case 'apply':
      throw new AssertionError('an apply that decorrelate left');
    default:
      return unreachable(plan);
  }
}

function pushedJoin(plan: Join, conditions: readonly Expression[]): Plan {
  const width = plan.left.columns.length;
  const wantsLeft = failing(plan.leftKeys) || hasFailingKeys(plan.left);
  const wantsRight = failing(plan.rightKeys) || hasFailingKeys(plan.right);
  const ofLeft = (condition: Expression): boolean => wantsLeft && readsOnly(condition, (index) => index < width);
  const ofRight = (condition: Expression): boolean => wantsRight && readsOnly(condition, (index) => index >= width);
  const isInner = plan.kind === 'inner';
  const [left, notLeft] = split(isInner ? [...plan.on, ...conditions] : conditions, ofLeft);
  const [right, rest] = isInner ? split(notLeft, ofRight) : split(plan.on, ofRight);
  // Also above: it rejects the left rows that have no match any more.
  const both = isInner ? [] : notLeft.filter((condition) => ofRight(condition) && rejectsNull(condition, width));
  const kept = isInner ? rest.filter((condition) => plan.on.includes(condition)) : rest;
  return above(
    {
      ...plan,
      left: pushed(plan.left, left),
      right: pushed(
        plan.right,
        [...right, ...both].map((condition) => mapColumns(condition, (ref) => columnRef(ref.index - width, ref.type))),
      ),
      on: kept,
    },
    isInner ? rest.filter((condition) => !kept.includes(condition)) : notLeft,
  );
}

function above(plan: Plan, conditions: readonly Expression[]): Plan {
  if (conditions.length === 0) return plan;
  if (plan.op === 'filter') return { ...plan, predicates: safeFirst([...plan.predicates, ...conditions]) };
  return { op: 'filter', input: plan, predicates: safeFirst(conditions), columns: plan.columns };
}

function over(condition: Expression, expressions: readonly Expression[]): Expression {
  return mapColumns(condition, (ref) => expressions[ref.index]!);
}

export function hasFailingKeys(plan: Plan): boolean {
  return [...nodesOf(plan)].some((node) => node.op === 'join' && (failing(node.leftKeys) || failing(node.rightKeys)));
}

function failing(keys: readonly Expression[]): boolean {
  return !keys.every(cannotFail);
}

function readsOnly(condition: Expression, isMeant: (index: number) => boolean): boolean {
  const read = [...columnsRead([condition])];
  return read.length > 0 && read.every(isMeant);
}

/** Reads the first columns alone, and those of them that equal rows have alike to the last bit. */
function readsIdentities(condition: Expression, count: number, { columns }: Plan): boolean {
  return readsOnly(condition, (index) => index < count && !needsCanonical(columns[index]!.type));
}

/** Never true where all columns from `width` on are NULL. */
function rejectsNull(condition: Expression, width: number): boolean {
  switch (condition.kind) {
    case 'and':
      return condition.args.some((arg) => rejectsNull(arg, width));
    case 'or':
      return condition.args.every((arg) => rejectsNull(arg, width));
    case 'isNull':
      return condition.negated && isNullThere(condition.arg, width);
    case 'booleanTest':
      return (condition.test === 'true' || condition.test === 'false') && isNullThere(condition.arg, width);
    default:
      return isNullThere(condition, width);
  }
}

/** NULL where all columns from `width` on are. */
function isNullThere(expression: Expression, width: number): boolean {
  switch (expression.kind) {
    case 'column':
      return expression.index >= width;
    case 'call':
      return expression.strict && expression.args.some((arg) => isNullThere(arg, width));
    case 'relabel':
    case 'ioCast':
    case 'canonical':
    case 'not':
      return isNullThere(expression.arg, width);
    case 'anyAll':
      return expression.elements.length > 0 && isNullThere(expression.left, width);
    default:
      return false;
  }
}

function split<T>(items: readonly T[], belongs: (item: T) => boolean): [T[], T[]] {
  return [items.filter(belongs), items.filter((item) => !belongs(item))];
}
