/**
 * Columns that nobody reads, taken out of a plan from the top down, so that a scan picks just what the view needs (an arrangement holds what views need).
 * DISTINCT and TopK need all their columns: they tell rows apart, or break ties. Law: the plan's own columns and rows stay as they are. Pure.
 */
import { AssertionError, unreachable } from '../../base/assert.ts';
import type { Column } from '../../values/type.ts';
import { ascending, columnRef, columnsRead, moved } from '../columns.ts';
import type { Join, Let, Plan } from '../plan.ts';
import { expressionsOf, mapExpressions, nodesOf, rewriteUp } from '../walk.ts';

/** `kept`: old positions, ascending, a superset of what was asked for. */
interface Narrowed {
  readonly plan: Plan;
  readonly kept: readonly number[];
}

export function prune(plan: Plan): Plan {
  return exactly(plan, all(plan.columns));
}

/** The let's value with the columns that its readers in the body have left. */
function narrowedLet(plan: Let, body: Plan): Let {
  const readers = [...nodesOf(body)].flatMap((node) => (node.op === 'ref' && node.id === plan.id ? node.pick : []));
  const { plan: value, kept } = narrowed(plan.value, ascending(new Set(readers)));
  const place = (node: Plan): Plan =>
    node.op === 'ref' && node.id === plan.id ? { ...node, pick: node.pick.map((index) => kept.indexOf(index)) } : node;
  return { ...plan, value, body: rewriteUp(body, place), columns: body.columns };
}

/** The plan with exactly these columns, in this order. */
function exactly(plan: Plan, wanted: readonly number[]): Plan {
  const { plan: narrow, kept } = narrowed(plan, wanted);
  if (kept.length === wanted.length) return narrow;
  const expressions = wanted.map((index) => moved(kept)(columnRef(index, plan.columns[index]!.type)));
  return { op: 'map', input: narrow, expressions, columns: wanted.map((index) => plan.columns[index]!) };
}

/** `wanted` ascending. */
function narrowed(plan: Plan, wanted: readonly number[]): Narrowed {
  switch (plan.op) {
    case 'let': {
      const { plan: body, kept } = narrowed(plan.body, wanted);
      return { plan: narrowedLet(plan, body), kept };
    }
    case 'scan':
    case 'ref':
      return {
        plan: { ...plan, pick: wanted.map((index) => plan.pick[index]!), columns: only(plan.columns, wanted) },
        kept: wanted,
      };
    case 'values':
      return {
        plan: { ...plan, rows: plan.rows.map((row) => wanted.map((index) => row[index]!)), columns: only(plan.columns, wanted) },
        kept: wanted,
      };
    case 'filter': {
      const { plan: input, kept } = narrowed(plan.input, union(wanted, columnsRead(plan.predicates)));
      return { plan: { op: 'filter', input, predicates: plan.predicates.map(moved(kept)), columns: only(plan.columns, kept) }, kept };
    }
    case 'map': {
      const expressions = wanted.map((index) => plan.expressions[index]!);
      const { plan: input, kept } = narrowed(plan.input, ascending(columnsRead(expressions)));
      return { plan: { op: 'map', input, expressions: expressions.map(moved(kept)), columns: only(plan.columns, wanted) }, kept: wanted };
    }
    case 'join':
      return narrowedJoin(plan, wanted);
    case 'union':
      return {
        plan: { op: 'union', inputs: plan.inputs.map((input) => exactly(input, wanted)), columns: only(plan.columns, wanted) },
        kept: wanted,
      };
    case 'distinct':
      return { plan: { ...plan, input: exactly(plan.input, all(plan.columns)) }, kept: all(plan.columns) };
    case 'topk':
      return { plan: { ...plan, input: exactly(plan.input, all(plan.columns)) }, kept: all(plan.columns) };
    case 'aggregate': {
      const kept = union(all(plan.keys), new Set(wanted));
      const aggregates = plan.aggregates.filter((_, i) => kept.includes(plan.keys.length + i));
      const read = { ...plan, aggregates, columns: only(plan.columns, kept) };
      const { plan: input, kept: keptBelow } = narrowed(plan.input, ascending(columnsRead(expressionsOf(read))));
      return { plan: { ...mapExpressions(read, moved(keptBelow)), input }, kept };
    }
    case 'apply':
      throw new AssertionError('an apply that decorrelate left');
    default:
      return unreachable(plan);
  }
}

function narrowedJoin(plan: Join, wanted: readonly number[]): Narrowed {
  const width = plan.left.columns.length;
  // Of a semi, anti or mark join no column is the right side's.
  const showsRight = plan.kind === 'inner' || plan.kind === 'left' || plan.kind === 'full';
  const read = union(
    wanted.filter((index) => showsRight || index < width),
    columnsRead(plan.on),
  );
  const left = narrowed(
    plan.left,
    union(
      read.filter((index) => index < width),
      columnsRead(plan.leftKeys),
    ),
  );
  const right = narrowed(
    plan.right,
    union(
      read.filter((index) => index >= width).map((index) => index - width),
      columnsRead(plan.rightKeys),
    ),
  );
  const both = [...left.kept, ...right.kept.map((index) => index + width)];
  const kept = showsRight ? both : [...left.kept, ...(plan.kind === 'mark' ? [width] : [])];
  return {
    plan: {
      ...mapExpressions(plan, (expression, over) => moved(over === 'left' ? left.kept : over === 'right' ? right.kept : both)(expression)),
      left: left.plan,
      right: right.plan,
      columns: only(plan.columns, kept),
    },
    kept,
  };
}

function only(columns: readonly Column[], kept: readonly number[]): Column[] {
  return kept.map((index) => columns[index]!);
}

function all(columns: readonly unknown[]): number[] {
  return columns.map((_, index) => index);
}

function union(wanted: readonly number[], read: ReadonlySet<number>): number[] {
  return ascending(new Set([...wanted, ...read]));
}
