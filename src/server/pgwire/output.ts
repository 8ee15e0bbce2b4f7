/**
 * The way to the socket. Small messages gather until `flush`; a batch of rows goes out at once, and the next is asked for only when the socket has room: a result is
 * never buffered here (I-6). After the connection is gone every wait ends with `ConnectionGone`, which unwinds the statement. Called by `connection.ts` and `extended.ts`.
 */
import type { Socket } from 'node:net';

/** Not for users: nobody is there to read it. */
export class ConnectionGone extends Error {
  override readonly name = 'ConnectionGone';
}

/** Small answers gather up to this, then go out without waiting for Sync. */
const GATHER_BYTES_MAX = 64 << 10;

export class Output {
  readonly #socket: Socket;
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;
  #drained: (() => void) | undefined;
  #gone = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('drain', () => this.#wake());
    socket.on('close', () => {
      this.#gone = true;
      this.#wake();
    });
  }

  push(bytes: Uint8Array): void {
    this.#gathered.push(bytes);
    this.#gatheredBytes += bytes.length;
  }

  /** Whether enough has gathered that it should go out now. */
  get full(): boolean {
    return this.#gatheredBytes >= GATHER_BYTES_MAX;
  }

  async write(batch: Uint8Array): Promise<void> {
    this.push(batch);
    await this.flush();
  }

  /** Sends what has gathered; resolves when the socket has room again. */
  async flush(): Promise<void> {
    this.send();
    while (!this.#gone && this.#socket.writableNeedDrain) {
      await new Promise<void>((resolve) => {
        this.#drained = resolve;
      });
    }
    if (this.#gone) throw new ConnectionGone();
  }

  /** Sends without waiting: for last words. */
  send(): void {
    if (this.#gatheredBytes === 0) return;
    const bytes = this.#gathered.length === 1 ? this.#gathered[0]! : Buffer.concat(this.#gathered, this.#gatheredBytes);
    this.#gathered = [];
    this.#gatheredBytes = 0;
    if (!this.#gone && this.#socket.writable) this.#socket.write(bytes);
  }

  #wake(): void {
    const drained = this.#drained;
    this.#drained = undefined;
    drained?.();
  }
}
