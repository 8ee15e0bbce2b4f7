/**
 * Where a CTE or plain view is computed: in place where one reads it, and where several do its parts that keep state once for all. What stands above these parts
 * (filters, projections, joins of tables) stays with each reader, where a filter from above melts into it.
 *
 *     let x = V in B   →   B[x := V]                                        one reader, or no state in V
 *     let x = V in B   →   let s = S in B[x := V[S := s]], for each S       several; S: an aggregate, distinct or top of V with nothing of the kind above it
 *
 * Law: the same rows. A part with a join key that can fail stays in place, because conditions of its readers may keep rows away from it (`join.ts`).
 * Terminates: from the innermost let outwards, each once. Pure. Called by `plan-query.ts`, after binding.
 */
import { millraceError } from '../../base/errors.ts';
import { filtered, mapped, picked } from '../../plan/make.ts';
import type { Let, Plan } from '../../plan/plan.ts';
import { inputsOf, mapInputs, nodesOf, rewriteUp } from '../../plan/walk.ts';
import { NODES_MAX, type Numbering } from '../bind/relation.ts';
import { hasFailingKeys } from '../../plan/rewrite/push-down.ts';

export function share(plan: Plan, numbering: Numbering): Plan {
  if (plan.op !== 'let') return plan;
  const { id, name, value } = plan;
  const body = share(plan.body, numbering);
  const readers = [...nodesOf(body)].filter((node) => node.op === 'ref' && node.id === id).length;
  const lets: Pick<Let, 'op' | 'id' | 'name' | 'value'>[] = [];
  const shown = readers === 1 ? value : apart(value);
  if (size(body) + readers * size(shown) > NODES_MAX) throw millraceError('PLAN_TOO_LARGE', { nodesMax: NODES_MAX });
  const whole = rewriteUp(body, (node) => {
    if (node.op === 'ref' && node.id === id) return picked(shown, node.pick, node.columns);
    if (node.op === 'filter') return { ...filtered(node.input, node.predicates), columns: node.columns };
    return node.op === 'map' ? mapped(node.input, node.expressions, node.columns) : node;
  });
  return lets.reduceRight((below: Plan, one) => ({ ...one, body: below, columns: below.columns }), whole);

  /** V[S := s]. */
  function apart(node: Plan): Plan {
    if (!keepsState(node) || hasFailingKeys(node)) return mapInputs(node, apart);
    const own = { op: 'let', id: numbering.id(), name, value: node } as const;
    lets.push(own);
    return { op: 'ref', id: own.id, name, pick: node.columns.map((_, i) => i), columns: node.columns };
  }
}

function keepsState({ op }: Plan): boolean {
  return op === 'aggregate' || op === 'distinct' || op === 'topk';
}

function size(plan: Plan): number {
  return inputsOf(plan).reduce((sum, input) => sum + size(input), 1);
}
