/**
 * Conditions brought below joins, each as low as it may run: one that cannot fail wherever its columns are; one that can fail only beside a key that can fail, too, where it
 * saves the key from rows that the query rejects (`sql/bind/join.ts` has the rule). Where no join is below, a plan stays as it was bound.
 *
 *     σ p (L ⋈ R) → σ p (L) ⋈ R      p reads L alone          σ p (L ⟕ R) → σ p (L) ⟕ R          L ⟕p R → L ⟕ σ p (R)      p reads R alone
 *     σ p (L ⟕ R) → σ p (L ⟕ σ p (R))      p reads R alone and is not true where R is NULL: what it takes from R leaves rows that it rejects
 *     σ p (L ⋈ R) → L ⋈p R           p reads both             σ p (π e) → π e (σ p∘e)            σ p (A ∪ B) → σ p (A) ∪ σ p (B)
 *     σ p (γ k) → γ k (σ p∘k)        p reads keys alone; equal keys are identical
 *
 * Semi, anti and mark joins are as ⟕, without what rejects NULLs; ON of a semi join goes to either side, of a mark join to neither. A full join lets nothing through.
 * Law: the same rows. Errors: fewer of keys, and of conditions those that Postgres could have met. Pure. Called by `rewrite.ts`.
 */
import { AssertionError, unreachable } from '../../base/assert.ts';
import { needsCanonical } from '../../values/canonical.ts';
import { columnRef, columnsRead, mapColumns } from '../columns.ts';
import type { Expression } from '../expression.ts';
import { cannotFail, safeFirst } from '../facts/failure.ts';
import type { Join, Plan } from '../plan.ts';
import { nodesOf } from '../walk.ts';

export function pushDown(plan: Plan): Plan {
  return pushed(plan, []);
}

/** σ conditions (plan), under the plan's own column names. */
function pushed(plan: Plan, conditions: readonly Expression[]): Plan {
  if (!hasJoin(plan)) return above(plan, conditions);
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
      const [inside, rest] = split(conditions, (condition) => maySink(over(condition, plan.expressions), plan.input));
      const overInput = inside.map((condition) => over(condition, plan.expressions));
      return above({ ...plan, input: pushed(plan.input, overInput) }, rest);
    }
    case 'union':
      return { ...plan, inputs: plan.inputs.map((input) => pushed(input, conditions)) };
    case 'join':
      return pushedJoin(plan, conditions);
    case 'distinct': {
      const [inside, rest] = split(
        conditions,
        (condition) => maySink(condition, plan.input) && readsIdentities(condition, plan.columns.length, plan),
      );
      return above({ ...plan, input: pushed(plan.input, inside) }, rest);
    }
    case 'aggregate': {
      const [inside, rest] = split(
        conditions,
        (condition) => readsIdentities(condition, plan.keys.length, plan) && maySink(over(condition, plan.keys), plan.input),
      );
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
  // Its rows of either side show, whatever they meet.
  if (plan.kind === 'full') return above({ ...plan, left: pushed(plan.left, []), right: pushed(plan.right, []) }, conditions);
  const width = plan.left.columns.length;
  const rightFails = !plan.rightKeys.every(cannotFail) || hasFailingKeys(plan.right);
  const readsRight = (condition: Expression): boolean => readsOnly(condition, (index) => index >= width);
  const ofLeft = (condition: Expression): boolean =>
    readsOnly(condition, (index) => index < width) && (!plan.leftKeys.every(cannotFail) || maySink(condition, plan.left));
  // A mark join tells a condition that is NULL from none.
  const ofRight = (condition: Expression): boolean =>
    plan.kind !== 'mark' && readsRight(condition) && (rightFails || cannotFail(condition));
  const isInner = plan.kind === 'inner';
  const [left, notLeft] = split(isInner ? [...plan.on, ...conditions] : conditions, ofLeft);
  // Of a semi join ON decides about left rows, too.
  const [onLeft, onRest] = split(isInner ? notLeft : plan.on, (condition) => plan.kind === 'semi' && ofLeft(condition));
  const [right, rest] = split(onRest, ofRight);
  // Also above: it rejects the left rows that have no match any more.
  const both = notLeft.filter((condition) => plan.kind === 'left' && rightFails && readsRight(condition) && rejectsNull(condition, width));
  const ofBoth = (condition: Expression): boolean =>
    plan.on.includes(condition) || (cannotFail(condition) && readsOnly(condition, () => true));
  const [on, later] = isInner ? split(rest, ofBoth) : [rest, notLeft];
  const overRight = (condition: Expression): Expression => mapColumns(condition, (ref) => columnRef(ref.index - width, ref.type));
  return above(
    {
      ...plan,
      left: pushed(plan.left, [...left, ...onLeft]),
      right: pushed(plan.right, [...right, ...both].map(overRight)),
      on: safeFirst(on),
    },
    later,
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

/** Whether a condition may run on all rows of this plan, although it was written above. */
function maySink(condition: Expression, plan: Plan): boolean {
  return cannotFail(condition) || hasFailingKeys(plan);
}

export function hasFailingKeys(plan: Plan): boolean {
  return nodesOf(plan).some((node) => node.op === 'join' && ![...node.leftKeys, ...node.rightKeys].every(cannotFail));
}

function hasJoin(plan: Plan): boolean {
  return nodesOf(plan).some(({ op }) => op === 'join');
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
