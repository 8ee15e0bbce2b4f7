/**
 * GROUP BY: a scope in which columns are group keys and aggregates are columns. Keys and aggregates are collected while the select list and HAVING are bound,
 * equal ones once; `relation` then makes the operator. A column that only the primary key determines (Postgres allows it) becomes a further key: it has one
 * value a group. Called by `bind-query.ts`.
 */
import { assert } from '../../base/assert.ts';
import { millraceError } from '../../base/errors.ts';
import { aggregateNamed, AGGREGATES } from '../../plan/aggregates.ts';
import type { Expression } from '../../plan/expression.ts';
import type { Aggregate, AggregateCall } from '../../plan/plan.ts';
import { mapExpressions } from '../../plan/walk.ts';
import type { Column } from '../../values/type.ts';
import { carrying, type ExpressionBinder, type Scope } from './bind-expression.ts';
import { columnRef } from '../../plan/columns.ts';
import type { PlanContext } from '../tree/context.ts';
import { requireKeyType, requireOrderOfValues } from '../judge/key-type.ts';
import type { TreeNode } from '../tree/node-tree.ts';
import { bindSequence } from './sequence.ts';
import { placed, type Numbering, type Relation } from './relation.ts';

/** smallint, integer, bigint, real, double precision, numeric, interval. */
const SUMMED = new Set([21, 23, 20, 700, 701, 1700, 1186]);
const MEASURED = new Set([21, 23, 20, 700, 701, 1700]);
const WHOLE = new Set([21, 23, 20]);

interface Collected<T> {
  readonly id: number;
  readonly name: string;
  readonly value: T;
}

export class Grouping {
  readonly #context: PlanContext;
  readonly #binder: ExpressionBinder;
  readonly #numbering: Numbering;
  readonly #before: Scope;
  readonly #keys: Collected<Expression>[] = [];
  readonly #aggregates: Collected<AggregateCall>[] = [];
  readonly #known = new Map<string, number>();

  /** `before`: the scope of FROM, for keys and arguments. */
  constructor(context: PlanContext, binder: ExpressionBinder, numbering: Numbering, before: Scope) {
    this.#context = context;
    this.#binder = binder;
    this.#numbering = numbering;
    this.#before = before;
  }

  /** A key as written in GROUP BY. */
  addKey(name: string, expression: Expression): Expression {
    requireKeyType(expression.type, 'GROUP BY');
    return this.#key(name, expression);
  }

  /** A column that the keys determine. */
  addDetermined(name: string, expression: Expression): Expression {
    return this.#key(name, expression);
  }

  aggregate(node: TreeNode): Expression {
    const call = this.#call(node);
    const key = JSON.stringify(call);
    let id = this.#known.get(key);
    if (id === undefined) {
      id = this.#numbering.id();
      this.#known.set(key, id);
      this.#aggregates.push({ id, name: call.fn, value: call });
    }
    return columnRef(id, call.type);
  }

  relation({ plan, ids }: Relation): Relation {
    this.#numbering.countNode();
    const collected = [...this.#keys, ...this.#aggregates];
    const written: Aggregate = {
      op: 'aggregate',
      input: plan,
      keys: this.#keys.map(({ value }) => value),
      aggregates: this.#aggregates.map(({ value }) => value),
      columns: collected.map(({ name, value }): Column => ({ name, type: value.type })),
    };
    return { plan: mapExpressions(written, (expression) => placed(expression, ids)), ids: collected.map(({ id }) => id) };
  }

  #key(name: string, expression: Expression): Expression {
    const key = JSON.stringify(expression);
    let id = this.#known.get(key);
    if (id === undefined) {
      id = this.#numbering.id();
      this.#known.set(key, id);
      this.#keys.push({ id, name, value: expression });
    }
    return columnRef(id, expression.type);
  }

  #call(node: TreeNode): AggregateCall {
    const facts = this.#context.functionOf(node.number('aggfnoid'));
    if (facts === undefined) throw millraceError('USER_FUNCTION', { function: 'an aggregate' });
    const fn = aggregateNamed(facts.name);
    const isOrderedSet = node.text('aggkind') !== 'n';
    if (fn === undefined || node.text('aggkind') === 'h') {
      throw millraceError('FEATURE_NOT_SUPPORTED', { feature: `the ${isOrderedSet ? 'ordered-set ' : ''}aggregate ${facts.name}()` });
    }
    const bind = (inner: TreeNode): Expression => this.#binder.bind(inner, this.#before);
    const filter = node.maybe('aggfilter');
    const distinct = node.list('aggdistinct').length > 0;
    const args =
      AGGREGATES[fn].over === 'sequence' ? bindSequence(node, fn, this.#context, bind) : this.#argument(node, fn, distinct, bind);
    const collation = this.#context.collation(node.number('inputcollid'));
    return {
      fn,
      proc: facts.oid,
      ...args,
      distinct,
      ...(filter === null ? {} : { filter: bind(filter) }),
      ...(collation === undefined ? {} : { collation }),
      type: carrying(this.#binder.typeOf(node), args.arg === undefined ? [] : [args.arg]),
    };
  }

  /** ORDER BY inside changes none of these: their answer does not depend on the order. */
  #argument(
    node: TreeNode,
    fn: AggregateCall['fn'],
    distinct: boolean,
    bind: (node: TreeNode) => Expression,
  ): { readonly arg?: Expression } {
    const [target] = node.nodes('args').filter((candidate) => !candidate.flag('resjunk'));
    assert(target !== undefined || fn === 'count', () => `${fn} without an argument`);
    if (target === undefined) return {};
    const arg = bind(target.node('expr'));
    this.#judge(fn, arg, distinct);
    return { arg };
  }

  #judge(fn: AggregateCall['fn'], { type }: Expression, distinct: boolean): void {
    if (distinct) requireKeyType(type, `${fn}(DISTINCT …)`);
    const { over } = AGGREGATES[fn];
    if (over === 'order') requireOrderOfValues(type, `${fn}()`);
    const taken = over === 'bits' ? WHOLE : fn === 'sum' || fn === 'avg' ? SUMMED : over === 'amounts' ? MEASURED : undefined;
    if (taken !== undefined && !taken.has((type.base ?? type).oid)) {
      throw millraceError('FEATURE_NOT_SUPPORTED', { feature: `${fn}() of type ${type.name}` });
    }
  }
}
