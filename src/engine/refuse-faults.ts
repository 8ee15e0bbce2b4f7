/** What a reader meets before it reads: a view or table that has stopped, something that is gone. Throws the reason; asked by the engine for every plan. */
import { millraceError, MillraceError } from '../base/errors.ts';
import type { Dataflow } from '../dataflow/dataflow.ts';
import type { Plan } from '../dataflow/plan/plan.ts';
import { objectsRead } from '../dataflow/plan/scans.ts';
import type { ObjectId, Table } from './catalog.ts';
import type { InstalledView } from './engine-status.ts';
import type { SteppedTable } from './stepper.ts';

export class Faults {
  readonly #dataflow: Dataflow;
  readonly #views: ReadonlyMap<ObjectId, InstalledView>;
  readonly #tables: ReadonlyMap<ObjectId, Table>;
  readonly #stepped: (id: ObjectId) => SteppedTable | undefined;

  constructor(
    dataflow: Dataflow,
    views: ReadonlyMap<ObjectId, InstalledView>,
    tables: ReadonlyMap<ObjectId, Table>,
    stepped: (id: ObjectId) => SteppedTable | undefined,
  ) {
    this.#dataflow = dataflow;
    this.#views = views;
    this.#tables = tables;
    this.#stepped = stepped;
  }

  /** Of what the plan reads, itself and through views. */
  refuse(plan: Plan): void {
    for (const object of objectsRead(plan)) {
      const view = this.#views.get(object);
      if (view !== undefined) {
        const reason = view.reason ?? this.#dataflow.fault(object);
        if (reason !== null) throw millraceError('VIEW_FAULTY', { view: view.object.name, reason });
        this.refuse(view.object.plan);
      }
      this.refuseTables([object]);
      const table = this.#tables.get(object);
      const reason = table === undefined ? null : this.#dataflow.fault(object);
      if (reason !== null) throw millraceError('TABLE_FAULTY', { table: table!.name, reason });
    }
  }

  refuseTables(ids: readonly ObjectId[]): void {
    for (const id of ids) {
      const fault = this.#stepped(id)?.fault;
      if (fault !== undefined) throw MillraceError.fromPlain(fault);
    }
  }

  /** Asked while a view on it comes in: what it reads may go. */
  refuseGone(plan: Plan): void {
    const gone = objectsRead(plan).find((id) => !this.#views.has(id) && !this.#tables.has(id));
    if (gone !== undefined) throw millraceError('OBJECT_MISSING', { kind: 'relation', name: gone });
  }
}
