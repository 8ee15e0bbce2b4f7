/**
 * Removes every apply from a plan: a subquery becomes a join on what correlates. `K` are the keys of the inner rows, drawn up out of its conditions `k = outer`, `l` the
 * outer expressions that they equal; without correlation there are none.
 *
 *     L semi on C (R)       →   L ⋈ δ K(R)  on l = K                          C is equalities, and they are among the keys
 *     L anti (R)            →   σ K is null (L ⟕ δ K(R)  on l = K)
 *     L mark (R)            →   L ⟕ δ K(R)  on l = K, and whether there is one
 *     L mark on x = y (R)   →   L ⟕ δ K,y(R)  on l = K, x = y  ⟕ γ K; some(y is null) (R)  on l = K
 *                               true: there is a y; false: there is no row; NULL: x or some y is NULL; else false
 *     L scalar γ a (R)      →   L ⟕ γ K; a (R)  on l = K, counts of no group 0
 *     L scalar (R)          →   L ⟕ γ K; count, min (first 2 of each K of R)  on l = K, and an error (21000) where there are two
 *
 * Law: the same rows. Errors: an expression over outer rows runs where Postgres runs it; what correlates and can fail on inner rows that no outer row asks for is
 * refused, as is what correlates by anything but equality: by name. Terminates: from below, each apply once. Called by `plan-query.ts`, after binding.
 */
import { columnRef, mapColumns } from '../../plan/columns.ts';
import type { Constant, Expression } from '../../plan/expression.ts';
import { cannotFail } from '../../plan/facts/failure.ts';
import { filtered, mapped, picked } from '../../plan/make.ts';
import type { AggregateCall, Apply, Join, Plan } from '../../plan/plan.ts';
import { expressionsOf, inputsOf, mapExpressions, mapParts, partsOf, rewriteUp } from '../../plan/walk.ts';
import type { Column, PgType } from '../../values/type.ts';
import { unsupported } from '../bind/refuse.ts';
import { requireKeyType, requireOrder } from '../judge/key-type.ts';

/** Both sides of an equality that a hash can decide, in one type. */
export type KeyPair = (expression: Expression) => { readonly a: Expression; readonly b: Expression } | undefined;

export function decorrelate(plan: Plan, keyPair: KeyPair): Plan {
  return rewriteUp(plan, (node) => (node.op === 'apply' ? new Decorrelation(node, keyPair).joined() : node));
}

/** Does it read what an apply around it binds? */
export function readsOuter(plan: Plan): boolean {
  if (plan.op === 'apply') return readsOuter(plan.outer) || plan.correlated.some(hasOuter);
  return expressionsOf(plan).some(hasOuter) || inputsOf(plan).some(readsOuter);
}

/** An inner plan without its correlation. */
interface Pulled {
  readonly plan: Plan;
  /** `outer` expressions, and what over the plan equals them. */
  readonly keys: readonly { readonly outer: Expression; readonly inner: Expression }[];
  /** The inner plan's columns, over the plan; may read outer ones. */
  readonly columns: readonly Expression[];
  /** Exactly one row for each outer row: an aggregate without keys, whose columns are right also where no group is. */
  readonly isOne: boolean;
}

class Decorrelation {
  readonly #apply: Apply;
  readonly #keyPair: KeyPair;
  readonly #width: number;

  constructor(apply: Apply, keyPair: KeyPair) {
    this.#apply = apply;
    this.#keyPair = keyPair;
    this.#width = apply.outer.columns.length;
  }

