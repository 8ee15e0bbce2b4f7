/**
 * From the fused plan to operators in topological order, wired: each node reads its inputs' blocks and appends to its own.
 * A union is no node: its inputs append to one block. Called by `dataflow.ts`; nothing here runs a row.
 */
import { assert, must, unreachable } from '../../base/assert.ts';
import { rowLayout, type RowLayout } from '../../values/layout.ts';
import { consolidator } from '../arrangement/consolidate.ts';
import { DeltaBlock } from '../arrangement/delta-block.ts';
import type { Evaluator } from '../expression/contract.ts';
import { AggregateOperator } from '../operators/aggregate/aggregate.ts';
import { DistinctOperator } from '../operators/aggregate/distinct.ts';
import { ConstantRows } from '../operators/linear/constant-rows.ts';
import { FilterMap } from '../operators/linear/filter-map.ts';
import type { Operator } from '../operators/operator.ts';
import { TopKOperator } from '../operators/partition/topk.ts';
import { buildJoin } from './build-join.ts';
import { typesOf, type Fused, type FusedStateful } from './fuse.ts';
import { Intake, stepNode, type GraphNode } from './node.ts';
import type { Stream } from './port.ts';
import { placed, portOf, type Building, type Sources } from './sources.ts';
import { Validator } from './validator.ts';
import type { ViewGraph } from './view-graph.ts';

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
      const place = placed(fused.object, building.sources);
      const operator = new FilterMap(port.layout, fused.where.map(place), fused.outputs.map(place), layout, evaluator);
      return add(building, stepNode(operator, port, output, view.errors), layout);
    }
    case 'values': {
      const operator = new ConstantRows(fused.rows, fused.where, fused.outputs, layout, evaluator);
      return add(building, stepNode(operator, null, output, view.errors), layout);
    }
    case 'let': {
      const value = build(fused.value, undefined, building);
      return build(fused.body, target, { ...building, lets: new Map([...building.lets, [fused.id, value]]) });
    }
    case 'ref': {
      // A block of its own, which its reader may change.
      const value = must(building.lets.get(fused.id), 'the let of a reader');
      const operator = new FilterMap(value.layout, fused.where, fused.outputs, layout, evaluator);
      return add(building, stepNode(operator, value, output, view.errors), layout);
    }
    case 'map': {
      const input = build(fused.input, undefined, building);
      const operator = new FilterMap(input.layout, fused.where, fused.outputs, layout, evaluator);
      return add(building, stepNode(operator, input, output, view.errors), layout);
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
      return add(
        building,
        buildJoin(fused, output, building, (input) => build(input, undefined, building)),
        layout,
      );
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
  const intake = new Intake(input, consolidator(input.layout), guard);
  const stream = add(building, stepNode(operator, input, block, view.errors, intake, fused.plan), layout);
  if (plain) return { ...stream, consolidated: fused.plan.op === 'aggregate' };
  const outputLayout = rowLayout(typesOf(fused));
  const above = new FilterMap(layout, fused.where, fused.outputs, outputLayout, evaluator);
  return add(building, stepNode(above, stream, target ?? new DeltaBlock(outputLayout), view.errors), outputLayout);
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
