/**
 * The one pass that makes a better plan of a plan: conditions go down, columns that nobody reads go. What comes after it (`dataflow/graph/fuse.ts`) chooses what is shared and
 * fused, and moves nothing. Law: the plan's own columns and rows stay as they are. Pure, and the same when done again. Called by `sql/plan-query.ts`, and by whoever
 * puts plans together (`expanded`).
 */
import type { Plan } from '../plan.ts';
import { prune } from './prune.ts';
import { pushDown } from './push-down.ts';

export function rewritten(plan: Plan): Plan {
  return prune(pushDown(plan));
}
