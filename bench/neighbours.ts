/**
 * `npm run bench:neighbours [-- --only TEXT] [--json]`: what one bad client does to all others. While each bad thing runs, another client's look-ups (by an index, prepared
 * and simple in turn, 20 a second, counted from when they were due) and the way of 100 commits a second to a subscriber are measured. The last line is
 * `{"while":[{"what","lookupP99Ms","freshnessP99Ms"}]}`, its first entry the same with nothing beside it.
 */
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import type { WriterOrder, WriterReport } from './latency/writer.ts';
import { machine, rounded, rssBytesOf, say } from './measure.ts';
import { BadClients, BIG_ROWS, NUISANCES, SMALL_ROWS, type Nuisance } from './neighbours/nuisances.ts';
import type { Observed, ObserverOrder, ToObserver } from './neighbours/observer.ts';
import { clockMs } from './latency/clock.ts';
import { pause, System } from './system.ts';

const ACCOUNTS = 1_000;
const TRANSACTIONS_MAX = 200_000;
const PER_SECOND = 100;
const FOR_MS = 4_000;
/** Not counted: the writer's code warms up, its connections open. */
const WARM_MS = 800;
/** Measured alone, before the bad thing begins. */
const BEFORE_MS = 300;
const END_TIMEOUT_MS = 15_000;
const PASSWORD = 'neighbours';

interface While {
  readonly what: string;
  readonly lookupP99Ms: number | null;
  readonly freshnessP99Ms: number | null;
  readonly connectP99Ms: number | null;
  readonly rssMiB: number;
  readonly failures: readonly string[];
}

class Neighbourhood {
  readonly #system: System;
  readonly #sent = new SharedArrayBuffer(8 * TRANSACTIONS_MAX);
  readonly #acknowledged = new SharedArrayBuffer(8 * TRANSACTIONS_MAX);
  #next = 1;
  #observer: Worker | undefined;

  constructor(system: System) {
    this.#system = system;
  }

  async watch(): Promise<void> {
    const order: ObserverOrder = { url: this.#system.millrace.url, sent: this.#sent, keys: ACCOUNTS };
    this.#observer = new Worker(new URL('./neighbours/observer.ts', import.meta.url), { workerData: order });
    await this.#said();
  }

  async leave(): Promise<void> {
    await this.#observer?.terminate();
  }

  async beside(nuisance: Nuisance): Promise<While> {
    const forMs = nuisance.forMs ?? FOR_MS;
    const bad = new BadClients(this.#system);
    const order: WriterOrder = {
      port: this.#system.upstream.port,
      perSecond: PER_SECOND,
      forMs: forMs + WARM_MS,
      first: this.#next,
      accounts: ACCOUNTS,
      connections: 4,
      sent: this.#sent,
      acknowledged: this.#acknowledged,
    };
    this.#tell({ kind: 'begin' });
    const writing = new Promise<WriterReport>((resolve, reject) => {
      const worker = new Worker(new URL('./latency/writer.ts', import.meta.url), { workerData: order });
      worker.on('message', resolve);
      worker.on('error', reject);
    });
    await pause(WARM_MS);
    const fromMs = clockMs();
    await pause(BEFORE_MS);
    const running = nuisance.run(bad).catch(() => undefined);
    const { transactions } = await writing;
    const end = order.first + transactions;
    this.#next = end;
    const rssMiB = this.#system.millrace.exited ? 0 : Math.round(rssBytesOf(this.#system.pid) / 2 ** 20);
    bad.stop();
    const report = this.#said();
    this.#tell({ kind: 'end', first: order.first + (PER_SECOND * WARM_MS) / 1_000, end, fromMs });
    const figures = (await Promise.race([report, this.#ended()])) as Observed | undefined;
    if (figures === undefined) {
      await this.#revive();
      return { what: nuisance.what, lookupP99Ms: null, freshnessP99Ms: null, connectP99Ms: null, rssMiB, failures: ['the server ended'] };
    }
    await Promise.race([running, pause(END_TIMEOUT_MS)]);
    if (this.#system.millrace.exited) await this.#revive();
    return {
      what: nuisance.what,
      lookupP99Ms: rounded(figures.lookupP99Ms),
      freshnessP99Ms: rounded(figures.freshnessP99Ms),
      connectP99Ms: rounded(figures.connectP99Ms),
      rssMiB,
      failures: figures.failures,
    };
  }

  /** Undefined as soon as the server is gone. */
  async #ended(): Promise<undefined> {
    while (!this.#system.millrace.exited) await pause(50);
  }

  async #revive(): Promise<void> {
    await this.leave();
    await this.#system.again();
    await this.watch();
  }

  #tell(message: ToObserver): void {
    this.#observer!.postMessage(message);
  }

  #said(): Promise<unknown> {
    return once(this.#observer!, 'message').then(([message]) => message as unknown);
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { only: { type: 'string' }, json: { type: 'boolean', default: false } } });
  const system = await System.start();
  const neighbourhood = new Neighbourhood(system);
  try {
    await system.sql.query(`
      CREATE TABLE accounts (id integer PRIMARY KEY, name text NOT NULL);
      CREATE TABLE events (id bigint PRIMARY KEY, account_id integer NOT NULL, amount numeric(12,2) NOT NULL);
      CREATE TABLE wide (id integer PRIMARY KEY, k integer NOT NULL, body text NOT NULL);
      CREATE TABLE few (id integer PRIMARY KEY);
      CREATE TABLE bulk (id integer PRIMARY KEY, k integer NOT NULL);
      INSERT INTO accounts SELECT n, 'account ' || n FROM generate_series(1, ${ACCOUNTS}) n;
      INSERT INTO wide SELECT n, n % 1000, repeat(md5(n::text), 10) FROM generate_series(1, ${BIG_ROWS}) n;
      INSERT INTO few SELECT generate_series(1, ${SMALL_ROWS});`);
    const client = await system.serve(['accounts', 'events', 'wide', 'few', 'bulk'], undefined, { password: PASSWORD });
    for (const statement of [
      'CREATE MATERIALIZED VIEW live AS SELECT e.id, a.name, e.amount FROM events e JOIN accounts a ON a.id = e.account_id',
      'CREATE MATERIALIZED VIEW by_id AS SELECT id, name FROM accounts',
      'CREATE INDEX ON by_id (id)',
      'CREATE MATERIALIZED VIEW big AS SELECT id, body FROM wide',
      'CREATE MATERIALIZED VIEW small AS SELECT id FROM few',
      'CREATE MATERIALIZED VIEW bulk_by_k AS SELECT k, count(*) AS n FROM bulk GROUP BY k',
    ])
      await client.query(statement);
    await neighbourhood.watch();
    // Code warms up, connections open: not counted.
    await neighbourhood.beside(NUISANCES[0]!);
    const results: While[] = [];
    for (const nuisance of NUISANCES) {
      if (values.only !== undefined && nuisance.what !== 'nothing' && !nuisance.what.includes(values.only)) continue;
      const result = await neighbourhood.beside(nuisance);
      results.push(result);
      say(
        `${nuisance.what.padEnd(45)} look-up p99 ${ms(result.lookupP99Ms)}  freshness p99 ${ms(result.freshnessP99Ms)}  connecting p99 ${ms(result.connectP99Ms)}  ${result.rssMiB} MiB ${result.failures.join(' · ')}`,
      );
    }
    say(JSON.stringify({ while: results, machine: machine() }));
  } finally {
    await neighbourhood.leave();
    await system.stop();
  }
}

function ms(value: number | null): string {
  return `${value === null ? '–' : value} ms`.padStart(10);
}

await main();
