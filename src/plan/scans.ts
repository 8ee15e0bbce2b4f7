/** What a plan reads, and the same plan over tables alone. Pure. Called by `sql/plan`, the graph and the engine. */
import type { Plan, Scan } from './plan.ts';

function scansOf(plan: Plan): Scan[] {
  switch (plan.op) {
    case 'scan':
      return [plan];
    case 'values':
      return [];
    case 'join':
      return [...scansOf(plan.left), ...scansOf(plan.right)];
    case 'union':
      return plan.inputs.flatMap(scansOf);
    default:
      return scansOf(plan.input);
  }
}

/** The objects that a plan reads, each once, in the order of their first scan. */
export function objectsRead(plan: Plan): string[] {
  return [...new Set(scansOf(plan).map(({ object }) => object))];
}

/** Scans of objects that `planOf` knows (materialized views) are replaced by their plans, all the way down. */
export function expanded(plan: Plan, planOf: (object: string) => Plan | undefined): Plan {
  switch (plan.op) {
    case 'scan': {
      const below = planOf(plan.object);
      if (below === undefined) return plan;
      const input = expanded(below, planOf);
      const expressions = plan.pick.map((position) => ({ kind: 'column' as const, index: position, type: input.columns[position]!.type }));
      return { op: 'map', input, expressions, columns: plan.columns };
    }
    case 'values':
      return plan;
    case 'join':
      return { ...plan, left: expanded(plan.left, planOf), right: expanded(plan.right, planOf) };
    case 'union':
      return { ...plan, inputs: plan.inputs.map((input) => expanded(input, planOf)) };
    default:
      return { ...plan, input: expanded(plan.input, planOf) };
  }
}

/** Exactly the object's own rows, all columns in order? */
export function isWholeScan(plan: Plan, columnCount: number): plan is Scan {
  return plan.op === 'scan' && plan.pick.length === columnCount && plan.pick.every((position, index) => position === index);
}
