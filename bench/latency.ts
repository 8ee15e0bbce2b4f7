/**
 * `npm run bench:latency [-- --rates 10,1000,10000] [--for 4s] [--json]`: how long a commit takes to reach a subscriber. One clock, from just before the
 * one-row transaction is sent to Postgres until its row of a joined view arrives through SUBSCRIBE (pgwire); also from the commit's acknowledgement. Then the same at
 * 1,000 transactions a second while a second view over a large table is created again and again. Ends with an audit of every view against Postgres.
 */
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { Arrivals } from './latency/arrivals.ts';
import type { WriterOrder, WriterReport } from './latency/writer.ts';
import { cpuMicrosOf, machine, median, percentile, rounded, say } from './measure.ts';
import { pause, System } from './system.ts';

const ACCOUNTS = 1_000;
const CONNECTIONS = 8;
const TRANSACTIONS_MAX = 2_000_000;
const HISTORY_ROWS = 300_000;
/** Not counted: code warms up, connections open. */
const WARM_MS = 500;
const ARRIVAL_TIMEOUT_MS = 60_000;

interface Figures {
  readonly transactionsPerSecond: number;
  readonly achievedPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly fromAcknowledgedP50Ms: number;
  readonly fromAcknowledgedP99Ms: number;
  readonly cpuMicrosPerTransaction: number;
}

class Latency {
  readonly #system: System;
  readonly #arrivals = new Arrivals(TRANSACTIONS_MAX);
  readonly #sent = new SharedArrayBuffer(8 * TRANSACTIONS_MAX);
  readonly #acknowledged = new SharedArrayBuffer(8 * TRANSACTIONS_MAX);
  #next = 1;

  constructor(system: System) {
    this.#system = system;
  }

  async subscribe(): Promise<void> {
    this.#arrivals.follow(await this.#system.connect(), 'SELECT id, name, amount FROM live');
    await pause(200);
  }

