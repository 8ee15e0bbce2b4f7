/**
 * Ctrl-C in the demo. During the show the first one ends it with its audit, the second one at once; before the show, and for SIGTERM and SIGHUP, the first does. "At once" still
 * takes away what was made: it rejects what is being waited for, and the demo's `finally` does the rest.
 */
export class Interrupted extends Error {
  override readonly name = 'Interrupted';
}

/** A terminal sends Ctrl-C to the whole group and `npm run` passes it on: the same key press comes twice. */
const SAME_KEY_PRESS_MS = 300;

export class Interruption {
  /** The show is to end with its audit. */
  now = false;
  showing = false;
  readonly #atOnce = Promise.withResolvers<never>();
  readonly #onFirst: () => void;
  #lastMs = -Infinity;
  #wake = Promise.withResolvers<void>();

  constructor(onFirst: () => void) {
    this.#onFirst = onFirst;
    this.#atOnce.promise.catch(() => undefined);
    process.on('SIGINT', this.#onInterrupt);
    for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.on(signal, this.#end);
  }

  readonly #end = (): void => {
    this.#wake.resolve();
    this.#atOnce.reject(new Interrupted('interrupted'));
  };

  readonly #onInterrupt = (): void => {
    const before = this.#lastMs;
    this.#lastMs = performance.now();
    if (this.#lastMs - before < SAME_KEY_PRESS_MS) return;
    if (!this.showing || this.now) return this.#end();
    this.now = true;
    this.#wake.resolve();
    this.#onFirst();
  };

  /** The work's outcome, or Interrupted. */
  async unlessAtOnce<T>(work: Promise<T>): Promise<T> {
    return Promise.race([work, this.#atOnce.promise]);
  }

  /** Sleeps, but not past an interruption. */
  async pause(ms: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const over = new Promise<void>((resolve) => (timer = setTimeout(resolve, ms)));
    await Promise.race([over, this.#wake.promise]);
    clearTimeout(timer);
  }

  /** From here on signals do what they do by default. */
  close(): void {
    process.off('SIGINT', this.#onInterrupt);
    for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.off(signal, this.#end);
  }
}
