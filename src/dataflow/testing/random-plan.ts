/** Random plans over given relations, from a list of choices that fast-check shrinks: small choices make small plans. */
import type { Column, PgType } from '../../values/type.ts';
import type { Constant, Expression } from '../../plan/expression.ts';
import type { AggregateCall, Join, Plan, SortKey } from '../../plan/plan.ts';
import { bool, columns, int4, int8, text } from './rows.ts';

export interface Relation {
  readonly object: string;
  readonly columns: readonly Column[];
}

/** Takes from the list; 0 for ever when it is used up. */
export class Choices {
  readonly #list: readonly number[];
  /** Whether plans may hold divisions (by zero, now and then). */
  readonly failing: boolean;
  #at = 0;

  constructor(list: readonly number[], failing = false) {
    this.#list = list;
    this.failing = failing;
  }

  below(n: number): number {
    return (this.#list[this.#at++] ?? 0) % n;
  }

  of<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}

export function randomPlan(choices: Choices, relations: readonly Relation[], depth: number): Plan {
  const inner = (): Plan => randomPlan(choices, relations, depth - 1);
  switch (depth === 0 ? 0 : choices.below(13)) {
    case 1:
    case 2: {
      const input = inner();
      return { op: 'filter', input, predicates: [predicate(choices, input.columns)], columns: input.columns };
    }
    case 3:
    case 4:
      return randomMap(choices, inner());
    case 5:
      return union(choices, inner(), inner());
    case 6:
    case 7:
    case 8:
      return join(choices, inner(), inner());
    case 9:
      return withoutNumeric(inner(), (input) => ({ op: 'distinct', input, columns: input.columns }));
    case 10:
      return withoutNumeric(inner(), (input) => aggregate(choices, input));
    case 11:
      return withoutNumeric(inner(), (input) => ({
        op: 'topk',
        input,
        partition: choices.below(2) === 0 ? [] : [anyColumn(choices, input.columns)],
        order: [{ expression: anyColumn(choices, input.columns), descending: choices.below(2) === 1, nullsFirst: choices.below(2) === 1 }],
        limit: 1 + choices.below(3),
        offset: choices.below(2),
        columns: input.columns,
      }));
    case 12: {
      const value = inner();
      const { columns: shape } = value;
      const ref: Plan = { op: 'ref', id: depth, name: 'shared', pick: [...shape.keys()], columns: shape };
      const filtered: Plan = { op: 'filter', input: ref, predicates: [predicate(choices, shape)], columns: shape };
      const body = choices.below(2) === 0 ? join(choices, ref, filtered) : union(choices, filtered, ref);
      return { op: 'let', id: depth, name: 'shared', value, body, columns: body.columns };
    }
    default: {
      if (choices.below(10) === 9) {
        const shape = columns(int4, text);
        const rows = Array.from({ length: choices.below(4) }, () => [constant(choices, int4), constant(choices, text)]);
        return { op: 'values', rows, columns: shape };
      }
      const relation = choices.of(relations);
      const pick = relation.columns.map((_, index) => index).filter((index) => index === 0 || choices.below(4) !== 3);
      return { op: 'scan', object: relation.object, pick, columns: pick.map((index) => relation.columns[index]!) };
    }
  }
}

function anyColumn(choices: Choices, of: readonly Column[]): Expression {
  const index = choices.below(of.length);
  return { kind: 'column', index, type: of[index]!.type };
}

function columnOf(choices: Choices, of: readonly Column[], type: PgType): Expression {
  const fitting = of.map((column, index) => ({ column, index })).filter(({ column }) => column.type.oid === type.oid);
  if (fitting.length === 0) return constant(choices, type);
  const { index } = choices.of(fitting);
  return { kind: 'column', index, type };
}

function constant(choices: Choices, type: PgType): Constant {
  const value = type.storage === 'text' ? choices.of(['x', 'y', 'a text that is longer than twelve bytes']) : String(choices.below(4));
  return { kind: 'constant', text: choices.below(6) === 5 ? null : value, type };
}

export function call(name: string, proc: number, type: PgType, ...args: readonly Expression[]): Expression {
  return { kind: 'call', proc, procName: `pg_catalog.${name}`, args, strict: true, type };
}

function division(choices: Choices, of: readonly Column[]): Expression {
  return call('int4div', 154, int4, constant(choices, int4), columnOf(choices, of, int4));
}

function predicate(choices: Choices, of: readonly Column[]): Expression {
  if (choices.failing && choices.below(2) === 0) return call('int4lt', 66, bool, division(choices, of), constant(choices, int4));
  switch (choices.below(4)) {
    case 1:
      return call('int4lt', 66, bool, columnOf(choices, of, int4), constant(choices, int4));
    case 2:
      return call('texteq', 67, bool, columnOf(choices, of, text), constant(choices, text));
    case 3:
      return { kind: 'isNull', arg: anyColumn(choices, of), negated: choices.below(2) === 0, type: bool };
    default:
      return call('int4eq', 65, bool, columnOf(choices, of, int4), columnOf(choices, of, int4));
  }
}

function randomMap(choices: Choices, input: Plan): Plan {
  const expressions: Expression[] = [];
  for (let i = 0; i <= choices.below(4); i++) {
    if (choices.failing && choices.below(3) === 0) expressions.push(division(choices, input.columns));
    switch (choices.below(4)) {
      case 1:
        expressions.push(call('int4pl', 177, int4, columnOf(choices, input.columns, int4), constant(choices, int4)));
        break;
      case 2:
        expressions.push(constant(choices, choices.of([int4, text])));
        break;
      default:
        expressions.push(anyColumn(choices, input.columns));
    }
  }
  return { op: 'map', input, expressions, columns: columns(...expressions.map(({ type }) => type)) };
}

/** Both mapped to one integer and one text. */
function union(choices: Choices, ...inputs: readonly Plan[]): Plan {
  const shape = columns(int4, text);
  const mapped = inputs.map((input): Plan => ({
    op: 'map',
    input,
    expressions: [columnOf(choices, input.columns, int4), columnOf(choices, input.columns, text)],
    columns: shape,
  }));
  return { op: 'union', inputs: mapped, columns: shape };
}

/** The plainest first. */
export const JOIN_KINDS = ['inner', 'left', 'full', 'semi', 'anti', 'mark'] as const;

export function joinedColumns(kind: Join['kind'], left: readonly Column[], right: readonly Column[]): readonly Column[] {
  if (kind === 'semi' || kind === 'anti') return left;
  return [...left, ...(kind === 'mark' ? columns(bool) : right)];
}

export function join(choices: Choices, left: Plan, right: Plan): Plan {
  const leftKeys: Expression[] = [];
  const rightKeys: Expression[] = [];
  for (let i = choices.of([1, 1, 2, 1, 0, 2]); i > 0; i--) {
    const key = anyColumn(choices, left.columns);
    const other = right.columns.some(({ type }) => type.oid === key.type.oid) ? columnOf(choices, right.columns, key.type) : undefined;
    if (other === undefined) continue;
    leftKeys.push(key);
    rightKeys.push(other);
  }
  const both = [...left.columns, ...right.columns];
  const kind = choices.of(JOIN_KINDS);
  return {
    op: 'join',
    kind,
    left,
    right,
    leftKeys,
    rightKeys,
    on: leftKeys.length === 0 || choices.below(3) === 0 ? [predicate(choices, both)] : [],
    columns: joinedColumns(kind, left.columns, right.columns),
  };
}

/** Equality and order of numerics show representatives that the oracle does not model. */
function withoutNumeric(input: Plan, make: (input: Plan) => Plan): Plan {
  const kept = input.columns.map((column, index) => ({ column, index })).filter(({ column }) => column.type.storage !== 'numeric');
  if (kept.length === 0) return input;
  if (kept.length === input.columns.length) return make(input);
  const expressions = kept.map(({ column, index }): Expression => ({ kind: 'column', index, type: column.type }));
  return make({ op: 'map', input, expressions, columns: kept.map(({ column }) => column) });
}

function aggregate(choices: Choices, input: Plan): Plan {
  const keys: Expression[] = [];
  for (let i = choices.below(3); i > 0; i--) keys.push(anyColumn(choices, input.columns));
  const arg = columnOf(choices, input.columns, int4);
  const all: AggregateCall[] = [
    { fn: 'count', proc: 2803, distinct: false, type: int8 },
    { fn: 'count', proc: 2147, arg, distinct: false, type: int8 },
    { fn: 'sum', proc: 2108, arg, distinct: false, type: int8 },
    { fn: 'max', proc: 2116, arg, distinct: false, type: int4 },
    { fn: 'min', proc: 2132, arg, distinct: false, type: int4 },
    { fn: 'bit_xor', proc: 6165, arg, distinct: false, type: int4 },
    { fn: 'json_agg', proc: 3175, arg, distinct: false, order: [sortKey(choices, columnOf(choices, input.columns, text))], type: text },
    stringAggregate(choices, columnOf(choices, input.columns, text)),
  ];
  const aggregates = all.filter((_, index) => (index + choices.below(2)) % 2 === 0);
  const types = [...keys.map(({ type }) => type), ...aggregates.map(({ type }) => type)];
  if (types.length === 0) return input;
  return { op: 'aggregate', input, keys, aggregates, columns: columns(...types) };
}

function stringAggregate(choices: Choices, arg: Expression): AggregateCall {
  const distinct = choices.below(2) === 1;
  const order = [{ ...sortKey(choices, arg), ...(distinct ? { nullsFirst: false } : {}) }];
  return { fn: 'string_agg', proc: 3538, arg, more: [{ kind: 'constant', text: ', ', type: text }], distinct, order, type: text };
}

function sortKey(choices: Choices, expression: Expression): SortKey {
  return { expression, descending: choices.below(2) === 1, nullsFirst: choices.below(2) === 1 };
}
