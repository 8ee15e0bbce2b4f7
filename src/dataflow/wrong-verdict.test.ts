/**
 * A condition stands on a join's shared side when it is held to be unable to fail. Where that verdict is wrong the view stops and says which condition it was: no row is
 * dropped without a word. The wrong verdict is planted: whatever is asked about, cannot fail.
 */
import { expect, test, vi } from 'vitest';
import { Dataflow } from './dataflow.ts';
import type { Expression } from '../plan/expression.ts';
import type { Plan } from '../plan/plan.ts';
import { call } from './testing/random-plan.ts';
import { batch, bool, columns, int4, tuple } from './testing/rows.ts';

vi.mock('../plan/facts/failure.ts', () => ({ cannotFail: () => true }));

const evaluator = {
  evaluate: (): never => {
    throw new Error('nothing here needs Postgres');
  },
};
const column = (index: number): Expression => ({ kind: 'column', index, type: int4 });
const one: Expression = { kind: 'constant', text: '1', type: int4 };
const divided = call('int4eq', 65, bool, call('int4div', 154, int4, one, column(1)), one);
const two = columns(int4, int4);
const scan = (object: string): Plan => ({ op: 'scan', object, pick: [0, 1], columns: two });
const filtered: Plan = { op: 'filter', input: scan('b'), predicates: [divided], columns: two };
const joined = (left: Plan, right: Plan): Plan => ({
  op: 'join',
  kind: 'inner',
  left,
  right,
  leftKeys: [column(0)],
  rightKeys: [column(0)],
  on: [],
  columns: [...two, ...two],
});

function flow(): Dataflow {
  const made = new Dataflow(evaluator, { describe: (operator) => `the ${operator.op} of ${operator === filtered ? 'b' : '?'}` });
  for (const object of ['a', 'b']) made.defineTable(object, { columns: two, key: [0] });
  return made;
}

const rows = new Map([
  ['a', [['1', '1']]],
  ['b', [['1', '1']]],
]);
const plan = joined(scan('a'), filtered);

test('in a live change: the view stops, and names it; its neighbour goes on', () => {
  const one = flow();
  one.install('v', plan, (object) => [batch(rows.get(object)!)]);
  one.install('w', scan('b'), (object) => [batch(rows.get(object)!)]);
  one.insert('b', tuple(['2', '0']), 0);
  one.step();
  expect(one.fault('v')).toMatch(/held to be unable to fail.*22012.*in the filter of b/);
  expect([one.fault('w'), one.fault('b'), one.output('w').count]).toEqual([null, null, 2]);
});

test('while it comes in, and in a query asked once, where a row that fails meets another it is an error, as everywhere', () => {
  const one = flow();
  const hydrate = (object: string): ReturnType<typeof batch>[] => [
    batch([...rows.get(object)!, ['2', '0'], ...(object === 'a' ? [['3', '3']] : [])]),
  ];
  one.install('a whole', scan('a'), hydrate);
  one.install('b whole', scan('b'), hydrate);
  const failed = [{ sqlstate: '22012', message: 'division by zero', count: 1 }];
  one.install('v', plan, hydrate);
  expect(one.errors('v')).toEqual(failed);
  expect(one.evaluate(plan, hydrate).errors).toEqual(failed);
});
