/**
 * Waiting, with limits (I-6): requests are sent again after throttling, "another operation is running" and lost answers; states are polled until they are as wished.
 * Used by the clients of the control planes and by nobody else.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { millraceError, reasonOf } from '../../base/errors.ts';
import type { Progress } from '../model.ts';

export interface Patience {
  /** Between two looks at a state. Clouds change in seconds to minutes. */
  readonly pollMs: number;
  /** The first pause after a refused request; doubles up to pollMs. */
  readonly retryMs: number;
  /** How often one request is sent at most when it is throttled or gets lost. */
  readonly triesMax: number;
  /** For an operation without a restart, and for the queue in front of ours. */
  readonly operationTimeoutMs: number;
  /** For a restart: minutes on a busy server. */
  readonly restartTimeoutMs: number;
}

export const PATIENCE: Patience = {
  pollMs: 5_000,
  retryMs: 500,
  triesMax: 8,
  operationTimeoutMs: 15 * 60_000,
  restartTimeoutMs: 30 * 60_000,
};

/** What an error of an SDK means for the next step. */
export type Trouble =
  /** Not carried out: send again a little later. */
  | 'throttled'
  /** Not carried out: something else runs; wait for it. */
  | 'busy'
  /** Nobody knows whether it was carried out: look before sending again. */
  | 'lost'
  | 'final';

/** How the requests of one control plane fail, and for how long that is borne. */
export interface Service {
  readonly trouble: (error: unknown) => Trouble;
  readonly translate: (error: unknown, operation: string) => Error;
  readonly patience: Patience;
}

export interface Change<T> extends Service {
  readonly operation: string;
  readonly send: () => Promise<T>;
  /** After a lost answer: what the answer would have been when it was carried out (or is underway); undefined: it was not. */
  readonly done: () => Promise<T | undefined>;
  readonly progress?: Progress;
  readonly signal?: AbortSignal | undefined;
}

/** Sends a reading request until it is answered: there is nothing that a lost answer can have done. */
export function read<T>(service: Service, operation: string, send: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  return change({ ...service, operation, send, signal, done: () => Promise.resolve(undefined) });
}

/** Sends a changing request until it is known to be carried out, and never again after that. */
export async function change<T>(options: Change<T>): Promise<T> {
  const { operation, patience, signal } = options;
  const deadline = performance.now() + patience.operationTimeoutMs;
  for (let sent = 1; ; sent++) {
    signal?.throwIfAborted();
    let trouble: Trouble;
    let failure: unknown;
    try {
      return await options.send();
    } catch (error) {
      signal?.throwIfAborted();
      trouble = options.trouble(error);
      failure = error;
    }
    if (trouble === 'final') throw options.translate(failure, operation);
    if (trouble === 'busy') {
      // Waiting for somebody else is no try of ours: only time ends it.
      sent--;
      options.progress?.(`${operation}: another operation is running`);
      if (performance.now() > deadline)
        throw millraceError(
          'CLOUD_WAIT_EXPIRED',
          {
            what: `the operation in front of ${operation}`,
            seconds: seconds(patience.operationTimeoutMs),
            last: reasonOf(failure),
            where: "the cloud's console",
          },
          failure,
        );
      await sleep(patience.pollMs, undefined, { signal });
      // What runs may be our own, of a request whose answer was lost, or somebody else's of the same kind.
      const outcome = await options.done();
      if (outcome !== undefined) return outcome;
      continue;
    }
    if (sent >= patience.triesMax) throw millraceError('CLOUD_UNREACHABLE', { operation, tries: sent, reason: reasonOf(failure) }, failure);
    options.progress?.(`${operation}: ${trouble === 'lost' ? 'no answer, looking whether it was done' : 'throttled, waiting'}`);
    await sleep(Math.min(patience.retryMs * 2 ** (sent - 1), patience.pollMs), undefined, { signal });
    if (trouble === 'lost') {
      const outcome = await options.done();
      if (outcome !== undefined) return outcome;
    }
  }
}

/** A restart does not show at once: only after these looks is it sure that the one whose answer was lost was not carried out. */
const LOOKS_BEFORE_SECOND_RESTART = 4;

export async function lookRepeatedly<T>(
  look: () => Promise<T | undefined>,
  patience: Patience,
  signal: AbortSignal | undefined,
): Promise<T | undefined> {
  for (let looks = 0; looks < LOOKS_BEFORE_SECOND_RESTART; looks++) {
    const outcome = await look();
    if (outcome !== undefined) return outcome;
    await sleep(patience.pollMs, undefined, { signal });
  }
  return undefined;
}

export interface Wait {
  readonly what: string;
  /** Where a person looks when it does not end. */
  readonly where: string;
  /** A restart takes longer than anything else. */
  readonly restarts: boolean;
  readonly progress: Progress;
  readonly signal?: AbortSignal | undefined;
}

/** Looks until it is done; what is seen is reported. */
export async function waitUntil(patience: Patience, wait: Wait, look: () => Promise<{ done: boolean; seen: string }>): Promise<void> {
  const timeoutMs = wait.restarts ? patience.restartTimeoutMs : patience.operationTimeoutMs;
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const { done, seen } = await look();
    wait.progress(`${wait.what}: ${seen}`);
    if (done) return;
    if (performance.now() > deadline)
      throw millraceError('CLOUD_WAIT_EXPIRED', { what: wait.what, seconds: seconds(timeoutMs), last: seen, where: wait.where });
    await sleep(patience.pollMs, undefined, { signal: wait.signal });
  }
}

function seconds(ms: number): number {
  return Math.max(1, Math.round(ms / 1_000));
}

const LOST = new Set([
  'ECONNRESET',
  'ECONNREFUSED',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EAI_AGAIN',
  'ENOTFOUND',
  'UND_ERR_SOCKET',
  'UND_ERR_HEADERS_TIMEOUT',
]);

/** Whether the connection broke: the code may be some causes deep. */
export function connectionBroke(error: unknown): boolean {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    if ('code' in at && typeof at.code === 'string' && LOST.has(at.code)) return true;
    if (at.name === 'TimeoutError' || at.name === 'AbortError' || /socket hang up|fetch failed/.test(at.message)) return true;
  }
  return false;
}
