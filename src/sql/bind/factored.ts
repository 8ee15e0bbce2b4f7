/**
 * A condition as conjuncts, with what all branches of an OR have in common drawn out, so that a join written inside the branches finds its key:
 *
 *     (A ∧ B) ∨ (A ∧ C)  →  A ∧ (B ∨ C)          A ∨ (A ∧ B)  →  A          (A ∧ B) ∧ C  →  A, B, C
 *
 * Law: the same value, NULL included (both hold in three-valued logic). What is drawn out runs before what was written in front of it, as in Postgres, which
 * does the same with every WHERE and ON. Parts are common when they are written alike. Pure. Called by `join.ts`.
 */
import type { Expression } from '../../plan/expression.ts';

export function factored(expression: Expression): Expression[] {
  if (expression.kind === 'and') return expression.args.flatMap(factored);
  if (expression.kind !== 'or') return [expression];
  const [first, ...others] = expression.args.map((branch) => new Map(factored(branch).map((part) => [JSON.stringify(part), part])));
  let common = [...first!.keys()];
  for (const branch of others) {
    common = common.filter((key) => branch.has(key));
    if (common.length === 0) return [expression];
  }
  const drawnOut = common.map((key) => first!.get(key)!);
  const branches = [first!, ...others].map((branch) => [...branch].filter(([key]) => !common.includes(key)).map(([, part]) => part));
  // A branch that is no more than the common part makes the others needless.
  if (branches.some((parts) => parts.length === 0)) return drawnOut;
  const { type } = expression;
  const args = branches.map((parts): Expression => (parts.length === 1 ? parts[0]! : { kind: 'and', args: parts, type }));
  return [...drawnOut, ...factored({ kind: 'or', args, type })];
}
