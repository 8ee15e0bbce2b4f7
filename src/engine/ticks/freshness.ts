/**
 * When the rows here were last known to be all that the upstream had: the one honest age of an answer. Observed by the engine's loop, since only there is it known how
 * far the log is applied; told by `status`.
 */
import type { Lsn } from '../../base/lsn.ts';
import type { IngestProgressValues } from '../../ingest/progress.ts';

export class Freshness {
  #caughtUpAtMs: number | null = null;

  /** null: never since the start. */
  get caughtUpAtMs(): number | null {
    return this.#caughtUpAtMs;
  }

  observe({ serverLsn, heardAtMs }: IngestProgressValues, appliedLsn: Lsn): void {
    if (heardAtMs > 0 && appliedLsn >= serverLsn) this.#caughtUpAtMs = heardAtMs;
  }
}
