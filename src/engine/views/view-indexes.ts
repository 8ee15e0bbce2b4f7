/** The indexes that users made on views' rows, by the view that they are on. Kept in the arrangement itself; here is who asked for which. */
import type { Dataflow } from '../../dataflow/dataflow.ts';
import type { Index, ObjectId } from '../../catalog/catalog.ts';
import type { Asked, Hydrator } from './hydrator.ts';
import type { ViewIndex } from '../reads/point-lookup.ts';

export class ViewIndexes {
  readonly #dataflow: Dataflow;
  readonly #byView = new Map<ObjectId, (ViewIndex & { readonly id: ObjectId })[]>();

  constructor(dataflow: Dataflow) {
    this.#dataflow = dataflow;
  }

  of(view: ObjectId): readonly ViewIndex[] {
    return this.#byView.get(view) ?? [];
  }

  /** While ticks go on. */
  async make(index: Index, hydrator: Hydrator, asked: Asked): Promise<void> {
    if (!this.#dataflow.has(index.onId)) return;
    const rows = this.#dataflow.output(index.onId);
    const whole = await hydrator.index(rows, index.columns, asked);
    this.add(index);
    rows.removeIndex(whole);
  }

  /** At once. Nothing for a view that is not running. */
  add({ id, onId, columns }: Index): void {
    if (!this.#dataflow.has(onId)) return;
    const made = { id, columns, index: this.#dataflow.addIndex(onId, columns) };
    this.#byView.set(onId, [...(this.#byView.get(onId) ?? []), made]);
  }

  /** An index, or a view with all of its indexes. */
  drop(id: ObjectId): void {
    if (this.#byView.delete(id)) return;
    for (const [view, indexes] of this.#byView) {
      const gone = indexes.find((index) => index.id === id);
      if (gone === undefined) continue;
      this.#dataflow.output(view).removeIndex(gone.index);
      this.#byView.set(
        view,
        indexes.filter((index) => index !== gone),
      );
    }
  }
}
