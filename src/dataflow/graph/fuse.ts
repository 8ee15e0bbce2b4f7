/**
 * From the plan as written to the plan as run: filters and maps melt into the scan, join or union below them, unread columns disappear, conditions that
 * cannot fail sink below joins, and a join side that is a table (or view) keyed by plain columns is marked as *shared*: it uses the table's own arrangement.
 *
 *     fuse(P, where, outputs) computes  π outputs (σ where (P))
 *
 * Law: the result is that of the plan, row for row. An expression that can fail is never moved below a join, nor run twice a row (except per pair at a shared side).
 * Pure. Called by `dataflow.ts`; `build.ts` makes operators of the result.
 */
import { unreachable } from '../../base/assert.ts';
import { needsCanonical } from '../../values/canonical.ts';
import type { Column, PgType } from '../../values/type.ts';
import type { Constant, Expression } from '../../plan/expression.ts';
import type { Aggregate, Distinct, Join, Plan, TopK } from '../../plan/plan.ts';
import { ascending, columnRef, mapColumns, moved, peeled } from '../../plan/columns.ts';
import { objectsRead } from '../../plan/scans.ts';
import { cannotFail, isTrivial, references } from './rewrite.ts';

export type Fused = FusedScan | FusedValues | FusedMap | FusedJoin | FusedUnion | FusedStateful;

interface Projection {
  readonly where: readonly Expression[];
  readonly outputs: readonly Expression[];
}

/** Expressions over the object's own columns. */
export interface FusedScan extends Projection {
  readonly kind: 'scan';
  readonly object: string;
}

export interface FusedValues extends Projection {
  readonly kind: 'values';
  readonly rows: readonly (readonly Constant[])[];
}

export interface FusedMap extends Projection {
  readonly kind: 'map';
  readonly input: Fused;
}

/** `on` over the left columns as written, then the right ones, `where` and `outputs` over the join's own: of each side it brings those that are read. */
export interface FusedJoin extends Projection {
  readonly kind: 'join';
  readonly join: Join['kind'];
  readonly left: Side;
  readonly right: Side;
  readonly leftWidth: number;
  /** As written: for its name. */
  readonly plan: Join;
  readonly on: readonly Expression[];
}

export type Side = SharedSide | OwnSide;

/** The table's or view's arrangement, shared by all who read it. Expressions over its columns. */
export interface SharedSide {
  readonly kind: 'shared';
  readonly object: string;
  /** As written, for its name. */
  readonly plan: Plan;
  readonly keys: readonly number[];
  readonly where: readonly Expression[];
  /** The side's columns as written. */
  readonly columns: readonly Expression[];
}

/** An arrangement of the join's own, of what the input puts out. */
export interface OwnSide {
  readonly kind: 'own';
  readonly input: Fused;
  /** Positions in the input's outputs. */
  readonly keys: readonly number[];
  /** The side's columns as written → position in the input's outputs. */
  readonly position: ReadonlyMap<number, number>;
}

export interface FusedUnion {
  readonly kind: 'union';
  readonly inputs: readonly Fused[];
  readonly outputs: readonly Expression[];
}

/** An operator with state over exactly `input`'s outputs. */
export interface FusedStateful extends Projection {
  readonly kind: 'stateful';
  readonly plan: Distinct | Aggregate | TopK;
  readonly input: Fused;
}

/** What the fusing asks of the objects that a plan reads. */
export interface Objects {
  /** The base tables that it stands on (of a table: itself). */
  tables(object: string): ReadonlySet<string>;
  /** Whether it has, or will have, an arrangement to share. */
  arranged(object: string): boolean;
  isView(object: string): boolean;
  /** Whether a side by these columns may share it: false where that would take an index that is not there. */
  indexed(object: string, keys: readonly number[]): boolean;
}

export function fusePlan(plan: Plan, objects: Objects): Fused {
  return fuse(plan, [], allOf(plan.columns), objects);
}

