/**
 * One view in @tanstack/db-ivm or @electric-sql/d2ts: `node javascript.ts <db-ivm|d2ts> <package folder> <view> <rows> <budget ms> <sizes>`. Prints its figures as JSON.
 * Both have nearly one interface. Rows are objects with the columns that the view reads; the old row is retracted by reference, which spares the engine a hash.
 * Called by `peers.ts`, in a process of its own.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { measure } from '../ivm/rounds.ts';
import { compare, FLAGS, LINES_AN_ORDER, VIEW_NAMES, Workload, type Group, type ViewName } from '../ivm/workload.ts';
import { cpuMicros, rounded } from '../measure.ts';

interface Line {
  readonly id: number;
  readonly order: number;
  readonly flag: number;
  readonly quantity: number;
  readonly price: number;
}

interface Order {
  readonly order: number;
  readonly customer: number;
  readonly priority: number;
}

interface GroupRow {
  readonly group: number;
  readonly count: number;
  readonly sum: number;
  readonly min?: number;
}

type Pair = [number, [Line, Order]];
/** An operator of a pipe; the packages' own types differ from version to version. */
type Step = unknown;

interface Stream {
  pipe(...steps: Step[]): Stream;
}

interface Input<T> extends Stream {
  sendData(data: T, more?: unknown): void;
}

interface Package {
  D2: new (options?: unknown) => { newInput(): Input<unknown>; finalize(): void; run(): void };
  MultiSet: new (rows: [unknown, number][]) => { getInner(): [[unknown, GroupRow], number][] };
  map(f: (row: never) => unknown): Step;
  join(other: Stream, type: string): Step;
  groupBy(key: (pair: Pair) => unknown, aggregates: Record<string, unknown>): Step;
  output(f: (message: never) => void): Step;
  groupByOperators: Record<'count' | 'sum' | 'min', (value?: (pair: Pair) => number) => unknown>;
}

const LOAD_ROWS = 10_000;

async function main(): Promise<void> {
  const [peer, folder, viewName, rows, budgetMs, sizes] = process.argv.slice(2);
  const view = VIEW_NAMES.find((name) => name === viewName)!;
  const engine = await packageAt(folder!);
  const workload = new Workload(Number(rows));
  const shown = new Map<number, Group>();
  const graph = peer === 'd2ts' ? new engine.D2({ initialFrontier: 0 }) : new engine.D2();
  const lines = graph.newInput() as Input<unknown>;
  const orders = graph.newInput() as Input<unknown>;
  lines.pipe(
    engine.map((line: Line) => [line.order, line]),
    engine.join(orders.pipe(engine.map((order: Order) => [order.order, order])), 'inner'),
    engine.groupBy(keyOf(view), aggregatesOf(view, engine)),
    engine.output((message: { type?: number; data?: { collection?: { getInner(): Change[] } }; getInner?(): Change[] }) => {
      const changes = message.getInner?.() ?? message.data?.collection?.getInner() ?? [];
      for (const [[, group], weight] of changes) show(shown, group, weight);
    }),
  );
  graph.finalize();
  let version = 0;
  /** d2ts wants a version with data, and a frontier behind it. */
  const send = (lineRows: [unknown, number][], orderRows: [unknown, number][]): void => {
    if (peer === 'd2ts') {
      if (lineRows.length > 0) lines.sendData(version, new engine.MultiSet(lineRows));
      if (orderRows.length > 0) orders.sendData(version, new engine.MultiSet(orderRows));
      version++;
      for (const input of [lines, orders]) (input as unknown as { sendFrontier(frontier: number): void }).sendFrontier(version);
    } else {
      if (lineRows.length > 0) lines.sendData(new engine.MultiSet(lineRows));
      if (orderRows.length > 0) orders.sendData(new engine.MultiSet(orderRows));
    }
    graph.run();
  };

  const current: Line[] = Array.from({ length: workload.lines }, (_, line) => lineOf(workload, line));
  const cpuBefore = cpuMicros();
  const orderRows = Array.from({ length: workload.orders }, (_, order): [Order, number] => [
    { order, customer: workload.customer[order]!, priority: workload.priority[order]! },
    1,
  ]);
  send([], orderRows);
  for (let from = 0; from < current.length; from += LOAD_ROWS)
    send(
      current.slice(from, from + LOAD_ROWS).map((line) => [line, 1]),
      [],
    );
  const loadSeconds = (cpuMicros() - cpuBefore) / 1e6;

  const batches = measure<[unknown, number][]>(
    {
      prepare(size) {
        const changes: [unknown, number][] = [];
        for (let i = 0; i < size; i++) {
          const line = workload.update(() => {});
          changes.push([current[line]!, -1], [(current[line] = lineOf(workload, line)), 1]);
        }
        return changes;
      },
      apply: (changes) => send(changes, []),
    },
    Number(budgetMs),
    sizes!.split(',').map(Number),
  );
  process.stdout.write(
    `${JSON.stringify({ loadSeconds: rounded(loadSeconds), batches, wrong: differenceOf(peer!, view, shown, workload) })}\n`,
  );
}

/** A peer that answers wrongly (d2ts takes two values of one 32-bit hash for one) is said to, and does not fail the run: only our own answers do that. */
function differenceOf(peer: string, view: ViewName, shown: ReadonlyMap<number, Group>, workload: Workload): string | null {
  try {
    compare(peer, view, shown, workload.truth(view));
    return null;
  } catch (error) {
    return (error as Error).message;
  }
}

type Change = [[unknown, GroupRow], number];

function lineOf(workload: Workload, line: number): Line {
  return {
    id: line,
    order: Math.floor(line / LINES_AN_ORDER),
    flag: workload.flag[line]!,
    quantity: workload.quantity[line]!,
    price: workload.price[line]!,
  };
}

function keyOf(view: ViewName): (pair: Pair) => { group: number } {
  if (view === 'A2' || view === 'M') return ([, [, order]]) => ({ group: order.customer });
  return ([, [line, order]]) => ({ group: order.priority * FLAGS.length + line.flag });
}

function aggregatesOf(view: ViewName, { groupByOperators }: Package): Record<string, unknown> {
  const price = ([, [line]]: Pair): number => line.price;
  return {
    count: groupByOperators.count(),
    sum: groupByOperators.sum(view === 'A1' ? ([, [line]]) => line.quantity : price),
    ...(view === 'M' || view === 'M3' ? { min: groupByOperators.min(price) } : {}),
  };
}

/** What the output says is there now. A retraction may come after the row that replaces it. */
function show(shown: Map<number, Group>, { group, count, sum, min }: GroupRow, weight: number): void {
  if (weight > 0) shown.set(group, { count, sum, min });
  else if (shown.get(group)?.count === count && shown.get(group)?.sum === sum && shown.get(group)?.min === min) shown.delete(group);
}

async function packageAt(folder: string): Promise<Package> {
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { exports: Record<string, unknown> };
  return (await import(pathToFileURL(join(folder, entryOf(manifest.exports['.']))).href)) as Package;
}

function entryOf(entry: unknown): string {
  if (typeof entry === 'string') return entry;
  const { import: imported, default: plain } = entry as Record<string, unknown>;
  return entryOf(imported ?? plain);
}

await main();
