/** What follows a failed session: another attempt after a growing pause, a slow one after a refusal, or none. Pure. Keeps I-6: no error is tried again without a pause. */
import { MillraceError, millraceError } from '../base/errors.ts';
import { hasSpace } from '../store/disk-full.ts';
import { isTransient } from '../upstream/connection/classify.ts';

const FIRST_MS = 250;
const MAX_MS = 30_000;
/** A wrong password is not tried often: some hosts lock the role out. */
const AUTHENTICATION_MS = 5_000;
/** Somebody may put a refusal right upstream (point back to the right server, raise wal_level). */
const REFUSED_MS = 60_000;

export interface Retry {
  readonly state: 'retrying' | 'stopped';
  /** Undefined: only a restart, or a new connection, goes on. */
  readonly waitMs: number | undefined;
  /** To be handed in the next time. */
  readonly pauseMs: number;
}

/** `pauseMs`: of the attempt before, 0 after a stream that was steady. `random`: in [0, 1). */
export function afterFailure(failure: Error, pauseMs: number, random: number): Retry {
  if (!(failure instanceof MillraceError)) return { state: 'stopped', waitMs: undefined, pauseMs: 0 };
  if (!isTransient(failure)) return { state: 'stopped', waitMs: isFinal(failure) ? undefined : REFUSED_MS, pauseMs: 0 };
  const pause = pauseMs === 0 ? FIRST_MS : Math.min(2 * pauseMs, MAX_MS);
  const least = failure.code === 'UPSTREAM_AUTHENTICATION_FAILED' ? AUTHENTICATION_MS : 0;
  return { state: 'retrying', waitMs: Math.max(least, pause * (0.75 + random / 2)), pauseMs: pause };
}

/** Nothing that may happen upstream makes it good: only the user does. */
function isFinal({ code }: MillraceError): boolean {
  return code.startsWith('LOG_') || code === 'PUBLICATION_REMADE';
}

/** As users see it: what is no upstream's and no log's error is a fault of our own. */
export function ingestError(failure: Error): MillraceError {
  return failure instanceof MillraceError ? failure : millraceError('INGEST_FAILED', { said: failure.stack ?? failure.message }, failure);
}

/** A disk that is as full as it was: no use to connect, and to stream what cannot be kept. */
export function refuseFullDisk(before: Error | undefined, logDirectory: string): void {
  if (before instanceof MillraceError && before.code === 'LOG_DISK_FULL' && !hasSpace(logDirectory)) throw before;
}

/** At a start: what is here is served although nothing can be written; the first session meets the same error, and is tried again. */
export function unlessDiskFull(work: () => void): void {
  try {
    work();
  } catch (error) {
    if (!(error instanceof MillraceError) || error.code !== 'LOG_DISK_FULL') throw error;
  }
}
