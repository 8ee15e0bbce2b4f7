/** Expressions and the columns they read: which ones, and the same expression over other columns. Pure. Called all over `sql/plan` and `dataflow`. */
import { must } from '../base/assert.ts';
import type { ColumnRef, Expression } from './expression.ts';
import type { PgType } from '../values/type.ts';
import { mapParts, partsOf } from './walk.ts';

export function columnRef(index: number, type: PgType): ColumnRef {
  return { kind: 'column', index, type };
}

export function mapColumns(expression: Expression, replace: (ref: ColumnRef) => Expression): Expression {
  return expression.kind === 'column' ? replace(expression) : mapParts(expression, (part) => mapColumns(part, replace));
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
