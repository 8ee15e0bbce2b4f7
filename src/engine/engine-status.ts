/** How views, tables and what is arranged for them fare, as the engine tells it (`status`). */
import { millraceError, type PlainError } from '../base/errors.ts';
import type { Dataflow } from '../dataflow/dataflow.ts';
import type { Plan } from '../plan/plan.ts';
import type { MaterializedView, ObjectId } from '../catalog/catalog.ts';
import type { ArrangementStatus, TableStatus, ViewStatus } from './contract/protocol.ts';
import type { SourceTable } from './source/source-tables.ts';

export interface InstalledView {
  readonly object: MaterializedView;
  readonly hydratedAtMs: number;
  readonly hydrationMs: number;
  readonly longestSliceMs: number;
  /** Why it could not be installed when the engine started; it is not in the dataflow then. */
  readonly reason: string | undefined;
  /** It comes in by itself, when its tables are copied (`pending-views.ts`). */
  readonly isPending?: boolean;
}

export interface StatusParts {
  readonly dataflow: Dataflow;
  readonly views: () => Iterable<InstalledView>;
  readonly tables: () => Iterable<SourceTable>;
  /** Why a table under the plan is stopped. */
  readonly stopped: (plan: Plan) => PlainError | undefined;
}

export function objectStatuses(parts: StatusParts): { views: ViewStatus[]; tables: TableStatus[]; arrangements: ArrangementStatus[] } {
  const arrangements = parts.dataflow
    .arrangements()
    .map(({ object, kind, rows, bytes }): ArrangementStatus => ({ object, kind, rows, bytes }));
  const bytesOf = (id: ObjectId): number => arrangements.reduce((sum, { object, bytes }) => (object === id ? sum + bytes : sum), 0);
  return {
    views: [...parts.views()].map((view) => viewStatus(view, parts, bytesOf(view.object.id))),
    tables: [...parts.tables()].map((table) => tableStatus(table, parts, arrangements)),
    arrangements,
  };
}

function viewStatus(view: InstalledView, { dataflow, stopped: stoppedUnder }: StatusParts, stateBytes: number): ViewStatus {
  const { object, reason, hydratedAtMs, hydrationMs, longestSliceMs } = view;
  const stopped = stoppedUnder(object.plan);
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
    rows: reason === undefined ? dataflow.output(object.id).count : null,
    errors: errors.reduce((sum, one) => sum + one.count, 0),
    error,
    stateBytes,
    hydratedAtMs: reason === undefined ? hydratedAtMs : null,
    hydrationMs,
    longestSliceMs,
  };
}

function tableStatus(table: SourceTable, { dataflow }: StatusParts, arrangements: readonly ArrangementStatus[]): TableStatus {
  const { id, fault, snapshotLsn, changes } = table;
  const reason = fault === undefined ? dataflow.fault(id) : null;
  const error = fault ?? (reason === null ? null : millraceError('TABLE_FAULTY', { table: table.name, reason }).toPlain());
  // Each arrangement of a table with a key holds every row of it once.
  const arranged = table.upstream.key.length === 0 ? undefined : arrangements.find(({ object }) => object === id);
  const isLive = error === null && snapshotLsn !== undefined;
  return {
    id,
    state: error !== null ? 'faulty' : isLive ? 'live' : 'copying',
    error,
    rows: isLive ? (arranged?.rows ?? table.rows ?? null) : null,
    changes,
    snapshotLsn: snapshotLsn ?? null,
  };
}
