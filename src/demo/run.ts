/**
 * `millrace demo`: a real Postgres with a live shop, a real Millrace (the `serve` command in a process of its own) with five views over it, and the proof:
 * the engine is killed -9 in the middle and started again, and at the end every view is audited against Postgres at one exact LSN. However it ends, what it made goes (I-4).
 */
import { mkdtempSync } from 'node:fs';
import { readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { must } from '../base/assert.ts';
import { millraceError } from '../base/errors.ts';
import { ident, literal } from '../base/ident.ts';
import type { UpstreamConnection } from '../upstream/connection/connect.ts';
import { parseConnectionString, type ConnectionParameters } from '../upstream/connection/parameters.ts';
import { findBinaries, freePort, startEmbeddedPostgres, type EmbeddedPostgres } from './embedded-postgres.ts';
import { EngineProcess } from './engine-process.ts';
import { FreshnessMeter } from './freshness.ts';
import { Interrupted, Interruption } from './interruption.ts';
import { LiveTable, rounded } from './live-table.ts';
import { connectToPlace, leavePlace, markSlot, PLACE, publishShop, takePlace } from './place.ts';
import { bytes, grouped, progressBar, Screen } from './screen.ts';
import { createShop, SHOP_SIZE, SHOP_TABLES, SHOP_VIEWS } from './shop.ts';
import { Workload } from './workload.ts';

export interface DemoOptions {
  /** undefined: until interrupted. */
  readonly forMs: number | undefined;
  readonly transactionsPerSecond: number;
  /** A Postgres of the user's own instead of the embedded one. */
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

const WRITERS = 4;
/** Where a demo keeps its Millrace: `millrace-demo-<pid>-…`, so that what a killed one left is known. */
const DIRECTORY = 'millrace-demo-';

type RequestAudit = (
  url: string,
) => Promise<{ views: readonly { name: string; state: string; rows: number; exactness: string; detail?: unknown }[] }>;

/** Undefined: it was ended before its audit. */
export async function runDemo(options: DemoOptions, requestAudit: RequestAudit): Promise<DemoReport | undefined> {
  const screen = new Screen({ json: options.json });
  const interruption = new Interruption(() => screen.say('Auditing, then ending; Ctrl-C again ends at once …'));
  const stage = new Stage(options, screen);
  try {
    return await interruption.unlessAtOnce(show(stage, options, requestAudit, screen, interruption));
  } catch (error) {
    if (!(error instanceof Interrupted)) throw stage.failure(error);
    screen.say('Interrupted: taking away what the demo made …');
    return undefined;
  } finally {
    await stage.clear();
    interruption.close();
  }
}

/** What the demo has made so far, and takes away. */
class Stage {
  readonly workloads: Workload[] = [];
  readonly #options: DemoOptions;
  readonly #screen: Screen;
  readonly #clients: { end(): Promise<void> }[] = [];
  #postgres: Promise<EmbeddedPostgres> | undefined;
  #directory: string | undefined;
  #upstream: ConnectionParameters | undefined;
  #placed = false;
  /** What was interrupted may still be under way: it makes nothing more. */
  #cleared = false;
  #millrace: EngineProcess | undefined;

  constructor(options: DemoOptions, screen: Screen) {
    this.#options = options;
    this.#screen = screen;
  }

  get millrace(): EngineProcess {
    return must(this.#millrace, 'millrace');
  }

  get upstream(): ConnectionParameters {
    return must(this.#upstream, 'upstream');
  }

  async open(): Promise<void> {
    if (this.#options.postgres !== undefined) this.#upstream = parseConnectionString(this.#options.postgres, process.env);
    else {
      if ((await findBinaries()) === undefined)
        throw millraceError('EMBEDDED_POSTGRES_MISSING', { platform: `${process.platform}-${process.arch}`, major: 18 });
      this.#screen.say('Starting Postgres …');
      this.#postgres = startEmbeddedPostgres({
        cluster: { provider: 'icu', locale: 'en-US' },
        settings: { wal_level: 'logical', max_wal_senders: 10, max_replication_slots: 10 },
      });
      this.#upstream = parseConnectionString((await this.#postgres).url());
    }
    await sweep();
    if (this.#cleared) throw new Interrupted('interrupted');
    this.#directory = mkdtempSync(join(tmpdir(), `${DIRECTORY}${process.pid}-`));
    this.#millrace = new EngineProcess(join(this.#directory, 'data'), await freePort());
  }

  async takePlace(): Promise<UpstreamConnection> {
    const connection = await this.writer();
    await takePlace(connection, () => (this.#placed = true));
    return connection;
  }

  async writer(): Promise<UpstreamConnection> {
    return this.#kept(await connectToPlace(this.upstream));
  }

  async reader(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: this.millrace.url, application_name: 'millrace demo' });
    client.on('error', () => undefined);
    await client.connect();
    return this.#kept(client);
  }

  async #kept<C extends { end(): Promise<void> }>(client: C): Promise<C> {
    if (this.#cleared) {
      await client.end();
      throw new Interrupted('interrupted');
    }
    this.#clients.push(client);
    return client;
  }

  failure(error: unknown): unknown {
    return this.#millrace?.failure(error) ?? error;
  }

  /** Each piece on its own: one that fails keeps no other from going. */
  async clear(): Promise<void> {
    for (const workload of this.workloads) void workload.stop().catch(() => undefined);
    this.#cleared = true;
    await this.#millrace?.end();
    await Promise.allSettled(this.#clients.map((client) => client.end()));
    const postgres = await this.#postgres?.catch(() => undefined);
    if (postgres !== undefined) await postgres.stop('immediate');
    if (this.#directory !== undefined) await rm(this.#directory, { recursive: true, force: true });
    if (postgres === undefined && this.#placed) await leavePlace(this.upstream);
  }
}

/** Of demos that were killed: their directories hold rows and a password. */
async function sweep(): Promise<void> {
  for (const name of await readdir(tmpdir())) {
    const pid = new RegExp(`^${DIRECTORY}(\\d+)-`).exec(name)?.[1];
    if (pid !== undefined && !alive(Number(pid))) await rm(join(tmpdir(), name), { recursive: true, force: true }).catch(() => undefined);
  }
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function show(
  stage: Stage,
  options: DemoOptions,
  requestAudit: RequestAudit,
  screen: Screen,
  interruption: Interruption,
): Promise<DemoReport> {
  await stage.open();
  const { millrace } = stage;
  const upstream = await stage.takePlace();
  screen.say('Opening a shop: customers, products, orders, order lines …');
  let snapshotRows = 0;
  await createShop(upstream.client, SHOP_SIZE, (table, rows) => {
    snapshotRows += rows;
    screen.say(`  ${table.padEnd(12)} ${grouped(rows).padStart(8)} rows`);
  });
  await publishShop(upstream);

  await millrace.start();
  await markSlot(upstream, await millrace.slotName());
  const engine = await stage.reader();
  await createSource(engine, stage.upstream);
  await watchCopy(engine, screen);
  for (const view of SHOP_VIEWS) {
    await engine.query(`CREATE MATERIALIZED VIEW ${view.name} AS ${view.sql}`);
    screen.say(`  ${view.name.padEnd(18)} ${screen.style('dim', view.teaches)}`);
  }
  interruption.showing = true;
  screen.say(`\nAttach with:  psql -h 127.0.0.1 -p ${millrace.port} -U millrace millrace\n`);

  const meter = new FreshnessMeter();
  const follow = async (): Promise<void> => meter.follow(await stage.reader()).catch(() => undefined);
  void follow();
  const writers = await Promise.all(Array.from({ length: WRITERS }, async () => (await stage.writer()).client));
  const workload = new Workload(writers, SHOP_SIZE, options.transactionsPerSecond, (order, atMs) => meter.committed(order, atMs));
  stage.workloads.push(workload);
  workload.start();
  const half = options.forMs === undefined ? 10_000 : options.forMs / 2;
  const live = new LiveTable(screen, engine, workload, meter);
  await live.during(half, interruption);

  const restart = interruption.now
    ? { resumed: false, resnapshotted: false, readyMs: 0 }
    : await killAndRestart(stage, engine, live, screen);
  if (!interruption.now) {
    void follow();
    await live.during(options.forMs === undefined ? undefined : options.forMs / 2, interruption);
  }
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
    restart,
    rssBytesMax: millrace.rssBytesMax,
  };
  screen.say(
    `\n${grouped(report.transactions)} transactions, ${grouped(report.changes)} changes; freshness p50 ${report.freshnessMs.p50} ms, p99 ${report.freshnessMs.p99} ms; at most ${bytes(report.rssBytesMax)} of memory.`,
  );
  return report;
}

async function killAndRestart(stage: Stage, engine: pg.Client, live: LiveTable, screen: Screen): Promise<DemoReport['restart']> {
  const { millrace } = stage;
  const before = await snapshotLsns(engine);
  await millrace.kill();
  screen.say(screen.style('bold', 'Killed the engine (kill -9); starting it again …'));
  const killedAtMs = performance.now();
  await millrace.start();
  live.engine = await stage.reader();
  const after = await snapshotLsns(live.engine);
  const readyMs = Math.round(performance.now() - killedAtMs);
  const resnapshotted = JSON.stringify(before) !== JSON.stringify(after);
  screen.say(`  back after ${readyMs} ms, ${resnapshotted ? 'with a new snapshot' : 'without a new snapshot'}`);
  return { resumed: true, resnapshotted, readyMs };
}

async function createSource(engine: pg.Client, upstream: ConnectionParameters): Promise<void> {
  const { host, port } = upstream.hosts[0]!;
  const { password, sslrootcert } = upstream;
  if (password !== undefined) await engine.query(`CREATE SECRET shop_password AS ${literal(password)}`);
  await engine.query(
    `CREATE CONNECTION shop TO POSTGRES (HOST ${literal(host)}, PORT ${port}, DATABASE ${literal(upstream.database)}, USER ${literal(upstream.user)}, SSL MODE ${literal(upstream.sslmode)}${password === undefined ? '' : ', PASSWORD SECRET shop_password'}${sslrootcert === undefined ? '' : `, SSL CERTIFICATE AUTHORITY ${literal(sslrootcert)}`})`,
  );
  const tables = SHOP_TABLES.map((table) => `${PLACE}.${table} AS ${ident(table)}`).join(', ');
  await engine.query(`CREATE SOURCE shop_source FROM POSTGRES CONNECTION shop (PUBLICATION ${literal(PLACE)}) FOR TABLES (${tables})`);
}

/** Shows the first copy as it runs. */
async function watchCopy(engine: pg.Client, screen: Screen): Promise<void> {
  const total = SHOP_SIZE.customers + SHOP_SIZE.products + SHOP_SIZE.orders + SHOP_SIZE.lines;
  for (;;) {
    const { rows } = await engine.query<{ name: string; status: string; rows: string }>('SELECT name, status, rows FROM millrace.tables');
    const copied = rows.reduce((sum, row) => sum + Number(row.rows), 0);
    screen.show([`Copying at one snapshot  ${progressBar(copied, total)}  ${grouped(copied)} rows`]);
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
