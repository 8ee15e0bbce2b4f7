/**
 * What fusing asks of expressions: how often they read a column, whether reading twice is free, whether they can fail. Pure.
 * Called by `fuse.ts` and `build.ts`.
 */
import { unreachable } from '../../base/assert.ts';
import { mapColumns } from '../../plan/columns.ts';
import type { Expression } from '../../plan/expression.ts';

/** How often each column is read. */
export function references(expressions: readonly Expression[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const expression of expressions) {
    mapColumns(expression, (ref) => {
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

const COMPARISON =
  /^pg_catalog\.(bool|int[248]{1,2}|oid|float[48]{1,2}|text|bpchar|name|bytea|char|numeric|date|time|timestamp|timestamptz|interval|uuid|enum|jsonb|array)_?(eq|ne|lt|le|gt|ge)$/;

/** True when evaluating it cannot fail, whatever the row: it may run on rows that the written query would not have asked about. */
export function cannotFail(expression: Expression): boolean {
  switch (expression.kind) {
    case 'column':
    case 'outer':
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
    case 'raise':
      return false;
    default:
      return unreachable(expression);
  }
}
