/**
 * The worker thread that folds: when enough log has gathered, when little comes, or when asked. It alone writes the row store and deletes segments. Niced, since the
 * stream goes first. A hold keeps new passes from beginning, so that a reader can open its snapshot between two. Started by `fold-client.ts`.
 */
import { setPriority } from 'node:os';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { parentPort, workerData } from 'node:worker_threads';
import { must } from '../../base/assert.ts';
import { reasonOf } from '../../base/errors.ts';
import { createLogger } from '../../base/logging.ts';
import { serve } from '../../base/rpc.ts';
import { StateLog } from '../../base/state-log.ts';
import { realDisk } from '../disk.ts';
import { LogBounds } from '../log/bounds.ts';
import { LogReader } from '../log/reader.ts';
import { deleteSegments } from '../log/retention.ts';
import { Fold, type FoldOptions } from './fold.ts';
import { RowStore } from './row-store.ts';

export interface FoldWorkerData extends FoldOptions {
  readonly rowsDirectory: string;
  readonly logDirectory: string;
  readonly bounds: SharedArrayBuffer;
  readonly idleMs?: number;
}

export interface FoldStatus {
  readonly foldedTo: number;
  readonly isFolding: boolean;
  /** Tables whose rows contradict the stream, and why. */
  readonly broken: readonly { readonly oid: number; readonly reason: string }[];
  /** Why the last attempt failed; it is repeated by itself. */
  readonly failure?: string;
}

export interface FoldMethods {
  foldTo(params: { readonly offset: number }): void;
  hold(params: undefined): { readonly foldedTo: number };
  release(params: undefined): void;
  status(params: undefined): FoldStatus;
  close(params: undefined): void;
}

/**
 * Fold when this much log has gathered, or a quarter of the row store if that is more: a pass rewrites pages by the number of rows it touches.
 * The soak sets a small one, so that its kills meet folds.
 */
const GATHERED_BYTES_MIN = Number(process.env['MILLRACE_FOLD_BYTES'] ?? 64 << 20);
/** Beyond what one pass takes in, waiting gains nothing. */
const GATHERED_BYTES_MAX = 1 << 30;
/** Idle: less than this came in `idleMs`. */
const IDLE_BYTES_MAX = 256 << 10;
const IDLE_MS = 30_000;
const LOOK_MS = 250;
const RETRY_MS = 5_000;
const NICEST = 19;

interface Waiting {
  readonly offset: number;
  resolve(): void;
  reject(error: unknown): void;
}

class FoldLoop {
  readonly #states = new StateLog(createLogger());
  readonly #rows: RowStore;
  readonly #fold: Fold;
  readonly #bounds: LogBounds;
  readonly #logDirectory: string;
  readonly #idleMs: number;
  #holders = 0;
  #isFolding = false;
  #isClosing = false;
  #failure: unknown;
  #holdsWanted: (() => void)[] = [];
  #foldsWanted: Waiting[] = [];
  #wake = Promise.withResolvers<void>();
  /** The last pass found nothing whole before this offset: no use to look again until more has come. */
  #fruitlessTo = 0;
  #idleSince = performance.now();
  #idleOffset = 0;

  constructor(data: FoldWorkerData) {
    this.#rows = new RowStore(data.rowsDirectory);
    this.#fold = new Fold(this.#rows, new LogReader(realDisk, data.logDirectory), data);
    this.#bounds = new LogBounds(data.bounds);
    this.#logDirectory = data.logDirectory;
    this.#idleMs = data.idleMs ?? IDLE_MS;
    this.#bounds.publishFolded(this.#fold.foldedTo.offset);
  }

  async run(): Promise<void> {
    while (!this.#isClosing) {
      try {
        if (this.#mayPass() && (this.#fold.isUnderWay || (this.#holders === 0 && this.#holdsWanted.length === 0 && this.#isDue()))) {
          await this.#pass();
          continue;
        }
        this.#grantHolds();
        await this.#rest(LOOK_MS);
      } catch (error) {
        this.#failure = error;
        this.#states.becomes(
          'fold',
          'failed',
          'error',
          () => `rows cannot be folded: ${reasonOf(error)}; it is tried again by itself`,
          'well',
        );
        for (const waiting of this.#foldsWanted.splice(0)) waiting.reject(error);
        await this.#rest(RETRY_MS);
      }
    }
    await this.#rows.close();
  }

