import { beforeEach, expect, test } from 'vitest';
import { millraceError } from '../../base/errors.ts';
import { Dataflow } from '../../dataflow/dataflow.ts';
import { bagOf, batch, columns, int4, sorted, text, tuple, type Row } from '../../dataflow/testing/rows.ts';
import type { Plan } from '../../plan/plan.ts';
import { cutAt } from '../../store/log/transactions.ts';
import { testTable } from '../../store/testing/stream.ts';
import { CancelFlags } from '../contract/cancel-flags.ts';
import type { ReadableRows, Rows } from '../source/table-rows.ts';
import { SourceTables } from '../source/source-tables.ts';
import type { Stepper } from '../source/stepper.ts';
import type { Time } from '../ticks/time.ts';
import { Waiting } from '../ticks/waiting.ts';
import { Hydrator, type HydrationRequest } from './hydrator.ts';

const shape = columns(int4, text);
const all: Plan = { op: 'scan', object: 't', pick: [0, 1], columns: shape };
const evaluator = {
  evaluate: (): never => {
    throw new Error('nothing here needs Postgres');
  },
};

/** A table of some rows, and a clock by which every look takes a millisecond: a slice is a few batches. */
class Bench {
  readonly flow = new Dataflow(evaluator, { validate: true, pieceRowsMax: 1 });
  readonly flags = new CancelFlags();
  readonly tables = new SourceTables(() => 0n);
  rows: Row[] = Array.from({ length: 20 }, (_, id) => [String(id), `row ${id}`]);
  /** What happens while the others have their turn. */
  readonly turns: (() => void)[] = [];
  openReadings = 0;
  readonly time: Time;
  readonly waiting: Waiting;
  readonly hydrator: Hydrator;
  #nowMs = 0;

  constructor() {
    this.time = {
      wallMs: () => this.#nowMs,
      nowMs: () => ++this.#nowMs,
      threadMs: () => this.#nowMs,
      turn: () => Promise.resolve(this.turns.shift()?.()),
      sleep: (ms) => Promise.resolve(void (this.#nowMs += ms)),
    };
    this.waiting = new Waiting(this.flags, this.time);
    this.flow.defineTable('t', { columns: shape, key: [0] });
    const upstream = testTable(1, 'd', ['id', 'note'], ['id']);
    this.tables.define({ kind: 'table', id: 't', schema: 'public', name: 't', createSql: '', sourceId: 's', upstream, columns: shape });
    this.hydrator = new Hydrator({
      dataflow: this.flow,
      rows: { open: () => Promise.resolve(this.#reading()) } as unknown as Rows,
      stepper: { position: cutAt(0), tables: this.tables } as unknown as Stepper,
      waiting: this.waiting,
      time: this.time,
      refuse: () => this.tables.refuseStopped(['t']),
      describe: ({ op }) => op,
    });
  }

  install(request: Partial<HydrationRequest> = {}): ReturnType<Hydrator['install']> {
    const asked = { queryId: 1, timeoutMs: 1e9, rowsMax: Infinity, bytesMax: Infinity };
    return this.hydrator.install({ object: 'v', name: 'the view', plan: all, ...asked, ...request });
  }

  shown(): Row[] {
    return sorted(bagOf(this.flow.output('v'))).map(([row]) => JSON.parse(row) as Row);
  }

  #reading(): ReadableRows {
    this.openReadings++;
    const batches = this.rows.map((row) => batch([row]));
    const reading = { position: cutAt(0), read: () => batches, follow: () => cutAt(0), close: () => void this.openReadings-- };
    return reading as unknown as ReadableRows;
  }
}

let bench: Bench;
beforeEach(() => {
  bench = new Bench();
});

/** Whoever comes next finds nothing of it. */
function expectNothingLeft(): void {
  expect(bench.flow.has('v')).toBe(false);
  expect(bench.flow.arrangements()).toEqual([]);
  expect(bench.openReadings).toBe(0);
}

test('a view comes in with all rows of its table, and the others have turns meanwhile', async () => {
  let turns = 0;
  for (let i = 0; i < 100; i++) bench.turns.push(() => void turns++);
  await bench.install();
  expect(bench.shown()).toHaveLength(20);
  expect(turns).toBeGreaterThan(2);
  expect(bench.openReadings).toBe(0);
});

test('changes that come once the table is loaded are in it, too', async () => {
  const change = (): void => {
    if (bench.flow.arrangements().length === 0 || bench.openReadings > 0) return void bench.turns.push(change);
    bench.flow.insert('t', tuple(['99', 'meanwhile']), 0);
    bench.flow.step();
  };
  bench.turns.push(change);
  await bench.install({ plan: { op: 'distinct', input: all, columns: shape } });
  expect(bench.shown().some(([id]) => id === '99')).toBe(true);
});

test('who asked may cancel it, at the next turn', async () => {
  bench.turns.push(() => bench.flags.cancel(1));
  await expect(bench.install()).rejects.toMatchObject({ code: 'QUERY_CANCELLED' });
  expectNothingLeft();
});

test('its time ends it', async () => {
  await expect(bench.install({ timeoutMs: 10 })).rejects.toMatchObject({ code: 'QUERY_TIMED_OUT' });
  expectNothingLeft();
});

test('a budget ends it, by the name of what took the most', async () => {
  await expect(bench.install({ bytesMax: 10 })).rejects.toMatchObject({ code: 'VIEW_TOO_LARGE' });
  expectNothingLeft();
});

test('a table that stops meanwhile ends it with the cause', async () => {
  bench.turns.push(() => bench.tables.stop({ oid: 1, error: { code: 'TABLE_CHANGED', sqlstate: '55000', message: 'it is another one' } }));
  await expect(bench.install()).rejects.toThrow(/it is another one/);
  expectNothingLeft();
});

test('what it reads is dropped only when it has ended', async () => {
  const installing = bench.install();
  installing.catch(() => undefined);
  let removed: boolean | undefined;
  bench.turns.push(() => {
    void bench.hydrator.withoutReadersOf(['t'], millraceError('OBJECT_MISSING', { kind: 'table', name: 't' }), () => {
      removed = !bench.flow.arrangements().some(({ object }) => object === 'v');
    });
  });
  await expect(installing).rejects.toMatchObject({ code: 'OBJECT_MISSING' });
  await new Promise((resolve) => setImmediate(resolve));
  expect(removed).toBe(true);
  expectNothingLeft();
});

test('one at a time, in the order in which they came; who gives up in the queue leaves it', async () => {
  const done: string[] = [];
  const first = bench.install({ object: 'a' }).then(() => done.push('a'));
  const second = bench.install({ object: 'b', queryId: 2 }).catch(() => done.push('b gave up'));
  const third = bench.install({ object: 'c', queryId: 3 }).then(() => done.push('c'));
  bench.flags.cancel(2);
  await Promise.all([first, second, third]);
  expect(done.filter((one) => one !== 'b gave up')).toEqual(['a', 'c']);
  expect(done).toContain('b gave up');
});
