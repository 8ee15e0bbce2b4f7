import { describe, expect, test } from 'vitest';
import { Dataflow } from './dataflow.ts';
import { compileFormat } from './expression/rows.ts';
import { Listener } from './graph/observer.ts';
import type { Expression } from '../plan/expression.ts';
import type { Join, Plan } from '../plan/plan.ts';
import { bagOf, bagOfBlock, batch, blockOf, bool, columns, int4, sorted, text, tuple, type Row } from './testing/rows.ts';

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

describe("who is told of a view's changes", () => {
  const customer = (name: string): { bytes: Uint8Array; offset: number } => ({ bytes: tuple(['1', name]), offset: 0 });

  test('and throws is told no more; the view and the others do not feel it', () => {
    const { flow, hydrate } = shop();
    flow.install('v', scanCustomers, hydrate);
    const told: unknown[] = [];
    flow.observers('v').add({
      changed: () => {
        throw new Error('planted');
      },
      fail: (cause) => void told.push(cause),
    });
    const listener = new Listener(flow.output('v').layout, flow.observers('v'));
    for (const name of ['Ada', 'Bob']) {
      const { bytes, offset } = customer(name);
      if (name === 'Ada') flow.insert('customers', bytes, offset);
      else flow.update('customers', bytes, 'none', 0, offset);
      flow.step();
    }
    expect(told).toEqual([new Error('planted')]);
    expect(flow.fault('v')).toBeNull();
    expect(rowsOf(flow, 'v')).toEqual(['["1","Bob"]']);
    expect(sorted(bagOfBlock(listener.delta()))).toEqual([['["1","Bob"]', 1]]);
  });

  test('hears it when the view stops', () => {
    const { flow, hydrate } = shop();
    flow.install('v', scanCustomers, hydrate);
    const listener = new Listener(flow.output('v').layout, flow.observers('v'));
    const { bytes, offset } = customer('Ada');
    flow.delete('customers', bytes, 'row', offset);
    flow.delete('customers', bytes, 'row', offset);
    flow.insert('customers', bytes, offset);
    flow.insert('customers', bytes, offset);
    flow.step();
    expect(flow.fault('v')).not.toBeNull();
    expect(listener.failure).toBeDefined();
  });
});

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

const divided = (input: Plan): Plan => ({
  op: 'map',
  input,
  expressions: [
    {
      kind: 'call',
      proc: 154,
      procName: 'pg_catalog.int4div',
      operator: '/',
      args: [{ kind: 'constant', text: '10', type: int4 }, column(0)],
      strict: true,
      type: int4,
    },
  ],
  columns: columns(int4),
});

describe('what goes wrong', () => {
  test('in a row is data: the view has an error as long as the row is there, and so have the views on it', () => {
    const { flow, hydrate } = shop({
      customers: [
        ['0', 'Nil'],
        ['5', 'Eve'],
      ],
    });
    flow.install('v', divided(scanCustomers), hydrate);
    flow.install('above', { op: 'scan', object: 'v', pick: [0], columns: columns(int4) }, hydrate);
    const error = { sqlstate: '22012', message: 'division by zero', count: 1 };
    expect(flow.errors('v')).toEqual([error]);
    expect(flow.errors('above')).toEqual([error]);
    expect(rowsOf(flow, 'above')).toEqual(['["2"]']);
    flow.delete('customers', tuple(['0', null]), 'key', 0);
    flow.step();
    expect(flow.errors('above')).toEqual([]);
  });

  test('in one view stops it and those on it; its neighbours go on, and it can be made again', () => {
    let broken = false;
    const flow = new Dataflow({
      evaluate: (_sql, _types, rows) => {
        if (broken) throw new Error('the evaluator did not answer');
        return rows.map(() => '1');
      },
    });
    flow.defineTable('customers', { columns: customers, key: [0] });
    const rows: Row[] = [['1', 'Ada']];
    const hydrate = (): ReturnType<typeof batch>[] => [batch(rows)];
    const asks: Plan = {
      op: 'map',
      input: scanCustomers,
      expressions: [{ kind: 'fallback', sql: 'slow($1::text)', args: [column(1, text)], strict: true, type: text }],
      columns: columns(text),
    };
    const above: Plan = { op: 'scan', object: 'asks', pick: [0], columns: columns(text) };
    flow.install('asks', asks, hydrate);
    flow.install('above', above, hydrate);
    flow.install('plain', scanCustomers, hydrate);
    broken = true;
    flow.insert('customers', tuple(['2', 'Bob']), 0);
    flow.step();
    expect(flow.fault('asks')).toMatch(/did not answer/);
    expect(flow.fault('above')).toMatch(/^asks: /);
    expect(flow.fault('plain')).toBeNull();
    expect(rowsOf(flow, 'plain')).toEqual(['["1","Ada"]', '["2","Bob"]']);
    expect(() => flow.install('late', above, hydrate)).toThrow(/asks is faulty/);
    flow.uninstall('above');
    flow.uninstall('asks');
    expect(() => flow.install('asks', asks, hydrate)).toThrow(/did not answer/);
    expect(flow.has('asks')).toBe(false);
    broken = false;
    flow.install('asks', asks, hydrate);
    expect(rowsOf(flow, 'asks')).toEqual(['2 × ["1"]']);
  });

  test('in a table stops the table and the views that read it, not the others', () => {
    const { flow, hydrate } = shop({ customers: [['1', 'Ada']], orders: [['1', '1', 'a']] });
    flow.install('c', scanCustomers, hydrate);
    flow.install('o', scanOrders, hydrate);
    flow.insert('customers', tuple(['1', 'another']), 0);
    flow.insert('orders', tuple(['2', '1', 'b']), 0);
    flow.step();
    expect(flow.fault('customers')).toMatch(/key is there already/);
    expect(flow.fault('c')).toMatch(/^customers: /);
    expect(flow.fault('o')).toBeNull();
    expect(rowsOf(flow, 'o')).toHaveLength(2);
  });
});

