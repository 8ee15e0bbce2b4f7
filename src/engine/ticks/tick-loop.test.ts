import { expect, test } from 'vitest';
import { createLogger } from '../../base/logging.ts';
import { IngestProgress } from '../../ingest/progress.ts';
import { cutAt } from '../../store/log/transactions.ts';
import type { Stepper } from '../source/stepper.ts';
import { TickClock } from './clock.ts';
import { TickLoop, tickOf, type Step } from './tick-loop.ts';
import { realTime } from './time.ts';

const published = (committedOffset: number, committedLsn: bigint): Step['published'] => ({ committedOffset, committedLsn });

test.each([
  // what                                          moved  stands at  lsn   published             more   lsn
  ['everything is stepped', true, 100, 90n, published(100, 90n), false, 90n],
  ['the log goes on behind the limits', true, 60, 50n, published(100, 90n), true, 50n],
  ['nothing came, and the upstream is further', false, 100, 90n, published(100, 95n), false, 95n],
  ['an open transaction is at the end of the log', false, 60, 50n, published(100, 90n), false, 90n],
  ['it was stepped further than was published', true, 120, 110n, published(100, 90n), false, 110n],
])('%s', (_, moved, offset, lsn, progress, more, expected) => {
  expect(tickOf({ moved, offset, lsn, published: progress })).toEqual({ more, lsn: expected });
});

/** A loop over a stepper of numbers: each record is ten bytes. */
class Bench {
  readonly said: string[] = [];
  readonly progress = new IngestProgress();
  readonly stepper = { position: cutAt(0), lsn: 0n, changes: 0, advance: (to: number) => this.advance(to) };
  readonly loop: TickLoop;
  wallMs = 1_000;
  advance = (to: number): boolean => {
    this.said.push(`step to ${to}`);
    this.stepper.changes++;
    this.stepper.position = cutAt(to);
    return true;
  };

  constructor(subscribers: number) {
    this.loop = new TickLoop({
      stepper: this.stepper as unknown as Stepper,
      progress: this.progress,
      clock: new TickClock(0, () => {}, { wallMs: () => this.wallMs, nowMs: () => this.wallMs }),
      time: { ...realTime, sleep: () => Promise.resolve(this.loop.stop()) },
      logger: createLogger('silent'),
      subscriptions: {
        size: subscribers,
        tick: (timestamp, offset) => void this.said.push(`tick ${timestamp} at ${offset}`),
        synced: (offset) => void this.said.push(`synced ${offset}`),
      },
      moved: () => void this.said.push('moved'),
      stepped: () => void this.said.push('stepped'),
      looked: () => this.loop.stop(),
    });
  }
}

test('rows first, then what stopped, then the tick, then the marks that are synced', async () => {
  const bench = new Bench(0);
  bench.progress.publish({ committedOffset: 10, committedLsn: 9n, syncedOffset: 10 });
  await bench.loop.run();
  expect(bench.said).toEqual(['step to 10', 'moved', 'stepped', 'tick 1000 at 10', 'synced 10']);
  expect(bench.loop.ticks).toBe(1);
});

test('a tick that ends inside a record is synced with that record, not with what stands before it', async () => {
  const bench = new Bench(0);
  bench.progress.publish({ committedOffset: 20, syncedOffset: 10 });
  bench.advance = () => {
    bench.stepper.position = { offset: 10, skip: 5 };
    return true;
  };
  await bench.loop.run();
  expect(bench.said).toContain('tick 1000 at 11');
});

test('where nothing comes, time passes for those who listen, and for nobody else', async () => {
  const alone = new Bench(0);
  await alone.loop.run();
  expect(alone.said).toEqual(['stepped', 'synced 0']);
  const heard = new Bench(1);
  await heard.loop.run();
  expect(heard.said).toEqual(['stepped', 'tick 1000 at 0', 'synced 0']);
});

test('what is synced while a step runs waits for the next round: its rows go out first', async () => {
  const bench = new Bench(0);
  bench.progress.publish({ committedOffset: 10, syncedOffset: 0 });
  bench.advance = (to) => {
    bench.progress.publish({ syncedOffset: to });
    bench.stepper.position = cutAt(to);
    return true;
  };
  await bench.loop.run();
  expect(bench.said.at(-1)).toBe('synced 0');
});

test('a step that fails before it took anything is tried again; one that fails half-way ends the loop with its cause', async () => {
  const again = new Bench(0);
  again.progress.publish({ committedOffset: 10 });
  again.advance = () => {
    throw new Error('the log cannot be read');
  };
  // It sleeps, where this bench stops it.
  await again.loop.run();
  expect(again.said).toEqual([]);
  const half = new Bench(0);
  half.progress.publish({ committedOffset: 10 });
  half.advance = () => {
    half.stepper.changes++;
    throw new Error('memory');
  };
  await expect(half.loop.run()).rejects.toThrow(/half-way: memory/);
});
