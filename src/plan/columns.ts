/** Expressions and the columns they read: which ones, and the same expression over other columns. Pure. Called all over `sql/plan` and `dataflow`. */
import { must, unreachable } from '../base/assert.ts';
import type { ColumnRef, Expression } from './expression.ts';
import type { PgType } from '../values/type.ts';

export function columnRef(index: number, type: PgType): ColumnRef {
  return { kind: 'column', index, type };
}

export function mapColumns(expression: Expression, replace: (ref: ColumnRef) => Expression): Expression {
  const go = (inner: Expression): Expression => mapColumns(inner, replace);
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

/** The expressions directly below. */
export function partsOf(expression: Expression): readonly Expression[] {
  switch (expression.kind) {
    case 'column':
    case 'constant':
      return [];
    case 'nullIf':
    case 'isDistinct':
    case 'and':
    case 'or':
    case 'coalesce':
    case 'minMax':
    case 'call':
    case 'fallback':
      return expression.args;
    case 'not':
    case 'isNull':
    case 'booleanTest':
    case 'relabel':
    case 'ioCast':
    case 'canonical':
      return [expression.arg];
    case 'case':
      return [...expression.whens.flatMap(({ when, then }) => [when, then]), expression.otherwise];
    case 'anyAll':
      return [expression.left, ...expression.elements];
    default:
      return unreachable(expression);
  }
}

export function columnsRead(expressions: readonly Expression[], into = new Set<number>()): Set<number> {
  for (const expression of expressions) {
    if (expression.kind === 'column') into.add(expression.index);
    else columnsRead(partsOf(expression), into);
  }
  return into;
}

/** Without changes of name. */
export function peeled(expression: Expression): Expression {
  return expression.kind === 'relabel' && expression.arg.type.storage === expression.type.storage ? peeled(expression.arg) : expression;
}

/** The same expression over the kept columns alone: old position `kept[i]` becomes i. */
export function moved(kept: readonly number[]): (expression: Expression) => Expression {
  const place = new Map(kept.map((old, now) => [old, now]));
  return (expression) => mapColumns(expression, (ref) => columnRef(must(place.get(ref.index), `column ${ref.index}`), ref.type));
}

export function ascending(indexes: Iterable<number>): number[] {
  return [...indexes].sort((a, b) => a - b);
}
