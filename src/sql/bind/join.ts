/**
 * Joins: equalities between two sides become keys, relations are joined in the order written as long as a key connects them, and a condition runs below a join
 * only when it cannot fail.
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
 * Law: the rows are those of the written FROM and WHERE, and no error appears that Postgres could not have met. Called by `bind-query.ts`; what is written above
 * a join of another query level is brought below it by `push-down.ts`.
 */
import type { Expression } from '../../plan/expression.ts';
import type { Join } from '../../plan/plan.ts';
import type { PgType } from '../../values/type.ts';
import { columnsRead } from '../../plan/columns.ts';
import type { PlanContext } from '../tree/context.ts';
import { factored } from './factored.ts';
import { isKeyType } from '../judge/key-type.ts';
import { filter, placed, type Numbering, type Relation } from './relation.ts';
import { cannotFail } from '../judge/safety.ts';

/** `=` between one side and another. */
interface KeyPair {
  readonly a: Expression;
  readonly b: Expression;
}

interface Condition {
  readonly expression: Expression;
  readonly reads: ReadonlySet<number>;
  readonly pair: KeyPair | undefined;
}

export class JoinPlanner {
  readonly #context: PlanContext;
  readonly #numbering: Numbering;

  constructor(context: PlanContext, numbering: Numbering) {
    this.#context = context;
    this.#numbering = numbering;
  }

  /** All rows that fit together. */
  inner(members: readonly Relation[], expressions: readonly Expression[]): Relation {
    let rest = expressions.flatMap(factored).map((expression) => this.#condition(expression));
    const mayRunEarly = rest.some(({ pair }) => pair !== undefined && !(cannotFail(pair.a) && cannotFail(pair.b))) ? anything : cannotFail;
    const take = (wanted: (condition: Condition) => boolean): Condition[] => {
      const taken = rest.filter(wanted);
      rest = rest.filter((condition) => !taken.includes(condition));
      return taken;
    };
    let waiting = members.map((member) => {
      if (members.length === 1) return member;
      const own = take(({ expression, reads }) => reads.size > 0 && isWithin(reads, member.ids) && mayRunEarly(expression));
      return filter(member, safeFirst(expressionsOf(own)));
    });
    // Each component is what keys connect; components meet in cross joins at the end.
    const components: Relation[] = [];
    while (waiting.length > 0) {
      let joined = waiting[0]!;
      waiting = waiting.slice(1);
      for (;;) {
        const next = waiting.find((member) => rest.some(({ pair }) => pair !== undefined && connects(pair, joined, member) !== undefined));
        if (next === undefined) break;
        waiting = waiting.filter((member) => member !== next);
        joined = this.#pair(joined, next, take, mayRunEarly);
      }
      components.push(joined);
    }
    const all = components.reduce((left, right) => this.#pair(left, right, take, mayRunEarly));
    return filter(all, safeFirst(expressionsOf(rest)));
  }

  /** Every left row, with NULLs where no right row fits. */
  left(left: Relation, right: Relation, expressions: readonly Expression[]): Relation {
    let rest = expressions.flatMap(factored).map((expression) => this.#condition(expression));
    const take = (wanted: (condition: Condition) => boolean): Expression[] => {
      const taken = rest.filter(wanted);
      rest = rest.filter((condition) => !taken.includes(condition));
      return safeFirst(expressionsOf(taken));
    };
    let keys: [Expression, Expression][] = [];
    take(({ pair }) => {
      const key = pair === undefined ? undefined : connects(pair, left, right);
      if (key !== undefined) keys.push(key);
      return key !== undefined;
    });
    // Of the right side alone: decides which right rows can fit.
    const rightKeysFail = !keys.every(([, key]) => cannotFail(key));
    const below = take(
      ({ expression, reads }) => reads.size > 0 && isWithin(reads, right.ids) && (rightKeysFail || cannotFail(expression)),
    );
    if (!keys.every(([key]) => cannotFail(key))) {
      const guards = take(({ reads }) => reads.size > 0 && isWithin(reads, left.ids));
      keys = keys.map(([key, other]) => [cannotFail(key) ? key : guarded(guards, key), other]);
    }
    return this.#join('left', left, filter(right, below), keys, safeFirst(expressionsOf(rest)));
  }

  /** Inner join of two: takes the keys between them, and the other conditions on both that may run before those above. */
  #pair(
    left: Relation,
    right: Relation,
    take: (wanted: (condition: Condition) => boolean) => Condition[],
    mayRunEarly: (expression: Expression) => boolean,
  ): Relation {
    const keys = take(({ pair }) => pair !== undefined && connects(pair, left, right) !== undefined);
    const both = [...left.ids, ...right.ids];
    const on = take(({ expression, reads }) => reads.size > 0 && isWithin(reads, both) && mayRunEarly(expression));
    const sides = keys.map(({ pair }) => connects(pair!, left, right)!);
    return this.#join('inner', left, right, sides, safeFirst(expressionsOf(on)));
  }

  #join(
    kind: Join['kind'],
    left: Relation,
    right: Relation,
    keys: readonly (readonly [Expression, Expression])[],
    on: readonly Expression[],
  ): Relation {
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

  #condition(expression: Expression): Condition {
    const pair = this.keyPair(expression);
    return { expression, reads: columnsRead([expression]), pair };
  }

  /** Both sides of an equality that a hash can decide, in one type; undefined for anything else. */
  keyPair(expression: Expression): KeyPair | undefined {
    if (expression.kind !== 'call' || expression.operator === undefined || expression.args.length !== 2) return undefined;
    const facts = this.#context.functionOf(expression.proc);
    if (facts === undefined || !EQUALITY.test(facts.name) || expression.collation?.deterministic === false) return undefined;
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

/** `=` of a btree or hash operator class among the types that can be keys. */
const EQUALITY =
  /^(nameeqtext|texteqname|(date|timestamp|timestamptz)_eq_(date|timestamp|timestamptz))$|^(bool|char|name|text|bpchar|bytea|oid|int2|int4|int8|int24|int42|int28|int82|int48|int84|float4|float8|float48|float84|numeric_|date_|time_|timetz_|timestamp_|timestamptz_|interval_|uuid_|enum_|network_|macaddr_|macaddr8_|cash_|bit|varbit|array_|range_|tsvector_|pg_lsn_)eq$/;

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

function connects({ a, b }: KeyPair, left: Relation, right: Relation): [Expression, Expression] | undefined {
  const readsA = columnsRead([a]);
  const readsB = columnsRead([b]);
  // A comparison with a constant connects nothing.
  if (readsA.size === 0 || readsB.size === 0) return undefined;
  if (isWithin(readsA, left.ids) && isWithin(readsB, right.ids)) return [a, b];
  if (isWithin(readsB, left.ids) && isWithin(readsA, right.ids)) return [b, a];
  return undefined;
}

function isWithin(reads: ReadonlySet<number>, ids: readonly number[]): boolean {
  for (const id of reads) if (!ids.includes(id)) return false;
  return true;
}

function expressionsOf(conditions: readonly Condition[]): Expression[] {
  return conditions.map(({ expression }) => expression);
}

function anything(): boolean {
  return true;
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

/** Predicates run in order, each on the rows that the earlier ones keep. */
export function safeFirst(predicates: readonly Expression[]): Expression[] {
  return [...predicates.filter(cannotFail), ...predicates.filter((predicate) => !cannotFail(predicate))];
}
