import { describe, expect, test } from 'vitest';
import { Dataflow } from './dataflow.ts';
import type { Expression } from './plan/expression.ts';
import type { Join, Plan } from './plan/plan.ts';
import { bagOf, batch, bool, columns, int4, sorted, text, tuple, type Row } from './testing/rows.ts';

const evaluator = {
  evaluate: (): never => {
    throw new Error('nothing here needs Postgres');
  },
};

const orders = columns(int4, int4, text);
const customers = columns(int4, text);

function column(index: number, type = int4): Expression {
  return { kind: 'column', index, type };
}

function equals(left: Expression, right: string): Expression {
  return {
    kind: 'call',
    proc: 65,
    procName: 'pg_catalog.int4eq',
    operator: '=',
    args: [left, { kind: 'constant', text: right, type: int4 }],
    strict: true,
    type: bool,
  };
}

const scanOrders: Plan = { op: 'scan', object: 'orders', pick: [0, 1, 2], columns: orders };
const scanCustomers: Plan = { op: 'scan', object: 'customers', pick: [0, 1], columns: customers };
const ordersOfCustomers = (kind: 'inner' | 'left'): Join => ({
  op: 'join',
  kind,
  left: scanOrders,
  right: scanCustomers,
  leftKeys: [column(1)],
  rightKeys: [column(0)],
  on: [],
  columns: [...orders, ...customers],
});

function shop(rows: Record<string, Row[]> = {}): { flow: Dataflow; hydrate: (object: string) => ReturnType<typeof batch>[] } {
  const flow = new Dataflow(evaluator, { validate: true });
  flow.defineTable('orders', { columns: orders, key: [0] });
  flow.defineTable('customers', { columns: customers, key: [0] });
  return { flow, hydrate: (object) => [batch(rows[object] ?? [])] };
}

function rowsOf(flow: Dataflow, view: string): string[] {
  return sorted(bagOf(flow.output(view))).map(([row, weight]) => (weight === 1 ? row : `${weight} × ${row}`));
}

describe('a view', () => {
  test('of a table shows its rows, those before and those after', () => {
    const { flow, hydrate } = shop({ customers: [['1', 'Ada']] });
    flow.install('v', scanCustomers, hydrate);
    expect(rowsOf(flow, 'v')).toEqual(['["1","Ada"]']);
    flow.insert('customers', tuple(['2', 'Bob']), 0);
    flow.update('customers', tuple(['1', 'Ada L.']), 'none', 0, 0);
    flow.step();
    expect(rowsOf(flow, 'v')).toEqual(['["1","Ada L."]', '["2","Bob"]']);
  });

  test('filters and projects', () => {
    const { flow, hydrate } = shop({
      orders: [
        ['1', '10', 'a'],
        ['2', '20', 'b'],
      ],
    });
    const filter: Plan = { op: 'filter', input: scanOrders, predicates: [equals(column(1), '10')], columns: orders };
    flow.install('v', { op: 'map', input: filter, expressions: [column(2, text)], columns: columns(text) }, hydrate);
    flow.insert('orders', tuple(['3', '10', 'c']), 0);
    flow.update('orders', tuple(['1', '20', 'a']), 'none', 0, 0);
    flow.step();
    expect(rowsOf(flow, 'v')).toEqual(['["c"]']);
  });

  test('joins', () => {
    const { flow, hydrate } = shop({
      orders: [
        ['1', '10', 'a'],
        ['2', null, 'b'],
      ],
      customers: [['10', 'Ada']],
    });
    flow.install('v', ordersOfCustomers('inner'), hydrate);
    expect(rowsOf(flow, 'v')).toEqual(['["1","10","a","10","Ada"]']);
    flow.insert('orders', tuple(['3', '11', 'c']), 0);
    flow.insert('customers', tuple(['11', 'Bob']), 0);
    flow.delete('orders', tuple(['1', null, null]), 'key', 0);
    flow.step();
    expect(rowsOf(flow, 'v')).toEqual(['["3","11","c","11","Bob"]']);
  });

  test('left joins: an order without a customer is padded', () => {
    const { flow, hydrate } = shop({
      orders: [
        ['1', '10', 'a'],
        ['2', null, 'b'],
      ],
      customers: [['10', 'Ada']],
    });
    flow.install('v', ordersOfCustomers('left'), hydrate);
    expect(rowsOf(flow, 'v')).toEqual(['["1","10","a","10","Ada"]', '["2",null,"b",null,null]']);
    flow.delete('customers', tuple(['10', null]), 'key', 0);
    flow.step();
    expect(rowsOf(flow, 'v')).toEqual(['["1","10","a",null,null]', '["2",null,"b",null,null]']);
  });
});
