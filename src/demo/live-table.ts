/** The demo's views as they change: drawn over itself twice a second, as wide as the terminal is. */
import type pg from 'pg';
import type { FreshnessMeter } from './freshness.ts';
import type { Interruption } from './interruption.ts';
import { bytes, grouped, type Screen } from './screen.ts';
import type { Workload } from './workload.ts';

const REFRESH_MS = 500;
const NAME_COLUMNS = 18;

export class LiveTable {
  engine: pg.Client;
  readonly #screen: Screen;
  readonly #workload: Workload;
  readonly #meter: FreshnessMeter;
  readonly #startedAtMs = performance.now();

  constructor(screen: Screen, engine: pg.Client, workload: Workload, meter: FreshnessMeter) {
    this.#screen = screen;
    this.engine = engine;
    this.#workload = workload;
    this.#meter = meter;
  }

  async during(forMs: number | undefined, interruption: Interruption): Promise<void> {
    const endMs = performance.now() + (forMs ?? Infinity);
    while (performance.now() < endMs && !interruption.now) {
      if (this.#screen.live) await this.#draw();
      await interruption.pause(Math.max(0, Math.min(REFRESH_MS, endMs - performance.now())));
    }
  }

  async #draw(): Promise<void> {
    const { rows } = await this.engine.query<{ name: string; rows: string; state_bytes: string; exactness: string }>(
      'SELECT name, rows, state_bytes, exactness FROM millrace.views ORDER BY name',
    );
    const seconds = (performance.now() - this.#startedAtMs) / 1000;
    const { counts } = this.#workload;
    const { style } = this.#screen;
    this.#screen.show([
      `${style('bold', 'view'.padEnd(NAME_COLUMNS))}${'rows'.padStart(9)}${'state'.padStart(8)}  exactness`,
      ...rows.map(
        (row) =>
          `${style('cyan', row.name.padEnd(NAME_COLUMNS))}${grouped(Number(row.rows)).padStart(9)}${bytes(Number(row.state_bytes)).padStart(8)}  ${row.exactness}`,
      ),
      `${grouped(counts.transactions)} transactions (${grouped(counts.rolledBack)} rolled back), ${grouped(counts.changes / seconds)} changes/s`,
      `freshness p50 ${rounded(this.#meter.percentile(0.5))} ms, p99 ${rounded(this.#meter.percentile(0.99))} ms`,
      style('dim', 'Ctrl-C audits and ends'),
    ]);
  }
}

export function rounded(ms: number): number {
  return Number.isFinite(ms) ? Math.round(ms * 10) / 10 : 0;
}
