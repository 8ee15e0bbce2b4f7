import { expect, test, vi } from 'vitest';
import type { PlainError } from '../../base/errors.ts';
import { createLogger } from '../../base/logging.ts';
import { limits } from '../../base/limits.ts';
import { Arrangement } from '../../dataflow/arrangement/arrangement.ts';
import type { DeltaBlock } from '../../dataflow/arrangement/delta-block.ts';
import { DataflowFault } from '../../dataflow/fault.ts';
import { Listener, type Observer } from '../../dataflow/graph/observer.ts';
import { blockOf, int4, text, type Row } from '../../dataflow/testing/rows.ts';
import { rowLayout } from '../../values/layout.ts';
import { rowsIn } from '../../wire/data-row.ts';
import { RowEncoder, type Batch } from './encode.ts';
import type { LiveView } from '../views/live-view.ts';
import { Subscriptions } from './subscriptions.ts';
import { realTime } from '../ticks/time.ts';
import { Turns } from '../ticks/turns.ts';

const layout = rowLayout([int4, text]);
const body = 'b'.repeat(1_000);
const wide = 'w'.repeat(20_000);

/** A view that changes as it is told to, and tells its observers as the dataflow does. */
class World {
  readonly output = Arrangement.keyed(layout, [0]);
  readonly observers = new Set<Observer>();
  readonly sent = new Map<number, Row[]>();
  batches = 0;
  readonly untaken = new Map<number, number>();
  readonly ended = new Map<number, PlainError | null>();
  readonly subscriptions = new Subscriptions({
    turns: new Turns(realTime),
    time: realTime,
    logger: createLogger('silent'),
    output: {
      rows: (id, batch) => this.#rows(id, batch),
      ended: (id, error) => void this.ended.set(id, error),
    },
  });
  #timestamp = 0;

  readonly view: LiveView = {
    object: 'v',
    columnCount: 2,
    output: this.output,
    errors: () => [],
    fault: () => null,
    listen: () => new Listener(layout, this.observers),
    observe: (observer) => {
      this.observers.add(observer);
      return () => this.observers.delete(observer);
    },
  };

