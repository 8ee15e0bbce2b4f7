/**
 * The engine's loop: upstream transactions in, ticks out, for as long as the source is there.
 *
 *     progress → step whole transactions, within a tick's limits → pin the rows → tell of stopped tables → a timestamp for subscribers → marks whose cut is synced → wait
 *
 * Keeps I-2 (a timestamp is given out between transactions only) and the order in which clients hear: a tick's rows before its mark, a mark after its sync. What throws
 * here is nobody's view, table or reader: `step-failures.ts` decides. Run by the engine; one file of I/O, its decision (`tickOf`) is pure.
 */
import { limits } from '../../base/limits.ts';
import type { Logger } from '../../base/logging.ts';
import type { Lsn } from '../../base/lsn.ts';
import type { IngestProgressValues } from '../../ingest/progress.ts';
import { syncedBehind } from '../../store/log/transactions.ts';
import type { Subscriptions } from '../feeds/subscriptions.ts';
import type { Stepper } from '../source/stepper.ts';
import type { TickClock } from './clock.ts';
import { StepFailures, traceOf } from './step-failures.ts';
import type { Time } from './time.ts';
import type { ProgressReader } from './waiting.ts';

/** How long the loop sleeps when nothing comes: marks for idle subscribers, and a look at the sync. */
const IDLE_MS = 250;

export interface TickLoopParts {
  readonly stepper: Stepper;
  readonly progress: ProgressReader;
  readonly clock: TickClock;
  readonly subscriptions: Pick<Subscriptions, 'size' | 'tick' | 'synced'>;
  readonly time: Time;
  readonly logger: Logger;
  /** The stepper has come to another place, or knows a later LSN. */
  moved(): void;
  /** Between the step and its timestamp: what must be told before it. */
  stepped(): void;
  /** After each round. */
  looked(progress: IngestProgressValues): void;
}

export interface Step {
  /** Whether the stepper took anything, and where it stands. */
  readonly moved: boolean;
  readonly offset: number;
  readonly lsn: Lsn;
  /** What was published before it began. */
  readonly published: Pick<IngestProgressValues, 'committedOffset' | 'committedLsn'>;
}

export interface Tick {
  /** There may be more to take at once. */
  readonly more: boolean;
  /** Everything committed upstream before it is here, also where the upstream wrote nothing for us. */
  readonly lsn: Lsn;
}

/** What follows from a step. */
export function tickOf({ moved, offset, lsn, published }: Step): Tick {
  const arrived = offset >= published.committedOffset || !moved;
  return {
    more: !arrived,
    lsn: arrived && lsn < published.committedLsn ? published.committedLsn : lsn,
  };
}

export class TickLoop {
  /** Steps that took something. */
  ticks = 0;
  readonly #parts: TickLoopParts;
  #isRunning = true;

  constructor(parts: TickLoopParts) {
    this.#parts = parts;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  stop(): void {
    this.#isRunning = false;
  }

  /** Ends after `stop`, or by a failure that a restart has to mend: it is told, and never silent. */
  async run(): Promise<void> {
    const { stepper, progress, clock, subscriptions, time, logger } = this.#parts;
    const failures = new StepFailures();
    while (this.#isRunning) {
      const { sequence } = progress;
      // Before the step: what was synced by then is of a tick whose rows went out.
      const published = progress.read();
      const { changes, position } = stepper;
      let more = false;
      try {
        more = clock.canTick && this.#advance(published);
        failures.none();
      } catch (error) {
        logger.error({ error: traceOf(error) }, 'a step failed');
        await time.sleep(failures.one(error, stepper.changes !== changes && stepper.position === position));
        continue;
      }
      subscriptions.synced(published.syncedOffset);
      this.#parts.looked(progress.read());
      if (more) await time.turn();
      else await progress.changed(sequence, IDLE_MS);
    }
  }

  #advance(published: IngestProgressValues): boolean {
    const { stepper, clock, subscriptions } = this.#parts;
    const { committedOffset } = published;
    const moved =
      stepper.position.offset < committedOffset &&
      stepper.advance(committedOffset, { bytesMax: limits.tickBytesMax, msMax: limits.tickMsMax });
    const { offset } = stepper.position;
    const tick = tickOf({ moved, offset, lsn: stepper.lsn, published });
    if (moved) this.ticks++;
    if (moved || tick.lsn !== stepper.lsn) {
      stepper.lsn = tick.lsn;
      this.#parts.moved();
    }
    this.#parts.stepped();
    // Something came, or somebody waits to hear that nothing did.
    if (moved || subscriptions.size > 0) subscriptions.tick(clock.next(), syncedBehind(stepper.position));
    return tick.more;
  }
}
