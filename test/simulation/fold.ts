/** The fold, a commit at a time: the real one over the real rows; between two steps anything may happen, and a kill leaves it where it stands (`fold-worker.ts`). */
import { millraceError } from '../../src/base/errors.ts';
import type { FoldHandle } from '../../src/engine/source/table-rows.ts';
import type { LogBounds } from '../../src/store/log/bounds.ts';
import { LogReader } from '../../src/store/log/reader.ts';
import { deleteSegments } from '../../src/store/log/retention.ts';
import { Fold } from '../../src/store/rows/fold.ts';
import type { RowStore } from '../../src/store/rows/row-store.ts';
import type { SimulatedDisk } from '../../src/store/testing/simulated-disk.ts';
import type { Dice } from './dice.ts';
import { LOG_DIRECTORY } from './ingest.ts';

export class SimulatedFold implements FoldHandle {
  readonly #disk: SimulatedDisk;
  readonly #rows: RowStore;
  readonly #bounds: LogBounds;
  readonly #fold: Fold;
  #pass: Generator<void, boolean> | undefined;
  #limit = 0;
  #fruitlessTo = 0;
  #holders = 0;
  #holds: (() => void)[] = [];
  #wanted: { readonly offset: number; readonly resolve: () => void; readonly reject: (error: Error) => void }[] = [];
  /** The row store's disk is full: nothing is folded. */
  isFull = false;

  constructor(disk: SimulatedDisk, rows: RowStore, bounds: LogBounds, dice: Dice) {
    this.#disk = disk;
    this.#rows = rows;
    this.#bounds = bounds;
    this.#fold = new Fold(rows, new LogReader(disk, LOG_DIRECTORY), {
      passBytesMax: dice.of([500, 5_000, 1 << 20]),
      chunkRowsMax: dice.of([1, 3, 100]),
      blockBytesMax: dice.of([60, 400, 8_000]),
    });
    bounds.publishFolded(this.#fold.foldedTo.offset);
  }

  foldTo(offset: number): Promise<void> {
    return new Promise((resolve, reject) => this.#wanted.push({ offset, resolve, reject }));
  }

  hold(): Promise<void> {
    return new Promise((resolve) =>
      this.#holds.push(() => {
        this.#holders++;
        resolve();
      }),
    );
  }

  release(): void {
    this.#holders--;
  }

  async close(): Promise<void> {}

  /** Somebody waits for it. */
  get isWanted(): boolean {
    return this.#pass !== undefined || this.#holds.length > 0 || this.#wanted.length > 0;
  }

  step(): void {
    if (this.#pass !== undefined) return this.#go();
    this.#answer();
    const isUnderWay = this.#fold.isUnderWay;
    const mayPass = this.#bounds.syncedOffset > 0 && this.#bounds.syncedOffset >= this.#rows.logAtLeast && !this.isFull;
    const hasMore = this.#bounds.foldableOffset > Math.max(this.#fold.foldedTo.offset, this.#fruitlessTo);
    if (mayPass && (isUnderWay || (this.#holders === 0 && this.#holds.length === 0 && hasMore))) {
      this.#limit = this.#bounds.foldableOffset;
      this.#pass = this.#fold.pass(this.#limit, this.#bounds.syncedOffset);
      return this.#go();
    }
    if (!isUnderWay) for (const grant of this.#holds.splice(0)) grant();
  }

  #answer(): void {
    const foldable = this.#bounds.foldableOffset;
    const folded = this.#fold.foldedTo.offset;
    this.#wanted = this.#wanted.filter(({ offset, resolve, reject }) => {
      if (this.isFull) reject(millraceError('ROWS_DISK_FULL', { reason: 'simulated' }));
      else if (folded >= Math.min(offset, foldable) || this.#fruitlessTo >= foldable) resolve();
      else return true;
      return false;
    });
  }

  #go(): void {
    const step = this.#pass!.next();
    if (step.done !== true) return;
    this.#pass = undefined;
    this.#fruitlessTo = step.value ? 0 : this.#limit;
    if (!step.value) return;
    this.#bounds.publishFolded(this.#fold.foldedTo.offset);
    const needed = Math.min(this.#fold.neededFrom, this.#bounds.lowestPin);
    deleteSegments(this.#disk, LOG_DIRECTORY, needed, this.#bounds.syncedOffset);
  }
}
