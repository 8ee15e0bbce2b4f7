/**
 * How exact a plan is, and why: the weakest of its expressions (plan/facts knows each). Read from the finished plan, so that a column that nobody reads costs nothing.
 * Called by `plan-query.ts`; the classes and their meaning are docs/internals/exactness.md.
 */
import { AGGREGATES } from '../../plan/aggregates.ts';
import type { Expression } from '../../plan/expression.ts';
import { exactnessOfFunction, exactnessOfOrder, isTranscendental, weakest, type Exactness } from '../../plan/facts/exactness.ts';
import { isPrintedBySettings, isSetInJson } from '../../plan/facts/type.ts';
import type { AggregateCall, Plan } from '../../plan/plan.ts';
import type { Collation, PgType } from '../../values/type.ts';
import { expressionsOf, nodesOf, partsOf } from '../../plan/walk.ts';
import type { PlanContext } from '../tree/context.ts';

export interface Judgement {
  readonly exactness: Exactness;
  /** One a cause: the expression and what about it. */
  readonly reasons: readonly string[];
}

export function judge(plan: Plan, context: PlanContext): Judgement {
  const found = new Map<string, Exactness>();
  const note: Note = (exactness, reason) => found.set(reason, exactness);
  for (const node of nodesOf(plan)) {
    for (const expression of expressionsOf(node)) visitExpression(expression, note, context);
    if (node.op === 'aggregate') for (const call of node.aggregates) noteAggregate(call, note);
    if (node.op === 'topk') for (const { expression, collation } of node.order) noteOrder(expression.type, collation, 'ORDER BY', note);
  }
  return { exactness: weakest(found.values()), reasons: [...found].map(([reason, exactness]) => `${exactness}: ${reason}`) };
}

type Note = (exactness: Exactness, reason: string) => void;

function noteAggregate({ fn, arg, more = [], distinct, order = [], collation }: AggregateCall, note: Note): void {
  if (arg === undefined) return;
  const { over } = AGGREGATES[fn];
  if (over === 'amounts' && arg.type.storage === 'float64') {
    note('float_aggregate', `${fn}() over ${arg.type.name} is added up exactly, and Postgres's own answer depends on the order of adding`);
  }
  if (over === 'order') noteOrder(arg.type, collation, `${fn}()`, note);
  if (over === 'sequence' && order.length === 0 && !distinct) {
    note(
      'exact',
      `${fn}() without an ORDER BY is in ascending order of its arguments, and Postgres's own order depends on how it comes to the rows`,
    );
  }
  if (fn.startsWith('json')) {
    for (const { type } of [arg, ...more]) {
      if (isSetInJson(type)) note('settings', `${fn}() of ${type.name} depends on settings, which the view captures`);
    }
  }
  for (const key of order) noteOrder(key.expression.type, key.collation, `ORDER BY in ${fn}()`, note);
}

function noteOrder(type: PgType, collation: Collation | undefined, what: string, note: Note): void {
  const exactness = exactnessOfOrder(type, collation);
  if (exactness === 'exact') return;
  note(
    exactness,
    `${what} compares text under the libc collation ${collation?.name ?? ''} (${collation?.locale ?? ''}), for which ICU's order stands in`,
  );
}

function visitExpression(expression: Expression, note: Note, context: PlanContext): void {
  switch (expression.kind) {
    case 'call':
      noteCall(expression.proc, expression.args, expression.collation, note, context);
      break;
    case 'anyAll':
      noteCall(expression.proc, [expression.left, ...expression.elements], expression.collation, note, context);
      break;
    case 'minMax':
      noteOrder(expression.type, expression.collation, expression.which, note);
      break;
    case 'ioCast':
      if (isPrintedBySettings(expression.arg.type) || isPrintedBySettings(expression.type)) {
        note(
          'settings',
          `the cast of ${expression.arg.type.name} to ${expression.type.name} depends on DateStyle, IntervalStyle or TimeZone`,
        );
      }
      break;
    case 'fallback':
      if (expression.exactness !== undefined && expression.exactness !== 'exact') note(expression.exactness, `in ${expression.sql}`);
      break;
    case 'column':
    case 'outer':
    case 'raise':
    case 'constant':
    case 'and':
    case 'or':
    case 'not':
    case 'isNull':
    case 'booleanTest':
    case 'case':
    case 'coalesce':
    case 'nullIf':
    case 'isDistinct':
    case 'relabel':
    case 'canonical':
  }
  for (const part of partsOf(expression)) visitExpression(part, note, context);
}

function noteCall(proc: number, args: readonly Expression[], collation: Collation | undefined, note: Note, context: PlanContext): void {
  const facts = context.functionOf(proc);
  if (facts === undefined) return;
  const { name } = facts;
  const exactness = exactnessOfFunction(facts, collation, constantPattern(args));
  switch (exactness) {
    case 'settings':
      note('settings', `${name}() depends on settings, which the view captures`);
      break;
    case 'last_digit':
      note(
        'last_digit',
        isTranscendental(facts)
          ? `${name}() in double precision`
          : `${name}() on text beyond ASCII under ${collation?.name ?? 'the default collation'}`,
      );
      break;
    case 'text_order':
      noteOrder(args[0]!.type, collation, 'a comparison', note);
      break;
    case 'exact':
    case 'float_aggregate':
    case 'version':
  }
}

function constantPattern(args: readonly Expression[]): string | undefined {
  const pattern = args[1];
  return pattern?.kind === 'constant' && pattern.text !== null ? pattern.text : undefined;
}
