/**
 * `WHERE column = constant` on an indexed view: the index's few rows stand in for the whole view, and the plan is evaluated over them as it is (so whatever else
 * the query asks stays exact). Cost: the rows of one key (I-7) instead of the view's. Called by the engine for ad hoc reads.
 */
import type { Dataflow } from '../../dataflow/dataflow.ts';
import { DeltaBlock } from '../../dataflow/arrangement/delta-block.ts';
import type { RowIndex } from '../../dataflow/arrangement/row-index.ts';
import { compileFormat, compileParse } from '../../dataflow/expression/rows.ts';
import type { Constant, Expression } from '../../plan/expression.ts';
import type { Filter, Plan, Scan, Values } from '../../plan/plan.ts';
import { needsCanonical } from '../../values/canonical.ts';
import type { PgType } from '../../values/type.ts';

export interface ViewIndex {
  readonly columns: readonly number[];
  readonly index: RowIndex;
}

/** Functions behind `=` of the types whose identity is their equality: int2/4/8 among each other, text, varchar, date, timestamp(tz), uuid, bool, enum. */
const EQUALITY = /^(?:pg_catalog\.)?(?:int[248]{1,2}eq|texteq|date_eq|timestamp_eq|timestamptz_eq|uuid_eq|booleq|enum_eq)$/;

/** The same plan over the rows that the index finds; undefined when no index of the scanned view is covered by equalities. */
export function narrowed(
  plan: Plan,
  dataflow: Dataflow,
  indexesOf: (object: string) => readonly ViewIndex[],
  interrupt: () => void = () => {},
): Plan | undefined {
  if (plan.op === 'map' || plan.op === 'aggregate' || plan.op === 'distinct' || plan.op === 'topk') {
    const input = narrowed(plan.input, dataflow, indexesOf, interrupt);
    return input === undefined ? undefined : { ...plan, input };
  }
  if (plan.op !== 'filter' || plan.input.op !== 'scan') return undefined;
  const rows = lookedUp(plan, plan.input, dataflow, indexesOf(plan.input.object), interrupt);
  return rows === undefined ? undefined : { ...plan, input: rows };
}

function lookedUp(
  filter: Filter,
  scan: Scan,
  dataflow: Dataflow,
  indexes: readonly ViewIndex[],
  interrupt: () => void,
): Values | undefined {
  const equal = new Map<number, string>();
  for (const predicate of filter.predicates) {
    const found = equality(predicate);
    const position = found === undefined ? undefined : scan.pick[found.column];
    if (found !== undefined && position !== undefined) equal.set(position, found.text);
  }
  const usable = indexes.find(({ columns }) => columns.every((column) => equal.has(column)));
  if (usable === undefined) return undefined;
  const { layout } = dataflow.output(scan.object);
  const key = new DeltaBlock(layout);
  const texts = layout.columns.map((_, column) => equal.get(column) ?? null);
  const row = key.push(1);
  compileParse(layout)(texts, key, row);
  const format = compileFormat(layout);
  const rows: Constant[][] = [];
  const { memory } = dataflow.output(scan.object);
  let seen = 0;
  dataflow.lookup(scan.object, usable.index, key, row, (address, weight) => {
    if ((++seen & 255) === 0) interrupt();
    const values = format(memory, address);
    const constants = scan.pick.map((position, i): Constant => ({
      kind: 'constant',
      text: values[position] ?? null,
      type: scan.columns[i]!.type,
    }));
    for (let times = 0; times < weight; times++) rows.push(constants);
  });
  return { op: 'values', rows, columns: scan.columns };
}

function equality(predicate: Expression): { column: number; text: string } | undefined {
  if (predicate.kind !== 'call' || predicate.args.length !== 2 || !EQUALITY.test(predicate.procName)) return undefined;
  const [left, right] = predicate.args.map(peeled) as [Expression, Expression];
  const [column, constant] = left.kind === 'column' ? [left, right] : [right, left];
  if (column.kind !== 'column' || constant.kind !== 'constant' || constant.text === null) return undefined;
  // A constant of another width (int8 column = int4 constant) has the same text.
  return needsCanonical(column.type) || !isPlain(column.type) ? undefined : { column: column.index, text: constant.text };
}

function peeled(expression: Expression): Expression {
  return expression.kind === 'relabel' ? peeled(expression.arg) : expression;
}

/** A nondeterministic collation calls different bytes equal. */
function isPlain(type: PgType): boolean {
  return type.collation?.deterministic !== false;
}
