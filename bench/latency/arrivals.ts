/** When each transaction's row arrived through SUBSCRIBE: reads CopyData lines `timestamp, diff, id, …` as they come. Used by `latency.ts`. */
import type { Client } from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { clockMs } from './clock.ts';

const TAB = 9;
const NEWLINE = 10;

export class Arrivals {
  /** Milliseconds since 1970, by transaction; 0 = not yet. */
  readonly arrivedMs: Float64Array;
  rows = 0;
  #field = 0;
  #id = 0;

  constructor(transactionsMax: number) {
    this.arrivedMs = new Float64Array(transactionsMax);
  }

  follow(client: Client, query: string): void {
    const stream = client.query(copyTo(`COPY (SUBSCRIBE (${query})) TO STDOUT`));
    stream.on('error', () => undefined);
    stream.on('data', (bytes: Buffer) => this.#read(bytes));
  }

  /** The third field of a line is the number of its transaction; lines may be cut anywhere. */
  #read(bytes: Buffer): void {
    const nowMs = clockMs();
    for (let i = 0; i < bytes.length; i++) {
      const byte = bytes[i]!;
      if (byte === NEWLINE) {
        if (this.#id < this.arrivedMs.length && this.arrivedMs[this.#id] === 0) this.arrivedMs[this.#id] = nowMs;
        this.rows++;
        this.#field = 0;
        this.#id = 0;
      } else if (byte === TAB) this.#field++;
      else if (this.#field === 2) this.#id = this.#id * 10 + byte - 48;
    }
  }
}
