/**
 * How exact a plan is, and why: the weakest of its expressions. Read from the finished plan, so that a column that nobody reads costs nothing.
 * Called by `plan-query.ts`; the classes and their meaning are docs/internals/exactness.md.
 */
import { AGGREGATES } from '../../plan/aggregates.ts';
import type { Expression } from '../../plan/expression.ts';
import type { Exactness } from '../../plan/exactness.ts';
import type { AggregateCall, Plan } from '../../plan/plan.ts';
import type { Collation, PgType } from '../../values/type.ts';
import { expressionsOf, nodesOf, partsOf } from '../../plan/walk.ts';
import type { PlanContext } from '../tree/context.ts';

/** From the best. */
export const EXACTNESS_ORDER: readonly Exactness[] = ['exact', 'float_aggregate', 'text_order', 'last_digit', 'settings', 'version'];

export interface Judgement {
  readonly exactness: Exactness;
  /** One a cause: the expression and what about it. */
  readonly reasons: readonly string[];
}

/** float8 functions whose last digit is the C library's. */
const TRANSCENDENTAL =
  /^(d?(sin|cos|tan|cot|asin|acos|atan|atan2|sinh|cosh|tanh|asinh|acosh|atanh|exp|cbrt|log1|log10|pow|erf|erfc)d?|(sin|cos|tan|cot|asin|acos|atan|atan2)d|power|gamma|lgamma|dpow|dexp|dcbrt)$/;
const CASE_MAPPING = /^(upper|lower|initcap)$/;
const FOLDED_MATCH = /^(text|bpchar|name)ic/;
const REGEX = /^(text|bpchar|name)(ic)?regex(eq|ne)$|^regexp_|^substring$|^textregexsubstr$/;
const TEXT_ORDER = /^(text|bpchar|name)_?(lt|le|gt|ge)$|^(text|bpchar)_(larger|smaller)$|^bttextcmp$/;
/** Character classes and escapes that know letters: `\w`, `[[:alpha:]]`, a-z ranges beyond ASCII do not matter. */
const CLASSY_PATTERN = /\\[wWsSdDmMyY]|\[\[:/;

/** Types whose text form depends on DateStyle, IntervalStyle, TimeZone or lc_monetary. */
const PRINTED_BY_SETTINGS = new Set([1082, 1114, 1184, 1186, 790]);

export function judge(plan: Plan, context: PlanContext): Judgement {
  const found = new Map<string, Exactness>();
  const note: Note = (exactness, reason) => found.set(reason, exactness);
  for (const node of nodesOf(plan)) {
    for (const expression of expressionsOf(node)) visitExpression(expression, note, context);
    if (node.op === 'aggregate') for (const call of node.aggregates) noteAggregate(call, note);
    if (node.op === 'topk') for (const { expression, collation } of node.order) noteOrder(expression.type, collation, 'ORDER BY', note);
  }
  const worst = [...found.values()].reduce((a, b) => (rank(b) > rank(a) ? b : a), 'exact' as Exactness);
  return { exactness: worst, reasons: [...found].map(([reason, exactness]) => `${exactness}: ${reason}`) };
}

export function rank(exactness: Exactness): number {
  return EXACTNESS_ORDER.indexOf(exactness);
}

type Note = (exactness: Exactness, reason: string) => void;

function noteAggregate({ fn, arg, collation }: AggregateCall, note: Note): void {
  if (arg === undefined) return;
  const { over } = AGGREGATES[fn];
  if (over === 'amounts' && arg.type.storage === 'float64') {
    note('float_aggregate', `${fn}() over ${arg.type.name} is added up exactly, and Postgres's own answer depends on the order of adding`);
  }
  if (over === 'order') noteOrder(arg.type, collation, `${fn}()`, note);
}

function noteOrder(type: PgType, collation: Collation | undefined, what: string, note: Note): void {
  const standing = type.base ?? type;
  if (standing.storage !== 'text' || standing.kind !== 'base' || ordersAlike(collation)) return;
  note(
    'text_order',
    `${what} compares text under the libc collation ${collation?.name ?? ''} (${collation?.locale ?? ''}), for which ICU's order stands in`,
  );
}

/** Bytes or ICU: the order is the upstream's own. */
function ordersAlike(collation: Collation | undefined): boolean {
  return collation === undefined || collation.provider !== 'libc' || isC(collation);
}

function isC({ provider, locale }: Collation): boolean {
  return provider === 'c' || (provider === 'libc' && /^(C|POSIX)(\.|$)/i.test(locale));
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

function isPrintedBySettings(type: PgType): boolean {
  const standing = type.base ?? type;
  if (standing.element !== undefined) return isPrintedBySettings(standing.element);
  return (
    PRINTED_BY_SETTINGS.has(standing.oid) || standing.kind === 'composite' || standing.kind === 'range' || standing.kind === 'multirange'
  );
}

function noteCall(proc: number, args: readonly Expression[], collation: Collation | undefined, note: Note, context: PlanContext): void {
  const facts = context.functionOf(proc);
  if (facts === undefined) return;
  const { name } = facts;
  const exactness = exactnessOfFunction(proc, collation, constantPattern(args), context);
  switch (exactness) {
    case 'settings':
      note('settings', `${name}() depends on settings, which the view captures`);
      break;
    case 'last_digit':
      note(
        'last_digit',
        TRANSCENDENTAL.test(name)
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

/** Of one function under one collation; `pattern`: a regular expression that is constant. Also asked by `load.ts` about what only Postgres evaluates. */
export function exactnessOfFunction(
  proc: number,
  collation: Collation | undefined,
  pattern: string | undefined,
  context: PlanContext,
): Exactness {
  const facts = context.functionOf(proc);
  if (facts === undefined) return 'exact';
  const { name, volatility, argumentTypes } = facts;
  if (volatility !== 'immutable') return 'settings';
  if (TRANSCENDENTAL.test(name) && (argumentTypes.includes(FLOAT8) || name.startsWith('d'))) return 'last_digit';
  if (CASE_MAPPING.test(name) || FOLDED_MATCH.test(name)) {
    const native =
      collation === undefined || isC(collation) || collation.provider === 'builtin' || (collation.provider === 'icu' && name !== 'initcap');
    return native ? 'exact' : 'last_digit';
  }
  if (REGEX.test(name) && argumentTypes.includes(TEXT)) {
    const plain = pattern !== undefined && !CLASSY_PATTERN.test(pattern);
    return plain || collation === undefined || isC(collation) ? 'exact' : 'last_digit';
  }
  if (TEXT_ORDER.test(name)) return ordersAlike(collation) ? 'exact' : 'text_order';
  return 'exact';
}

const FLOAT8 = 701;
const TEXT = 25;
