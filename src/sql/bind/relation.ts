/**
 * A plan under construction whose columns have ids instead of positions: an expression over ids keeps its meaning whatever joins are made around it, in
 * whatever order, and is placed (ids → positions) when it is put into an operator. Also the makers of plan nodes, which leave out what does nothing.
 */
import { assert } from '../../base/assert.ts';
import { millraceError } from '../../base/errors.ts';
import type { Expression } from '../../plan/expression.ts';
import type { Plan } from '../../plan/plan.ts';
import type { Column } from '../../values/type.ts';
import { columnRef, mapColumns } from '../../plan/columns.ts';
import { filtered, mapped } from '../../plan/make.ts';

export interface Relation {
  readonly plan: Plan;
  /** The id of each column of the plan. */
  readonly ids: readonly number[];
}

export interface NamedExpression {
  readonly id: number;
  readonly name: string;
  readonly expression: Expression;
}

/** Operators of one plan: views and CTEs without state are computed at every reference. */
export const NODES_MAX = 5_000;

/** Hands out ids and counts operators, for one statement. */
export class Numbering {
  #lastId = 0;
  #nodes = 0;

  ids(count: number): number[] {
    return Array.from({ length: count }, () => this.#lastId++);
  }

  id(): number {
    return this.#lastId++;
  }

  countNode(): void {
    if (++this.#nodes > NODES_MAX) throw millraceError('PLAN_TOO_LARGE', { nodesMax: NODES_MAX });
  }
}

export function placed(expression: Expression, ids: readonly number[]): Expression {
  return mapColumns(expression, (ref) => {
    const position = ids.indexOf(ref.index);
    assert(position >= 0, () => `column ${ref.index} among ${ids.join(', ')}`);
    return columnRef(position, ref.type);
  });
}

export function filter(input: Relation, predicates: readonly Expression[]): Relation {
  if (predicates.length === 0) return input;
  const { plan, ids } = input;
  return {
    plan: filtered(
      plan,
      predicates.map((predicate) => placed(predicate, ids)),
    ),
    ids,
  };
}

/** The rows with these expressions as columns. */
export function project({ plan, ids }: Relation, outputs: readonly NamedExpression[]): Relation {
  const expressions = outputs.map(({ expression }) => placed(expression, ids));
  const columns = outputs.map(({ name }, i): Column => ({ name, type: expressions[i]!.type }));
  return { plan: mapped(plan, expressions, columns), ids: outputs.map(({ id }) => id) };
}

export function refOf({ plan, ids }: Relation, position: number): Expression {
  return columnRef(ids[position]!, plan.columns[position]!.type);
}

export function refsOf(relation: Relation): Expression[] {
  return relation.ids.map((_, position) => refOf(relation, position));
}