  joined(): Plan {
    const { kind, outer, inner, columns } = this.#apply;
    const pulled = this.#pull(inner);
    if (kind === 'scalar') return this.#scalar(pulled);
    if (pulled.isOne && pulled.keys.length > 0) throw unsupported('EXISTS or IN (subquery) of an aggregate without GROUP BY', REWRITE);
    const { plan, keys } = pulled;
    const compared = this.#apply.on.map((condition) => this.#compared(condition, pulled));
    if (kind === 'mark' && compared.length > 0) return this.#membership(pulled, compared);
    const all = [...this.#outerKeys(keys), ...compared];
    const there = distinct(plan, all.length === 0 ? [TRUE] : all.map(([, key]) => key));
    const joined = join(
      kind === 'semi' ? 'inner' : 'left',
      outer,
      there,
      all.map(([key]) => key),
    );
    const first = columnRef(this.#width, there.columns[0]!.type);
    const missing: Expression = { kind: 'isNull', arg: first, negated: false, type: BOOL };
    if (kind === 'semi') return picked(joined, [...outer.columns.keys()], columns);
    if (kind === 'anti') return picked(filtered(joined, [missing]), [...outer.columns.keys()], columns);
    return this.#with(joined, { ...missing, negated: true });
  }

  /** x IN (SELECT y …) as a value. */
  #membership({ plan, keys }: Pulled, compared: readonly (readonly [Expression, Expression])[]): Plan {
    const { outer } = this.#apply;
    const [pair, ...more] = compared;
    if (pair === undefined || more.length > 0) throw unsupported('IN or ANY (subquery) of rows as a value', REWRITE);
    const [x, y] = pair;
    const outerKeys = this.#outerKeys(keys);
    const there = distinct(plan, [...outerKeys.map(([, key]) => key), y]);
    const found = join('left', outer, there, [...outerKeys.map(([key]) => key), x]);
    const isNull = (arg: Expression, negated: boolean): Expression => ({ kind: 'isNull', arg, negated, type: BOOL });
    const some: AggregateCall = { fn: 'bool_or', proc: BOOL_OR, arg: isNull(y, false), distinct: false, type: BOOL };
    const rows = grouped(
      plan,
      outerKeys.map(([, key]) => key),
      [some],
    );
    const whole = join(
      outerKeys.length === 0 ? 'inner' : 'left',
      found,
      rows,
      outerKeys.map(([key]) => key),
    );
    const match = columnRef(this.#width + outerKeys.length, y.type);
    const someNull = columnRef(whole.columns.length - 1, BOOL);
    const otherwise: Expression = {
      kind: 'case',
      // oxlint-disable-next-line unicorn/no-thenable -- CASE has its THEN.
      whens: [{ when: { kind: 'or', args: [someNull, isNull(x, false)], type: BOOL }, then: nothing(BOOL) }],
      otherwise: FALSE,
      type: BOOL,
    };
    return this.#with(whole, {
      kind: 'case',
      whens: [
        // oxlint-disable-next-line unicorn/no-thenable -- CASE has its THEN.
        { when: isNull(match, true), then: TRUE },
        // oxlint-disable-next-line unicorn/no-thenable -- CASE has its THEN.
        { when: isNull(someNull, false), then: FALSE },
      ],
      otherwise,
      type: BOOL,
    });
  }

