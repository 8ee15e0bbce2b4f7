/**
 * A reader that watches the whole time, over kills and restarts: it never sees half a transaction (I-2) nor time go backwards (I-1).
 *
 *  - In one read-only transaction it reads the totals: balances add up, transfers and journal agree, scratch has its ten rows of one round.
 *  - The counter never falls, over restarts either.
 *  - A SUBSCRIBE with PROGRESS: timestamps never fall; the rows up to each mark, added up, are one counter row.
 */
import type { Client } from 'pg';
import pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { createInterface } from 'node:readline';
import { ACCOUNTS, BALANCE, SCRATCH_ROWS } from './load.ts';

export class Watcher {
  reads = 0;
  marks = 0;
  readonly violations: string[] = [];
  readonly #url: string;
  #counter = -1n;
  #timestamp = 0;
  #stopping = false;
  #running: Promise<unknown> = Promise.resolve();

  constructor(url: string) {
    this.#url = url;
  }

  start(): void {
    this.#running = Promise.all([this.#forever((client) => this.#read(client)), this.#forever((client) => this.#subscribe(client))]);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
  }

  /** Whatever ends a connection (a kill), it comes back until stopped. */
  async #forever(watch: (client: Client) => Promise<void>): Promise<void> {
    while (!this.#stopping) {
      const client = new pg.Client({ connectionString: this.#url, connectionTimeoutMillis: 2000 });
      client.on('error', () => undefined);
      try {
        await client.connect();
        await watch(client);
      } catch (error) {
        const code = (error as { code?: string }).code;
        // Not there yet (a view not made yet, a restart under way), or cut off by the kill.
        if (code !== undefined && !['42P01', '57P01', '57P03', '08006', '57014', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes(code))
          this.#violation(`reader: ${code} ${String(error)}`);
      }
      await client.end().catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async #read(client: Client): Promise<void> {
    while (!this.#stopping) {
      await client.query('BEGIN READ ONLY');
      const [total] = (await client.query<{ accounts: string; balance: string }>('SELECT accounts, balance FROM total')).rows;
      const rounds = (await client.query<{ round: number; rows: string }>('SELECT round, rows FROM rounds')).rows;
      const agreement = (await client.query<{ what: string; c: string }>('SELECT what, c FROM agreement')).rows;
      const [progress] = (await client.query<{ value: string }>('SELECT value FROM progress')).rows;
      await client.query('COMMIT');
      this.reads++;
      if (total === undefined || Number(total.accounts) !== ACCOUNTS || Number(total.balance) !== ACCOUNTS * BALANCE)
        this.#violation(`balances do not add up: ${JSON.stringify(total)}`);
      if (rounds.length !== 1 || Number(rounds[0]!.rows) !== SCRATCH_ROWS)
        this.#violation(`scratch is half-filled: ${JSON.stringify(rounds)}`);
      if (new Set(agreement.map((row) => row.c)).size !== 1 || agreement.length !== 2)
        this.#violation(`transfers and journal disagree: ${JSON.stringify(agreement)}`);
      if (progress !== undefined) this.#rose(BigInt(progress.value), 'read');
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async #subscribe(client: Client): Promise<void> {
    const stream = client.query(copyTo('COPY (SUBSCRIBE progress WITH (PROGRESS)) TO STDOUT'));
    const held = new Map<string, number>();
    let waiting: [string, number][] = [];
    for await (const line of createInterface({ input: stream, crlfDelay: Infinity })) {
      if (this.#stopping) return;
      const [timestamp, progressed, diff, value] = line.split('\t');
      // The first rows of a new subscription may be those after the last mark again; marks never fall.
      if (progressed === 't') {
        if (Number(timestamp) < this.#timestamp) this.#violation(`a mark went back from ${this.#timestamp} to ${timestamp}`);
        this.#timestamp = Number(timestamp);
        for (const [row, weight] of waiting) held.set(row, (held.get(row) ?? 0) + weight);
        waiting = [];
        const present = [...held].filter(([, weight]) => weight !== 0);
        for (const [row, weight] of held) if (weight === 0) held.delete(row);
        if (present.length > 1 || present.some(([, weight]) => weight !== 1))
          this.#violation(`at ${timestamp} the counter shows ${JSON.stringify(present)}`);
        if (present.length === 1) this.#rose(BigInt(present[0]![0]), 'subscribe');
        this.marks++;
      } else waiting.push([value!, Number(diff)]);
    }
  }

  #rose(value: bigint, where: string): void {
    // Two connections look at the same counter: each for itself must never see it fall; a mark may be a moment behind a read.
    if (where === 'read') {
      if (value < this.#counter) this.#violation(`the counter fell from ${this.#counter} to ${value}`);
      this.#counter = value;
      return;
    }
    if (value < this.#marked) this.#violation(`the counter fell from ${this.#marked} to ${value} in a subscription`);
    this.#marked = value;
  }

  #marked = -1n;

  #violation(what: string): void {
    if (this.violations.length < 100) this.violations.push(what);
  }
}
