/**
 * One life of the process, from a start to a kill: the real engine with its dataflow, stepper, rows and query workers, on simulated time, disk, fold, ingest and
 * messages. What outlives it is in the world: the disk, the rows, the catalog.
 */
import { Transferred } from '../../src/base/rpc.ts';
import { createLogger, type Logger } from '../../src/base/logging.ts';
import { CancelFlags } from '../../src/engine/contract/cancel-flags.ts';
import { Engine } from '../../src/engine/engine.ts';
import type { SubscriptionOutput } from '../../src/engine/feeds/subscriptions.ts';
import { QueryAnswers } from '../../src/engine/reads/query-answers.ts';
import type { QueryMethods } from '../../src/engine/reads/query-protocol.ts';
import type { QueryWorker } from '../../src/engine/reads/query-workers.ts';
import { Stepper } from '../../src/engine/source/stepper.ts';
import { TableRows } from '../../src/engine/source/table-rows.ts';
import { Dataflow } from '../../src/dataflow/dataflow.ts';
import { LogBounds } from '../../src/store/log/bounds.ts';
import { LogReader } from '../../src/store/log/reader.ts';
import { RowStore, type RowSnapshot } from '../../src/store/rows/row-store.ts';
import type { SimulatedDisk } from '../../src/store/testing/simulated-disk.ts';
import type { MemoryCatalog } from './catalog.ts';
import { Channel, request } from './channel.ts';
import type { Dice } from './dice.ts';
import { SimulatedFold } from './fold.ts';
import { Ingest, LOG_DIRECTORY } from './ingest.ts';
import { SimulatedProgress } from './progress.ts';
import { SimulatedTime } from './time.ts';
import type { Upstream } from './upstream.ts';

const evaluator = {
  evaluate: (): never => {
    throw new Error('nothing here needs Postgres');
  },
};

/** Gives every snapshot back at the end of a life. */
export class SimulatedRows extends RowStore {
  readonly #open = new Set<RowSnapshot>();

  override snapshot(): RowSnapshot {
    const snapshot = super.snapshot();
    this.#open.add(snapshot);
    return snapshot;
  }

  closeSnapshots(): void {
    for (const snapshot of this.#open) snapshot.close();
    this.#open.clear();
  }
}

export interface LifeParts {
  readonly dice: Dice;
  readonly disk: SimulatedDisk;
  readonly rows: SimulatedRows;
  readonly catalog: MemoryCatalog;
  readonly upstream: Upstream;
  readonly slowness: number;
  readonly segmentBytesMax: number;
  readonly nowMs: number;
  readonly output: SubscriptionOutput;
  /** What is never to be logged: a step or a subscription that failed. */
  failed(what: string): void;
}

export class Life {
  readonly time: SimulatedTime;
  readonly progress: SimulatedProgress;
  readonly ingest: Ingest;
  readonly fold: SimulatedFold;
  readonly engine: Engine;
  readonly flags = new CancelFlags();
  readonly toEngine = new Channel();
  readonly toMain = new Channel();
  /** To and from the query workers. */
  readonly beside = new Channel();
  /** The engine ticks. */
  isAttached = false;
  readonly #parts: LifeParts;

  constructor(parts: LifeParts) {
    this.#parts = parts;
    const { dice, disk, rows, catalog } = parts;
    const bounds = new LogBounds();
    this.time = new SimulatedTime(dice, parts.slowness, parts.nowMs);
    this.progress = new SimulatedProgress(this.time);
    this.fold = new SimulatedFold(disk, rows, bounds, dice);
    const wanted = catalog.objects().flatMap((object) => (object.kind === 'table' ? [object.upstream.oid] : []));
    this.ingest = new Ingest({ ...parts, bounds, wanted, progress: this.progress, logAtLeast: rows.logAtLeast });
    const dataflow = new Dataflow(evaluator, { validate: true, pieceRowsMax: dice.of([1, 2, 10, 1_000]) });
    const moved = (bytes: Uint8Array): Uint8Array => structuredClone(bytes, { transfer: [bytes.buffer as ArrayBuffer] });
    this.engine = new Engine({
      store: catalog,
      rows: new TableRows({ rows, log: new LogReader(disk, LOG_DIRECTORY), fold: this.fold, bounds }),
      dataflow,
      evaluator,
      stepper: new Stepper(dataflow, new LogReader(disk, LOG_DIRECTORY), this.time),
      progress: this.progress,
      time: this.time,
      logger: this.#logger(),
      cancelFlags: this.flags,
      types: [],
      describe: ({ op }) => op,
      startQueryWorker: () => this.#queryWorker(),
      output: {
        rows: (id, { bytes, rows: count }) => {
          const batch = { bytes: moved(bytes), rows: count };
          this.toMain.post(() => parts.output.rows(id, batch));
        },
        ended: (id, error) => this.toMain.post(() => parts.output.ended(id, error)),
      },
    });
  }

  /** Asks the engine, as the main thread does. */
  ask<T>(work: (engine: Engine) => T | Promise<T>): Promise<T> {
    return request(this.toEngine, this.toMain, () => work(this.engine));
  }

  async attach(): Promise<void> {
    await this.ask((engine) => engine.attach(this.#parts.catalog.objects()));
    this.isAttached = true;
  }

  #queryWorker(): QueryWorker {
    const { rows, disk } = this.#parts;
    const answers = new QueryAnswers({
      time: this.time,
      cancelFlags: this.flags,
      bytesMax: 64 << 20,
      evaluator: () => Promise.resolve(evaluator),
      snapshot: () => rows.snapshot(),
      log: () => new LogReader(disk, LOG_DIRECTORY),
    });
    const methods = answers as unknown as Record<string, (params: unknown) => unknown>;
    const call = async (method: keyof QueryMethods, params: unknown): Promise<unknown> => {
      const result = await request(this.beside, this.beside, () => methods[method]!(params));
      return result instanceof Transferred ? result.value : result;
    };
    return {
      rpc: { call: call as unknown as QueryWorker['rpc']['call'] },
      busyWith: undefined,
      isEnded: false,
      end: () => Promise.resolve(),
    };
  }

  #logger(): Logger {
    const logger = createLogger('silent');
    logger.error = (facts: unknown, what?: string): void => {
      // A view that cannot come back at a start says why; what fails beside all reasons is our own.
      if (what !== undefined && /^(?:a step|a subscription|what a subscription)/.test(what))
        this.#parts.failed(`${what}: ${JSON.stringify(facts)}`);
    };
    return logger;
  }
}