  #scalar({ plan, keys, columns, isOne }: Pulled): Plan {
    const { outer } = this.#apply;
    const outerKeys = this.#outerKeys(keys);
    const kind = outerKeys.length === 0 ? 'inner' : 'left';
    const shift = (expression: Expression): Expression => this.#overOuter(shifted(expression, this.#width));
    if (isOne) {
      const inner = keys.length === 0 ? plan : mapPlan(plan, [...outerKeys.map(([, key]) => key), ...refsOf(plan)]);
      const value = keys.length === 0 ? columns[0]! : shifted(columns[0]!, keys.length);
      return this.#with(
        join(
          kind,
          outer,
          inner,
          outerKeys.map(([key]) => key),
        ),
        shift(value),
      );
    }
    const [value] = columns;
    if (value === undefined || hasOuter(value)) throw unsupported('a scalar subquery that computes with outer columns', REWRITE);
    requireOrder(value.type, 'a scalar subquery');
    const some = mapPlan(plan, [...outerKeys.map(([, key]) => key), value]);
    const partition = outerKeys.map(([, key], i) => columnRef(i, key.type));
    const two: Plan = { op: 'topk', input: some, partition, order: [], limit: 2, offset: 0, columns: some.columns };
    const rows = grouped(two, partition, [
      { fn: 'count', proc: COUNT, distinct: false, type: INT8 },
      { fn: 'min', proc: MIN_TEXT, arg: columnRef(partition.length, value.type), distinct: false, type: value.type },
    ]);
    const whole = join(
      kind,
      outer,
      rows,
      outerKeys.map(([key]) => key),
    );
    const [count, only] = [columnRef(whole.columns.length - 2, INT8), columnRef(whole.columns.length - 1, value.type)];
    const one: Constant = { kind: 'constant', text: '1', type: INT8 };
    const several: Expression = {
      kind: 'call',
      proc: INT8GT,
      procName: 'pg_catalog.int8gt',
      operator: '>',
      args: [count, one],
      strict: true,
      type: BOOL,
    };
    const raise: Expression = {
      kind: 'raise',
      sqlstate: '21000',
      message: 'more than one row returned by a subquery used as an expression',
      type: value.type,
    };
    // oxlint-disable-next-line unicorn/no-thenable -- CASE has its THEN.
    return this.#with(whole, { kind: 'case', whens: [{ when: several, then: raise }], otherwise: only, type: value.type });
  }

  /** The outer rows and a column. */
  #with(plan: Plan, column: Expression): Plan {
    const { outer, columns } = this.#apply;
    return mapped(plan, [...refsOf(outer), column], columns);
  }

  /** A condition of ON as a key: what is over the outer rows, and what over the pulled plan. */
  #compared(condition: Expression, { columns }: Pulled): readonly [Expression, Expression] {
    const pair = this.#keyPair(condition);
    const isInner = (expression: Expression): boolean => reads(expression, (index) => index >= this.#width);
    const isOuter = (expression: Expression): boolean => reads(expression, (index) => index < this.#width);
    const sides = pair === undefined ? undefined : isInner(pair.b) ? [pair.a, pair.b] : [pair.b, pair.a];
    const [x, y] = sides ?? [];
    if (x === undefined || y === undefined || isInner(x) || isOuter(y) || !cannotFail(x)) {
      throw unsupported('IN or ANY (subquery) by anything but equality', REWRITE);
    }
    const inner = mapColumns(y, (ref) => columns[ref.index - this.#width]!);
    if (hasOuter(inner) || !cannotFail(y)) throw unsupported('IN or ANY (subquery) that computes with outer columns', REWRITE);
    requireKeyType(inner.type, 'IN (subquery)');
    return [x, inner];
  }

  #outerKeys(keys: Pulled['keys']): (readonly [Expression, Expression])[] {
    return keys.map(({ outer, inner }) => [this.#overOuter(outer), inner]);
  }

  #overOuter(expression: Expression): Expression {
    return replaceOuter(expression, (index) => this.#apply.correlated[index]!);
  }

  #pull(node: Plan): Pulled {
    if (!readsOuter(node)) return { plan: node, keys: [], columns: refsOf(node), isOne: isOneRow(node) };
    switch (node.op) {
      case 'filter':
        return this.#pullFilter(this.#below(node.input), node.predicates);
      case 'map': {
        const pulled = this.#pull(node.input);
        return { ...pulled, columns: node.expressions.map((expression) => over(expression, pulled.columns)) };
      }
      case 'join':
        return this.#pullJoin(node);
      case 'aggregate': {
        const { plan, keys, columns } = this.#below(node.input);
        const own = mapExpressions(node, (expression) => innerOnly(over(expression, columns), keys));
        const all = [...keys.map(({ inner }) => inner), ...own.keys];
        const shown = node.columns.map(({ type }, i): Expression => {
          const column = columnRef(keys.length + i, type);
          if (own.aggregates[i - own.keys.length]?.fn !== 'count' || own.keys.length > 0) return column;
          return { kind: 'coalesce', args: [column, { kind: 'constant', text: '0', type }], type };
        });
        return {
          plan: grouped(plan, all, own.aggregates, node.columns.slice(own.keys.length)),
          keys: keys.map(({ outer, inner }, i) => ({ outer, inner: columnRef(i, inner.type) })),
          columns: shown,
          isOne: own.keys.length === 0,
        };
      }
      case 'distinct': {
        const { keys, columns, plan } = this.#keyed(this.#below(node.input));
        return { plan: { op: 'distinct', input: plan, columns: plan.columns }, keys, columns, isOne: false };
      }
      case 'topk': {
        const { keys, columns, plan } = this.#keyed(this.#below(node.input));
        const own = mapExpressions(node, (expression) => innerOnly(over(expression, columns), keys));
        const partition = [...keys.map(({ inner }) => inner), ...own.partition];
        return { plan: { ...own, input: plan, partition, columns: plan.columns }, keys, columns, isOne: false };
      }
      default:
        throw unsupported('a subquery that reads outer columns within a set operation, CTE or outer join', REWRITE);
    }
  }

  /** Below anything that asks whether there are rows. */
  #below(node: Plan): Pulled {
    const pulled = this.#pull(node);
    if (pulled.isOne && pulled.keys.length > 0)
      throw unsupported('a subquery with an aggregate under another clause that reads outer columns', REWRITE);
    return pulled;
  }

  /** Keys, then columns, as columns of a plan. */
  #keyed({ plan, keys, columns }: Pulled): Pulled {
    const all = [...keys.map(({ inner }) => inner), ...columns.map((column) => innerOnly(column, keys))];
    return {
      plan: mapPlan(plan, all),
      keys: keys.map(({ outer, inner }, i) => ({ outer, inner: columnRef(i, inner.type) })),
      columns: columns.map(({ type }, i) => columnRef(keys.length + i, type)),
      isOne: false,
    };
  }

  #pullFilter(input: Pulled, predicates: readonly Expression[]): Pulled {
    const keys = [...input.keys];
    const kept: Expression[] = [];
    for (const predicate of predicates) {
      const condition = over(predicate, input.columns);
      if (hasOuter(condition)) keys.push(this.#key(condition));
      else kept.push(condition);
    }
    for (const condition of kept) innerOnly(condition, keys);
    return { ...input, plan: filtered(input.plan, kept), keys, isOne: false };
  }

  /** inner = outer. */
  #key(condition: Expression): Pulled['keys'][number] {
    const pair = this.#keyPair(condition);
    if (pair !== undefined && cannotFail(pair.a) && cannotFail(pair.b)) {
      const { a, b } = pair;
      const ofOuter = (one: Expression): boolean => hasOuter(one) && !reads(one, () => true);
      if (ofOuter(a) && !hasOuter(b) && reads(b, () => true)) return { outer: a, inner: b };
      if (ofOuter(b) && !hasOuter(a) && reads(a, () => true)) return { outer: b, inner: a };
    }
    throw unsupported('a subquery that reads outer columns in anything but an equality', REWRITE);
  }

  #pullJoin(node: Join): Pulled {
    const left = this.#below(node.left);
    const right = this.#below(node.right);
    if (node.kind !== 'inner' && (right.keys.length > 0 || node.on.some(hasOuter)))
      throw unsupported('a subquery that reads outer columns within a set operation, CTE or outer join', REWRITE);
    const width = left.plan.columns.length;
    const keys = [...left.keys, ...right.keys.map(({ outer, inner }) => ({ outer, inner: shifted(inner, width) }))];
    const columns = [...left.columns, ...right.columns.map((column) => shifted(column, width))];
    const on = node.on.map((condition) => over(condition, columns));
    const plan: Plan = {
      ...node,
      left: left.plan,
      right: right.plan,
      leftKeys: node.leftKeys.map((key) => innerOnly(over(key, left.columns), keys)),
      rightKeys: node.rightKeys.map((key) => innerOnly(over(key, right.columns), keys)),
      on: [],
      columns: [...left.plan.columns, ...right.plan.columns],
    };
    if (node.kind === 'inner') return this.#pullFilter({ plan, keys, columns, isOne: false }, node.on);
    return { plan: { ...plan, on: on.map((condition) => innerOnly(condition, keys)) }, keys, columns, isOne: false };
  }
}