function fuse(plan: Plan, where: readonly Expression[], outputs: readonly Expression[], objects: Objects): Fused {
  switch (plan.op) {
    case 'scan': {
      const picked = (expression: Expression): Expression => mapColumns(expression, (ref) => columnRef(plan.pick[ref.index]!, ref.type));
      return { kind: 'scan', object: plan.object, where: where.map(picked), outputs: outputs.map(picked) };
    }
    case 'values':
      return { kind: 'values', rows: plan.rows, where, outputs };
    case 'filter':
      return fuse(plan.input, [...plan.predicates, ...where], outputs, objects);
    case 'map': {
      const counts = references([...where, ...outputs]);
      if ([...counts].every(([index, times]) => times === 1 || isTrivial(plan.expressions[index]!))) {
        const inlined = (expression: Expression): Expression => mapColumns(expression, (ref) => plan.expressions[ref.index]!);
        return fuse(plan.input, where.map(inlined), outputs.map(inlined), objects);
      }
      // An expression read more than once is computed once, by a step of its own.
      const kept = ascending(counts.keys());
      const input = fuse(
        plan.input,
        [],
        kept.map((index) => plan.expressions[index]!),
        objects,
      );
      return { kind: 'map', input, where: where.map(moved(kept)), outputs: outputs.map(moved(kept)) };
    }
    case 'union':
      return { kind: 'union', inputs: plan.inputs.map((input) => fuse(input, where, outputs, objects)), outputs };
    case 'join':
      return fuseJoin(plan, where, outputs, objects);
    case 'distinct':
    case 'topk':
      // All columns tell rows apart, or break ties.
      return { kind: 'stateful', plan, input: fuse(plan.input, [], allOf(plan.input.columns), objects), where, outputs };
    case 'aggregate': {
      const read = plan.aggregates.flatMap(({ arg, filter }) => [arg, filter]).filter((expression) => expression !== undefined);
      const kept = ascending(references([...plan.keys, ...read]).keys());
      const columns = kept.map((index) => plan.input.columns[index]!);
      const move = moved(kept);
      const narrowed: Aggregate = {
        ...plan,
        input: { op: 'values', rows: [], columns },
        keys: plan.keys.map(move),
        aggregates: plan.aggregates.map((call) => ({
          ...call,
          ...(call.arg === undefined ? {} : { arg: move(call.arg) }),
          ...(call.filter === undefined ? {} : { filter: move(call.filter) }),
        })),
      };
      const refs = kept.map((index) => columnRef(index, plan.input.columns[index]!.type));
      return { kind: 'stateful', plan: narrowed, input: fuse(plan.input, [], refs, objects), where, outputs };
    }
    default:
      return unreachable(plan);
  }
}

function fuseJoin(plan: Join, where: readonly Expression[], outputs: readonly Expression[], objects: Objects): Fused {
  const { kind } = plan;
  const leftWidth = plan.left.columns.length;
  const leftFilters: Expression[] = [];
  const rightFilters: Expression[] = [];
  const on: Expression[] = [];
  const above: Expression[] = [];
  const reads = (expression: Expression): 'left' | 'right' | 'both' => {
    const indexes = [...references([expression]).keys()];
    if (indexes.length === 0 || !cannotFail(expression)) return 'both';
    if (indexes.every((index) => index < leftWidth)) return 'left';
    return indexes.every((index) => index >= leftWidth) ? 'right' : 'both';
  };
  const overRight = (expression: Expression): Expression => mapColumns(expression, (ref) => columnRef(ref.index - leftWidth, ref.type));
  for (const condition of plan.on) {
    const side = reads(condition);
    // Where rows are shown that nothing matches, a condition of ON on them decides about matches, not about rows; and in a mark join its NULL is not its false.
    if (side === 'left' && (kind === 'inner' || kind === 'semi')) leftFilters.push(condition);
    else if (side === 'right' && kind !== 'full' && kind !== 'mark') rightFilters.push(overRight(condition));
    else on.push(condition);
  }
  for (const condition of where) {
    const side = reads(condition);
    // Above a left or full join it also judges the padded rows.
    if (side === 'left' && kind !== 'full') leftFilters.push(condition);
    else if (side === 'right' && kind === 'inner') rightFilters.push(overRight(condition));
    else above.push(condition);
  }
  const showsRight = kind === 'inner' || kind === 'left' || kind === 'full';
  const onRead = references(on);
  const shownRead = references([...above, ...outputs]);
  const leftRead = ascending(new Set([...onRead.keys(), ...shownRead.keys()])).filter((index) => index < leftWidth);
  const rightRead = ascending(new Set([...onRead.keys(), ...(showsRight ? shownRead.keys() : [])])).filter((index) => index >= leftWidth);
  return {
    kind: 'join',
    join: kind,
    left: sideOf(filtered(plan.left, leftFilters), plan.leftKeys, leftRead, objects, plan.right),
    right: sideOf(
      filtered(plan.right, rightFilters),
      plan.rightKeys,
      rightRead.map((index) => index - leftWidth),
      objects,
      plan.left,
    ),
    leftWidth,
    plan,
    on,
    where: above,
    outputs,
  };
}

