/**
 * Expressions taken apart and put together again: which columns they read, the same over other columns, whether they can fail. Pure.
 * Called by `fuse.ts` and `build.ts`.
 */
import { unreachable } from '../../base/assert.ts';
import type { ColumnRef, Expression } from '../plan/expression.ts';
import type { PgType } from '../../values/type.ts';

export function column(index: number, type: PgType): ColumnRef {
  return { kind: 'column', index, type };
}

/** The expression with every column reference replaced. */
export function substitute(expression: Expression, replace: (ref: ColumnRef) => Expression): Expression {
  const go = (inner: Expression): Expression => substitute(inner, replace);
  switch (expression.kind) {
    case 'column':
      return replace(expression);
    case 'constant':
      return expression;
    case 'nullIf':
    case 'isDistinct':
      return { ...expression, args: [go(expression.args[0]), go(expression.args[1])] };
    case 'and':
    case 'or':
    case 'coalesce':
    case 'minMax':
    case 'call':
    case 'fallback':
      return { ...expression, args: expression.args.map(go) };
    case 'not':
    case 'isNull':
    case 'booleanTest':
    case 'relabel':
    case 'ioCast':
    case 'canonical':
      return { ...expression, arg: go(expression.arg) };
    case 'case':
      return {
        ...expression,
        // oxlint-disable-next-line unicorn/no-thenable -- CASE has its THEN.
        whens: expression.whens.map(({ when, then }) => ({ when: go(when), then: go(then) })),
        otherwise: go(expression.otherwise),
      };
    case 'anyAll':
      return { ...expression, left: go(expression.left), elements: expression.elements.map(go) };
    default:
      return unreachable(expression);
  }
}

/** How often each column is read. */
export function references(expressions: readonly Expression[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const expression of expressions) {
    substitute(expression, (ref) => {
      counts.set(ref.index, (counts.get(ref.index) ?? 0) + 1);
      return ref;
    });
  }
  return counts;
}

/** Reading it twice costs nothing. */
export function isTrivial(expression: Expression): boolean {
  return expression.kind === 'column' || expression.kind === 'constant' || (expression.kind === 'relabel' && isTrivial(expression.arg));
}

/** Without changes of name: what a hash key really is. */
export function peeled(expression: Expression): Expression {
  return expression.kind === 'relabel' && expression.arg.type.storage === expression.type.storage ? peeled(expression.arg) : expression;
}

const COMPARISON =
  /^pg_catalog\.(bool|int[248]{1,2}|oid|float[48]{1,2}|text|bpchar|name|bytea|char|numeric|date|time|timestamp|timestamptz|interval|uuid|enum|jsonb|array)_?(eq|ne|lt|le|gt|ge)$/;

/** True when evaluating it cannot fail, whatever the row: it may run on rows that the written query would not have asked about. */
export function cannotFail(expression: Expression): boolean {
  switch (expression.kind) {
    case 'column':
    case 'constant':
      return true;
    case 'and':
    case 'or':
    case 'coalesce':
    case 'minMax':
    case 'isDistinct':
    case 'nullIf':
      return expression.args.every(cannotFail);
    case 'not':
    case 'isNull':
    case 'booleanTest':
    case 'relabel':
    case 'canonical':
      return cannotFail(expression.arg);
    case 'call':
      return COMPARISON.test(expression.procName) && expression.args.every(cannotFail);
    case 'anyAll':
      return COMPARISON.test(expression.procName) && cannotFail(expression.left) && expression.elements.every(cannotFail);
    case 'case':
      return expression.whens.every(({ when, then }) => cannotFail(when) && cannotFail(then)) && cannotFail(expression.otherwise);
    case 'ioCast':
    case 'fallback':
      return false;
    default:
      return unreachable(expression);
  }
}