/** Runs on inner rows whose keys no outer row may have: it must not fail there. */
function innerOnly(expression: Expression, keys: Pulled['keys']): Expression {
  if (hasOuter(expression)) throw unsupported('a subquery that reads outer columns in anything but an equality', REWRITE);
  if (keys.length > 0 && !cannotFail(expression))
    throw unsupported('a subquery that reads outer columns, and computes what can fail', REWRITE);
  return expression;
}

function isOneRow(plan: Plan): boolean {
  return plan.op === 'map' ? isOneRow(plan.input) : plan.op === 'aggregate' && plan.keys.length === 0;
}

function hasOuter(expression: Expression): boolean {
  return expression.kind === 'outer' || partsOf(expression).some(hasOuter);
}

function reads(expression: Expression, isMeant: (index: number) => boolean): boolean {
  return expression.kind === 'column' ? isMeant(expression.index) : partsOf(expression).some((part) => reads(part, isMeant));
}

function replaceOuter(expression: Expression, replace: (index: number) => Expression): Expression {
  return expression.kind === 'outer' ? replace(expression.index) : mapParts(expression, (part) => replaceOuter(part, replace));
}

function over(expression: Expression, columns: readonly Expression[]): Expression {
  return mapColumns(expression, (ref) => columns[ref.index]!);
}

