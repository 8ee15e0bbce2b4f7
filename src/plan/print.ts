/** A plan as text, one operator a line, inputs indented: what EXPLAIN shows. Columns go by the names of the operator's input. Pure. */
import { unreachable } from '../base/assert.ts';
import { ident, literal } from '../base/ident.ts';
import type { Expression } from './expression.ts';
import type { AggregateCall, Join, Plan, SortKey } from './plan.ts';
import type { Column } from '../values/type.ts';

/** Object id → the name that a reader knows. */
export type ObjectName = (objectId: string) => string;

export function printPlan(plan: Plan, nameOf: ObjectName = (id) => id): string {
  return linesOf(plan, nameOf).join('\n');
}

const JOIN_NAMES = {
  inner: 'Join',
  left: 'Left join',
  full: 'Full join',
  semi: 'Semi join',
  anti: 'Anti join',
  mark: 'Mark join',
} satisfies Record<Join['kind'], string>;

function linesOf(plan: Plan, nameOf: ObjectName): string[] {
  const below = (...inputs: readonly Plan[]): string[] => inputs.flatMap((input) => linesOf(input, nameOf).map((line) => `  ${line}`));
  switch (plan.op) {
    case 'scan':
      return [`Scan ${nameOf(plan.object)} (${namesOf(plan.columns)})`];
    case 'ref':
      return [`Read ${ident(plan.name)} (${namesOf(plan.columns)})`];
    case 'let':
      return [`Let ${ident(plan.name)}`, ...below(plan.value), ...linesOf(plan.body, nameOf)];
    case 'values':
      return [
        `Values (${namesOf(plan.columns)}): ${plan.rows.map((row) => `(${row.map((value) => printExpression(value, [])).join(', ')})`).join(', ')}`,
      ];
    case 'filter':
      return [`Filter ${conditions(plan.predicates, plan.input.columns)}`, ...below(plan.input)];
    case 'map':
      return [`Map ${outputs(plan.expressions, plan.columns, plan.input.columns)}`, ...below(plan.input)];
    case 'join': {
      const { left, right, leftKeys, rightKeys, on } = plan;
      const keys = leftKeys.map((key, i) => `${printExpression(key, left.columns)} = ${printExpression(rightKeys[i]!, right.columns)}`);
      const name = keys.length === 0 && on.length === 0 && plan.kind === 'inner' ? 'Cross join' : JOIN_NAMES[plan.kind];
      const condition = [...keys, ...(on.length === 0 ? [] : [conditions(on, [...left.columns, ...right.columns])])].join(' AND ');
      return [condition === '' ? name : `${name} on ${condition}`, ...below(left, right)];
    }
    case 'apply':
      return [`Apply ${plan.kind}`, ...below(plan.outer, plan.inner)];
    case 'union':
      return ['Union all', ...below(...plan.inputs)];
    case 'distinct':
      return ['Distinct', ...below(plan.input)];
    case 'aggregate': {
      const { columns } = plan.input;
      const keys = plan.keys.map((key) => printExpression(key, columns)).join(', ');
      const calls = plan.aggregates.map((call) => printAggregate(call, columns)).join(', ');
      const line = [keys === '' ? '' : `by ${keys}`, calls === '' ? '' : `: ${calls}`].filter((part) => part !== '').join('');
      return [`Aggregate ${line.replace(/^: /, '')}`.trimEnd(), ...below(plan.input)];
    }
    case 'topk': {
      const { columns } = plan.input;
      const parts = [
        plan.partition.length === 0 ? '' : `each ${plan.partition.map((key) => printExpression(key, columns)).join(', ')}`,
        plan.order.length === 0 ? '' : `order ${plan.order.map((key) => printSortKey(key, columns)).join(', ')}`,
        plan.limit === null ? '' : `limit ${plan.limit}`,
        plan.offset === 0 ? '' : `offset ${plan.offset}`,
      ];
      return [`Top ${parts.filter((part) => part !== '').join(' ')}`, ...below(plan.input)];
    }
    default:
      return unreachable(plan);
  }
}

function namesOf(columns: readonly Column[]): string {
  return columns.map(({ name }) => ident(name)).join(', ');
}

function outputs(expressions: readonly Expression[], columns: readonly Column[], input: readonly Column[]): string {
  return expressions
    .map((expression, i) => {
      const text = printExpression(expression, input);
      const name = ident(columns[i]!.name);
      return text === name ? name : `${text} AS ${name}`;
    })
    .join(', ');
}

function conditions(predicates: readonly Expression[], columns: readonly Column[]): string {
  return predicates
    .map((predicate) => {
      const text = printExpression(predicate, columns);
      return predicate.kind === 'or' ? `(${text})` : text;
    })
    .join(' AND ');
}

