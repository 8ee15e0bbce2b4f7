/**
 * A join as fused → its two sides, its functions, its node. What a kind of join shows of its pairs and of each side's rows is one table, SHOWN (`join.ts` has the law).
 *
 * A row shown by itself is a pair whose other half is absent, its columns NULL (or the mark): what was fused from above is compiled once over pairs, once over each such
 * half. Called by `build.ts`.
 */
import { must } from '../../base/assert.ts';
import { rowLayout } from '../../values/layout.ts';
import { Arrangement } from '../arrangement/arrangement.ts';
import { consolidator } from '../arrangement/consolidate.ts';
import type { DeltaBlock } from '../arrangement/delta-block.ts';
import { compileBlock, compilePredicate } from '../expression/compile-block.ts';
import { Join, type JoinFunctions } from '../operators/join/join.ts';
import { SideFilter, type JoinSide } from '../operators/join/join-side.ts';
import { MatchCounts } from '../operators/join/match-counts.ts';
import { UnreadChanges } from '../operators/join/unread.ts';
import type { BlockFunction, BlockSpec } from '../expression/contract.ts';
import { ascending, columnRef, columnsRead, mapColumns } from '../../plan/columns.ts';
import type { ColumnRef, Expression } from '../../plan/expression.ts';
import type { Join as JoinPlan } from '../../plan/plan.ts';
import { typesOf, type Fused, type FusedJoin, type OwnSide, type SharedSide, type Side } from './fuse.ts';
import { Intake, joinNode, type GraphNode } from './node.ts';
import type { Stream } from './port.ts';
import { placed, portOf, sharedBy, type Building } from './sources.ts';
import { Validator } from './validator.ts';

/** Which rows of a side are shown by themselves; null: none, and the join need not know how they stand. */
type Shown = readonly [alone: boolean, unknown: boolean, matched: boolean] | null;

const PADDED: Shown = [true, false, false];
const SHOWN: Readonly<Record<JoinPlan['kind'], { readonly pairs: boolean; readonly left: Shown; readonly right: Shown }>> = {
  inner: { pairs: true, left: null, right: null },
  left: { pairs: true, left: PADDED, right: null },
  full: { pairs: true, left: PADDED, right: PADDED },
  semi: { pairs: false, left: [false, false, true], right: null },
  anti: { pairs: false, left: [true, false, false], right: null },
  mark: { pairs: false, left: [true, true, true], right: null },
};
/** By standing, too. */
const MARKS = ['f', null, 't'] as const;

/** A side, but for what is shown of its rows. */
interface Half {
  readonly stream: Stream;
  /** The side's i-th column as written, over the side's arranged rows. */
  readonly column: (index: number) => Expression;
  /** Which of the arranged rows belong to the join. */
  readonly where: readonly Expression[];
  readonly parts: Omit<JoinSide, 'counts'>;
}