  subscribe(id: number, snapshot = true): void {
    this.sent.set(id, []);
    const request = {
      subscriptionId: id,
      timeoutMs: 1_000,
      plan: { op: 'scan', object: 'v', pick: [0, 1], columns: [] } as const,
      snapshot,
      progress: false,
      budget: { rowsMax: 1, bytesMax: 1 },
      format: { kind: 'dataRow', formats: [] } as const,
    };
    this.subscriptions.open(request, this.view, () => {}, ++this.#timestamp, 0);
  }

  change(rows: readonly (readonly [Row, number])[]): void {
    const delta: DeltaBlock = blockOf(layout, rows);
    this.output.apply(delta);
    for (const observer of this.observers) observer.changed(delta, this.output);
  }

  tick(rows: readonly (readonly [Row, number])[] = []): void {
    if (rows.length > 0) this.change(rows);
    this.subscriptions.tick(++this.#timestamp, 0);
  }

  /** The client takes what there is, until nothing comes any more. */
  async drain(id: number): Promise<Row[]> {
    for (let quiet = 0; quiet < 3;) {
      const bytes = this.untaken.get(id) ?? 0;
      this.untaken.set(id, 0);
      if (bytes > 0) this.subscriptions.taken(id, bytes);
      quiet = bytes > 0 ? 0 : quiet + 1;
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    return this.sent.get(id)!;
  }

  #rows(id: number, { bytes }: Batch): void {
    this.batches++;
    this.untaken.set(id, (this.untaken.get(id) ?? 0) + bytes.length);
    for (const fields of rowsIn(bytes)) this.sent.get(id)!.push(fields.map((field) => field?.toString('utf8') ?? null));
  }
}

function rows(from: number, to: number, value = body): Row[] {
  return Array.from({ length: to - from }, (_, i) => [String(from + i), value]);
}

/** Rows summed up by what they show, those of sum 0 left out. */
function summed(sent: readonly Row[]): Map<string, number> {
  const sums = new Map<string, number>();
  for (const [, diff, ...row] of sent) {
    const key = row.join();
    const sum = (sums.get(key) ?? 0) + Number(diff);
    if (sum === 0) sums.delete(key);
    else sums.set(key, sum);
  }
  return sums;
}

test('a snapshot goes out as its client takes it, and what changes meanwhile comes behind it', async () => {
  const world = new World();
  world.change(rows(0, 5_000).map((row) => [row, 1]));
  world.subscribe(1);
  world.subscribe(2);
  expect(world.sent.get(1)!.length).toBeLessThan(1_000);
  world.tick(
    rows(4_000, 4_500).flatMap(
      (row) =>
        [
          [row, -1],
          [[row[0]!, 'new'], 1],
        ] as [Row, number][],
    ),
  );
  world.tick(rows(0, 100).map((row) => [row, -1]));
  const sent = await world.drain(1);
  expect(sent.slice(0, 5_000).every(([timestamp, diff, , value]) => timestamp === '1' && diff === '1' && value === body)).toBe(true);
  expect(sent.map(([timestamp]) => Number(timestamp))).toEqual(sent.map(([timestamp]) => Number(timestamp)).toSorted((a, b) => a - b));
  expect(summed(sent).size).toBe(4_900);
  expect([...summed(sent).keys()].filter((key) => key.endsWith('new'))).toHaveLength(500);
  // The other took nothing: it was sent its window, and no more.
  expect(world.sent.get(2)!.length).toBeLessThan(1_000);
  expect(world.ended.size).toBe(0);
  expect(summed(await world.drain(2))).toEqual(summed(sent));
});

test('small ticks gather while they wait', async () => {
  const world = new World();
  world.subscribe(1, false);
  const ticks = 3_000;
  for (let id = 0; id < ticks; id++) world.tick([[[String(id), body], 1]]);
  const atOnce = world.batches;
  expect(atOnce).toBeLessThan(300);
  expect((await world.drain(1)).map(([, , id]) => Number(id))).toEqual(Array.from({ length: ticks }, (_, id) => id));
  expect(world.batches - atOnce).toBeLessThan((2 * ticks * body.length) / (64 << 10));
});

test('a tick larger than the backlog may be goes out all the same, in pieces', async () => {
  const world = new World();
  world.subscribe(1, false);
  const count = Math.ceil((1.2 * limits.subscriberBacklogBytesMax) / wide.length);
  world.tick(rows(0, count, wide).map((row) => [row, 1]));
  expect(world.sent.get(1)!.length).toBeLessThan(1_000);
  world.tick();
  expect(await world.drain(1)).toHaveLength(count);
  // Also behind a few that its client has not taken yet.
  for (let id = 0; id < 1_000; id++) world.tick([[[String(count + id), body], 1]]);
  world.tick(rows(0, count, wide).map((row) => [row, -1]));
  expect(await world.drain(1)).toHaveLength(2 * count + 1_000);
  expect(world.ended.size).toBe(0);
});

test('who is too far behind ends, by name; who reads goes on', async () => {
  const world = new World();
  world.subscribe(1, false);
  world.subscribe(2, false);
  const perTick = 600;
  for (let from = 0; world.ended.size === 0 && from < 40 * perTick; from += perTick) {
    world.tick(rows(from, from + perTick, wide).map((row) => [row, 1]));
    await world.drain(2);
  }
  expect([...world.ended.keys()]).toEqual([1]);
  expect(world.ended.get(1)).toMatchObject({ code: 'SUBSCRIBER_TOO_SLOW' });
});

test('what fails while one is served ends that one alone', async () => {
  const world = new World();
  for (const id of [1, 2, 3]) world.subscribe(id, false);
  const [first] = world.observers;
  first!.fail(new DataflowFault('MEMORY_EXHAUSTED', 'planted'));
  const add = vi.spyOn(RowEncoder.prototype, 'add');
  add.mockImplementationOnce(() => {
    throw new Error('planted in the encoder');
  });
  world.tick([[['1', 'a'], 1]]);
  add.mockRestore();
  expect([...world.ended.keys()]).toEqual([1, 2]);
  expect(world.ended.get(1)).toMatchObject({ code: 'SUBSCRIBER_TOO_SLOW' });
  expect(world.ended.get(2)).toMatchObject({ code: 'ENGINE_FAULT' });
  world.tick([[['2', 'b'], 1]]);
  expect(await world.drain(3)).toHaveLength(2);
  expect(world.observers.size).toBe(1);
});
