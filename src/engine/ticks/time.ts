/**
 * The engine's time and turns, handed in: nothing else in this folder looks at a clock or waits by itself, so that a simulation runs the whole engine on a time of its
 * own. `realTime` is for the entries of workers, and for tests in real time.
 */
export interface Time {
  /** Milliseconds since 1970, by the system's clock: it may jump. */
  wallMs(): number;
  /** Never falls. Between two looks any time may have passed. */
  nowMs(): number;
  /** What this thread has worked: on a busy machine the clock runs on while nobody works. */
  threadMs(): number;
  /** Resolves when everybody else who was ready has had a turn: messages, timers, the next tick. */
  turn(): Promise<void>;
  /** Resolves after so long, or as soon as `earlier` does. */
  sleep(ms: number, earlier?: Promise<unknown>): Promise<void>;
}

export const realTime: Time = {
  wallMs: () => Date.now(),
  nowMs: () => performance.now(),
  threadMs() {
    // Node 24; elsewhere the clock has to do.
    if (typeof process.threadCpuUsage !== 'function') return performance.now();
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1000;
  },
  turn: () => new Promise((resolve) => setImmediate(resolve)),
  async sleep(ms, earlier) {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    await (earlier === undefined ? promise : Promise.race([promise, earlier]));
    clearTimeout(timer);
  },
};
