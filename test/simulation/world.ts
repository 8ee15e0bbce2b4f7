/**
 * The engine worker, whole, in a world of one seed: upstream, disk, network, time and clients, each step of which the seed draws. The same seed takes the same steps,
 * byte for byte.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MillraceError } from '../../src/base/errors.ts';
import { SimulatedDisk } from '../../src/store/testing/simulated-disk.ts';
import { MemoryCatalog } from './catalog.ts';
import { Clients, Difference } from './clients.ts';
import { Dice } from './dice.ts';
import { Life, SimulatedRows, type LifeParts } from './life.ts';
import { Upstream } from './upstream.ts';

/** Faults of the simulation itself: each must be found. */
export const plants = ['mark-before-sync', 'batches-swapped'] as const;
export type Plant = (typeof plants)[number];

export interface Outcome {
  readonly seed: number;
  readonly steps: number;
  readonly faults: number;
  readonly comparisons: number;
  /** What was wrong, at the last step. */
  readonly difference: string | undefined;
  /** Of everything that happened. */
  readonly digest: string;
}

interface Event {
  readonly name: string;
  readonly weight: number;
  readonly run: () => void | Promise<void>;
}

/** Until everything is at rest, behind the last step. */
const REST_STEPS_MAX = 20_000;

export async function simulate(seed: number, stepsMax: number, plant?: Plant): Promise<Outcome> {
  const world = new World(seed, plant);
  // The engine's loop gives up so: in its thread it ends the process.
  const onRejection = (error: unknown): void => world.differs(error);
  process.on('unhandledRejection', onRejection);
  try {
    return await world.run(stepsMax);
  } finally {
    process.off('unhandledRejection', onRejection);
    await world.close();
  }
}

class World {
  readonly #seed: number;
  readonly #plant: Plant | undefined;
  readonly #dice: Dice;
  readonly #disk = new SimulatedDisk();
  readonly #catalog = new MemoryCatalog();
  readonly #upstream: Upstream;
  readonly #clients: Clients;
  readonly #directory: string;
  readonly #rows: SimulatedRows;
  readonly #weights: Readonly<Record<string, number>>;
  readonly #slowness: number;
  readonly #segmentBytesMax: number;
  /** A disk may be slow to sync, an upstream slow to come back. */
  readonly #syncWeight: number;
  readonly #connectWeight: number;
  #isResting = false;
  readonly #digest = createHash('sha256');
  #life: Life;
  #steps = 0;
  #faults = 0;
  #difference: string | undefined;

  constructor(seed: number, plant: Plant | undefined) {
    this.#seed = seed;
    this.#plant = plant;
    const dice = new Dice(seed);
    this.#dice = dice;
    this.#slowness = dice.of([0, 0.001, 0.02, 0.2]);
    this.#segmentBytesMax = dice.of([1_500, 20_000, 1 << 20]);
    this.#syncWeight = plant === undefined ? dice.of([0.03, 0.3, 2]) : 1;
    this.#connectWeight = plant === undefined ? dice.of([0.05, 0.3, 1]) : 0.1;
    // Each seed has its own habits: some things often, some never.
    const weigh = (): number => dice.of([0, 0.3, 1, 3]);
    this.#weights = Object.fromEntries(ACTIONS.map((name) => [name, plant === undefined ? weigh() : (SEEKING[name] ?? 0)]));
    this.#upstream = new Upstream(dice);
    for (let i = dice.below(5); i > 0; i--) this.#upstream.transaction();
    this.#clients = new Clients({ dice, upstream: this.#upstream, differs: (error) => this.differs(error) });
    this.#catalog.commit({ put: this.#clients.firstTables() });
    // Synced in memory: a commit of the rows outlives every kill, as it does on a disk that keeps its word.
    this.#directory = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'millrace-simulation-'));
    this.#rows = new SimulatedRows(this.#directory);
    this.#life = this.#start(0);
  }

