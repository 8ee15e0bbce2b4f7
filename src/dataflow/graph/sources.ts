/** The tables and views that a plan names, as its graph reads them. Asked by `build.ts` and `build-join.ts`; answered by `dataflow.ts`. */
import { must } from '../../base/assert.ts';
import type { RowLayout } from '../../values/layout.ts';
import type { Arrangement } from '../arrangement/arrangement.ts';
import type { DeltaBlock } from '../arrangement/delta-block.ts';
import type { Evaluator } from '../expression/contract.ts';
import type { Expression } from '../../plan/expression.ts';
import { columnRef, mapColumns } from '../../plan/columns.ts';
import type { RowSource } from '../tables/tuple-source.ts';
import type { SharedSide } from './fuse.ts';
import { Port, type Stream } from './port.ts';
import type { ViewGraph } from './view-graph.ts';

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

/** A graph that is being built. */
export interface Building {
  readonly view: ViewGraph;
  readonly sources: Sources;
  readonly evaluator: Evaluator;
  readonly validate: boolean;
  /** The lets around. */
  readonly lets: ReadonlyMap<number, Stream>;
}

/** One more occurrence of a scan in the view. */
export function portOf(object: string, { view, sources }: Building): Port {
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

/** From the object's columns to those that its rows here keep. */
export function placed(object: string, sources: Sources): (expression: Expression) => Expression {
  const table = sources.table(object);
  if (table === undefined) return (expression) => expression;
  return (expression) => mapColumns(expression, (ref) => columnRef(table.columns.indexOf(ref.index), ref.type));
}

/** What a shared join side shares, and the key's columns there. */
export function sharedBy({ object, keys }: SharedSide, sources: Sources): { arrangement: Arrangement; keys: number[] } {
  const table = sources.table(object);
  if (table === undefined) return { arrangement: sources.view(object).output, keys: [...keys] };
  return {
    arrangement: must(table.arrangement, `arrangement of ${object}`),
    keys: keys.map((position) => table.columns.indexOf(position)),
  };
}
