/**
 * UNION ALL and UNION over the leaves of a SetOperationStmt. Postgres's analysis leaves a leaf's columns in their own types: the casts to the common type are
 * put in here, as its planner does. Called by `bind-query.ts`.
 */
import { must } from '../../base/assert.ts';
import type { Expression } from '../../plan/expression.ts';
import type { Plan } from '../../plan/plan.ts';
import type { Column, PgType } from '../../values/type.ts';
import { carrying, relabelled } from './bind-expression.ts';
import type { Binding } from './bind-query.ts';
import { requireKeyType } from '../judge/key-type.ts';
import type { TreeNode } from '../tree/node-tree.ts';
import { unsupported } from './refuse.ts';
import { project, refsOf, type Relation } from './relation.ts';

const OPERATIONS = ['', 'UNION', 'INTERSECT', 'EXCEPT'] as const;

export function bindSetOperation(binding: Binding, node: TreeNode, leaf: (index: number) => Relation): Relation {
  const operation = OPERATIONS[node.number('op')] ?? '';
  if (operation !== 'UNION') throw unsupported(operation);
  const sides = [node.node('larg'), node.node('rarg')].map((side) =>
    side.tag === 'RANGETBLREF' ? leaf(side.number('rtindex')) : bindSetOperation(binding, side, leaf),
  );
  const types = typesOf(binding, node).map((type, i) =>
    carrying(
      type,
      sides.map(({ plan }) => plan.columns[i]!),
    ),
  );
  const inputs = sides.map((relation) => converted(binding, relation, types));
  const columns = types.map((type, i): Column => ({ name: must(inputs[0]?.plan.columns[i], 'a column of UNION').name, type }));
  const ids = binding.numbering.ids(types.length);
  binding.numbering.countNode();
  const union: Plan = { op: 'union', inputs: inputs.flatMap(({ plan }) => (plan.op === 'union' ? plan.inputs : [plan])), columns };
  if (node.flag('all')) return { plan: union, ids };
  for (const type of types) requireKeyType(type, 'UNION');
  binding.numbering.countNode();
  return { plan: { op: 'distinct', input: union, columns }, ids };
}

function typesOf({ context }: Binding, node: TreeNode): PgType[] {
  const typmods = node.numbers('colTypmods');
  const collations = node.numbers('colCollations');
  return node.numbers('colTypes').map((oid, i) => context.typeOf(oid, typmods[i], collations[i]));
}

function converted(binding: Binding, relation: Relation, types: readonly PgType[]): Relation {
  const outputs = refsOf(relation).map((expression, i) => ({
    id: binding.numbering.id(),
    name: relation.plan.columns[i]!.name,
    expression: convertedTo(binding, expression, types[i]!),
  }));
  return outputs.every(({ expression }) => expression.kind === 'column') ? relation : project(relation, outputs);
}

function convertedTo({ context }: Binding, expression: Expression, type: PgType): Expression {
  const from = expression.type.base ?? expression.type;
  if (from.oid === type.oid || expression.type.oid === type.oid) return expression;
  const cast = context.implicitCast(from.oid, type.oid);
  if (cast?.method === 'function') {
    const facts = context.functionOf(cast.proc);
    if (facts !== undefined && facts.argumentTypes.length === 1) {
      return { kind: 'call', proc: cast.proc, procName: `pg_catalog.${facts.name}`, args: [expression], strict: true, type };
    }
  }
  if (cast?.method === 'relabel') return relabelled(expression, type);
  throw unsupported(`UNION of ${expression.type.name} with ${type.name}`, `Cast the column to ${type.name} in the query.`);
}