describe('rows are stored once', () => {
  const bytes = (flow: Dataflow): number => flow.arrangements().reduce((sum, { bytes: held }) => sum + held, 0);

  test('views share a table’s arrangement where it has the columns, and it goes with the last of them', () => {
    const { flow, hydrate } = shop({ customers: [['1', 'Ada']], orders: [['1', '1', 'a']] });
    flow.install('a', ordersOfCustomers('inner'), hydrate);
    flow.install('b', scanCustomers, () => expect.fail('the rows are here already'));
    expect(flow.arrangements().map(({ object, kind }) => `${kind} ${object}`)).toEqual([
      'table orders',
      'table customers',
      'view a',
      'view b',
    ]);
    flow.uninstall('a');
    expect(flow.arrangements().map(({ object }) => object)).toEqual(['customers', 'b']);
    flow.uninstall('b');
    expect(flow.arrangements()).toEqual([]);
  });

  test('memory of deleted rows is used again', () => {
    const { flow, hydrate } = shop();
    flow.install('v', ordersOfCustomers('left'), hydrate);
    const round = (): void => {
      for (let i = 0; i < 500; i++) {
        flow.insert('orders', tuple([String(i), String(i % 50), `a text that is long enough for the heap ${i}`]), 0);
        if (i < 50) flow.insert('customers', tuple([String(i), `a customer's name, also long, ${i}`]), 0);
      }
      flow.step();
      for (let i = 0; i < 500; i++) {
        flow.delete('orders', tuple([String(i), null, null]), 'key', 0);
        if (i < 50) flow.delete('customers', tuple([String(i), null]), 'key', 0);
      }
      flow.step();
    };
    round();
    const after = bytes(flow);
    for (let i = 0; i < 5; i++) round();
    expect(flow.output('v').count).toBe(0);
    expect(bytes(flow)).toBeLessThanOrEqual(after);
  });

  test('a query asked once leaves nothing behind', () => {
    const { flow, hydrate } = shop({ customers: [['10', 'Ada']], orders: [['1', '10', 'a']] });
    const { rows, errors } = flow.evaluate(ordersOfCustomers('inner'), hydrate);
    expect(sorted(bagOf(rows))).toEqual([['["1","10","a","10","Ada"]', 1]]);
    expect(errors).toEqual([]);
    expect(flow.arrangements()).toEqual([]);
  });

  test('a view’s rows are found by an index', () => {
    const { flow, hydrate } = shop({
      orders: [
        ['1', '10', 'a'],
        ['2', '20', 'b'],
        ['3', '10', 'c'],
      ],
    });
    flow.install('v', scanOrders, hydrate);
    const index = flow.addIndex('v', [1]);
    flow.delete('orders', tuple(['3', null, null]), 'key', 0);
    flow.insert('orders', tuple(['4', '10', 'd']), 0);
    flow.step();
    const output = flow.output('v');
    const format = compileFormat(output.layout);
    const found: string[] = [];
    const key = blockOf(output.layout, [[[null, '10', null], 1]]);
    flow.lookup('v', index, key, 0, (row, weight) => found.push(`${format(output.memory, row).join()} × ${weight}`));
    expect(found.sort()).toEqual(['1,10,a × 1', '4,10,d × 1']);
  });
});

describe('views that are announced', () => {
  test('share one arrangement of a table, which is read once for all of them, also through a view between', () => {
    const { flow } = shop();
    let reads = 0;
    const hydrate = (): ReturnType<typeof batch>[] => {
      reads++;
      return [batch([['1', '7', 'a']])];
    };
    const numbers: Plan = { op: 'scan', object: 'orders', pick: [1], columns: columns(int4) };
    const names: Plan = { op: 'scan', object: 'orders', pick: [2], columns: columns(text) };
    const above: Plan = { op: 'scan', object: 'numbers', pick: [0], columns: columns(int4) };
    const broken: Plan = { op: 'scan', object: 'nowhere', pick: [0], columns: columns(int4) };
    flow.announce(Object.entries({ numbers, above, broken, names }).map(([object, plan]) => ({ object, plan })));
    flow.install('numbers', numbers, hydrate);
    flow.install('above', above, hydrate);
    flow.install('names', names, hydrate);
    flow.announce([]);
    expect(reads).toBe(1);
    expect(flow.arrangements().filter(({ kind }) => kind === 'table')).toHaveLength(1);
    flow.insert('orders', tuple(['2', '8', 'b']), 0);
    flow.step();
    expect(rowsOf(flow, 'above')).toEqual(['["7"]', '["8"]']);
    expect(rowsOf(flow, 'names')).toEqual(['["a"]', '["b"]']);
  });
});
