import { expect, test } from 'vitest';
import type { Expression } from '../../plan/expression.ts';
import type { Plan } from '../../plan/plan.ts';
import { call } from '../testing/random-plan.ts';
import { bool, columns, int4 } from '../testing/rows.ts';
import { fusePlan } from './fuse.ts';
import { uniqueKey } from './unique-key.ts';

const col = (index: number, type = int4): Expression => ({ kind: 'column', index, type });
const scan: Plan = { op: 'scan', object: 't', pick: [0, 1, 2], columns: columns(int4, int4, int4) };
const map = (input: Plan, ...expressions: Expression[]): Plan => ({
  op: 'map',
  input,
  expressions,
  columns: columns(...expressions.map(({ type }) => type)),
});
const counted = (...keys: Expression[]): Plan => ({
  op: 'aggregate',
  input: scan,
  keys,
  aggregates: [{ fn: 'count', proc: 0, distinct: false, type: int4 }],
  columns: columns(...keys.map(() => int4), int4),
});
const sum = (a: Expression, b: Expression): Expression => call('int4pl', 177, int4, a, b);
const having = (input: Plan): Plan => ({
  op: 'filter',
  input,
  predicates: [call('int4lt', 66, bool, col(1), col(0))],
  columns: input.columns,
});

test.each<[string, Plan, readonly number[] | undefined]>([
  ['the keys of groups', counted(col(0), col(1)), [0, 1]],
  ['wherever they are shown', map(counted(col(0), col(1)), col(2), col(1), col(0)), [2, 1]],
  ['a computed key is one, too', counted(sum(col(0), col(1))), [0]],
  ['below HAVING', having(counted(col(0))), [0]],
  ['not when one is left out', map(counted(col(0), col(1)), col(2), col(1)), undefined],
  ['nor when one is shown changed', map(counted(col(0)), sum(col(0), col(1)), col(1)), undefined],
  ['nor of the one row without keys', counted(), undefined],
  ['nor of a table', scan, undefined],
  [
    'nor of several sets of groups',
    { op: 'union', inputs: [counted(col(0)), counted(col(1))], columns: counted(col(0)).columns },
    undefined,
  ],
])('%s', (_, plan, key) => {
  const fused = fusePlan(plan, { tables: (object) => new Set([object]), arranged: () => true, indexed: () => true, isView: () => false });
  expect(uniqueKey(fused)).toEqual(key);
});
