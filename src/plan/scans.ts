/** What a plan reads, and the same plan over tables alone. Pure. Called by `sql/plan`, the graph and the engine. */
import { picked } from './make.ts';
import type { Plan, Scan } from './plan.ts';
import { nodesOf, rewriteUp } from './walk.ts';

/** The objects that a plan reads, each once, in the order of their first scan. */
export function objectsRead(plan: Plan): string[] {
  return [...new Set([...nodesOf(plan)].flatMap((node) => (node.op === 'scan' ? [node.object] : [])))];
}

/** Scans of objects that `planOf` knows (materialized views) are replaced by their plans, all the way down. */
export function expanded(plan: Plan, planOf: (object: string) => Plan | undefined): Plan {
  return rewriteUp(plan, (node) => {
    const below = node.op === 'scan' ? planOf(node.object) : undefined;
    if (node.op !== 'scan' || below === undefined) return node;
    return picked(expanded(below, planOf), node.pick, node.columns);
  });
}

/** Exactly the object's own rows, all columns in order? */
export function isWholeScan(plan: Plan, columnCount: number): plan is Scan {
  return plan.op === 'scan' && plan.pick.length === columnCount && plan.pick.every((position, index) => position === index);
}
