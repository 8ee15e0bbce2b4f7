/** Makers of nodes that leave out what does nothing: a filter on a filter is one, columns of a scan are the scan's own. Pure. Called by binding and rewriting. */
import { columnRef } from './columns.ts';
import type { Expression } from './expression.ts';
import type { Plan } from './plan.ts';
import type { Column } from '../values/type.ts';

export function filtered(input: Plan, predicates: readonly Expression[]): Plan {
  if (predicates.length === 0) return input;
  if (input.op === 'filter') return { ...input, predicates: [...input.predicates, ...predicates] };
  return { op: 'filter', input, predicates, columns: input.columns };
}

/** The rows with these expressions as columns. */
export function mapped(input: Plan, expressions: readonly Expression[], columns: readonly Column[]): Plan {
  const positions = expressions.map((expression) => (expression.kind === 'column' ? expression.index : -1));
  const inOrder = positions.length === input.columns.length && positions.every((position, i) => position === i);
  // Only other names: the columns' own types stay, so that a cast to another length would not be lost.
  const sameTypes = expressions.every(
    ({ type }, i) => type.oid === input.columns[i]?.type.oid && type.typmod === input.columns[i].type.typmod,
  );
  if (inOrder && sameTypes) return { ...input, columns };
  if ((input.op === 'scan' || input.op === 'ref') && positions.every((position) => position >= 0)) {
    return { ...input, pick: positions.map((position) => input.pick[position]!), columns };
  }
  return { op: 'map', input, expressions, columns };
}

/** The input's columns at these positions, under other names. */
export function picked(input: Plan, positions: readonly number[], columns: readonly Column[]): Plan {
  return mapped(
    input,
    positions.map((position) => columnRef(position, input.columns[position]!.type)),
    columns,
  );
}