  foldTo(offset: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#foldsWanted.push({ offset, resolve, reject });
      this.#wake.resolve();
    });
  }

  hold(): Promise<{ foldedTo: number }> {
    return new Promise((resolve) => {
      this.#holdsWanted.push(() => {
        this.#holders++;
        resolve({ foldedTo: this.#fold.foldedTo.offset });
      });
      this.#wake.resolve();
    });
  }

  release(): void {
    this.#holders--;
    this.#wake.resolve();
  }

  status(): FoldStatus {
    const broken: { oid: number; reason: string }[] = [];
    for (const [oid, { state, reason }] of this.#rows.tables()) if (state === 'broken') broken.push({ oid, reason: reason ?? '' });
    return {
      foldedTo: this.#fold.foldedTo.offset,
      isFolding: this.#isFolding,
      broken,
      ...(this.#failure === undefined ? {} : { failure: this.#failure instanceof Error ? this.#failure.message : 'unknown' }),
    };
  }

  close(): void {
    this.#isClosing = true;
    this.#wake.resolve();
  }

  /** The writer has opened the log (before that nothing is known to be synced), and it reaches as far as an interrupted pass went. */
  #mayPass(): boolean {
    const { syncedOffset } = this.#bounds;
    return syncedOffset > 0 && syncedOffset >= this.#rows.logAtLeast;
  }

  #isDue(): boolean {
    const foldable = this.#bounds.foldableOffset;
    const foldedTo = this.#fold.foldedTo.offset;
    this.#foldsWanted = this.#foldsWanted.filter((waiting) => {
      const done = foldedTo >= Math.min(waiting.offset, foldable) || this.#fruitlessTo >= foldable;
      if (done) waiting.resolve();
      return !done;
    });
    const now = performance.now();
    const isIdle = foldable - this.#idleOffset < IDLE_BYTES_MAX && now - this.#idleSince >= this.#idleMs;
    if (now - this.#idleSince >= this.#idleMs) {
      this.#idleOffset = foldable;
      this.#idleSince = now;
    }
    const gathered = foldable - foldedTo;
    if (gathered <= 0) return false;
    if (this.#foldsWanted.length > 0) return true;
    // A huge transaction whose end is not in sight is looked through again only after a quarter more of it has come.
    if (this.#fruitlessTo > foldedTo && foldable - foldedTo < (this.#fruitlessTo - foldedTo) * 1.25) return false;
    return isIdle || gathered >= Math.min(GATHERED_BYTES_MAX, Math.max(GATHERED_BYTES_MIN, this.#rows.bytes / 4));
  }

  async #pass(): Promise<void> {
    this.#isFolding = true;
    try {
      const limit = this.#bounds.foldableOffset;
      const steps = this.#fold.pass(limit, this.#bounds.syncedOffset);
      let step = steps.next();
      while (step.done !== true) {
        // Let a status through; a hold waits for the end of the pass.
        await nextTurn();
        if (this.#isClosing) return;
        step = steps.next();
      }
      this.#fruitlessTo = step.value ? 0 : limit;
      if (!step.value) return;
      await this.#rows.flushed();
      this.#bounds.publishFolded(this.#fold.foldedTo.offset);
      deleteSegments(realDisk, this.#logDirectory, Math.min(this.#fold.neededFrom, this.#bounds.lowestPin), this.#bounds.syncedOffset);
      this.#failure = undefined;
      this.#states.becomes('fold', 'well', 'info', () => 'rows are folded again', 'well');
    } finally {
      this.#isFolding = false;
    }
  }

  #grantHolds(): void {
    // A pass that was interrupted, and cannot be finished yet, leaves nothing to read.
    if (!this.#fold.isUnderWay) for (const grant of this.#holdsWanted.splice(0)) grant();
  }

  async #rest(ms: number): Promise<void> {
    const timer = setTimeout(() => this.#wake.resolve(), ms);
    await this.#wake.promise;
    clearTimeout(timer);
    this.#wake = Promise.withResolvers<void>();
  }
}

// On Linux this nices the calling thread alone; elsewhere it would slow the whole process.
if (process.platform === 'linux') setPriority(0, NICEST);
const port = must(parentPort, 'the parent of the fold worker');
const loop = new FoldLoop(workerData as FoldWorkerData);
const finished = loop.run();
serve<FoldMethods>(port, {
  foldTo: ({ offset }) => loop.foldTo(offset),
  hold: () => loop.hold(),
  release: () => loop.release(),
  status: () => loop.status(),
  close: async () => {
    loop.close();
    await finished;
  },
});
