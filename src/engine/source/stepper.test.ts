import { beforeEach, expect, test } from 'vitest';
import { formatLsn } from '../../base/lsn.ts';
import { Dataflow } from '../../dataflow/dataflow.ts';
import { bagOf, batch, columns, int4, sorted, text } from '../../dataflow/testing/rows.ts';
import type { Plan } from '../../plan/plan.ts';
import { LogReader } from '../../store/log/reader.ts';
import { walk } from '../../store/log/transactions.ts';
import { LogWriter } from '../../store/log/writer.ts';
import { SimulatedDisk } from '../../store/testing/simulated-disk.ts';
import { begin, commit, insert, relation, testTable, truncate } from '../../store/testing/stream.ts';
import { realTime } from '../ticks/time.ts';
import { Stepper } from './stepper.ts';

const DIRECTORY = '/log';
const orders = testTable(1, 'd', ['id', 'note'], ['id']);
const others = testTable(2, 'd', ['id', 'note'], ['id']);
const everything = { bytesMax: Infinity, msMax: Infinity };
const error = { code: 'TABLE_CHANGED', sqlstate: '55000', message: 'another table' };
const evaluator = {
  evaluate: (): never => {
    throw new Error('nothing here needs Postgres');
  },
};

/** A log that is written by hand, and a view of all rows of each table. */
class Bench {
  readonly disk = new SimulatedDisk();
  readonly writer = LogWriter.open(this.disk, DIRECTORY);
  readonly flow = new Dataflow(evaluator, { validate: true });
  readonly stepper = new Stepper(this.flow, new LogReader(this.disk, DIRECTORY), realTime);

  constructor() {
    for (const upstream of [orders, others]) {
      const shape = columns(int4, text);
      const id = upstream.name;
      this.flow.defineTable(id, { columns: shape, key: [0] });
      this.flow.install(`all of ${id}`, { op: 'scan', object: id, pick: [0, 1], columns: shape } satisfies Plan, () => [batch([])]);
      this.stepper.tables.define({ kind: 'table', id, schema: 'public', name: id, createSql: '', sourceId: 's', upstream, columns: shape });
    }
  }

  copied(oid: number, snapshotLsn: bigint): void {
    this.writer.appendCopied({ oid, snapshotLsn: formatLsn(snapshotLsn), rows: 0 });
  }

  transaction(lsn: bigint, ...changes: Buffer[]): void {
    this.writer.appendWal([begin(lsn), relation(orders), relation(others), ...changes, commit(lsn)]);
  }

  advance(limits = everything): boolean {
    return this.stepper.advance(this.writer.end, limits);
  }

  rows({ name }: { readonly name: string }): string[] {
    return sorted(bagOf(this.flow.output(`all of ${name}`))).map(([row]) => row);
  }
}

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
});

test('a transaction of the log is in the views, and its end is where the stepper stands', () => {
  bench.copied(orders.oid, 50n);
  bench.transaction(100n, insert(orders.oid, ['1', 'a']));
  expect(bench.advance()).toBe(true);
  expect(bench.rows(orders)).toEqual(['["1","a"]']);
  expect(bench.stepper).toMatchObject({ lsn: 101n, transactions: 1, changes: 1, position: { offset: bench.writer.end, skip: 0 } });
  expect(bench.advance()).toBe(false);
});

test('a transaction is in a copy, or applies to it: by where its commit record starts', () => {
  bench.copied(orders.oid, 100n);
  bench.copied(others.oid, 101n);
  bench.transaction(100n, insert(orders.oid, ['1', 'behind the copy']), insert(others.oid, ['1', 'in the copy']));
  bench.advance();
  expect(bench.rows(orders)).toHaveLength(1);
  expect(bench.rows(others)).toEqual([]);
});

test('it stops between transactions only, whatever the limits', () => {
  bench.copied(orders.oid, 1n);
  for (const lsn of [100n, 200n]) {
    bench.writer.appendWal([begin(lsn), relation(orders), insert(orders.oid, [String(lsn), 'one record'])]);
    bench.writer.appendWal([insert(orders.oid, [String(lsn + 1n), 'another']), commit(lsn)]);
  }
  const seen: number[] = [];
  while (bench.advance({ bytesMax: 1, msMax: 0 })) seen.push(bench.rows(orders).length);
  expect(seen.filter((count) => count % 2 === 1)).toEqual([]);
  expect(seen.at(-1)).toBe(4);
});

