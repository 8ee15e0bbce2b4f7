/**
 * One table's changes, a piece at a time, through its arrangements and the views that read it.
 *
 *     a push: views that join the table with itself look first → its arrangements take the piece → the views run, in the order of their installation → blocks are emptied
 *
 * A fault in a view stops that view and those on it; one in the table's changes stops the table and the views that read it (I-8). Called by `dataflow.ts`.
 */
import { reasonOf } from '../base/errors.ts';
import type { Plan } from '../plan/plan.ts';
import { DataflowFault } from './fault.ts';
import type { ViewGraph } from './graph/view-graph.ts';
import type { TableInput, TableShape } from './tables/table.ts';

/** As the dataflow knows it: each of its arrangements keeps the columns that some views read. */
export interface Table {
  readonly object: string;
  readonly shape: TableShape;
  readonly inputs: TableInput[];
  /** Why it stopped; null while it runs. */
  fault: string | null;
}

/** `readers`: views that read it, those below others first. `describe`: an operator's name as users know it. */
export function pushTable(table: Table, readers: readonly ViewGraph[], pieceRowsMax: number, describe: (operator: Plan) => string): void {
  const { object, inputs } = table;
  for (;;) {
    let more = false;
    try {
      for (const input of inputs) more = input.drain(pieceRowsMax) || more;
      if (!more) return;
      for (const view of readers) runView(view, object, 'before', describe);
      for (const input of inputs) input.apply();
      for (const view of readers) runView(view, object, 'run', describe);
      for (const view of readers) view.clear(object);
      if (!hasMore(inputs)) return;
    } catch (cause) {
      stopTable(table, readers, cause);
      return;
    } finally {
      for (const input of inputs) input.delta.clear();
    }
  }
}

export function stopTable(table: Table, readers: readonly ViewGraph[], cause: unknown): void {
  table.fault = reasonOf(cause);
  for (const view of readers) view.stop(`${table.object}: ${table.fault}`);
}

/** No closure a view and step: a single-row step has 3 µs in all. */
function runView(view: ViewGraph, table: string, what: 'before' | 'run', describe: (operator: Plan) => string): void {
  if (view.fault !== null) return;
  const below = view.below.length === 0 ? undefined : view.below.find(({ fault }) => fault !== null);
  if (below !== undefined) {
    view.stop(`${below.object}: ${below.fault}`);
    return;
  }
  try {
    view[what](table);
  } catch (cause) {
    const operator = cause instanceof DataflowFault ? cause.operator : undefined;
    view.stop(operator === undefined ? reasonOf(cause) : `${reasonOf(cause)} in ${describe(operator)}`);
  }
}

function hasMore(inputs: readonly TableInput[]): boolean {
  for (const input of inputs) if (input.hasMore) return true;
  return false;
}
