/**
 * The order inside aggregates, written out in the text of a query: `array_agg(x)` becomes `array_agg(x ORDER BY x)`, and behind an ORDER BY that is there the arguments break ties,
 * as plan/plan.ts says (AggregateCall.order): ascending, NULLs last, text by bytes; then by their text where equal values may have two. One that is DISTINCT sorts by what it is.
 * The aggregates of the text, outer ones first, are those of the tree, outer ones first. Called by `upstream-sql.ts`.
 */
import { must } from '../../base/assert.ts';
import { millraceError } from '../../base/errors.ts';
import type { PgType } from '../../values/type.ts';
import { isSymbol, tokenize, type Token } from '../statements/lexer.ts';
import type { PlanContext } from '../tree/context.ts';
import type { TreeNode } from '../tree/node-tree.ts';
import { closing, isWord } from './text.ts';

const ORDERED = new Set(['string_agg', 'array_agg', 'json_agg', 'jsonb_agg', 'json_object_agg', 'jsonb_object_agg', 'any_value']);
/** 1.0 and 1.00 are equal. */
const OF_SEVERAL_TEXTS = new Set(['numeric', 'float64', 'interval']);

/** Is it one whose rows have an order? */
export function isOrderedAggregate(node: TreeNode, context: PlanContext): boolean {
  return node.tag === 'AGGREF' && ORDERED.has(context.functionOf(node.number('aggfnoid'))?.name ?? '');
}

/** `waiting`: the aggregates of the tree that are still to be met. */
export function withOrders(text: string, waiting: TreeNode[], typeOf: (node: TreeNode) => PgType): string {
  const tokens = tokenize(text);
  let rewritten = '';
  let at = 0;
  for (let i = 0; i + 1 < tokens.length; i++) {
    const name = tokens[i]!;
    const open = tokens[i + 1]!;
    if (name.kind !== 'word' || !ORDERED.has(name.value) || !isSymbol(open, '(')) continue;
    const node = waiting.shift();
    if (node === undefined)
      throw millraceError('FEATURE_NOT_SUPPORTED', { feature: `an audit of a query in which something else is called ${name.value}` });
    const end = closing(tokens, i + 1);
    const close = must(tokens[end], 'a closing bracket');
    const inside = withOrders(text.slice(open.end, close.start), waiting, typeOf);
    rewritten += `${text.slice(at, open.end)}${inside}${tieBreak(inside, node, typeOf)}`;
    at = close.start;
    i = end;
  }
  return rewritten + text.slice(at);
}

/** What comes behind the last argument or key. */
function tieBreak(inside: string, node: TreeNode, typeOf: (node: TreeNode) => PgType): string {
  if (node.list('aggdistinct').length > 0) return '';
  const targets = node.nodes('args').filter((target) => !target.flag('resjunk'));
  const { args, isOrdered } = argumentsOf(inside);
  const types = targets.map((target) => typeOf(target.node('expr')));
  const isPlainText = (type: PgType): boolean => type.storage === 'text' && (type.base ?? type).kind !== 'enum';
  const byText = (arg: string): string => `(${arg})::text COLLATE "C"`;
  const keys = [
    ...args.map((arg, i) => (isPlainText(types[i]!) ? byText(arg) : `(${arg})`)),
    ...args.filter((_, i) => OF_SEVERAL_TEXTS.has(types[i]!.storage)).map(byText),
  ];
  return `${isOrdered ? ', ' : ' ORDER BY '}${keys.join(', ')}`;
}

/** Taken apart at the outermost level. */
function argumentsOf(inside: string): { args: readonly string[]; isOrdered: boolean } {
  const outer: Token[] = [];
  let depth = 0;
  for (const token of tokenize(inside)) {
    if (isSymbol(token, '(') || isSymbol(token, '[')) depth++;
    if (isSymbol(token, ')') || isSymbol(token, ']')) depth--;
    if (depth === 0) outer.push(token);
  }
  const order = outer.findIndex((token, i) => isWord(token, 'order') && outer[i + 1] !== undefined && isWord(outer[i + 1]!, 'by'));
  const end = order < 0 ? inside.length : outer[order]!.start;
  const args: string[] = [];
  let start = 0;
  for (const comma of outer.filter((token) => isSymbol(token, ',') && token.start < end)) {
    args.push(inside.slice(start, comma.start).trim());
    start = comma.end;
  }
  args.push(inside.slice(start, end).trim());
  return { args, isOrdered: order >= 0 };
}