test('a transaction that is not whole yet waits; one that was cut short never counts', () => {
  bench.copied(orders.oid, 1n);
  bench.writer.appendWal([begin(100n), relation(orders), insert(orders.oid, ['1', 'half'])]);
  bench.advance();
  expect(bench.rows(orders)).toEqual([]);
  bench.writer.appendInterrupted();
  bench.transaction(100n, insert(orders.oid, ['1', 'again, whole']));
  bench.advance();
  expect(bench.rows(orders)).toEqual(['["1","again, whole"]']);
});

test('no limit makes it stop inside a transaction that was cut short: rows are read as of where it stands, up to there and no further', () => {
  bench.copied(orders.oid, 1n);
  bench.writer.appendWal([begin(100n), relation(orders), insert(orders.oid, ['1', 'half'])]);
  bench.writer.appendWal([insert(orders.oid, ['2', 'more of it'])]);
  bench.writer.appendInterrupted();
  bench.transaction(100n, insert(orders.oid, ['1', 'again, whole']));
  const reader = new LogReader(bench.disk, DIRECTORY);
  while (bench.advance({ bytesMax: 1, msMax: -1 }))
    expect(walk(reader, 0, bench.stepper.position, {})).toMatchObject(bench.stepper.position);
  expect(bench.rows(orders)).toEqual(['["1","again, whole"]']);
});

test('a stopped table takes nothing behind the place where the log says so; its neighbours do', () => {
  bench.copied(orders.oid, 1n);
  bench.copied(others.oid, 1n);
  bench.transaction(100n, insert(orders.oid, ['1', 'before']));
  bench.writer.appendStopped({ oid: orders.oid, error });
  bench.transaction(200n, insert(orders.oid, ['2', 'behind']), insert(others.oid, ['1', 'a neighbour']));
  bench.advance();
  expect(bench.stepper.tables.takeStopped()).toMatchObject([{ id: 't1', fault: { code: 'TABLE_CHANGED' } }]);
  expect(bench.stepper.tables.takeStopped()).toEqual([]);
  expect(bench.rows(orders)).toEqual(['["1","before"]']);
  expect(bench.rows(others)).toEqual(['["1","a neighbour"]']);
});

test('a table that is copied anew while views read it is faulty: they hold rows of its life before', () => {
  bench.copied(orders.oid, 1n);
  bench.writer.appendTable(orders);
  bench.advance();
  expect(bench.stepper.tables.byOid.get(orders.oid)?.fault).toMatchObject({ code: 'TABLE_FAULTY' });
  bench.flow.uninstall('all of t1');
  bench.writer.appendTable(orders);
  bench.copied(orders.oid, 100n);
  bench.advance();
  expect(bench.stepper.tables.byOid.get(orders.oid)).toMatchObject({ fault: undefined, snapshotLsn: 100n });
});

test('rows are counted from the copy on', () => {
  bench.writer.appendCopied({ oid: orders.oid, snapshotLsn: formatLsn(1n), rows: 0 });
  bench.transaction(100n, insert(orders.oid, ['1', 'a']), insert(orders.oid, ['2', 'b']));
  bench.advance();
  expect(bench.stepper.tables.byOid.get(orders.oid)).toMatchObject({ rows: 2, changes: 2 });
  bench.transaction(200n, truncate(orders.oid));
  bench.advance();
  expect(bench.stepper.tables.byOid.get(orders.oid)).toMatchObject({ rows: 0, changes: 3 });
});

test('while an audit records, each transaction is a step of its own', () => {
  bench.copied(orders.oid, 1n);
  const seen: unknown[] = [];
  bench.stepper.onTransaction = (lsn) => void seen.push([lsn, bench.rows(orders).length]);
  bench.transaction(100n, insert(orders.oid, ['1', 'a']));
  bench.transaction(200n, insert(orders.oid, ['2', 'b']));
  bench.advance();
  expect(seen).toEqual([
    [100n, 1],
    [200n, 2],
  ]);
});