  async at(perSecond: number, forMs: number): Promise<Figures> {
    const order: WriterOrder = {
      port: this.#system.upstream.port,
      perSecond,
      forMs: forMs + WARM_MS,
      first: this.#next,
      accounts: ACCOUNTS,
      connections: CONNECTIONS,
      sent: this.#sent,
      acknowledged: this.#acknowledged,
    };
    const cpuBefore = cpuMicrosOf(this.#system.pid);
    const report = await new Promise<WriterReport>((resolve, reject) => {
      const worker = new Worker(new URL('./latency/writer.ts', import.meta.url), { workerData: order });
      worker.on('message', resolve);
      worker.on('error', reject);
    });
    const end = order.first + report.transactions;
    this.#next = end;
    await this.#allArrived(order.first, end);
    const cpu = cpuMicrosOf(this.#system.pid) - cpuBefore;
    const sent = new Float64Array(this.#sent);
    const acknowledged = new Float64Array(this.#acknowledged);
    const since = (from: Float64Array): Float64Array => {
      const startMs = sent[order.first]! + WARM_MS;
      const list: number[] = [];
      for (let id = order.first; id < end; id++) {
        // The stream may be faster than the reply to COMMIT.
        if (sent[id]! >= startMs) list.push(Math.max(0, this.#arrivals.arrivedMs[id]! - from[id]!));
      }
      return Float64Array.from(list).sort();
    };
    const fromSent = since(sent);
    const fromAcknowledged = since(acknowledged);
    return {
      transactionsPerSecond: perSecond,
      achievedPerSecond: rounded(report.transactions / report.seconds),
      p50Ms: rounded(percentile(fromSent, 0.5)),
      p99Ms: rounded(percentile(fromSent, 0.99)),
      fromAcknowledgedP50Ms: rounded(percentile(fromAcknowledged, 0.5)),
      fromAcknowledgedP99Ms: rounded(percentile(fromAcknowledged, 0.99)),
      cpuMicrosPerTransaction: rounded(cpu / report.transactions),
    };
  }

  async #allArrived(first: number, end: number): Promise<void> {
    const deadlineMs = performance.now() + ARRIVAL_TIMEOUT_MS;
    const { arrivedMs } = this.#arrivals;
    for (let id = first; id < end;) {
      if (arrivedMs[id] !== 0) id++;
      else if (performance.now() > deadlineMs) throw new Error(`transaction ${id} never reached the subscriber`);
      else await pause(5);
    }
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rates: { type: 'string', default: '10,1000,10000' },
      for: { type: 'string', default: '4s' },
      json: { type: 'boolean', default: false },
    },
  });
  const forMs = Number.parseFloat(values.for) * 1000;
  const system = await System.start();
  try {
    await system.sql.query(`
      CREATE TABLE accounts (id integer PRIMARY KEY, name text NOT NULL, region text NOT NULL);
      CREATE TABLE events (id bigint PRIMARY KEY, account_id integer NOT NULL, amount numeric(12,2) NOT NULL);
      CREATE TABLE history (id bigint PRIMARY KEY, account_id integer NOT NULL, amount numeric(12,2) NOT NULL);
      INSERT INTO accounts SELECT n, 'account ' || n, 'region ' || n % 7 FROM generate_series(1, ${ACCOUNTS}) n;
      INSERT INTO history SELECT n, 1 + n * 31 % ${ACCOUNTS}, n % 1000 FROM generate_series(1, ${HISTORY_ROWS}) n;`);
    const client = await system.serve(['accounts', 'events', 'history']);
    await client.query(
      'CREATE MATERIALIZED VIEW live AS SELECT e.id, a.name, e.amount FROM events e JOIN accounts a ON a.id = e.account_id',
    );
    await client.query(
      'CREATE MATERIALIZED VIEW by_region AS SELECT a.region, count(*) AS n, sum(e.amount) AS amount FROM events e JOIN accounts a ON a.id = e.account_id GROUP BY a.region',
    );
    const latency = new Latency(system);
    await latency.subscribe();
    const rates: Figures[] = [];
    for (const rate of values.rates.split(',').map(Number)) {
      rates.push(await latency.at(rate, forMs));
      say(line(String(rate), rates.at(-1)!));
    }
    const hydration = { wanted: true, times: 0 };
    const hydrationMs: number[] = [];
    const longestSliceMs: number[] = [];
    const hydrating = (async (): Promise<void> => {
      const other = await system.connect();
      while (hydration.wanted) {
        await other.query(
          'CREATE MATERIALIZED VIEW second AS SELECT a.region, count(*) AS n, sum(h.amount) AS amount FROM history h JOIN accounts a ON a.id = h.account_id GROUP BY a.region',
        );
        hydration.times++;
        const { rows } = await other.query<{ hydration_ms: number; hydration_slice_ms: number }>(
          `SELECT hydration_ms, hydration_slice_ms FROM millrace.views WHERE name = 'second'`,
        );
        hydrationMs.push(rows[0]!.hydration_ms);
        longestSliceMs.push(rows[0]!.hydration_slice_ms);
        if (hydration.wanted) await other.query('DROP MATERIALIZED VIEW second');
      }
    })();
    const during = await latency.at(1_000, forMs);
    hydration.wanted = false;
    await hydrating;
    const hydrations = {
      historyRows: HISTORY_ROWS,
      hydrations: hydration.times,
      hydrationMs: rounded(median(hydrationMs)),
      longestSliceMs: rounded(median(longestSliceMs)),
    };
    say(`one of them takes ${hydrations.hydrationMs} ms, its longest slice ${hydrations.longestSliceMs} ms (medians)`);
    say(line(`1000 while a view of ${HISTORY_ROWS} rows hydrates (${hydration.times} times)`, during));
    await system.audit();
    say('audit: every view equals Postgres');
    say(JSON.stringify({ rates, whileHydrating: { ...during, ...hydrations }, machine: machine() }));
  } finally {
    await system.stop();
  }
}

function line(what: string, figures: Figures): string {
  return `${what} tx/s (${figures.achievedPerSecond} achieved): p50 ${figures.p50Ms} ms, p99 ${figures.p99Ms} ms; from the acknowledgement p50 ${figures.fromAcknowledgedP50Ms} ms, p99 ${figures.fromAcknowledgedP99Ms} ms; ${figures.cpuMicrosPerTransaction} µs of CPU a transaction`;
}

await main();
