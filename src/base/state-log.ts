/**
 * One line for a change of state, whatever is told how often: who operates Millrace reads when something was lost and when it came back, and nothing in between.
 * Bounded (I-6): states that flap fill no disk; how many lines were left out is said. Messages of errors hold no secrets; details, which quote servers, are not written.
 */
import type { Logger } from './logging.ts';

const LINES_A_MINUTE_MAX = 60;
const MINUTE_MS = 60_000;
/** Subjects beyond are not remembered one by one; a source has fewer tables than that. */
const SUBJECTS_MAX = 20_000;

export class StateLog {
  readonly #logger: Pick<Logger, 'info' | 'warn' | 'error'>;
  readonly #now: () => number;
  readonly #states = new Map<string, { readonly state: string; readonly sinceMs: number }>();
  #minuteSinceMs = 0;
  #lines = 0;
  #leftOut = 0;

  constructor(logger: Pick<Logger, 'info' | 'warn' | 'error'>, now: () => number = Date.now) {
    this.#logger = logger;
    this.#now = now;
  }

  /** `line`: told how long the state before lasted; undefined: nothing to say. `expected`: the state of a subject that was never heard of. */
  becomes(
    subject: string,
    state: string,
    level: 'info' | 'warn' | 'error',
    line: (lastedMs: number) => string | undefined,
    expected?: string,
  ): void {
    const before = this.#states.get(subject);
    if ((before?.state ?? expected) === state) return;
    const nowMs = this.#now();
    if (before === undefined && this.#states.size >= SUBJECTS_MAX) return;
    this.#states.set(subject, { state, sinceMs: nowMs });
    const text = line(before === undefined ? 0 : nowMs - before.sinceMs);
    if (text !== undefined) this.#say(level, text, nowMs);
  }

  forget(subject: string): void {
    this.#states.delete(subject);
  }

  #say(level: 'info' | 'warn' | 'error', text: string, nowMs: number): void {
    if (nowMs - this.#minuteSinceMs >= MINUTE_MS) {
      if (this.#leftOut > 0) this.#logger.warn(`${this.#leftOut} further changes of state were not written`);
      this.#minuteSinceMs = nowMs;
      this.#lines = this.#leftOut = 0;
    }
    if (++this.#lines > LINES_A_MINUTE_MAX) this.#leftOut++;
    else this.#logger[level](text);
  }
}

/** `42 s`, `3 min`, `5 h`. */
export function spoken(ms: number): string {
  const seconds = Math.round(ms / 1000);
  if (seconds < 120) return `${Math.max(seconds, 0)} s`;
  return seconds < 7_200 ? `${Math.round(seconds / 60)} min` : `${Math.round(seconds / 3600)} h`;
}
