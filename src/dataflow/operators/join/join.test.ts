/** Each kind of join over two small tables, told change by change: what a row that matches, one that does not, a NULL and a failing ON become. Random ones: `views.test.ts`. */
import { expect, test } from 'vitest';
import { Dataflow } from '../../dataflow.ts';
import type { Expression } from '../../../plan/expression.ts';
import type { Join, Plan } from '../../../plan/plan.ts';
import { call, joinedColumns } from '../../testing/random-plan.ts';
import { bagOf, batch, bool, columns, int4, sorted, tuple, type Row } from '../../testing/rows.ts';

const evaluator = {
  evaluate: (): never => {
    throw new Error('nothing here needs Postgres');
  },
};
const two = columns(int4, int4);
const column = (index: number): Expression => ({ kind: 'column', index, type: int4 });
const scan = (object: string): Plan => ({ op: 'scan', object, pick: [0, 1], columns: two });
/** Both tables: (id, value). */
const ON_VALUE = call('int4eq', 65, bool, column(1), column(3));

function joined(kind: Join['kind'], keys: readonly number[], on: readonly Expression[]): Plan {
  const refs = keys.map(column);
  return {
    op: 'join',
    kind,
    left: scan('l'),
    right: scan('r'),
    leftKeys: refs,
    rightKeys: refs,
    on,
    columns: joinedColumns(kind, two, two),
  };
}

function flow(plan: Plan): {
  one: Dataflow;
  rows: () => string[];
  put: (table: string, ...rows: Row[]) => void;
  take: (table: string, row: Row) => void;
} {
  const one = new Dataflow(evaluator, { validate: true });
  for (const object of ['l', 'r']) one.defineTable(object, { columns: two, key: [0] });
  one.install('v', plan, () => [batch([])]);
  return {
    one,
    rows: () =>
      sorted(bagOf(one.output('v'))).map(([row, weight]) => `${weight === 1 ? '' : `${weight} × `}${row.replaceAll(/["[\]]/g, '')}`),
    put: (table, ...rows) => {
      for (const row of rows) one.insert(table, tuple(row), 0);
      one.step();
    },
    take: (table, row) => {
      one.delete(table, tuple(row), 'row', 0);
      one.step();
    },
  };
}

test('full: each row that nothing matches is padded, on either side', () => {
  const { rows, put, take } = flow(joined('full', [1], []));
  put('l', ['1', '5'], ['2', null]);
  put('r', ['7', '6']);
  expect(rows()).toEqual(['1,5,null,null', '2,null,null,null', 'null,null,7,6']);
  put('r', ['8', '5'], ['9', '5']);
  expect(rows()).toEqual(['1,5,8,5', '1,5,9,5', '2,null,null,null', 'null,null,7,6']);
  take('l', ['1', '5']);
  expect(rows()).toEqual(['2,null,null,null', 'null,null,7,6', 'null,null,8,5', 'null,null,9,5']);
});

test('left: of a row that nothing matches all columns are NULL, also one that is a constant where there is a row', () => {
  const constant: Expression = { kind: 'constant', text: '7', type: int4 };
  const right: Plan = { op: 'map', input: scan('r'), expressions: [column(0), constant], columns: two };
  const { rows, put } = flow({ ...(joined('left', [0], []) as Join), right });
  put('l', ['1', '5'], ['2', '6']);
  put('r', ['1', '9']);
  expect(rows()).toEqual(['1,5,1,7', '2,6,null,null']);
});

test('semi and anti: a left row once, while something matches it, or nothing', () => {
  const semi = flow(joined('semi', [1], []));
  const anti = flow(joined('anti', [1], []));
  for (const { put } of [semi, anti]) {
    put('l', ['1', '5'], ['2', null]);
    put('r', ['8', '5'], ['9', '5'], ['10', null]);
  }
  expect([semi.rows(), anti.rows()]).toEqual([['1,5'], ['2,null']]);
  for (const { take } of [semi, anti]) take('r', ['8', '5']);
  expect([semi.rows(), anti.rows()]).toEqual([['1,5'], ['2,null']]);
  for (const { take } of [semi, anti]) take('r', ['9', '5']);
  expect([semi.rows(), anti.rows()]).toEqual([[], ['1,5', '2,null']]);
});

test('mark: keys are two-valued, ON is three-valued, which is what NOT IN is made of', () => {
  // l.value = ANY (SELECT value FROM r)
  const { rows, put, take } = flow(joined('mark', [], [ON_VALUE]));
  put('l', ['1', '5'], ['2', null]);
  expect(rows()).toEqual(['1,5,f', '2,null,f']);
  put('r', ['7', '6']);
  expect(rows()).toEqual(['1,5,f', '2,null,null']);
  put('r', ['8', null]);
  expect(rows()).toEqual(['1,5,null', '2,null,null']);
  put('r', ['9', '5']);
  expect(rows()).toEqual(['1,5,t', '2,null,null']);
  take('r', ['9', '5']);
  take('r', ['8', null]);
  expect(rows()).toEqual(['1,5,f', '2,null,null']);
  const keyed = flow(joined('mark', [1], []));
  keyed.put('l', ['1', '5'], ['2', null]);
  keyed.put('r', ['8', null], ['9', '5']);
  expect(keyed.rows()).toEqual(['1,5,t', '2,null,f']);
});

test.each(['left', 'full', 'semi', 'anti', 'mark'] as const)(
  '%s: a pair on which ON fails is an error while it is there, and no match',
  (kind) => {
    const divided = call('int4eq', 65, bool, call('int4div', 154, int4, column(1), column(3)), column(1));
    const { one, rows, put, take } = flow(joined(kind, [0], [divided]));
    put('l', ['1', '5']);
    const alone = rows();
    put('r', ['1', '0']);
    expect(one.errors('v')).toEqual([{ sqlstate: '22012', message: 'division by zero', count: 1 }]);
    expect(rows()).toEqual(kind === 'full' ? [...alone, 'null,null,1,0'] : alone);
    take('r', ['1', '0']);
    expect(one.errors('v')).toEqual([]);
    put('r', ['1', '1']);
    const matched = { left: ['1,5,1,1'], full: ['1,5,1,1'], semi: ['1,5'], anti: [], mark: ['1,5,t'] };
    expect(rows()).toEqual(matched[kind]);
  },
);
