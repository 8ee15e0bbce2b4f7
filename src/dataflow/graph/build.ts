/**
 * From the fused plan to operators in topological order, wired: each node reads its inputs' blocks and appends to its own.
 * A union is no node: its inputs append to one block. Called by `dataflow.ts`; nothing here runs a row.
 */
import { assert, must, unreachable } from '../../base/assert.ts';
import { rowLayout, type RowLayout } from '../../values/layout.ts';
import type { ErrorSink } from '../../values/space.ts';
import { Arrangement } from '../arrangement/arrangement.ts';
import { consolidator, type Consolidate } from '../arrangement/consolidate.ts';
import { DeltaBlock } from '../arrangement/delta-block.ts';
import { compileBlock, compilePredicate } from '../expression/compile-block.ts';
import type { Evaluator } from '../expression/contract.ts';
import { AggregateOperator } from '../operators/aggregate/aggregate.ts';
import { ConstantRows } from '../operators/linear/constant-rows.ts';
import { DistinctOperator } from '../operators/aggregate/distinct.ts';
import { FilterMap } from '../operators/linear/filter-map.ts';
import { InnerJoin } from '../operators/join/join.ts';
import type { JoinSide } from '../operators/join/join-side.ts';
import { LeftJoin } from '../operators/join/left-join.ts';
import { allPositive, type Flush } from '../operators/join/flush.ts';
import type { Operator } from '../operators/operator.ts';
import { UnreadChanges } from '../operators/join/unread.ts';
import { TopKOperator } from '../operators/partition/topk.ts';
import type { Expression } from '../../plan/expression.ts';
import type { Plan } from '../../plan/plan.ts';
import type { RowSource } from '../tables/tuple-source.ts';
import { ascending, columnRef, columnsRead, mapColumns } from '../../plan/columns.ts';
import { typesOf, type Fused, type FusedJoin, type FusedStateful, type SharedSide, type Side } from './fuse.ts';
import { Validator } from './validator.ts';
import { Port, type Stream } from './port.ts';
import type { GraphNode, ViewGraph } from './view-graph.ts';

export interface Sources {
  /** The table's input that keeps all columns the view reads; undefined for a view. */
  table(object: string): TableSource | undefined;
  view(object: string): ViewGraph;
}

/** A table as a view reads it. */
export interface TableSource {
  readonly columns: readonly number[];
  readonly layout: RowLayout;
  readonly delta: DeltaBlock;
  /** Absent for a query asked once of a table that nothing arranges: its rows are read as they come. */
  readonly arrangement?: Arrangement;
  /** All rows; for each scan occurrence anew. */
  rows(): RowSource;
}

interface Building {
  readonly view: ViewGraph;
  readonly sources: Sources;
  readonly evaluator: Evaluator;
  readonly validate: boolean;
  /** The lets around. */
  readonly lets: ReadonlyMap<number, Stream>;
}

export function buildView(view: ViewGraph, fused: Fused, sources: Sources, evaluator: Evaluator, validate: boolean): void {
  const root = build(fused, undefined, { view, sources, evaluator, validate, lets: new Map() });
  assert(
    root.layout.columns.length === view.layout.columns.length &&
      root.layout.columns.every(({ storage }, index) => storage === view.layout.columns[index]!.storage),
    'a plan puts out the columns that it states',
  );
  view.root = root;
}

function build(fused: Fused, target: DeltaBlock | undefined, building: Building): Stream {
  const { view, evaluator } = building;
  const layout = rowLayout(typesOf(fused));
  const output = target ?? new DeltaBlock(layout);
  switch (fused.kind) {
    case 'scan': {
      const port = portOf(fused.object, building);
      const place = placed(building.sources.table(fused.object));
      const operator = new FilterMap(port.layout, fused.where.map(place), fused.outputs.map(place), layout, evaluator);
      return add(building, new StepNode(operator, port, output, view.errors), layout);
    }
    case 'let': {
      const value = build(fused.value, undefined, building);
      return build(fused.body, target, { ...building, lets: new Map([...building.lets, [fused.id, value]]) });
    }
    case 'ref': {
      // A block of its own, which its reader may change.
      const value = must(building.lets.get(fused.id), 'the let of a reader');
      const operator = new FilterMap(value.layout, fused.where, fused.outputs, layout, evaluator);
      return add(building, new StepNode(operator, value, output, view.errors), layout);
    }
    case 'values':
      return add(
        building,
        new StepNode(new ConstantRows(fused.rows, fused.where, fused.outputs, layout, evaluator), null, output, view.errors),
        layout,
      );
    case 'map': {
      const input = build(fused.input, undefined, building);
      const operator = new FilterMap(input.layout, fused.where, fused.outputs, layout, evaluator);
      return add(building, new StepNode(operator, input, output, view.errors), layout);
    }
    case 'union': {
      const inputs = fused.inputs.map((input) => build(input, output, building));
      return {
        block: output,
        layout,
        ports: new Set(inputs.flatMap(({ ports }) => [...ports])),
        tables: new Set(inputs.flatMap(({ tables }) => [...tables])),
      };
    }
    case 'join':
      return add(building, joinNode(fused, output, building), layout);
    case 'stateful':
      return buildStateful(fused, target, building);
    default:
      return unreachable(fused);
  }
}

