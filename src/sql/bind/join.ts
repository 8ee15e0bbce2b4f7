/**
 * Joins: equalities between two sides become keys, and relations are joined in the order written as long as a key connects them.
 *
 *     members m1 … mn, conditions C   →   σ rest ( … ((m1 ⋈keys m2) ⋈keys m3) … )
 *
 * A key that can fail (`a.code::int`) carries its error: it is computed once for each row of its side that the conditions on that side alone keep, whatever the other
 * side holds, and where it fails the row is an error. So does Postgres in a hash join; where it chooses another plan it may look at fewer rows, never at one that
 * those conditions reject. Hence, beside such a key, every condition stands as low as Postgres puts it, also one that can fail itself:
 *
 *     key fails on r  is an error   ⇔   r ∈ σ (conditions that read that side alone) (side)
 *
 * In ON of a left join the conditions on the left rows reject no row, only its matches: there the key is `CASE WHEN conditions THEN key END`, and NULL matches nothing.
 * Law: the rows are those of the written FROM and WHERE, and no error appears that Postgres could not have met. Called by `bind-query.ts`; where conditions
 * come to stand is `plan/rewrite`'s (`push-down.ts`).
 */
import type { Expression } from '../../plan/expression.ts';
import type { Join } from '../../plan/plan.ts';
import type { PgType } from '../../values/type.ts';
import { columnsRead } from '../../plan/columns.ts';
import { cannotFail, safeFirst } from '../../plan/facts/failure.ts';
import { isKeyType } from '../../plan/facts/type.ts';
import type { PlanContext } from '../tree/context.ts';
import { factored } from './factored.ts';
import { filter, placed, type Numbering, type Relation } from './relation.ts';

/** `=` between one side and another. */
interface KeyPair {
  readonly a: Expression;
  readonly b: Expression;
}

/** Of the left side, of the right one. */
type Key = readonly [Expression, Expression];

export class JoinPlanner {
  readonly #context: PlanContext;
  readonly #numbering: Numbering;

  constructor(context: PlanContext, numbering: Numbering) {
    this.#context = context;
    this.#numbering = numbering;
  }

  /** All rows that fit together. What is no key is asked above them, from where `plan/rewrite` brings it down. */
  inner(members: readonly Relation[], expressions: readonly Expression[]): Relation {
    let rest = expressions.flatMap(factored).map((expression) => ({ expression, pair: this.keyPair(expression) }));
    const paired = (left: Relation, right: Relation): Relation => {
      const keys = rest.flatMap(({ pair }) => connected(pair, left, right));
      rest = rest.filter(({ pair }) => connected(pair, left, right).length === 0);
      return this.#join('inner', left, right, keys, []);
    };
    let waiting = [...members];
    // Each component is what keys connect; components meet in cross joins at the end.
    const components: Relation[] = [];
    while (waiting.length > 0) {
      let joined = waiting[0]!;
      waiting = waiting.slice(1);
      for (;;) {
        const next = waiting.find((member) => rest.some(({ pair }) => connected(pair, joined, member).length > 0));
        if (next === undefined) break;
        waiting = waiting.filter((member) => member !== next);
        joined = paired(joined, next);
      }
      components.push(joined);
    }
    const all = components.reduce(paired);
    return filter(all, safeFirst(rest.map(({ expression }) => expression)));
  }

  /** Every left row, with NULLs where no right row fits. */
  left(left: Relation, right: Relation, expressions: readonly Expression[]): Relation {
    const conditions = expressions.flatMap(factored);
    const keysOf = (expression: Expression): Key[] => connected(this.keyPair(expression), left, right);
    const keys = conditions.flatMap(keysOf);
    const rest = conditions.filter((expression) => keysOf(expression).length === 0);
    if (keys.every(([key]) => cannotFail(key))) return this.#join('left', left, right, keys, rest);
    const guards = rest.filter((expression) => isWithin(columnsRead([expression]), left.ids));
    const on = rest.filter((expression) => !guards.includes(expression));
    const guardedKeys = keys.map(([key, other]): Key => [cannotFail(key) ? key : guarded(safeFirst(guards), key), other]);
    return this.#join('left', left, right, guardedKeys, on);
  }

