/**
 * A subquery in an expression: the clause's rows get an *apply*, and its column stands in the expression's place. One of these a clause; the clause's binder puts
 * the applies over its rows when all its expressions are bound, and `decorrelate.ts` makes joins of them. Called by `bind-query.ts`.
 */
import type { Expression } from '../../plan/expression.ts';
import type { Apply } from '../../plan/plan.ts';
import { columnRef } from '../../plan/columns.ts';
import type { TreeNode } from '../tree/node-tree.ts';
import { conjuncts, type Scope } from './bind-expression.ts';
import type { Binding } from './bind-query.ts';
import { placed, refOf, type Relation } from './relation.ts';

/** What the query around a subquery means by its columns; those that the subquery reads are collected. */
export interface Outer {
  readonly scope: Scope;
  readonly correlated: Expression[];
}

interface Subquery {
  readonly kind: Apply['kind'];
  readonly inner: Relation;
  readonly correlated: readonly Expression[];
  readonly on: readonly Expression[];
  /** Of the column, where there is one. */
  readonly id: number;
}

/** SubLinkType of primnodes.h. */
const EXISTS = 0;
const ANY = 2;
const SCALAR = 4;

export class Subqueries {
  readonly scope: Scope;
  readonly #binding: Binding;
  readonly #bind: (query: TreeNode, outer: Outer) => Relation;
  readonly #found: Subquery[] = [];
  readonly #known = new Map<TreeNode, Expression>();

  /** `around`: the clause's scope but for subqueries. */
  constructor(binding: Binding, around: Scope, bind: (query: TreeNode, outer: Outer) => Relation) {
    this.#binding = binding;
    this.#bind = bind;
    this.scope = { ...around, subquery: (node) => this.#column(node) };
  }

  /** A condition on the rows; undefined where it is an apply and nothing else. */
  condition(node: TreeNode): Expression | undefined {
    const negated = node.tag === 'BOOLEXPR' && node.text('boolop') === 'not';
    const link = negated ? node.nodes('args')[0]! : node;
    // NOT IN is no anti join: it is not true where the comparison is NULL.
    if (link.tag === 'SUBLINK' && (isOf(link, EXISTS) || (isOf(link, ANY) && !negated))) {
      this.#add(link, negated ? 'anti' : 'semi');
      return undefined;
    }
    return this.#binding.binder.bind(node, this.scope);
  }

  /** The clause's rows, with the columns that stand for subqueries. */
  over(relation: Relation): Relation {
    return this.#found.reduce((outer, { kind, inner, correlated, on, id }): Relation => {
      const hasColumn = kind === 'mark' || kind === 'scalar';
      const type = kind === 'scalar' ? inner.plan.columns[0]!.type : this.#binding.context.typeOf(BOOL);
      const both = [...outer.ids, ...inner.ids];
      this.#binding.numbering.countNode();
      const plan: Apply = {
        op: 'apply',
        kind,
        outer: outer.plan,
        inner: inner.plan,
        correlated: correlated.map((expression) => placed(expression, outer.ids)),
        on: on.map((expression) => placed(expression, both)),
        columns: [...outer.plan.columns, ...(hasColumn ? [{ name: 'subquery', type }] : [])],
      };
      return { plan, ids: hasColumn ? [...outer.ids, id] : outer.ids };
    }, relation);
  }

  #column(node: TreeNode): Expression {
    let column = this.#known.get(node);
    if (column === undefined) {
      const { id, inner } = this.#add(node, isOf(node, SCALAR) ? 'scalar' : 'mark');
      column = columnRef(id, isOf(node, SCALAR) ? inner.plan.columns[0]!.type : this.#binding.context.typeOf(BOOL));
      this.#known.set(node, column);
    }
    return column;
  }

  #add(node: TreeNode, kind: Apply['kind']): Subquery {
    const correlated: Expression[] = [];
    const inner = this.#bind(node.node('subselect'), { scope: this.scope, correlated });
    const test = node.maybe('testexpr');
    const scope: Scope = { ...this.scope, parameter: (number) => refOf(inner, number - 1) };
    const on = conjuncts(test).map((part) => this.#binding.binder.bind(part, scope));
    const found = { kind, inner, correlated, on, id: this.#binding.numbering.id() };
    this.#found.push(found);
    return found;
  }
}

const BOOL = 16;

function isOf(node: TreeNode, subLinkType: number): boolean {
  return node.number('subLinkType') === subLinkType;
}

export function hasSubquery(node: TreeNode): boolean {
  return node.tag === 'SUBLINK' || [...node.children()].some(hasSubquery);
}
