/**
 * What a neighbour notices: a second client's look-ups, and how soon a written row is seen in a small view, measured while something else goes on.
 * Used by the cases of `neighbours.ts`.
 */
import assert from 'node:assert/strict';
import type pg from 'pg';
import type { RunningMillrace } from '../harness/millrace.ts';
import type { Upstream, World } from './edge.ts';

/** Far above what `npm run bench:neighbours` measures (100 ms), and far below the minutes that others once waited: a busy machine fails nothing here. */
const FROZEN_MS = 1_500;

/** Rows that the watch writes and reads; beside the case's own tables. */
export const WATCHED = `
  CREATE TABLE beat (id int PRIMARY KEY, n int NOT NULL);
  INSERT INTO beat SELECT g, 0 FROM generate_series(1, 100) g;
`;

export interface Noticed {
  readonly lookupP99Ms: number;
  readonly freshnessP99Ms: number;
  readonly lookups: number;
  readonly freshnesses: number;
}

export class Watch {
  readonly #lookups: pg.Client;
  readonly #reader: pg.Client;
  readonly #writer: pg.Client;
  /** While nothing else is asked of this server: on a machine that others use, that is slow as well. */
  #calm: Noticed | undefined;

  private constructor(lookups: pg.Client, reader: pg.Client, writer: pg.Client) {
    this.#lookups = lookups;
    this.#reader = reader;
    this.#writer = writer;
  }

  /** `client`: makes the watched view. */
  static async of(world: World, millrace: RunningMillrace, upstream: Upstream, client: pg.Client): Promise<Watch> {
    await client.query('CREATE MATERIALIZED VIEW beats AS SELECT id, n FROM beat');
    await client.query('CREATE INDEX beats_by_id ON beats (id)');
    const watch = new Watch(await world.connect(millrace), await world.connect(millrace), await upstream.connect());
    // Statements are prepared, and code is compiled, before anything is measured.
    await watch.during(Promise.resolve());
    watch.#calm = await watch.during(new Promise((resolve) => setTimeout(resolve, 1_000)));
    return watch;
  }

  /** How long a client waits for anything on this machine now. */
  get calmMs(): number {
    return this.#calm?.lookupP99Ms ?? 0;
  }

  /** Measures until `work` ends, and at least for half a second. */
  async during(work: Promise<unknown>): Promise<Noticed> {
    let over = false;
    const least = new Promise((resolve) => setTimeout(resolve, 500));
    const outcome = Promise.allSettled([work, least]).then(() => void (over = true));
    const isOver = (): boolean => over;
    const [lookups, freshnesses] = await Promise.all([this.#lookUp(isOver), this.#freshness(isOver), outcome]);
    return {
      lookupP99Ms: percentile(lookups, 0.99),
      freshnessP99Ms: percentile(freshnesses, 0.99),
      lookups: lookups.length,
      freshnesses: freshnesses.length,
    };
  }

  /** Fails when `work` froze a neighbour: on a machine that is busy anyway, ten times as long as before. */
  async undisturbed(work: Promise<unknown>): Promise<void> {
    const noticed = await this.during(work);
    const said = `${JSON.stringify(noticed)}; before: ${JSON.stringify(this.#calm)}`;
    assert.ok(noticed.lookups > 3 && noticed.freshnesses > 3, `too little was measured: ${said}`);
    const allowed = (calmMs = 0): number => Math.max(FROZEN_MS, 10 * calmMs);
    assert.ok(noticed.lookupP99Ms <= allowed(this.#calm?.lookupP99Ms), `look-ups waited: ${said}`);
    assert.ok(noticed.freshnessP99Ms <= allowed(this.#calm?.freshnessP99Ms), `rows came late: ${said}`);
  }

  async #lookUp(isOver: () => boolean): Promise<number[]> {
    const took: number[] = [];
    while (!isOver()) {
      const before = performance.now();
      const { rows } = await this.#lookups.query({ name: 'look up', text: 'SELECT n FROM beats WHERE id = $1', values: [7] });
      took.push(performance.now() - before);
      assert.equal(rows.length, 1);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return took;
  }

  async #freshness(isOver: () => boolean): Promise<number[]> {
    const took: number[] = [];
    for (let n = Math.floor(performance.now()) + 1; !isOver(); n++) {
      await this.#writer.query('UPDATE beat SET n = $1 WHERE id = 1', [n]);
      const written = performance.now();
      for (;;) {
        const { rows } = await this.#reader.query<{ n: number }>({ name: 'fresh', text: 'SELECT n FROM beats WHERE id = 1' });
        if (rows[0]?.n === n) break;
      }
      took.push(performance.now() - written);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return took;
  }
}

function percentile(values: readonly number[], part: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? Infinity);
}
