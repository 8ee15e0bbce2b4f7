/** How a view or table fares, as the engine tells it (`status`). */
import { millraceError, type PlainError } from '../base/errors.ts';
import type { Dataflow } from '../dataflow/dataflow.ts';
import type { MaterializedView, ObjectId } from './catalog.ts';
import type { TableStatus, ViewStatus } from './protocol.ts';
import type { SteppedTable } from './stepper.ts';

export interface InstalledView {
  readonly object: MaterializedView;
  readonly hydrationMs: number;
  readonly longestSliceMs: number;
  /** Why it could not be installed when the engine started; it is not in the dataflow then. */
  readonly reason: string | undefined;
}

/** `stopped`: why a table under it is. */
export function viewStatus(
  { object, hydrationMs, longestSliceMs, reason }: InstalledView,
  dataflow: Dataflow,
  arrangedBytes: ReadonlyMap<string, number>,
  stopped: PlainError | undefined,
): ViewStatus {
  const fault = stopped?.message ?? reason ?? dataflow.fault(object.id);
  const errors = fault === null ? dataflow.errors(object.id) : [];
  const [first] = errors;
  let error: PlainError | null = null;
  if (stopped !== undefined) error = stopped;
  else if (fault !== null) error = millraceError('VIEW_FAULTY', { view: object.name, reason: fault }).toPlain();
  else if (first !== undefined) error = { code: 'EVALUATION_ERROR', sqlstate: first.sqlstate, message: first.message };
  return {
    id: object.id,
    state: fault === null ? 'live' : 'faulty',
    rows: reason === undefined ? dataflow.output(object.id).count : 0,
    errors: errors.reduce((sum, one) => sum + one.count, 0),
    error,
    stateBytes: arrangedBytes.get(object.id) ?? 0,
    hydrationMs,
    longestSliceMs,
  };
}

export function tableStatus(id: ObjectId, stepped: SteppedTable, arrangedBytes: ReadonlyMap<string, number>): TableStatus {
  return {
    id,
    state: stepped.fault !== undefined ? 'faulty' : stepped.snapshotLsn === undefined ? 'copying' : 'live',
    error: stepped.fault ?? null,
    arrangedBytes: arrangedBytes.get(id) ?? 0,
    changes: stepped.changes,
    rowsCopied: stepped.rowsCopied,
    snapshotLsn: stepped.snapshotLsn ?? null,
  };
}
