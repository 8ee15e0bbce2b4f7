/**
 * What accumulators see of an input row: expressions over it that become columns, equal ones once. Made when a view is.
 */
import { needsCanonical } from '../../../../values/canonical.ts';
import type { PgType } from '../../../../values/type.ts';
import type { Expression } from '../../../../plan/expression.ts';

export const BOOL: PgType = { oid: 16, name: 'boolean', kind: 'base', storage: 'bool', typmod: -1 };
export const TRUE: Expression = { kind: 'constant', text: 't', type: BOOL };

export class Projection {
  readonly expressions: Expression[] = [];
  readonly #places = new Map<string, number>();

  add(expression: Expression): number {
    const key = JSON.stringify(expression);
    const known = this.#places.get(key);
    if (known !== undefined) return known;
    this.#places.set(key, this.expressions.length);
    return this.expressions.push(expression) - 1;
  }

  /** The column whose identity is the equality of the expression's values. */
  addCanonical(expression: Expression): number {
    return this.add(needsCanonical(expression.type) ? { kind: 'canonical', arg: expression, type: expression.type } : expression);
  }
}

/** NULL elsewhere, and not evaluated there. */
export function onlyWhere(when: Expression, then: Expression): Expression {
  // oxlint-disable-next-line unicorn/no-thenable -- the plan's own name for it; nobody awaits a plan.
  return { kind: 'case', whens: [{ when, then }], otherwise: { kind: 'constant', text: null, type: then.type }, type: then.type };
}
