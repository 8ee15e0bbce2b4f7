/**
 * How long a committed change takes to reach a subscriber: from just before COMMIT is sent to Postgres until the row arrives through SUBSCRIBE.
 * One process, one clock; the commit itself (an fsync) is inside the figure. Called by the demo.
 */
import { createInterface } from 'node:readline';
import type { Client } from 'pg';
import { to as copyTo } from 'pg-copy-streams';

/** An order whose row never comes would be waited for; past this many they are forgotten, oldest first. */
const WAITING_MAX = 100_000;

export class FreshnessMeter {
  readonly samplesMs: number[] = [];
  readonly #sent = new Map<string, number>();
  /** Rows that came before the commit was known here (the stream can be faster than the reply). */
  readonly #seen = new Map<string, number>();

  committed(orderId: number, sentAtMs: number): void {
    const key = String(orderId);
    const seenAtMs = this.#seen.get(key);
    if (seenAtMs === undefined) this.#sent.set(key, sentAtMs);
    else {
      this.#seen.delete(key);
      this.samplesMs.push(seenAtMs - sentAtMs);
    }
    if (this.#sent.size > WAITING_MAX) this.#sent.delete(this.#sent.keys().next().value!);
  }

  /** Follows the open orders until the connection ends. */
  async follow(client: Client): Promise<void> {
    const stream = client.query(copyTo('COPY (SUBSCRIBE open_orders WITH (SNAPSHOT = false)) TO STDOUT'));
    for await (const line of createInterface({ input: stream, crlfDelay: Infinity })) {
      const atMs = performance.now();
      const [, diff, id] = line.split('\t');
      if (Number(diff) < 0) continue;
      const sentAtMs = this.#sent.get(id!);
      if (sentAtMs === undefined) {
        if (this.#seen.size < WAITING_MAX) this.#seen.set(id!, atMs);
        continue;
      }
      this.#sent.delete(id!);
      this.samplesMs.push(atMs - sentAtMs);
    }
  }

  percentile(fraction: number): number {
    if (this.samplesMs.length === 0) return Number.NaN;
    const sorted = [...this.samplesMs].sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * fraction))]!;
  }
}
