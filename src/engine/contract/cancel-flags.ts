/**
 * Which queries are cancelled, in memory shared by the main thread (which hears the client) and the engine worker (which may be in the middle of a long
 * evaluation and hears nothing); and whether all is to stop. Query numbers only rise, so a cell that another number has taken since means: not cancelled, and nothing need be cleared.
 */
const CELLS = 1024;

export class CancelFlags {
  readonly buffer: SharedArrayBuffer;
  readonly #cells: Int32Array;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer((CELLS + 1) * 4)) {
    this.buffer = buffer;
    this.#cells = new Int32Array(buffer);
  }

  cancel(queryId: number): void {
    Atomics.store(this.#cells, queryId % CELLS, queryId | 0);
  }

  /** The server stops: everything is cancelled. */
  stop(): void {
    Atomics.store(this.#cells, CELLS, 1);
  }

  isCancelled(queryId: number): boolean {
    return Atomics.load(this.#cells, queryId % CELLS) === (queryId | 0) || Atomics.load(this.#cells, CELLS) === 1;
  }
}
