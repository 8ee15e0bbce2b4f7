/**
 * From the plan (as `plan/rewrite` made it) to the plan as run: filters and maps melt into the scan, join or union below them, and a join side that is a table
 * (or view) keyed by plain columns is marked as *shared*: it uses the table's own arrangement. No condition changes its place; an operator's input is what it reads.
 *
 *     fuse(P, where, outputs) computes  π outputs (σ where (P))
 *
 * Law: the result is that of the plan, row for row. An expression that can fail is never run twice a row; one that cannot may be, per pair at a shared side.
 * Pure. Called by `dataflow.ts`; `build.ts` makes operators of the result.
 */
import { AssertionError, unreachable } from '../../base/assert.ts';
import { needsCanonical } from '../../values/canonical.ts';
import type { Column, PgType } from '../../values/type.ts';
import type { Constant, Expression } from '../../plan/expression.ts';
import type { Aggregate, Distinct, Join, Plan, TopK } from '../../plan/plan.ts';
import { ascending, columnRef, mapColumns, moved, peeled } from '../../plan/columns.ts';
import { cannotFail } from '../../plan/facts/failure.ts';
import { objectsRead } from '../../plan/scans.ts';
import { expressionsOf, mapExpressions, nodesOf } from '../../plan/walk.ts';

export type Fused = FusedScan | FusedValues | FusedMap | FusedJoin | FusedUnion | FusedStateful | FusedLet | FusedRef;

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

/** `value` is run once a push, before all that read it. */
export interface FusedLet {
  readonly kind: 'let';
  readonly id: number;
  readonly value: Fused;
  readonly body: Fused;
  readonly outputs: readonly Expression[];
}

/** A reader of the let around it: expressions over its value's outputs. */
export interface FusedRef extends Projection {
  readonly kind: 'ref';
  readonly id: number;
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
  /** The lets around: what each reads. */
  readonly lets?: ReadonlyMap<number, readonly string[]>;
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
    case 'ref': {
      const place = (expression: Expression): Expression => mapColumns(expression, (ref) => columnRef(plan.pick[ref.index]!, ref.type));
      return { kind: 'ref', id: plan.id, where: where.map(place), outputs: outputs.map(place) };
    }
    case 'let': {
      const within = { ...objects, lets: new Map([...(objects.lets ?? []), [plan.id, readBy(plan.value, objects)]]) };
      const value = fuse(plan.value, [], allOf(plan.value.columns), objects);
      return { kind: 'let', id: plan.id, value, body: fuse(plan.body, where, outputs, within), outputs };
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
      const kept = ascending(references(expressionsOf(plan)).keys());
      const columns = kept.map((index) => plan.input.columns[index]!);
      const narrowed: Aggregate = { ...mapExpressions(plan, moved(kept)), input: { op: 'values', rows: [], columns } };
      const refs = kept.map((index) => columnRef(index, plan.input.columns[index]!.type));
      return { kind: 'stateful', plan: narrowed, input: fuse(plan.input, [], refs, objects), where, outputs };
    }
    case 'apply':
      throw new AssertionError('an apply that rewriting left');
    default:
      return unreachable(plan);
  }
}

function fuseJoin(plan: Join, where: readonly Expression[], outputs: readonly Expression[], objects: Objects): Fused {
  const { kind, on } = plan;
  const leftWidth = plan.left.columns.length;
  const showsRight = kind === 'inner' || kind === 'left' || kind === 'full';
  const onRead = references(on);
  const shownRead = references([...where, ...outputs]);
  const leftRead = ascending(new Set([...onRead.keys(), ...shownRead.keys()])).filter((index) => index < leftWidth);
  const rightRead = ascending(new Set([...onRead.keys(), ...(showsRight ? shownRead.keys() : [])])).filter((index) => index >= leftWidth);
  return {
    kind: 'join',
    join: kind,
    left: sideOf(plan.left, plan.leftKeys, leftRead, objects, plan.right),
    right: sideOf(
      plan.right,
      plan.rightKeys,
      rightRead.map((index) => index - leftWidth),
      objects,
      plan.left,
    ),
    leftWidth,
    plan,
    on,
    where,
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

/** A view's rows change while the push goes on, a table's before it: so a view's are shared only where nothing can change both sides of the join in one push. */
function mayShare(object: string, other: Plan, objects: Objects): boolean {
  if (!objects.arranged(object)) return false;
  if (!objects.isView(object)) return true;
  const tables = objects.tables(object);
  return readBy(other, objects).every((read) => [...objects.tables(read)].every((table) => !tables.has(table)));
}

/** Also through the lets around it. */
function readBy(plan: Plan, { lets }: Objects): readonly string[] {
  const through = [...nodesOf(plan)].flatMap((node) => (node.op === 'ref' ? (lets?.get(node.id) ?? []) : []));
  return [...objectsRead(plan), ...through];
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
    default:
      return null;
  }
}

function allOf(columns: readonly Column[]): Expression[] {
  return columns.map(({ type }, index) => columnRef(index, type));
}

/** What is directly below. */
function inputsOf(fused: Fused): readonly Fused[] {
  switch (fused.kind) {
    case 'scan':
    case 'ref':
    case 'values':
      return [];
    case 'let':
      return [fused.value, fused.body];
    case 'map':
    case 'stateful':
      return [fused.input];
    case 'union':
      return fused.inputs;
    case 'join':
      return [fused.left, fused.right].flatMap((side) => (side.kind === 'own' ? [side.input] : []));
    default:
      return unreachable(fused);
  }
}

export function* fusedNodes(fused: Fused): Generator<Fused> {
  yield fused;
  for (const input of inputsOf(fused)) yield* fusedNodes(input);
}

/** A join's sides that use the arrangement of a table or view. */
export function sharedSides({ left, right }: FusedJoin): SharedSide[] {
  return [left, right].filter((side) => side.kind === 'shared');
}

/** How often each column is read. */
function references(expressions: readonly Expression[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const expression of expressions) {
    mapColumns(expression, (ref) => {
      counts.set(ref.index, (counts.get(ref.index) ?? 0) + 1);
      return ref;
    });
  }
  return counts;
}

/** Reading it twice costs nothing. */
function isTrivial(expression: Expression): boolean {
  return expression.kind === 'column' || expression.kind === 'constant' || (expression.kind === 'relabel' && isTrivial(expression.arg));
}

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
  for (const node of fusedNodes(fused)) {
    if (node.kind === 'scan') add(node.object, [...node.where, ...node.outputs]);
    if (node.kind === 'join') for (const side of sharedSides(node)) add(side.object, [...side.where, ...side.columns], side.keys);
  }
  return into;
}