function buildStateful(fused: FusedStateful, target: DeltaBlock | undefined, building: Building): Stream {
  const { view, evaluator } = building;
  const input = build(fused.input, undefined, building);
  const layout = rowLayout(fused.plan.columns.map(({ type }) => type));
  const plain =
    fused.where.length === 0 &&
    fused.outputs.length === layout.columns.length &&
    fused.outputs.every((expression, index) => expression.kind === 'column' && expression.index === index);
  const block = plain && target !== undefined ? target : new DeltaBlock(layout);
  const operator = statefulOperator(fused, input.layout, evaluator);
  const guard = building.validate ? new Validator(fused.plan.op, input.layout) : undefined;
  const stream = add(building, new StepNode(operator, input, block, view.errors, consolidator(input.layout), guard, fused.plan), layout);
  if (plain) return { ...stream, consolidated: fused.plan.op === 'aggregate' };
  const outputLayout = rowLayout(typesOf(fused));
  const above = new FilterMap(layout, fused.where, fused.outputs, outputLayout, evaluator);
  return add(building, new StepNode(above, stream, target ?? new DeltaBlock(outputLayout), view.errors), outputLayout);
}

function statefulOperator({ plan }: FusedStateful, input: RowLayout, evaluator: Evaluator): Operator {
  switch (plan.op) {
    case 'distinct':
      return new DistinctOperator(plan, input);
    case 'aggregate':
      return new AggregateOperator(plan, input, evaluator);
    case 'topk':
      return new TopKOperator(plan, input, evaluator);
    default:
      return unreachable(plan);
  }
}

function add(building: Building, node: GraphNode, layout: RowLayout): Stream {
  building.view.nodes.push(node);
  return { block: node.output, layout, ports: node.ports, tables: node.tables };
}

function portOf(object: string, { view, sources }: Building): Port {
  const table = sources.table(object);
  let port: Port;
  if (table !== undefined) {
    const rows = table.rows();
    view.releases.push(() => rows.close?.());
    port = new Port(object, { arrangement: table.arrangement, rows, delta: table.delta }, new Set([object]));
  } else {
    const { output, root, tables } = sources.view(object);
    port = new Port(object, { arrangement: output, rows: output, delta: root.block }, tables);
  }
  view.ports.push(port);
  return port;
}

/** From the table's columns to those that its input keeps. */
function placed(table: TableSource | undefined): (expression: Expression) => Expression {
  if (table === undefined) return (expression) => expression;
  return (expression) => mapColumns(expression, (ref) => columnRef(table.columns.indexOf(ref.index), ref.type));
}

interface BuiltSide {
  readonly stream: Stream;
  /** Of a shared side: the same stream. */
  readonly port: Port | null;
  readonly side: JoinSide;
  /** The side's i-th column as written, over the side's arranged rows. */
  readonly column: (index: number) => Expression;
  readonly where: readonly Expression[];
  readonly consolidate: Consolidate | null;
  readonly guard: Validator | undefined;
}

/** What a shared side shares, and the key's columns there. */
export function sharedBy({ object, keys }: SharedSide, sources: Sources): { arrangement: Arrangement; keys: number[] } {
  const table = sources.table(object);
  if (table === undefined) return { arrangement: sources.view(object).output, keys: [...keys] };
  return {
    arrangement: must(table.arrangement, `arrangement of ${object}`),
    keys: keys.map((position) => table.columns.indexOf(position)),
  };
}