function shifted(expression: Expression, by: number): Expression {
  return mapColumns(expression, (ref) => columnRef(ref.index + by, ref.type));
}

function refsOf({ columns }: Plan): Expression[] {
  return columns.map(({ type }, index) => columnRef(index, type));
}

function mapPlan(input: Plan, expressions: readonly Expression[]): Plan {
  return mapped(
    input,
    expressions,
    expressions.map(({ type }, i) => ({ name: nameOf(input, expressions[i]!), type })),
  );
}

function distinct(plan: Plan, expressions: readonly Expression[]): Plan {
  const input = mapPlan(plan, expressions);
  return { op: 'distinct', input, columns: input.columns };
}

function grouped(input: Plan, keys: readonly Expression[], aggregates: readonly AggregateCall[], columns?: readonly Column[]): Plan {
  const names = columns ?? aggregates.map(({ fn, type }) => ({ name: fn, type }));
  return {
    op: 'aggregate',
    input,
    keys,
    aggregates,
    columns: [...keys.map((key) => ({ name: nameOf(input, key), type: key.type })), ...names],
  };
}

function nameOf({ columns }: Plan, expression: Expression): string {
  return expression.kind === 'column' ? columns[expression.index]!.name : '?column?';
}

/** The right side's first columns are its keys. */
function join(kind: 'inner' | 'left', left: Plan, right: Plan, leftKeys: readonly Expression[]): Plan {
  const rightKeys = leftKeys.map((_, i) => columnRef(i, right.columns[i]!.type));
  return { op: 'join', kind, left, right, leftKeys, rightKeys, on: [], columns: [...left.columns, ...right.columns] };
}

const BOOL: PgType = { oid: 16, name: 'boolean', kind: 'base', storage: 'bool', typmod: -1 };
const INT8: PgType = { oid: 20, name: 'bigint', kind: 'base', storage: 'int64', typmod: -1 };
const TRUE: Constant = { kind: 'constant', text: 't', type: BOOL };
const FALSE: Constant = { kind: 'constant', text: 'f', type: BOOL };
const BOOL_OR = 2518;
const COUNT = 2803;
const MIN_TEXT = 2145;
const INT8GT = 470;
const REWRITE = 'Write it as a join.';

function nothing(type: PgType): Constant {
  return { kind: 'constant', text: null, type };
}