/** `build`: of a side's input. */
export function buildJoin(fused: FusedJoin, output: DeltaBlock, building: Building, build: (input: Fused) => Stream): GraphNode {
  const { evaluator, view } = building;
  const shown = SHOWN[fused.join];
  const half = (side: Side, isCounted: boolean): Half =>
    side.kind === 'shared' ? sharedHalf(side, isCounted, building) : ownHalf(side, build(side.input), building);
  const left = half(fused.left, shown.left !== null);
  const right = half(fused.right, shown.right !== null);
  const width = left.stream.layout.columns.length;
  const shifted = (expression: Expression): Expression => mapColumns(expression, (ref) => columnRef(ref.index + width, ref.type));
  const isLeft = (ref: ColumnRef): boolean => ref.index < fused.leftWidth;
  const columnOf = (ref: ColumnRef): Expression =>
    isLeft(ref) ? left.column(ref.index) : shifted(right.column(ref.index - fused.leftWidth));
  const overPair = (expression: Expression): Expression => mapColumns(expression, columnOf);

  const inputs = [left.stream.layout, right.stream.layout] as const;
  const layout = rowLayout(typesOf(fused));
  const members = [...left.where, ...right.where.map(shifted)];
  const on = fused.join === 'mark' ? threeValued(fused.on.map(overPair)) : fused.on.map(overPair);
  const matching = [...members, ...on];
  const asksFirst = matching.length > 0 && (shown.left ?? shown.right) !== null;
  const projection = (place: (expression: Expression) => Expression): Pick<BlockSpec, 'where' | 'outputs' | 'output'> => {
    return { where: fused.where.map(place), outputs: fused.outputs.map(place), output: layout };
  };
  const pairs = (): BlockFunction => {
    const { where, ...rest } = projection(overPair);
    return compileBlock({ inputs, where: asksFirst ? where : [...matching, ...where], ...rest }, evaluator);
  };
  const showing = (absent: 0 | 1, standing: 0 | 1 | 2): BlockFunction => {
    const text = fused.join === 'mark' ? MARKS[standing] : null;
    // Also where a shared side's column is no column of its rows: of a row that is not there all are NULL.
    const byItself = (expression: Expression): Expression =>
      mapColumns(expression, (ref) => (isLeft(ref) === (absent === 0) ? { kind: 'constant', text, type: ref.type } : columnOf(ref)));
    return compileBlock({ inputs, ...projection(byItself) }, evaluator);
  };
  const countsOf = (rows: Shown, absent: 0 | 1): MatchCounts | null => {
    if (rows === null) return null;
    const [alone, unknown, matched] = rows;
    return new MatchCounts([alone ? showing(absent, 0) : null, unknown ? showing(absent, 1) : null, matched ? showing(absent, 2) : null]);
  };
  const functions: JoinFunctions = {
    matches: asksFirst ? compilePredicate({ inputs, where: matching }, evaluator) : null,
    unknown:
      fused.join === 'mark' && on[0] !== undefined ? compilePredicate({ inputs, where: [...members, isUnknown(on[0])] }, evaluator) : null,
    pairs: shown.pairs ? pairs() : null,
  };
  const leftSide = { ...left.parts, counts: countsOf(shown.left, 1) };
  const rightSide = { ...right.parts, counts: countsOf(shown.right, 0) };
  const join = new Join(leftSide, rightSide, functions, view.effort, fused.plan);
  return joinNode(join, [left.stream, right.stream], output, view.errors, fused.plan);
}

/** One AND: conditions in a row end at a NULL, which a mark join tells from false. */
function threeValued(conditions: readonly Expression[]): Expression[] {
  const [first] = conditions;
  return first === undefined ? [] : [{ kind: 'and', args: conditions, type: first.type }];
}

function isUnknown(condition: Expression): Expression {
  return { kind: 'booleanTest', test: 'unknown', arg: condition, type: condition.type };
}

function sharedHalf(side: SharedSide, isCounted: boolean, building: Building): Half {
  const { evaluator, sources, view } = building;
  const port = portOf(side.object, building);
  const { arrangement, keys } = sharedBy(side, sources);
  const place = placed(side.object, sources);
  const index = arrangement.addIndex(keys);
  view.releases.push(() => arrangement.removeIndex(index));
  const where = side.where.map(place);
  const filter = where.length === 0 ? null : new SideFilter(compilePredicate({ inputs: [port.layout], where }, evaluator), side.plan);
  const read = columnsRead(side.columns.map(place), new Set(index.columns));
  const unread = !isCounted && changesUnread(arrangement, read) ? new UnreadChanges(port.layout, ascending(read)) : null;
  return {
    stream: port,
    column: (at) => place(side.columns[at]!),
    where,
    parts: { arrangement, index, inlet: port, shared: port, filter, unread },
  };
}

function ownHalf(side: OwnSide, stream: Stream, { validate }: Building): Half {
  const { layout } = stream;
  const arrangement = Arrangement.counted(layout);
  const index = arrangement.addIndex(side.keys);
  const inlet = new Intake(stream, consolidator(layout), validate ? new Validator('join side', layout) : undefined);
  return {
    stream,
    column: (at) => {
      const position = must(side.position.get(at), 'column of a join side');
      return columnRef(position, layout.columns[position]!.type);
    },
    where: [],
    parts: { arrangement, index, inlet, shared: null, filter: null, unread: null },
  };
}

/** Whether a row can be replaced by one that differs in what is not read alone. */
function changesUnread({ keyed, identity, layout }: Arrangement, read: ReadonlySet<number>): boolean {
  return layout.columns.some((_, column) => !read.has(column) && !(keyed && identity.columns.includes(column)));
}
