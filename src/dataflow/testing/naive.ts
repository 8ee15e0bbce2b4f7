/**
 * The oracle of this room's property tests: a plan computed from scratch over plain rows, as its definition says, with no index, no delta and no state.
 * Knows the few functions that the tests use.
 */
import type { Expression } from '../../plan/expression.ts';
import type { AggregateCall, Join, Plan, SortKey } from '../../plan/plan.ts';
import type { Row } from './rows.ts';

type Value = string | null;
export type Tables = (object: string) => readonly Row[];

export function naive(plan: Plan, tables: Tables, lets: ReadonlyMap<number, readonly Row[]> = new Map()): Row[] {
  const run = (input: Plan): Row[] => naive(input, tables, lets);
  switch (plan.op) {
    case 'scan':
      return tables(plan.object).map((row) => plan.pick.map((index) => row[index]!));
    case 'let':
      return naive(plan.body, tables, new Map([...lets, [plan.id, run(plan.value)]]));
    case 'ref':
      return lets.get(plan.id)!.map((row) => plan.pick.map((index) => row[index]!));
    case 'values':
      return plan.rows.map((row) => row.map(({ text }) => text));
    case 'filter':
      return run(plan.input).filter((row) => plan.predicates.every((predicate) => evaluate(predicate, row) === 't'));
    case 'map':
      return run(plan.input).map((row) => plan.expressions.map((expression) => evaluate(expression, row)));
    case 'union':
      return plan.inputs.flatMap((input) => run(input));
    case 'join':
      return join(plan, run(plan.left), run(plan.right));
    case 'apply':
      throw new Error('the oracle does not know apply');
    case 'distinct':
      return [...new Map(run(plan.input).map((row) => [JSON.stringify(row), row])).values()];
    case 'aggregate': {
      const groups = new Map<string, Row[]>();
      if (plan.keys.length === 0) groups.set('[]', []);
      for (const row of run(plan.input)) {
        const key = JSON.stringify(plan.keys.map((expression) => evaluate(expression, row)));
        groups.set(key, [...(groups.get(key) ?? []), row]);
      }
      return [...groups].map(([key, rows]) => [...(JSON.parse(key) as Value[]), ...plan.aggregates.map((call) => aggregate(call, rows))]);
    }
    case 'topk': {
      const partitions = new Map<string, Row[]>();
      for (const row of run(plan.input)) {
        const key = JSON.stringify(plan.partition.map((expression) => evaluate(expression, row)));
        partitions.set(key, [...(partitions.get(key) ?? []), row]);
      }
      const all: SortKey[] = plan.columns.map(({ type }, index) => ({
        expression: { kind: 'column', index, type },
        descending: false,
        nullsFirst: false,
      }));
      return [...partitions.values()].flatMap((rows) =>
        rows
          .sort((a, b) => order([...plan.order, ...all], a, b))
          .slice(plan.offset, plan.limit === null ? undefined : plan.offset + plan.limit),
      );
    }
  }
}

function join(plan: Join, left: readonly Row[], right: readonly Row[]): Row[] {
  const leftKeys = left.map((row) => plan.leftKeys.map((key) => evaluate(key, row)));
  const rightKeys = right.map((row) => plan.rightKeys.map((key) => evaluate(key, row)));
  /** ON over each pair, three-valued; keys are two-valued. */
  const on = left.map((row, l) =>
    right.map((other, r): Value => {
      if (!plan.leftKeys.every((key, i) => equal(key, leftKeys[l]![i]!, rightKeys[r]![i]!) === 't')) return 'f';
      if (plan.on.length === 0) return 't';
      const pair = [...row, ...other];
      const values = plan.on.map((condition) => evaluate(condition, pair));
      return values.includes('f') ? 'f' : values.includes(null) ? null : 't';
    }),
  );
  const isMatched = left.map((_, l) => on[l]!.includes('t'));
  const pairs = left.flatMap((row, l) => right.filter((_, r) => on[l]![r] === 't').map((other) => [...row, ...other]));
  const nothing = (columns: readonly unknown[]): Row => columns.map(() => null);
  const paddedLeft = (): Row[] => left.filter((_, l) => !isMatched[l]).map((row) => [...row, ...nothing(plan.right.columns)]);
  const paddedRight = (): Row[] =>
    right.filter((_, r) => !on.some((verdicts) => verdicts[r] === 't')).map((row) => [...nothing(plan.left.columns), ...row]);
  switch (plan.kind) {
    case 'inner':
      return pairs;
    case 'left':
      return [...pairs, ...paddedLeft()];
    case 'full':
      return [...pairs, ...paddedLeft(), ...paddedRight()];
    case 'semi':
      return left.filter((_, l) => isMatched[l]);
    case 'anti':
      return left.filter((_, l) => !isMatched[l]);
    case 'mark':
      return left.map((row, l) => [...row, isMatched[l] ? 't' : on[l]!.includes(null) ? null : 'f']);
  }
}

