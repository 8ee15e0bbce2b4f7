/** A table as a view reads it: arranged, and kept up to date; or, for a query asked once of a table that nothing arranges, row by row as it comes. Called by `dataflow.ts`. */
import { rowLayout } from '../../values/layout.ts';
import { DeltaBlock } from '../arrangement/delta-block.ts';
import type { TableSource } from '../graph/sources.ts';
import type { TableInput, TableShape } from './table.ts';
import { TupleSource, type TupleBatch } from './tuple-source.ts';

export function arranged({ arrangement, columns, delta, layout }: TableInput): TableSource {
  return { columns, layout, delta, arrangement, rows: () => arrangement };
}

export function unarranged(shape: TableShape, columns: readonly number[], rows: () => Iterable<TupleBatch>): TableSource {
  const layout = rowLayout(columns.map((position) => shape.columns[position]!.type));
  return { columns, layout, delta: new DeltaBlock(layout), rows: () => new TupleSource(layout, columns, rows()) };
}
