/** One thing to do at a time to come; asked anew, the earlier time counts no more. Does not keep the process alive. */
export class Alarm {
  #timer: NodeJS.Timeout | undefined;

  get isSet(): boolean {
    return this.#timer !== undefined;
  }

  after(ms: number, work: () => void): void {
    this.clear();
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      work();
    }, ms);
    this.#timer.unref();
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