  #join(kind: Join['kind'], left: Relation, right: Relation, keys: readonly Key[], on: readonly Expression[]): Relation {
    this.#numbering.countNode();
    const ids = [...left.ids, ...right.ids];
    return {
      plan: {
        op: 'join',
        kind,
        left: left.plan,
        right: right.plan,
        leftKeys: keys.map(([key]) => placed(key, left.ids)),
        rightKeys: keys.map(([, key]) => placed(key, right.ids)),
        on: on.map((condition) => placed(condition, ids)),
        columns: [...left.plan.columns, ...right.plan.columns],
      },
      ids,
    };
  }

  /** Both sides of an equality that a hash can decide, in one type; undefined for anything else. */
  keyPair(expression: Expression): KeyPair | undefined {
    if (expression.kind !== 'call' || expression.operator === undefined || expression.args.length !== 2) return undefined;
    const facts = this.#context.functionOf(expression.proc);
    if (facts?.isEquality !== true || expression.collation?.deterministic === false) return undefined;
    const [left, right] = expression.args as [Expression, Expression];
    const common = this.#inOneType(left, right);
    return common !== undefined && isKeyType(common.a.type) ? common : undefined;
  }

  #inOneType(a: Expression, b: Expression): KeyPair | undefined {
    const from = baseOf(a.type);
    const to = baseOf(b.type);
    if (from === to) return { a, b };
    for (const family of FAMILIES) {
      const common = family[Math.max(family.indexOf(from), family.indexOf(to))];
      if (common === undefined || !family.includes(from) || !family.includes(to)) continue;
      const type = this.#context.typeOf(common);
      const left = this.#cast(a, from, type);
      const right = this.#cast(b, to, type);
      return left === undefined || right === undefined ? undefined : { a: left, b: right };
    }
    return undefined;
  }

  #cast(expression: Expression, from: number, type: PgType): Expression | undefined {
    if (from === type.oid) return expression;
    const cast = this.#context.implicitCast(from, type.oid);
    if (cast?.method !== 'function') return undefined;
    const facts = this.#context.functionOf(cast.proc);
    if (facts === undefined) return undefined;
    return { kind: 'call', proc: cast.proc, procName: `pg_catalog.${facts.name}`, args: [expression], strict: true, type };
  }
}

/** Types that are compared across, narrow to wide: smallint, integer, bigint; real, double precision; name, text; date, timestamp, timestamptz. */
const FAMILIES = [
  [21, 23, 20],
  [700, 701],
  [19, 25],
  [1082, 1114, 1184],
] as const satisfies readonly (readonly number[])[] as readonly (readonly number[])[];

function baseOf(type: PgType): number {
  return (type.base ?? type).oid;
}

/** The key that a pair is between these two; none where it connects something else. */
function connected(pair: KeyPair | undefined, left: Relation, right: Relation): Key[] {
  if (pair === undefined) return [];
  const { a, b } = pair;
  const readsA = columnsRead([a]);
  const readsB = columnsRead([b]);
  if (isWithin(readsA, left.ids) && isWithin(readsB, right.ids)) return [[a, b]];
  return isWithin(readsB, left.ids) && isWithin(readsA, right.ids) ? [[b, a]] : [];
}

/** A comparison with a constant is within nothing. */
function isWithin(reads: ReadonlySet<number>, ids: readonly number[]): boolean {
  for (const id of reads) if (!ids.includes(id)) return false;
  return reads.size > 0;
}

/** `key` where the conditions hold, else NULL. */
function guarded(conditions: readonly Expression[], key: Expression): Expression {
  const [first] = conditions;
  if (first === undefined) return key;
  const when: Expression = conditions.length === 1 ? first : { kind: 'and', args: conditions, type: first.type };
  const otherwise: Expression = { kind: 'constant', text: null, type: key.type };
  // oxlint-disable-next-line unicorn/no-thenable -- CASE has its THEN.
  return { kind: 'case', whens: [{ when, then: key }], otherwise, type: key.type };
}
