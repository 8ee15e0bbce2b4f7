/**
 * Views that were there when the engine started and whose tables were not: a source that is being taken in again. Each comes in when the copies of its tables are
 * complete, in the order in which they were made; readers wait for it. Made by the engine.
 */
import { millraceError, reasonOf, type MillraceError } from '../../base/errors.ts';
import type { Plan } from '../../plan/plan.ts';
import { objectsRead } from '../../plan/scans.ts';
import type { Index, MaterializedView, ObjectId } from '../../catalog/catalog.ts';
import type { InstalledView } from '../engine-status.ts';
import type { Asked, HydrationBudget, HydrationFigures } from './hydrator.ts';
import type { Time } from '../ticks/time.ts';
import type { Waiting } from '../ticks/waiting.ts';

/** Nobody asked: nobody cancels, and what was within somebody's budget once comes in as at any start. */
const BY_ITSELF: Asked & HydrationBudget = { queryId: Number.MAX_SAFE_INTEGER, timeoutMs: Infinity, rowsMax: Infinity, bytesMax: Infinity };

export interface PendingViewsParts {
  readonly views: Map<ObjectId, InstalledView>;
  readonly waiting: Waiting;
  readonly time: Time;
  /** No table under it is still to be copied. */
  isCopied(view: MaterializedView): boolean;
  bringIn(view: MaterializedView, asked: Asked & HydrationBudget): Promise<HydrationFigures>;
  makeIndex(index: Index, asked: Asked): Promise<void>;
}

export class PendingViews {
  readonly #parts: PendingViewsParts;

  constructor(parts: PendingViewsParts) {
    this.#parts = parts;
  }

  isPending(id: ObjectId): boolean {
    return this.#parts.views.get(id)?.isPending === true;
  }

  /** Resolves when nothing that the plan reads, itself or through views, is still to come in. */
  async settled(plan: Plan, timeoutMs: number, queryId: number): Promise<void> {
    const isPending = (id: ObjectId): boolean => {
      const view = this.#parts.views.get(id);
      return view !== undefined && (view.isPending === true || objectsRead(view.object.plan).some(isPending));
    };
    const late = (): MillraceError => millraceError('QUERY_TIMED_OUT', {});
    await this.#parts.waiting.until(() => !objectsRead(plan).some(isPending), timeoutMs, late, queryId);
  }

  async bringIn(pending: readonly MaterializedView[], indexes: readonly Index[], isRunning: () => boolean): Promise<void> {
    const { views, waiting } = this.#parts;
    for (const object of pending) {
      const isWanted = (): boolean => isRunning() && views.get(object.id)?.object === object;
      await waiting.until(
        () => !isWanted() || this.#parts.isCopied(object),
        Infinity,
        () => millraceError('QUERY_TIMED_OUT', {}),
      );
      if (!isWanted()) continue;
      let outcome: Partial<InstalledView>;
      try {
        outcome = await this.#parts.bringIn(object, BY_ITSELF);
        for (const index of indexes) if (index.onId === object.id) await this.#parts.makeIndex(index, BY_ITSELF);
      } catch (error) {
        outcome = { reason: reasonOf(error) };
      }
      if (isWanted())
        views.set(object.id, {
          object,
          hydratedAtMs: this.#parts.time.wallMs(),
          hydrationMs: 0,
          longestSliceMs: 0,
          reason: undefined,
          ...outcome,
        });
      waiting.wake();
    }
  }
}

/** As it is known until then. */
export function pendingView(object: MaterializedView): InstalledView {
  return { object, hydratedAtMs: 0, hydrationMs: 0, longestSliceMs: 0, reason: 'its tables are being copied', isPending: true };
}
