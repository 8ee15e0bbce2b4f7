/**
 * What to do when a step of the engine's loop throws, which no view, table or reader may cause (they fail alone): a disk that is full, a log that cannot be read.
 *
 *     the step left nothing half done   →  it is logged, and tried again after a pause that grows: what is here is served meanwhile
 *     changes were taken, no tick made  →  given up: what the views stand at is not known, and a restart makes them anew from the log (I-1)
 *
 * Giving up is loud: the thread ends with the cause, and the process with it. Called by the engine's loop.
 */
import { millraceError, reasonOf } from '../../base/errors.ts';

const PAUSE_MS = 50;
const PAUSE_MS_MAX = 5_000;

export class StepFailures {
  #inARow = 0;

  none(): void {
    this.#inARow = 0;
  }

  /** How long to wait before the next try; throws to give up. */
  one(cause: unknown, isHalfDone: boolean): number {
    if (isHalfDone) throw millraceError('ENGINE_FAULT', { reason: `a step failed half-way: ${reasonOf(cause)}` }, cause);
    return Math.min(PAUSE_MS_MAX, PAUSE_MS * 2 ** this.#inARow++);
  }
}

export function traceOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