function buildSide(side: Side, building: Building): BuiltSide {
  const { evaluator, sources } = building;
  if (side.kind === 'shared') {
    const table = sources.table(side.object);
    const port = portOf(side.object, building);
    const { arrangement, keys } = sharedBy(side, sources);
    const place = placed(table);
    const index = arrangement.addIndex(keys);
    building.view.releases.push(() => arrangement.removeIndex(index));
    const where = side.where.map(place);
    const filter = where.length === 0 ? null : compilePredicate({ inputs: [port.layout], where }, evaluator);
    const read = columnsRead(side.columns.map(place), new Set(index.columns));
    const unread = changesUnread(arrangement, read) ? new UnreadChanges(port.layout, ascending(read)) : null;
    const built: JoinSide = { arrangement, index, layout: port.layout, shared: true, plan: side.plan, filter, unread, limit: Infinity };
    port.side = built;
    return {
      stream: port,
      port,
      side: built,
      column: (at) => place(side.columns[at]!),
      where,
      consolidate: null,
      guard: undefined,
    };
  }
  const stream = build(side.input, undefined, building);
  const arrangement = Arrangement.counted(stream.layout);
  const index = arrangement.addIndex(side.keys);
  return {
    stream,
    port: null,
    side: { arrangement, index, layout: stream.layout, shared: false, plan: undefined, filter: null, unread: null, limit: Infinity },
    column: (at) => {
      const position = must(side.position.get(at), 'column of a join side');
      return columnRef(position, stream.layout.columns[position]!.type);
    },
    where: [],
    consolidate: consolidator(stream.layout),
    guard: building.validate ? new Validator('join side', stream.layout) : undefined,
  };
}

/** Whether a row can be replaced by one that differs in what is not read alone. */
function changesUnread({ keyed, identity, layout }: Arrangement, read: ReadonlySet<number>): boolean {
  return layout.columns.some((_, column) => !read.has(column) && !(keyed && identity.columns.includes(column)));
}

function joinNode(fused: FusedJoin, output: DeltaBlock, building: Building): JoinNode {
  const left = buildSide(fused.left, building);
  const right = buildSide(fused.right, building);
  const { evaluator, view } = building;
  const width = left.side.layout.columns.length;
  const shifted = (expression: Expression): Expression => mapColumns(expression, (ref) => columnRef(ref.index + width, ref.type));
  const overPair = (expression: Expression): Expression =>
    mapColumns(expression, (ref) =>
      ref.index < fused.leftWidth ? left.column(ref.index) : shifted(right.column(ref.index - fused.leftWidth)),
    );
  const overLeft = (expression: Expression): Expression =>
    mapColumns(expression, (ref) =>
      ref.index < fused.leftWidth ? left.column(ref.index) : { kind: 'constant', text: null, type: ref.type },
    );
  const inputs = [left.side.layout, right.side.layout] as const;
  const layout = rowLayout(typesOf(fused));
  const matching = [...left.where, ...right.where.map(shifted), ...fused.on.map(overPair)];
  const above = fused.where.map(overPair);
  const outputs = fused.outputs.map(overPair);
  if (fused.join === 'inner') {
    const pairs = compileBlock({ inputs, where: [...matching, ...above], outputs, output: layout }, evaluator);
    return new JoinNode(left, right, new InnerJoin(left.side, right.side, pairs, view.effort, fused.plan), output, view.errors, fused.plan);
  }
  const functions = {
    matches: matching.length === 0 ? null : compilePredicate({ inputs, where: matching }, evaluator),
    pairs: compileBlock({ inputs, where: above, outputs, output: layout }, evaluator),
    padded: compileBlock(
      { inputs: [left.side.layout], where: fused.where.map(overLeft), outputs: fused.outputs.map(overLeft), output: layout },
      evaluator,
    ),
  };
  return new JoinNode(
    left,
    right,
    new LeftJoin(left.side, right.side, functions, view.effort, fused.plan),
    output,
    view.errors,
    fused.plan,
  );
}

/** The blocks of other nodes that it reads: a port's are emptied by the port. */
function blocksOf(stream: Stream | null): DeltaBlock[] {
  return stream === null || stream instanceof Port ? [] : [stream.block];
}

