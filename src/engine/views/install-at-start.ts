/** A view as the engine starts: hydrated whole, since nothing is ticked meanwhile. One that cannot be is faulty by itself; the others start (I-8). */
import { reasonOf } from '../../base/errors.ts';
import type { Logger } from '../../base/logging.ts';
import type { Dataflow, Hydrate } from '../../dataflow/dataflow.ts';
import type { MaterializedView } from '../../catalog/catalog.ts';
import type { InstalledView } from '../engine-status.ts';
import type { Time } from '../ticks/time.ts';

export function installAtStart(dataflow: Dataflow, view: MaterializedView, hydrate: Hydrate, time: Time, logger: Logger): InstalledView {
  const startedMs = time.nowMs();
  let reason: string | undefined = view.planError;
  try {
    if (reason === undefined) dataflow.install(view.id, view.plan, hydrate);
  } catch (error) {
    reason = reasonOf(error);
    logger.error({ view: view.name, error: error instanceof Error ? error.stack : reason }, 'a view could not be hydrated');
  }
  const hydrationMs = Math.round(time.nowMs() - startedMs);
  logger.debug({ view: view.name, ms: hydrationMs }, 'view hydrated');
  return { object: view, hydratedAtMs: time.wallMs(), hydrationMs, longestSliceMs: 0, reason };
}
