/** What ingest publishes, as the engine sees it: at once where it looks, a turn later where it waits. */
import type { IngestProgressValues } from '../../src/ingest/progress.ts';
import type { ProgressReader } from '../../src/engine/ticks/waiting.ts';
import type { SimulatedTime } from './time.ts';

export class SimulatedProgress implements ProgressReader {
  readonly #time: SimulatedTime;
  readonly #values: IngestProgressValues = {
    committedOffset: 0,
    syncedOffset: 0,
    committedLsn: 0n,
    syncedLsn: 0n,
    acknowledgedLsn: 0n,
    serverLsn: 0n,
    committedAtMs: 0,
    heardAtMs: 0,
  };
  sequence = 0;
  #published = Promise.withResolvers<void>();

  constructor(time: SimulatedTime) {
    this.#time = time;
  }

  publish(values: Partial<IngestProgressValues>): void {
    Object.assign(this.#values, values);
    this.sequence++;
    this.#published.resolve();
    this.#published = Promise.withResolvers<void>();
  }

  read(): IngestProgressValues {
    return { ...this.#values };
  }

  async changed(sequence: number, timeoutMs: number): Promise<void> {
    if (sequence === this.sequence) await this.#time.sleep(timeoutMs, this.#published.promise);
  }
}