/** An operator with one input, or none. */
class StepNode implements GraphNode {
  readonly output: DeltaBlock;
  readonly ports: ReadonlySet<Port>;
  readonly tables: ReadonlySet<string>;
  readonly reads: readonly DeltaBlock[];
  readonly plan: Plan | undefined;
  readonly #operator: Operator;
  readonly #input: Stream | null;
  readonly #errors: ErrorSink;
  readonly #consolidate: Consolidate | undefined;
  readonly #guard: Validator | undefined;

  constructor(
    operator: Operator,
    input: Stream | null,
    output: DeltaBlock,
    errors: ErrorSink,
    consolidate?: Consolidate,
    guard?: Validator,
    plan?: Plan,
  ) {
    this.plan = plan;
    this.reads = blocksOf(input);
    this.#operator = operator;
    this.#input = input;
    this.output = output;
    this.#errors = errors;
    this.#consolidate = consolidate;
    this.#guard = guard;
    this.ports = input?.ports ?? new Set();
    this.tables = input?.tables ?? new Set();
  }

  start(): void {
    this.#operator.start?.(this.output, this.#errors);
  }

  run(): void {
    const block = this.#input?.block;
    if (block === undefined || block.length === 0) return;
    this.#consolidate?.(block);
    this.#guard?.check(block);
    if (block.length > 0) this.#operator.step(0, block, this.output, this.#errors);
  }

  stateBytes(): number {
    return this.#operator.stateBytes();
  }
}

/**
 * Steps a join's ports in the order in which the sides' arrangements change: a shared side has been applied when `run` begins, an own side is applied by
 * its step. So the shared side goes first; and a join of one arrangement with itself steps its left port in `before`.
 * While it is hydrated, and its left port sees a part of the rows (its right one all of them: it comes first), the right port goes first instead: what the delta means
 * to a part is known only when it has been applied.
 */
class JoinNode implements GraphNode {
  readonly output: DeltaBlock;
  readonly ports: ReadonlySet<Port>;
  readonly tables: ReadonlySet<string>;
  readonly reads: readonly DeltaBlock[];
  readonly plan: Plan;
  /** Set while it is hydrated: where a step's output goes before the step has ended. */
  flush: Flush | null = null;
  readonly #left: BuiltSide;
  readonly #right: BuiltSide;
  readonly #operator: InnerJoin | LeftJoin;
  readonly #errors: ErrorSink;
  readonly #withItself: boolean;
  #flushes = false;

  constructor(left: BuiltSide, right: BuiltSide, operator: InnerJoin | LeftJoin, output: DeltaBlock, errors: ErrorSink, plan: Plan) {
    this.plan = plan;
    this.reads = [...blocksOf(left.stream), ...blocksOf(right.stream)];
    this.#left = left;
    this.#right = right;
    this.#operator = operator;
    this.output = output;
    this.#errors = errors;
    this.#withItself = left.side.arrangement === right.side.arrangement;
    this.ports = new Set([...left.stream.ports, ...right.stream.ports]);
    this.tables = new Set([...left.stream.tables, ...right.stream.tables]);
  }

  before(): void {
    if (!this.#withItself) return;
    this.#flushes = false;
    const { limit } = this.#left.side;
    if (limit === Infinity) this.#step(0, this.#left);
    else if (limit > 0) this.#step(1, this.#right);
  }

  run(live: boolean): void {
    this.#flushes = !live;
    if (this.#withItself && live) {
      const { limit } = this.#left.side;
      if (limit === Infinity) {
        this.#settle();
        this.#step(1, this.#right);
      } else if (limit > 0 && this.#step(0, this.#left)) this.#settle();
    } else if (this.#right.side.shared && !this.#left.side.shared) {
      this.#step(1, this.#right);
      this.#step(0, this.#left);
    } else {
      if (this.#step(0, this.#left)) this.#settle();
      this.#step(1, this.#right);
    }
  }

  stateBytes(): number {
    return this.#operator.stateBytes();
  }

  #step(port: number, { stream, consolidate, guard }: BuiltSide): boolean {
    const { block } = stream;
    if (block.length === 0) return false;
    consolidate?.(block);
    guard?.check(block);
    if (block.length === 0) return false;
    this.#operator.flush = this.#flushes && this.flush !== null && allPositive(block) ? this.flush : null;
    this.#operator.step(port, block, this.output, this.#errors);
    return true;
  }

  /** A shared left side's rows have their ids now. */
  #settle(): void {
    const { port } = this.#left;
    if (port !== null && this.#operator instanceof LeftJoin) this.#operator.settle(port.block, port.met);
  }
}
