/**
 * `millrace demo`: a real Postgres with a live shop, a real Millrace (the `serve` command in a process of its own) with five views over it, and the proof:
 * the engine is killed -9 in the middle and started again, and at the end every view is audited against Postgres at one exact LSN.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { must } from '../base/assert.ts';
import { millraceError } from '../base/errors.ts';
import { ident, literal } from '../base/ident.ts';
import { findBinaries, freePort, startEmbeddedPostgres, type EmbeddedPostgres } from './embedded-postgres.ts';
import { FreshnessMeter } from './freshness.ts';
import { bytes, grouped, progressBar, Screen } from './screen.ts';
import { createShop, SHOP_PUBLICATION, SHOP_SIZE, SHOP_TABLES, SHOP_VIEWS } from './shop.ts';
import { Workload } from './workload.ts';

export interface DemoOptions {
  /** undefined: until interrupted. */
  readonly forMs: number | undefined;
  readonly transactionsPerSecond: number;
  /** A Postgres of the user's own instead of the embedded one: an empty database for the shop. */
  readonly postgres: string | undefined;
  readonly json: boolean;
}

export interface DemoReport {
  readonly snapshotRows: number;
  readonly transactions: number;
  readonly rolledBack: number;
  readonly changes: number;
  readonly views: readonly { readonly name: string; readonly rows: number; readonly exactness: string; readonly audit: string }[];
  readonly freshnessMs: { readonly p50: number; readonly p99: number; readonly samples: number };
  readonly restart: { readonly resumed: boolean; readonly resnapshotted: boolean; readonly readyMs: number };
  readonly rssBytesMax: number;
}

const MAIN = fileURLToPath(new URL('../../bin/millrace.js', import.meta.url));
const WORKERS = 4;
const REFRESH_MS = 500;

export async function runDemo(
  options: DemoOptions,
  requestAudit: (
    url: string,
  ) => Promise<{ views: readonly { name: string; state: string; rows: number; exactness: string; detail?: unknown }[] }>,
): Promise<DemoReport> {
  const screen = new Screen({ json: options.json });
  const directory = await mkdtemp(join(tmpdir(), 'millrace-demo-'));
  let postgres: EmbeddedPostgres | undefined;
  let workload: Workload | undefined;
  const clients: pg.Client[] = [];
  const millrace = new EngineProcess(join(directory, 'data'), await freePort());
  try {
    if (options.postgres === undefined) {
      if ((await findBinaries()) === undefined)
        throw millraceError('EMBEDDED_POSTGRES_MISSING', { platform: `${process.platform}-${process.arch}`, major: 18 });
      screen.say('Starting Postgres …');
      postgres = await startEmbeddedPostgres({
        cluster: { provider: 'icu', locale: 'en-US' },
        settings: { wal_level: 'logical', max_wal_senders: 10, max_replication_slots: 10 },
      });
    }
    const upstreamUrl = options.postgres ?? must(postgres, 'postgres').url();
    const connect = async (url: string): Promise<pg.Client> => {
      const client = new pg.Client({ connectionString: url, application_name: 'millrace demo' });
      client.on('error', () => undefined);
      await client.connect();
      clients.push(client);
      return client;
    };
    const upstream = await connect(upstreamUrl);
    screen.say('Opening a shop: customers, products, orders, order lines …');
    let snapshotRows = 0;
    await createShop(upstream, SHOP_SIZE, (table, rows) => {
      snapshotRows += rows;
      screen.say(`  ${table.padEnd(12)} ${grouped(rows).padStart(8)} rows`);
    });
    await upstream.query(SHOP_PUBLICATION);

    await millrace.start();
    const engine = await connect(millrace.url);
    await createSource(engine, upstreamUrl);
    await watchCopy(engine, screen);
    for (const view of SHOP_VIEWS) {
      await engine.query(`CREATE MATERIALIZED VIEW ${view.name} AS ${view.sql}`);
      screen.say(`  ${view.name.padEnd(18)} ${screen.style('dim', view.teaches)}`);
    }
    screen.say(`\nAttach with:  psql -h 127.0.0.1 -p ${millrace.port} -U millrace millrace\n`);

    const meter = new FreshnessMeter();
    const follow = async (): Promise<void> => meter.follow(await connect(millrace.url)).catch(() => undefined);
    void follow();
    const writers = await Promise.all(Array.from({ length: WORKERS }, () => connect(upstreamUrl)));
    workload = new Workload(writers, SHOP_SIZE, options.transactionsPerSecond, (order, atMs) => meter.committed(order, atMs));
    const startedAtMs = performance.now();
    workload.start();
    const interrupted = interruption();
    const half = options.forMs === undefined ? 10_000 : options.forMs / 2;
    const live = new LiveTable(screen, engine, workload, meter, () => startedAtMs);
    await live.during(half, interrupted);

    const before = await snapshotLsns(engine);
    await millrace.kill();
    screen.say(screen.style('bold', 'Killed the engine (kill -9); starting it again …'));
    const killedAtMs = performance.now();
    await millrace.start();
    const again = await connect(millrace.url);
    const after = await snapshotLsns(again);
    const readyMs = performance.now() - killedAtMs;
    const resnapshotted = JSON.stringify(before) !== JSON.stringify(after);
    screen.say(`  back after ${Math.round(readyMs)} ms, ${resnapshotted ? 'with a new snapshot' : 'without a new snapshot'}`);
    void follow();
    live.engine = again;
    await live.during(options.forMs === undefined ? undefined : options.forMs / 2, interrupted);
    await workload.stop();

    screen.say('Auditing every view against Postgres at one exact LSN …');
    const audit = await requestAudit(millrace.url);
    for (const view of audit.views)
      screen.say(
        `  ${view.name.padEnd(18)} ${screen.style(view.state === 'equal' ? 'green' : 'red', view.state.padEnd(10))} ${grouped(view.rows).padStart(8)} rows  ${view.exactness}${view.state === 'equal' ? '' : ` ${JSON.stringify(view.detail)}`}`,
      );
    const report: DemoReport = {
      snapshotRows,
      transactions: workload.counts.transactions,
      rolledBack: workload.counts.rolledBack,
      changes: workload.counts.changes,
      views: audit.views.map((view) => ({ name: view.name, rows: view.rows, exactness: view.exactness, audit: view.state })),
      freshnessMs: { p50: rounded(meter.percentile(0.5)), p99: rounded(meter.percentile(0.99)), samples: meter.samplesMs.length },
      restart: { resumed: true, resnapshotted, readyMs: Math.round(readyMs) },
      rssBytesMax: millrace.rssBytesMax,
    };
    screen.say(
      `\n${grouped(report.transactions)} transactions, ${grouped(report.changes)} changes; freshness p50 ${report.freshnessMs.p50} ms, p99 ${report.freshnessMs.p99} ms; at most ${bytes(report.rssBytesMax)} of memory.`,
    );
    return report;
  } catch (error) {
    throw millrace.failure(error);
  } finally {
    await workload?.stop().catch(() => undefined);
    await millrace.kill();
    await Promise.allSettled(clients.map((client) => client.end()));
    await postgres?.stop('immediate');
    await rm(directory, { recursive: true, force: true });
  }
}

