/** Millrace's own engine under the load of `bench:ivm`: raw pgoutput tuples in, views out, through the same front door that the engine worker uses. */
import { Dataflow } from '../../src/dataflow/dataflow.ts';
import { compileFormat } from '../../src/dataflow/expression/rows.ts';
import { TableInput } from '../../src/dataflow/tables/table.ts';
import { cpuMicros, rounded } from '../measure.ts';
import type { Planned } from './queries.ts';
import { measure, type BatchFigures, type Driver } from './rounds.ts';
import { allRows, TupleWriter } from './tuples.ts';
import { compare, FLAGS, PRIORITIES, Workload, type Group, type ViewName } from './workload.ts';

const evaluator = {
  evaluate: (): never => {
    throw new Error('nothing here needs Postgres');
  },
};

const WRITER_ROWS = 8_192;
const WRITER_BYTES_MAX = 1 << 20;
const KEEP_NOTHING = (): void => {};

interface Updates {
  readonly bytes: Buffer;
  readonly offsets: readonly number[];
}

export interface ViewRun {
  readonly name: ViewName;
  readonly loadRowsPerSecond: number;
  /** Of all state of this view alone: the tables' arrangements and its own. */
  readonly stateBytesPerLine: number;
  readonly batches: readonly BatchFigures[];
}

/** Loads one view into a new dataflow, updates it, and holds it against the plain recomputation. */
export function runView(name: ViewName, plan: Planned, workload: Workload, budgetMs: number, sizes: readonly number[]): ViewRun {
  const flow = new Dataflow(evaluator);
  flow.defineTable('orders', { columns: plan.tables.orders, key: [0] });
  flow.defineTable('lineitem', { columns: plan.tables.lineitem, key: [0] });
  const cpuBefore = cpuMicros();
  flow.install(name, plan.views[name], (table) => allRows(workload, table as 'orders' | 'lineitem'));
  const loadSeconds = (cpuMicros() - cpuBefore) / 1e6;
  compare('millrace', name, shownBy(flow, name), workload.truth(name));
  const stateBytes = flow.arrangements().reduce((sum, { bytes }) => sum + bytes, 0);
  const batches = measure(driverOf(flow, workload), budgetMs, sizes);
  compare('millrace', name, shownBy(flow, name), workload.truth(name));
  return {
    name,
    loadRowsPerSecond: rounded((workload.lines + workload.orders) / loadSeconds),
    stateBytesPerLine: rounded(stateBytes / workload.lines),
    batches,
  };
}

export function driverOf(flow: Dataflow, workload: Workload): Driver<Updates> {
  let writer = new TupleWriter(WRITER_ROWS);
  return {
    // Many batches share a buffer: garbage of this loop must not be collected on the engine's time.
    prepare(size) {
      if (writer.end > WRITER_BYTES_MAX) writer = new TupleWriter(WRITER_ROWS);
      const offsets: number[] = [];
      for (let i = 0; i < size; i++) offsets.push(writer.line(workload, workload.update(KEEP_NOTHING)));
      return { bytes: writer.bytes, offsets };
    },
    apply({ bytes, offsets }) {
      for (let i = 0; i < offsets.length; i++) flow.update('lineitem', bytes, 'none', 0, offsets[i]!);
      flow.step();
    },
  };
}

function shownBy(flow: Dataflow, name: ViewName): Map<number, Group> {
  const fault = flow.fault(name);
  if (fault !== null) throw new Error(`millrace ${name} stopped: ${fault}`);
  const output = flow.output(name);
  const format = compileFormat(output.layout);
  const shown = new Map<number, Group>();
  output.forEach((_, row, weight) => {
    const values = format(output.memory, row);
    if (weight !== 1) throw new Error(`millrace ${name}: a group is there ${weight} times`);
    const byCustomer = name === 'A2' || name === 'M';
    const group = byCustomer
      ? Number(values[0])
      : PRIORITIES.indexOf(values[0] as (typeof PRIORITIES)[number]) * FLAGS.length + FLAGS.indexOf(values[1] as (typeof FLAGS)[number]);
    const [n, total, lowest] = values.slice(byCustomer ? 1 : 2);
    const cents = (text: string): number => Math.round(Number(text) * 100);
    shown.set(group, {
      count: Number(n),
      sum: name === 'A1' ? Number(total) : cents(total!),
      min: lowest === undefined ? undefined : cents(lowest!),
    });
  });
  return shown;
}

/** All seven columns of lineitem in an arrangement with one index beside its key's. */
export function bytesPerRow(plan: Planned, lines: number): number {
  const columns = plan.tables.lineitem;
  const input = new TableInput(
    { columns, key: [0] },
    columns.map((_, position) => position),
  );
  input.load(allRows(new Workload(lines), 'lineitem'));
  input.arrangement.addIndex([1]);
  return rounded(input.bytes() / lines);
}
