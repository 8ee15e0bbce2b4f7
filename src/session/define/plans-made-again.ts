/**
 * Plans of views that an earlier version wrote into the catalog: the view is its SQL, its plan is made of it again when the form of plans has changed, before anything runs.
 * A view that can no longer be planned keeps its name and says why, alone (I-8); the next start tries again. Called by the coordinator, at a start.
 */
import { reasonOf } from '../../base/errors.ts';
import type { Catalog, MaterializedView } from '../../catalog/catalog.ts';
import { PLAN_VERSION } from '../../plan/plan.ts';
import { schemasOf } from '../settings.ts';
import type { Planner } from '../planner.ts';

const CALL = { timeoutMs: 60_000 };

export function hasStalePlan({ planVersion, planError }: MaterializedView): boolean {
  return planVersion !== PLAN_VERSION || planError !== undefined;
}

/** The views with plans of today, in the order in which they were made: what stands below comes first. */
export async function withPlansMadeAgain(catalog: Catalog, planner: Planner): Promise<MaterializedView[]> {
  const made: MaterializedView[] = [];
  for (const { planError: _, ...view } of catalog.all('materializedView').filter(hasStalePlan)) {
    const names = { searchPath: schemasOf(view.settings['search_path'] ?? 'public'), settings: {} };
    const columnNames = view.columns.map(({ name }) => name);
    let again: MaterializedView;
    try {
      const { plan } = await planner.view(await planner.analyseView(view.sql, columnNames, names, CALL), names, CALL);
      again = { ...view, plan, planVersion: PLAN_VERSION };
    } catch (error) {
      const empty = { op: 'values', rows: [], columns: view.columns } as const;
      again = { ...view, plan: empty, planVersion: PLAN_VERSION, planError: `its plan could not be made again: ${reasonOf(error)}` };
    }
    catalog.add(again);
    made.push(again);
  }
  return made;
}