/** The `serve` command in a process of its own, so that it can be killed and its memory measured. */
class EngineProcess {
  readonly port: number;
  readonly #dataDirectory: string;
  #child: ChildProcess | undefined;
  #output = '';
  #timer: NodeJS.Timeout | undefined;
  rssBytesMax = 0;

  constructor(dataDirectory: string, port: number) {
    this.#dataDirectory = dataDirectory;
    this.port = port;
  }

  get url(): string {
    return `postgres://millrace@127.0.0.1:${this.port}/millrace`;
  }

  /** Resolves when it answers. */
  async start(): Promise<void> {
    const child = spawn(
      process.execPath,
      [MAIN, 'serve', '--data', this.#dataDirectory, '--listen', `127.0.0.1:${this.port}`, '--http', 'off', '--auth', 'trust'],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    this.#child = child;
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk: Buffer) => (this.#output = (this.#output + chunk.toString()).slice(-20_000)));
    this.#timer = setInterval(() => void this.#measure(), 250);
    const deadline = performance.now() + 30_000;
    for (;;) {
      if (child.exitCode !== null || child.signalCode !== null || performance.now() > deadline)
        throw millraceError('DEMO_ENGINE_FAILED', { output: this.#output });
      const client = new pg.Client({ connectionString: this.url });
      client.on('error', () => undefined);
      try {
        await client.connect();
        await client.end();
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 25));
      }
    }
  }

  /** When the engine ended by itself, what it said is the reason. */
  failure(error: unknown): unknown {
    const child = this.#child;
    const ended = child !== undefined && (child.exitCode !== null || child.signalCode !== null);
    return ended ? millraceError('DEMO_ENGINE_FAILED', { output: this.#output }, error) : error;
  }

  async kill(): Promise<void> {
    clearInterval(this.#timer);
    const child = this.#child;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  /** Linux only; elsewhere it stays 0. */
  async #measure(): Promise<void> {
    const status = await readFile(`/proc/${this.#child?.pid ?? 0}/status`, 'utf8').catch(() => '');
    const kilobytes = /VmRSS:\s+(\d+)/.exec(status)?.[1];
    if (kilobytes !== undefined) this.rssBytesMax = Math.max(this.rssBytesMax, Number(kilobytes) * 1024);
  }
}

async function createSource(engine: pg.Client, upstreamUrl: string): Promise<void> {
  const url = new URL(upstreamUrl);
  const password = decodeURIComponent(url.password);
  if (password !== '') await engine.query(`CREATE SECRET shop_password AS ${literal(password)}`);
  await engine.query(
    `CREATE CONNECTION shop TO POSTGRES (HOST ${literal(url.hostname)}, PORT ${url.port || '5432'}, DATABASE ${literal(url.pathname.slice(1))}, USER ${literal(decodeURIComponent(url.username))}${password === '' ? '' : ', PASSWORD SECRET shop_password'})`,
  );
  await engine.query(
    `CREATE SOURCE shop_source FROM POSTGRES CONNECTION shop (PUBLICATION 'mz_source') FOR TABLES (${SHOP_TABLES.map(ident).join(', ')})`,
  );
}

/** Shows the first copy as it runs. */
async function watchCopy(engine: pg.Client, screen: Screen): Promise<void> {
  const total = SHOP_SIZE.customers + SHOP_SIZE.products + SHOP_SIZE.orders + SHOP_SIZE.lines;
  for (;;) {
    const { rows } = await engine.query<{ name: string; status: string; rows: string }>('SELECT name, status, rows FROM millrace.tables');
    const copied = rows.reduce((sum, row) => sum + Number(row.rows), 0);
    screen.show([`Copying at the slot's snapshot  ${progressBar(copied, total)}  ${grouped(copied)} rows`]);
    if (rows.length === SHOP_TABLES.length && rows.every((row) => row.status === 'running')) {
      screen.say(`Copied ${grouped(copied)} rows at one snapshot. Creating views:`);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function snapshotLsns(engine: pg.Client): Promise<unknown> {
  return (await engine.query('SELECT name, snapshot_lsn FROM millrace.tables ORDER BY name')).rows;
}

class LiveTable {
  engine: pg.Client;
  readonly #screen: Screen;
  readonly #workload: Workload;
  readonly #meter: FreshnessMeter;
  readonly #startedAtMs: () => number;

  constructor(screen: Screen, engine: pg.Client, workload: Workload, meter: FreshnessMeter, startedAtMs: () => number) {
    this.#screen = screen;
    this.engine = engine;
    this.#workload = workload;
    this.#meter = meter;
    this.#startedAtMs = startedAtMs;
  }

  async during(forMs: number | undefined, interrupted: { readonly now: boolean }): Promise<void> {
    const endMs = performance.now() + (forMs ?? Infinity);
    while (performance.now() < endMs && !interrupted.now) {
      if (this.#screen.live) await this.#draw();
      await new Promise((resolve) => setTimeout(resolve, Math.max(0, Math.min(REFRESH_MS, endMs - performance.now()))));
    }
  }

  async #draw(): Promise<void> {
    const { rows } = await this.engine.query<{ name: string; rows: string; state_bytes: string; exactness: string }>(
      'SELECT name, rows, state_bytes, exactness FROM millrace.views ORDER BY name',
    );
    const seconds = (performance.now() - this.#startedAtMs()) / 1000;
    const { counts } = this.#workload;
    this.#screen.show([
      `${this.#screen.style('bold', 'view'.padEnd(20))}${'rows'.padStart(10)}${'state'.padStart(10)}   exactness`,
      ...rows.map(
        (row) =>
          `${this.#screen.style('cyan', row.name.padEnd(20))}${grouped(Number(row.rows)).padStart(10)}${bytes(Number(row.state_bytes)).padStart(10)}   ${row.exactness}`,
      ),
      `${grouped(counts.transactions)} transactions (${grouped(counts.rolledBack)} rolled back), ${grouped(counts.changes / seconds)} changes/s, freshness p50 ${rounded(this.#meter.percentile(0.5))} ms p99 ${rounded(this.#meter.percentile(0.99))} ms`,
      this.#screen.style('dim', 'Ctrl-C audits and ends'),
    ]);
  }
}

/** Ctrl-C ends the show with its audit; a second one ends the process as usual. */
function interruption(): { readonly now: boolean } {
  const state = { now: false };
  process.once('SIGINT', () => {
    state.now = true;
  });
  return state;
}

function rounded(ms: number): number {
  return Number.isFinite(ms) ? Math.round(ms * 10) / 10 : 0;
}
