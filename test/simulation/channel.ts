/** Messages from one thread to another: in order, each as late as the schedule wants. */
export class Channel {
  readonly #messages: (() => void)[] = [];

  get isEmpty(): boolean {
    return this.#messages.length === 0;
  }

  post(deliver: () => void): void {
    this.#messages.push(deliver);
  }

  deliver(): void {
    this.#messages.shift()?.();
  }
}

/** A request over one channel, its answer over another. */
export function request<T>(there: Channel, back: Channel, work: () => T | Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    there.post(() => {
      void (async () => work())().then(
        (result) => back.post(() => resolve(result)),
        (error: unknown) => back.post(() => reject(error instanceof Error ? error : new Error(String(error)))),
      );
    });
  });
}