export function printSortKey({ expression, descending, nullsFirst }: SortKey, columns: readonly Column[]): string {
  const nulls = nullsFirst === descending ? '' : nullsFirst ? ' NULLS FIRST' : ' NULLS LAST';
  return `${printExpression(expression, columns)}${descending ? ' DESC' : ''}${nulls}`;
}

function printAggregate({ fn, arg, more = [], distinct, order = [], filter }: AggregateCall, columns: readonly Column[]): string {
  const args = (arg === undefined ? more : [arg, ...more]).map((each) => printExpression(each, columns)).join(', ');
  // What is DISTINCT is in the order of what it is.
  const by = order.length === 0 || distinct ? '' : ` ORDER BY ${order.map((key) => printSortKey(key, columns)).join(', ')}`;
  const inside = `${distinct ? 'DISTINCT ' : ''}${args || (by === '' ? '*' : '')}${by}`.trim();
  return `${fn}(${inside})${filter === undefined ? '' : ` FILTER (WHERE ${printExpression(filter, columns)})`}`;
}

export function printExpression(expression: Expression, columns: readonly Column[]): string {
  const print = (inner: Expression): string => printExpression(inner, columns);
  const nested = (inner: Expression): string => (isCompound(inner) ? `(${print(inner)})` : print(inner));
  switch (expression.kind) {
    case 'column': {
      const column = columns[expression.index];
      return column === undefined ? `#${expression.index}` : ident(column.name);
    }
    case 'outer':
      return `outer #${expression.index}`;
    case 'raise':
      return `error ${expression.sqlstate}`;
    case 'constant':
      return printConstant(expression.text, expression.type.storage, expression.type.name);
    case 'call': {
      const [a, b] = expression.args;
      if (expression.operator !== undefined && a !== undefined && b !== undefined)
        return `${nested(a)} ${expression.operator} ${nested(b)}`;
      if (expression.operator !== undefined && a !== undefined) return `${expression.operator}${nested(a)}`;
      return `${expression.procName.replace(/^pg_catalog\./, '')}(${expression.args.map(print).join(', ')})`;
    }
    case 'and':
      return expression.args.map(nested).join(' AND ');
    case 'or':
      return expression.args.map(nested).join(' OR ');
    case 'not':
      return `NOT ${nested(expression.arg)}`;
    case 'isNull':
      return `${nested(expression.arg)} IS ${expression.negated ? 'NOT ' : ''}NULL`;
    case 'booleanTest':
      return `${nested(expression.arg)} IS ${expression.test.replace(/^not/, 'NOT ').toUpperCase()}`;
    case 'case': {
      const whens = expression.whens.map(({ when, then }) => ` WHEN ${print(when)} THEN ${print(then)}`).join('');
      return `CASE${whens} ELSE ${print(expression.otherwise)} END`;
    }
    case 'coalesce':
      return `COALESCE(${expression.args.map(print).join(', ')})`;
    case 'nullIf':
      return `NULLIF(${expression.args.map(print).join(', ')})`;
    case 'isDistinct':
      return `${nested(expression.args[0])} IS DISTINCT FROM ${nested(expression.args[1])}`;
    case 'minMax':
      return `${expression.which.toUpperCase()}(${expression.args.map(print).join(', ')})`;
    case 'anyAll': {
      const operator = expression.procName.replace(/^pg_catalog\./, '');
      const elements = expression.elements.map(print).join(', ');
      if (expression.quantifier === 'any' && operator.endsWith('eq')) return `${nested(expression.left)} IN (${elements})`;
      return `${operator}(${print(expression.left)}, ${expression.quantifier.toUpperCase()} (${elements}))`;
    }
    case 'relabel':
      return print(expression.arg);
    case 'ioCast':
      return `${nested(expression.arg)}::${expression.type.name}`;
    case 'canonical':
      return `canonical(${print(expression.arg)})`;
    case 'fallback':
      return `postgres ${expression.sql} [${expression.args.map(print).join(', ')}]`;
    default:
      return unreachable(expression);
  }
}

function printConstant(text: string | null, storage: string, typeName: string): string {
  if (text === null) return 'NULL';
  if (storage === 'bool') return text === 't' ? 'true' : 'false';
  if (['int32', 'int64', 'float64', 'numeric'].includes(storage) && /^-?[\d.]+$/.test(text)) return text;
  return storage === 'text' && /^(text|character varying|character)$/.test(typeName) ? literal(text) : `${literal(text)}::${typeName}`;
}

const COMPOUND: ReadonlySet<Expression['kind']> = new Set(['and', 'or', 'isNull', 'booleanTest', 'isDistinct', 'anyAll', 'not']);

function isCompound(expression: Expression): boolean {
  if (expression.kind === 'relabel') return isCompound(expression.arg);
  if (expression.kind === 'call') return expression.operator !== undefined && expression.args.length === 2;
  return COMPOUND.has(expression.kind);
}