  async run(stepsMax: number): Promise<Outcome> {
    while (this.#steps < stepsMax && this.#difference === undefined) await this.#step(this.#events());
    if (this.#difference === undefined) await this.#rest();
    const { comparisons } = this.#clients;
    return {
      seed: this.#seed,
      steps: this.#steps,
      faults: this.#faults,
      comparisons,
      difference: this.#difference,
      digest: this.#digest.digest('hex').slice(0, 16),
    };
  }

  async close(): Promise<void> {
    this.#rows.closeSnapshots();
    await this.#rows.close();
    rmSync(this.#directory, { recursive: true });
  }

  async #step(events: readonly Event[]): Promise<void> {
    const event = this.#dice.weighted(events);
    this.#steps++;
    if (event === undefined) return;
    this.#digest.update(`${event.name} ${this.#life.time.atMs}\n`);
    try {
      await event.run();
      // Everybody goes on as far as he can: all that waits now waits for the schedule.
      await new Promise((resolve) => setImmediate(resolve));
    } catch (error) {
      if (error instanceof MillraceError && error.code === 'LOG_SYNC_FAILED') return this.#kill(true);
      this.differs(error);
    }
  }

  /** What goes on by itself. */
  #machinery(): Event[] {
    const { time, ingest, fold, toEngine, toMain, beside } = this.#life;
    return [
      { name: 'turn', weight: time.hasTurns ? 10 : 0, run: () => time.runTurn() },
      { name: 'time', weight: time.hasTimers ? 2 : 0, run: () => time.pass() },
      { name: 'to the engine', weight: toEngine.isEmpty ? 0 : 6, run: () => toEngine.deliver() },
      { name: 'to main', weight: toMain.isEmpty ? 0 : 6, run: () => toMain.deliver() },
      { name: 'beside', weight: beside.isEmpty ? 0 : 6, run: () => beside.deliver() },
      {
        name: 'connect',
        weight: ingest.isConnected ? 0 : this.#isResting ? 1 : this.#connectWeight,
        run: () => void (ingest.isConnected = true),
      },
      { name: 'ingest', weight: ingest.isReady ? 5 : 0, run: () => void ingest.step() },
      { name: 'sync', weight: ingest.isSynced ? 0 : this.#isResting ? 2 : this.#syncWeight, run: () => ingest.sync() },
      { name: 'keepalive', weight: 0.5, run: () => ingest.keepalive() },
      { name: 'fold', weight: fold.isWanted ? 4 : 0.5, run: () => fold.step() },
    ];
  }

  #events(): Event[] {
    const clients = this.#clients;
    const { isAttached, fold } = this.#life;
    const weighted = (name: (typeof ACTIONS)[number], run: () => void | Promise<void>, weight = 1): Event => ({
      name,
      weight: weight * this.#weights[name]!,
      run,
    });
    const actions: Event[] = !isAttached
      ? []
      : [
          weighted('create a view', () => clients.createView(), 0.5),
          weighted('create an index', () => clients.createIndex(), 0.1),
          weighted('drop', () => clients.drop(), 0.1),
          weighted('add a table', () => clients.addTable(), 0.3),
          weighted('stop a table', () => clients.stopTable(), 0.01),
          weighted('read', () => clients.read(), 2),
          weighted('read in a transaction', () => clients.readTransaction(), 0.3),
          weighted('cancel', () => clients.cancel(), 0.1),
          weighted('status', () => clients.status(), 0.1),
          weighted('audit', () => clients.audit(), 0.1),
          weighted('subscribe', () => clients.subscribe(), 0.6),
          weighted('unsubscribe', () => clients.unsubscribe(), 0.05),
          weighted('stall', () => clients.stall(), 0.1),
        ];
    return [
      ...this.#machinery(),
      ...actions,
      weighted('transaction', () => this.#upstream.transaction(), 2),
      weighted('cut', () => this.#fault(() => this.#life.ingest.cut()), 0.1),
      weighted('log full', () => this.#fault(() => (this.#disk.capacityBytes = this.#disk.usedBytes + this.#dice.below(2_000))), 0.05),
      weighted('catalog full', () => this.#fault(() => (this.#catalog.isFull = clients.wasFull = true)), 0.05),
      weighted('rows full', () => this.#fault(() => (fold.isFull = true)), 0.05),
      weighted('space again', () => this.#makeSpace(), 0.3),
      weighted('clock jumps', () => this.#fault(() => (this.#life.time.skewMs += this.#dice.of([-86_400_000, -3_000, 5_000]))), 0.02),
      weighted('sync fails', () => this.#syncFails(), 0.02),
      weighted('kill', () => this.#kill(false), 0.05),
      weighted('power off', () => this.#kill(true), 0.05),
    ];
  }

  #fault(what: () => unknown): void {
    this.#faults++;
    what();
  }

  #makeSpace(): void {
    this.#disk.capacityBytes = Infinity;
    this.#catalog.isFull = false;
    this.#life.fold.isFull = false;
  }

  #syncFails(): void {
    if (this.#life.ingest.isSynced) return;
    this.#faults++;
    this.#disk.syncsToFail = 1;
    this.#life.ingest.sync();
  }

  /** The process dies. With the power, the disk keeps what was synced, and of the rest what it likes. */
  #kill(isPower: boolean): void {
    this.#faults++;
    this.#rows.closeSnapshots();
    this.#makeSpace();
    this.#disk.syncsToFail = 0;
    // 0.3: names stay, and all writes.
    this.#disk.crash(isPower ? this.#dice.next : () => 0.3);
    this.#life = this.#start(this.#life.time.atMs + this.#dice.below(5_000));
  }

  #start(nowMs: number): Life {
    const held = new Map<number, Parameters<LifeParts['output']['rows']>[1]>();
    const life: Life = new Life({
      dice: this.#dice,
      disk: this.#disk,
      rows: this.#rows,
      catalog: this.#catalog,
      upstream: this.#upstream,
      slowness: this.#slowness,
      segmentBytesMax: this.#segmentBytesMax,
      nowMs,
      failed: (what) => this.differs(new Difference(what)),
      output: {
        rows: (id, batch) => {
          if (this.#life !== life) return;
          this.#digest.update(batch.bytes);
          const before = held.get(id);
          if (this.#plant !== 'batches-swapped' || (before === undefined && this.#dice.chance(0.9)))
            return this.#clients.received(id, batch);
          held.delete(id);
          if (before === undefined) return void held.set(id, batch);
          this.#clients.received(id, batch);
          this.#clients.received(id, before);
        },
        ended: (id, error) => {
          if (this.#life === life) this.#clients.ended(id, error);
        },
      },
    });
    if (this.#plant === 'mark-before-sync') {
      const { progress } = life;
      const read = progress.read.bind(progress);
      progress.read = () => ({ ...read(), syncedOffset: read().committedOffset });
    }
    this.#clients.begin(life, this.#catalog.objects());
    life.attach().then(
      // Clients come back, and look whether it is as they left it.
      () => (this.#life === life && this.#upstream.last > 0 ? this.#clients.readAll() : undefined),
      (error: unknown) => (this.#life === life ? this.differs(error) : undefined),
    );
    return life;
  }

  /** Nothing bad happens any more: all comes to rest, at the upstream's last commit. */
  async #rest(): Promise<void> {
    this.#isResting = true;
    this.#makeSpace();
    this.#clients.settleSubscriptions();
    const isAtRest = (): boolean => {
      const { ingest, time, toEngine, toMain, beside, isAttached, fold } = this.#life;
      const isQuiet = !time.hasTurns && toEngine.isEmpty && toMain.isEmpty && beside.isEmpty && !fold.isWanted;
      return isAttached && isQuiet && !this.#clients.isBusy && !ingest.hasWork && ingest.isSynced;
    };
    await this.#until(isAtRest);
    // Ticks behind the last keepalive, and marks.
    for (const until = this.#life.time.atMs + 3_000; this.#life.time.atMs < until && this.#difference === undefined;)
      await this.#step(this.#machinery());
    await this.#until(isAtRest);
    if (this.#difference !== undefined) return;
    try {
      this.#clients.checkSubscriptions();
    } catch (error) {
      this.differs(error);
    }
    this.#clients.readAll(this.#upstream.last);
    await this.#until(isAtRest);
  }

  #unrest(): string {
    const { ingest, time, toEngine, toMain, beside, isAttached, fold, engine } = this.#life;
    const { isBusy } = this.#clients;
    const { hasWork, isSynced } = ingest;
    const queues = { turns: time.hasTurns, toEngine: !toEngine.isEmpty, toMain: !toMain.isEmpty, beside: !beside.isEmpty };
    return JSON.stringify({
      isAttached,
      ingest: { hasWork, isSynced },
      fold: fold.isWanted,
      ...queues,
      isBusy,
      lsn: String(engine.status().lsn),
    });
  }

  async #until(isThere: () => boolean): Promise<void> {
    for (let steps = 0; !isThere() && this.#difference === undefined; steps++) {
      if (steps > REST_STEPS_MAX)
        this.differs(new Difference(`nothing bad happens any more, and it does not come to rest: ${this.#unrest()}`));
      await this.#step(this.#machinery());
    }
  }

  differs(error: unknown): void {
    this.#difference ??=
      error instanceof Difference ? error.message : error instanceof Error ? (error.stack ?? error.message) : String(error);
  }
}

/** Habits in which a fault of order shows soon: many who listen, a disk that forgets. */
const SEEKING: Readonly<Record<string, number>> = { transaction: 2, read: 1, 'create a view': 1, subscribe: 3, 'power off': 12 };

const ACTIONS = [
  'create a view',
  'create an index',
  'drop',
  'add a table',
  'stop a table',
  'read',
  'read in a transaction',
  'cancel',
  'status',
  'audit',
  'subscribe',
  'unsubscribe',
  'stall',
  'transaction',
  'cut',
  'log full',
  'catalog full',
  'rows full',
  'space again',
  'clock jumps',
  'sync fails',
  'kill',
  'power off',
] as const;