function sideOf(plan: Plan, keys: readonly Expression[], read: readonly number[], objects: Objects, other: Plan): Side {
  const scan = scanOf(plan);
  if (scan !== null && mayShare(scan.object, other, objects) && scan.where.every(cannotFail)) {
    const own = keys.map((key) => peeled(mapColumns(key, (ref) => scan.columns[ref.index]!)));
    const plain = own.filter((key) => key.kind === 'column' && !needsCanonical(key.type));
    const positions = plain.map((key) => (key.kind === 'column' ? key.index : -1));
    if (plain.length === keys.length && keys.every((key) => !needsCanonical(key.type)) && objects.indexed(scan.object, positions)) {
      return {
        kind: 'shared',
        object: scan.object,
        plan,
        keys: positions,
        where: scan.where,
        columns: scan.columns.map((expression, index) => (read.includes(index) ? expression : NOTHING)),
      };
    }
  }
  const outputs: Expression[] = [];
  const position = new Map<number, number>();
  const put = (index: number): number => {
    const known = position.get(index);
    if (known !== undefined) return known;
    position.set(index, outputs.length);
    return outputs.push(columnRef(index, plan.columns[index]!.type)) - 1;
  };
  for (const index of read) put(index);
  const keyPositions = keys.map((key) => {
    const plain = peeled(key);
    if (plain.kind === 'column' && !needsCanonical(plain.type) && !needsCanonical(key.type)) return put(plain.index);
    return outputs.push(needsCanonical(key.type) ? { kind: 'canonical', arg: key, type: key.type } : key) - 1;
  });
  return { kind: 'own', input: fuse(plan, [], outputs, objects), keys: keyPositions, position };
}

/**
 * A view's rows change while the push goes on, a table's before it: so a view's are shared only where nothing can change both sides of the join in one push.
 */
function mayShare(object: string, other: Plan, objects: Objects): boolean {
  if (!objects.arranged(object)) return false;
  if (!objects.isView(object)) return true;
  const tables = objects.tables(object);
  return objectsRead(other).every((read) => [...objects.tables(read)].every((table) => !tables.has(table)));
}

/** In place of a column that nobody reads, so that its expression asks for nothing. */
const NOTHING: Constant = {
  kind: 'constant',
  text: null,
  type: { oid: 25, name: 'text', kind: 'base', storage: 'text', typmod: -1 },
};

/** A chain of filters and maps over one scan, over the object's own columns; null for anything else. */
function scanOf(plan: Plan): { object: string; where: Expression[]; columns: Expression[] } | null {
  switch (plan.op) {
    case 'scan':
      return { object: plan.object, where: [], columns: plan.pick.map((at, index) => columnRef(at, plan.columns[index]!.type)) };
    case 'filter': {
      const input = scanOf(plan.input);
      if (input === null) return null;
      const over = (expression: Expression): Expression => mapColumns(expression, (ref) => input.columns[ref.index]!);
      return { ...input, where: [...input.where, ...plan.predicates.map(over)] };
    }
    case 'map': {
      const input = scanOf(plan.input);
      if (input === null) return null;
      const over = (expression: Expression): Expression => mapColumns(expression, (ref) => input.columns[ref.index]!);
      return { ...input, columns: plan.expressions.map(over) };
    }
    case 'values':
    case 'join':
    case 'union':
    case 'distinct':
    case 'aggregate':
    case 'topk':
      return null;
    default:
      return unreachable(plan);
  }
}

function filtered(plan: Plan, predicates: readonly Expression[]): Plan {
  return predicates.length === 0 ? plan : { op: 'filter', input: plan, predicates, columns: plan.columns };
}

function allOf(columns: readonly Column[]): Expression[] {
  return columns.map(({ type }, index) => columnRef(index, type));
}

/** The same expression when only the kept columns are left. */
export function typesOf(fused: Fused): PgType[] {
  return fused.outputs.map(({ type }) => type);
}

/** Every table or view that is read, with the columns of it that are: what must be arranged. */
export function columnsRead(fused: Fused, into = new Map<string, Set<number>>()): Map<string, Set<number>> {
  const add = (object: string, expressions: readonly Expression[], plain: readonly number[] = []): void => {
    const columns = into.get(object) ?? new Set<number>();
    into.set(object, columns);
    for (const index of references(expressions).keys()) columns.add(index);
    for (const index of plain) columns.add(index);
  };
  switch (fused.kind) {
    case 'scan':
      add(fused.object, [...fused.where, ...fused.outputs]);
      break;
    case 'values':
      break;
    case 'map':
    case 'stateful':
      columnsRead(fused.input, into);
      break;
    case 'union':
      for (const input of fused.inputs) columnsRead(input, into);
      break;
    case 'join':
      for (const side of [fused.left, fused.right]) {
        if (side.kind === 'own') columnsRead(side.input, into);
        else add(side.object, [...side.where, ...side.columns], side.keys);
      }
      break;
    default:
      unreachable(fused);
  }
  return into;
}
