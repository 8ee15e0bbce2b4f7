/**
 * The one place that knows what a node of a plan has below it, and which expressions it has, and what an expression has below it. Walks, rewritings and questions
 * are made of these; a switch over all nodes stands only where each is another case. Pure. Called wherever plans are read.
 */
import { unreachable } from '../base/assert.ts';
import type { Expression } from './expression.ts';
import type { AggregateCall, Plan } from './plan.ts';

/** The same node over other inputs. */
export function mapInputs(plan: Plan, change: (input: Plan) => Plan): Plan {
  switch (plan.op) {
    case 'scan':
    case 'ref':
    case 'values':
      return plan;
    case 'let':
      return { ...plan, value: change(plan.value), body: change(plan.body) };
    case 'apply':
      return { ...plan, outer: change(plan.outer), inner: change(plan.inner) };
    case 'join':
      return { ...plan, left: change(plan.left), right: change(plan.right) };
    case 'union':
      return { ...plan, inputs: plan.inputs.map(change) };
    case 'filter':
    case 'map':
    case 'distinct':
    case 'aggregate':
    case 'topk':
      return { ...plan, input: change(plan.input) };
    default:
      return unreachable(plan);
  }
}

/** Which columns an expression reads: of the one input, of a join's left or right one, or of both, one after the other. */
export type Over = 'input' | 'left' | 'right' | 'both';

/** The same node with other expressions. */
export function mapExpressions<Node extends Plan>(node: Node, change: (expression: Expression, over: Over) => Expression): Node;
export function mapExpressions(plan: Plan, change: (expression: Expression, over: Over) => Expression): Plan {
  const all = (expressions: readonly Expression[], over: Over): Expression[] => expressions.map((expression) => change(expression, over));
  switch (plan.op) {
    case 'scan':
    case 'ref':
    case 'let':
    case 'values':
    case 'union':
    case 'distinct':
      return plan;
    case 'filter':
      return { ...plan, predicates: all(plan.predicates, 'input') };
    case 'map':
      return { ...plan, expressions: all(plan.expressions, 'input') };
    case 'apply':
      return { ...plan, correlated: all(plan.correlated, 'left'), on: all(plan.on, 'both') };
    case 'join':
      return { ...plan, leftKeys: all(plan.leftKeys, 'left'), rightKeys: all(plan.rightKeys, 'right'), on: all(plan.on, 'both') };
    case 'aggregate': {
      const aggregates = plan.aggregates.map(({ arg, more, order, filter, ...call }): AggregateCall => ({
        ...call,
        ...(arg === undefined ? {} : { arg: change(arg, 'input') }),
        ...(more === undefined ? {} : { more: all(more, 'input') }),
        ...(order === undefined ? {} : { order: order.map((key) => ({ ...key, expression: change(key.expression, 'input') })) }),
        ...(filter === undefined ? {} : { filter: change(filter, 'input') }),
      }));
      return { ...plan, keys: all(plan.keys, 'input'), aggregates };
    }
    case 'topk':
      return {
        ...plan,
        partition: all(plan.partition, 'input'),
        order: plan.order.map((key) => ({ ...key, expression: change(key.expression, 'input') })),
      };
    default:
      return unreachable(plan);
  }
}

/** The same expression over other parts. */
export function mapParts(expression: Expression, change: (part: Expression) => Expression): Expression {
  switch (expression.kind) {
    case 'column':
    case 'outer':
    case 'constant':
    case 'raise':
      return expression;
    case 'nullIf':
    case 'isDistinct':
      return { ...expression, args: [change(expression.args[0]), change(expression.args[1])] };
    case 'and':
    case 'or':
    case 'coalesce':
    case 'minMax':
    case 'call':
    case 'fallback':
      return { ...expression, args: expression.args.map(change) };
    case 'not':
    case 'isNull':
    case 'booleanTest':
    case 'relabel':
    case 'ioCast':
    case 'canonical':
      return { ...expression, arg: change(expression.arg) };
    case 'case':
      return {
        ...expression,
        // oxlint-disable-next-line unicorn/no-thenable -- CASE has its THEN.
        whens: expression.whens.map(({ when, then }) => ({ when: change(when), then: change(then) })),
        otherwise: change(expression.otherwise),
      };
    case 'anyAll':
      return { ...expression, left: change(expression.left), elements: expression.elements.map(change) };
    default:
      return unreachable(expression);
  }
}

/** The plans directly below, in order. */
export function inputsOf(plan: Plan): readonly Plan[] {
  const inputs: Plan[] = [];
  mapInputs(plan, (input) => (inputs.push(input), input));
  return inputs;
}

/** The node's own expressions, in order. */
export function expressionsOf(plan: Plan): readonly Expression[] {
  const expressions: Expression[] = [];
  mapExpressions(plan, (expression) => (expressions.push(expression), expression));
  return expressions;
}

/** The expressions directly below, in order. */
export function partsOf(expression: Expression): readonly Expression[] {
  const parts: Expression[] = [];
  mapParts(expression, (part) => (parts.push(part), part));
  return parts;
}

/** Every node, one above its inputs first. */
export function* nodesOf(plan: Plan): Generator<Plan> {
  yield plan;
  for (const input of inputsOf(plan)) yield* nodesOf(input);
}

/** From below: `change` sees a node over inputs that are changed already. */
export function rewriteUp(plan: Plan, change: (node: Plan) => Plan): Plan {
  return change(mapInputs(plan, (input) => rewriteUp(input, change)));
}
