/** What a plan reads, through views down to tables, and whether all of it may be read: throws the reason of whatever has stopped, the cause first. Used by the engine. */
import { millraceError, type PlainError } from '../../base/errors.ts';
import type { Lsn } from '../../base/lsn.ts';
import type { Dataflow } from '../../dataflow/dataflow.ts';
import type { Plan } from '../../plan/plan.ts';
import { expanded, objectsRead } from '../../plan/scans.ts';
import type { ObjectId } from '../../catalog/catalog.ts';
import type { InstalledView } from '../engine-status.ts';
import type { SourceTables } from './source-tables.ts';

export interface ReadableParts {
  readonly views: ReadonlyMap<ObjectId, InstalledView>;
  readonly tables: SourceTables;
  readonly dataflow: Dataflow;
}

export class Readable {
  readonly #parts: ReadableParts;

  constructor(parts: ReadableParts) {
    this.#parts = parts;
  }

  /** Tables that the plan reads, itself or through views. */
  tablesUnder(plan: Plan): ObjectId[] {
    return objectsRead(expanded(plan, (id) => this.#parts.views.get(id)?.object.plan));
  }

  faultUnder(plan: Plan): PlainError | undefined {
    return this.tablesUnder(plan).flatMap((id) => this.#parts.tables.byId.get(id)?.fault ?? [])[0];
  }

  /** Asked while a view on it comes in: what it reads may go, or fail. */
  refuseGone(plan: Plan): void {
    for (const id of objectsRead(plan)) this.#refuseGone(id);
    this.#parts.tables.refuseStopped(this.tablesUnder(plan));
  }

  #refuseGone(id: ObjectId): void {
    const { views, tables } = this.#parts;
    if (!views.has(id) && !tables.byId.has(id)) throw millraceError('OBJECT_MISSING', { kind: 'relation', name: id });
  }

  /** A transaction's tick may lie before the snapshot of a table that joined since. */
  refuseNewer(plan: Plan, lsn: Lsn): void {
    for (const id of this.tablesUnder(plan)) {
      const table = this.#parts.tables.byId.get(id);
      if (table?.snapshotLsn !== undefined && lsn > 0n && table.snapshotLsn > lsn)
        throw millraceError('TABLE_NOT_READABLE', { table: table.name, state: 'copied later than this transaction began' });
    }
  }

  /** Asked before each read, and again behind whatever it waited for: meanwhile what it reads may have gone. */
  refuseFaulty(plan: Plan): void {
    const { views, tables, dataflow } = this.#parts;
    for (const object of objectsRead(plan)) {
      this.#refuseGone(object);
      const view = views.get(object);
      if (view !== undefined) {
        // First what it reads: that is the cause, and what has to be mended.
        this.refuseFaulty(view.object.plan);
        const reason = view.reason ?? dataflow.fault(object);
        if (reason !== null) throw millraceError('VIEW_FAULTY', { view: view.object.name, reason });
      }
      this.#parts.tables.refuseStopped([object]);
      const table = tables.byId.get(object);
      const reason = table === undefined ? null : dataflow.fault(object);
      if (reason !== null) throw millraceError('TABLE_FAULTY', { table: table!.name, reason });
    }
  }
}