function evaluate(expression: Expression, row: Row): Value {
  switch (expression.kind) {
    case 'column':
      return row[expression.index]!;
    case 'constant':
      return expression.text;
    case 'isNull':
      return (evaluate(expression.arg, row) === null) !== expression.negated ? 't' : 'f';
    case 'call': {
      const [a, b] = expression.args.map((arg) => evaluate(arg, row));
      if (a === null || b === null || a === undefined || b === undefined) return null;
      switch (expression.procName) {
        case 'pg_catalog.int4eq':
          return a === b ? 't' : 'f';
        case 'pg_catalog.int4lt':
          return Number(a) < Number(b) ? 't' : 'f';
        case 'pg_catalog.int4pl':
          return String(Number(a) + Number(b));
        case 'pg_catalog.texteq':
          return a === b ? 't' : 'f';
        default:
          throw new Error(`the oracle does not know ${expression.procName}`);
      }
    }
    default:
      throw new Error(`the oracle does not know ${expression.kind}`);
  }
}

function equal(key: Expression, a: Value, b: Value): Value {
  if (a === null || b === null) return null;
  return (key.type.storage === 'numeric' ? Number(a) === Number(b) : a === b) ? 't' : 'f';
}

function aggregate(call: AggregateCall, rows: readonly Row[]): Value {
  if (call.arg === undefined) return String(rows.length);
  if (call.fn === 'string_agg' || call.fn === 'json_agg') return sequence(call, call.arg, rows);
  const values = rows
    .map((row) => evaluate(call.arg!, row))
    .filter((value) => value !== null)
    .map(Number);
  if (call.fn === 'count') return String(values.length);
  if (values.length === 0) return null;
  if (call.fn === 'sum') return String(values.reduce((a, b) => a + b, 0));
  if (call.fn === 'max') return String(Math.max(...values));
  if (call.fn === 'min') return String(Math.min(...values));
  if (call.fn === 'bit_xor') return String(values.reduce((a, b) => a ^ b, 0));
  throw new Error(`the oracle does not know ${call.fn}`);
}

/** Of integers and texts alone. */
function sequence(call: AggregateCall, arg: Expression, rows: readonly Row[]): Value {
  const ties: SortKey = { expression: arg, descending: false, nullsFirst: false };
  const ordered = [...rows].sort((a, b) => order([...(call.order ?? []), ties], a, b));
  const values = ordered.map((row) => evaluate(arg, row)).filter((value) => value !== null || call.fn === 'json_agg');
  const shown = call.distinct ? values.filter((value, i) => i === 0 || value !== values[i - 1]) : values;
  if (shown.length === 0) return null;
  return call.fn === 'string_agg' ? shown.join(', ') : `[${shown.map((value) => value ?? 'null').join(', ')}]`;
}

function order(keys: readonly SortKey[], a: Row, b: Row): number {
  for (const { expression, descending, nullsFirst } of keys) {
    const left = evaluate(expression, a);
    const right = evaluate(expression, b);
    if (left === right) continue;
    if (left === null) return nullsFirst ? -1 : 1;
    if (right === null) return nullsFirst ? 1 : -1;
    const isNumber = expression.type.storage !== 'text' && expression.type.storage !== 'bool';
    const less = isNumber ? Number(left) < Number(right) : Buffer.compare(Buffer.from(left), Buffer.from(right)) < 0;
    return less !== descending ? -1 : 1;
  }
  return 0;
}
