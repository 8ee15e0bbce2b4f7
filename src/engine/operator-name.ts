/** An operator of a plan as its users know it: its line of EXPLAIN, and the relations that it is made of. Pure. For the reason why a view was refused or stopped. */
import type { Plan } from '../plan/plan.ts';
import { objectsRead } from '../plan/scans.ts';
import { printPlan, type ObjectName } from '../plan/print.ts';

export function operatorName(operator: Plan, nameOf: ObjectName): string {
  const [line = operator.op] = printPlan(operator, nameOf).split('\n');
  const of = objectsRead(operator).map(nameOf);
  return of.length === 0 ? line : `${line} (${of.join(', ')})`;
}
