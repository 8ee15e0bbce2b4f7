/** A pause that somebody else may end early: between two attempts to connect. */
export class Pause {
  #end: () => void = () => {};

  /** `timeoutMs` undefined: until `end`. An aborted signal does not wait at all. */
  wait(timeoutMs: number | undefined, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = timeoutMs === undefined ? undefined : setTimeout(resolve, timeoutMs);
      this.#end = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  end(): void {
    this.#end();
  }
}
