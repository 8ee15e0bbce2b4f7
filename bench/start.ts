/**
 * `npm run bench:start [-- --rows 10000000] [--runs 3] [--directory DIR] [--fresh] [--json]`: from the command to the first answer, with an empty data directory and with
 * a replica of `--rows` lines under two views; memory when idle. The replica is made once, by the real ingest, and kept in the directory with the Postgres it came from.
 *
 * A start with rows counts until the views hold a transaction that was committed upstream while Millrace was down; what they then answer is compared with Postgres.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import pg from 'pg';
import { freePort, startEmbeddedPostgres, type EmbeddedPostgres } from '../src/demo/embedded-postgres.ts';
import { literal } from '../src/base/ident.ts';
import { RunningMillrace } from '../test/harness/millrace.ts';
import { cpuMicrosOf, machine, median, rounded, rssBytesOf, say } from './measure.ts';

/** What a start leaves to be collected is gone by then. */
const IDLE_MS = 3_000;
const START_TIMEOUT_MS = 300_000;
const COPY_TIMEOUT_MS = 1_800_000;
const POLL_MS = 20;

const LINES = `CREATE TABLE lineitem (l_id int8 PRIMARY KEY, l_orderkey int8 NOT NULL, l_returnflag char(1) NOT NULL, l_quantity int4 NOT NULL,
  l_extendedprice numeric(15,2) NOT NULL, l_shipdate date NOT NULL, l_comment_id int8 NOT NULL)`;
/** Four lines an order, as in bench:ivm. Multiplicative hashes stand in for chance, so that every run has the same rows. */
const FILL = (
  rows: number,
): string => `INSERT INTO lineitem SELECT i, i * 2654435761 % ${Math.max(1, rows >> 2)}, chr((65 + i % 3)::int), (1 + i * 7919 % 50)::int,
  (90000 + i * 104729 % 9500000)::numeric / 100, date '1992-01-02' + (i * 31 % 2500)::int, i * 6151 % 5000000 FROM generate_series(1::int8, ${rows}) AS i`;
const VIEWS: Readonly<Record<string, string>> = {
  by_flag:
    'SELECT l_returnflag, count(*) AS lines, sum(l_extendedprice) AS price, sum(l_quantity) AS quantity FROM lineitem GROUP BY l_returnflag',
  by_day: 'SELECT l_shipdate, count(*) AS lines, max(l_extendedprice) AS dearest FROM lineitem GROUP BY l_shipdate',
};

interface Start {
  readonly ms: number;
  readonly rssBytes: number;
  readonly peakBytes: number;
  readonly cpuSeconds: number;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      rows: { type: 'string', default: '10000000' },
      runs: { type: 'string', default: '3' },
      directory: { type: 'string' },
      fresh: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
    },
  });
  const rows = Number(values.rows);
  const runs = Number(values.runs);
  const empty: Start[] = [];
  for (let run = 0; run < runs; run++) empty.push(await emptyStart());
  shown('empty', empty);
  const withRows =
    rows > 0 ? await startsWithRows(rows, runs, values.directory ?? join(tmpdir(), `millrace-bench-start-${rows}`), values.fresh) : null;
  say(
    JSON.stringify({
      empty: {
        readyMs: middle(empty, 'ms'),
        rssBytes: middle(empty, 'rssBytes'),
        peakBytes: middle(empty, 'peakBytes'),
        cpuSeconds: middle(empty, 'cpuSeconds'),
      },
      // The contract's name for it, whatever `--rows` says.
      tenMillionRows: withRows,
      rows,
      runs,
      machine: machine(),
    }),
  );
}

async function emptyStart(): Promise<Start> {
  const dataDirectory = mkdtempSync(join(tmpdir(), 'millrace-bench-start-'));
  try {
    const { millrace, start } = await started(dataDirectory, (client) => client.query('SELECT 1'));
    await millrace.stop();
    return start;
  } finally {
    rmSync(dataDirectory, { recursive: true });
  }
}

/** Starts the command, waits until `answered` has its answer, then measures the idle process. */
async function started(
  dataDirectory: string,
  answered: (client: pg.Client) => Promise<unknown>,
): Promise<{ millrace: RunningMillrace; client: pg.Client; start: Start }> {
  const startedMs = performance.now();
  const millrace = new RunningMillrace({ dataDirectory, port: await freePort() });
  while (!millrace.output.includes('is ready') && !millrace.exited && performance.now() - startedMs < START_TIMEOUT_MS)
    await sleep(POLL_MS / 4);
  const client = await millrace.connect();
  await answered(client);
  const ms = performance.now() - startedMs;
  await sleep(IDLE_MS);
  const pid = millrace.process.pid!;
  const peakKilobytes = /VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? '0';
  const start = { ms, rssBytes: rssBytesOf(pid), peakBytes: Number(peakKilobytes) * 1024, cpuSeconds: cpuMicrosOf(pid) / 1e6 };
  await client.end();
  return { millrace, client, start };
}

async function startsWithRows(rows: number, runs: number, directory: string, fresh: boolean): Promise<unknown> {
  const state = join(directory, 'state.json');
  if (fresh) rmSync(directory, { recursive: true, force: true });
  const isMade = existsSync(state);
  if (!isMade) rmSync(directory, { recursive: true, force: true });
  const known = isMade
    ? (JSON.parse(readFileSync(state, 'utf8')) as { port: number; snapshot: unknown })
    : { port: await freePort(), snapshot: null };
  // The source's connection names the port, so it stays the same.
  const postgres = await startEmbeddedPostgres({
    directory: join(directory, 'postgres'),
    port: known.port,
    settings: {
      wal_level: 'logical',
      fsync: 'off',
      max_wal_size: '8GB',
      autovacuum: 'off',
      synchronous_commit: 'on',
      max_slot_wal_keep_size: '-1',
    },
  });
  const upstream = new pg.Client({ connectionString: postgres.url() });
  const dataDirectory = join(directory, 'millrace');
  try {
    await upstream.connect();
    if (!isMade) {
      known.snapshot = await makeReplica(upstream, postgres, dataDirectory, rows);
      writeFileSync(state, JSON.stringify(known));
    }
    const starts: Start[] = [];
    for (let run = 0; run < runs; run++) {
      await upstream.query(
        `UPDATE lineitem SET l_quantity = l_quantity % 50 + 1, l_extendedprice = l_extendedprice + 1 WHERE l_id % ${rows} < 100`,
      );
      const wanted = new Map<string, string>();
      for (const [name, sql] of Object.entries(VIEWS)) wanted.set(name, contents(await upstream.query<Row>(`${sql} ORDER BY 1`)));
      const { millrace, start } = await started(dataDirectory, (client) => untilEqual(client, wanted));
      await millrace.stop();
      starts.push(start);
    }
    shown(`${rows.toLocaleString('en-US')} rows`, starts);
    return {
      freshMs: middle(starts, 'ms'),
      rssBytes: middle(starts, 'rssBytes'),
      peakBytes: middle(starts, 'peakBytes'),
      cpuSeconds: middle(starts, 'cpuSeconds'),
      snapshot: known.snapshot,
    };
  } finally {
    await upstream.end();
    await postgres.stop();
  }
}

/** Through the front door: CREATE SOURCE, the copy, the views. Tells how fast that was. */
async function makeReplica(upstream: pg.Client, postgres: EmbeddedPostgres, dataDirectory: string, rows: number): Promise<unknown> {
  say(`making ${rows.toLocaleString('en-US')} rows upstream …`);
  await upstream.query(LINES);
  await upstream.query(FILL(rows));
  await upstream.query('VACUUM (FREEZE, ANALYZE) lineitem');
  await upstream.query('CREATE PUBLICATION mz_source FOR TABLE lineitem');
  const millrace = new RunningMillrace({ dataDirectory, port: await freePort() });
  const client = await millrace.connect(START_TIMEOUT_MS);
  const pid = millrace.process.pid!;
  await client.query('SET statement_timeout = 0');
  await client.query(`CREATE SECRET upstream_password AS ${literal(postgres.password)}`);
  await client.query(
    `CREATE CONNECTION upstream TO POSTGRES (HOST ${literal(postgres.host)}, PORT ${postgres.port}, DATABASE postgres, USER ${literal(postgres.user)}, PASSWORD SECRET upstream_password)`,
  );
  const startedMs = performance.now();
  const cpuBefore = cpuMicrosOf(pid);
  await client.query(`CREATE SOURCE upstream_source FROM POSTGRES CONNECTION upstream (PUBLICATION 'mz_source') FOR ALL TABLES`);
  while ((await client.query<{ status: string }>('SELECT status FROM millrace.tables')).rows.some(({ status }) => status !== 'running')) {
    if (performance.now() - startedMs > COPY_TIMEOUT_MS) throw new Error('the copy takes too long');
    await sleep(POLL_MS);
  }
  const copiedMs = performance.now();
  const [first, second] = Object.entries(VIEWS).map(([name, sql]) => `CREATE MATERIALIZED VIEW ${name} AS ${sql}`);
  await client.query(first!);
  const seconds = (performance.now() - startedMs) / 1000;
  const cpuSeconds = (cpuMicrosOf(pid) - cpuBefore) / 1e6;
  await client.query(second!);
  await client.end();
  await millrace.stop();
  const snapshot = {
    rowsPerSecond: Math.round(rows / seconds),
    rowsPerCpuSecond: Math.round(rows / cpuSeconds),
    copySeconds: rounded((copiedMs - startedMs) / 1000),
    firstViewSeconds: rounded(seconds - (copiedMs - startedMs) / 1000),
  };
  say(`snapshot into store and one view: ${JSON.stringify(snapshot)}`);
  return snapshot;
}

type Row = Record<string, unknown>;

function contents({ rows }: pg.QueryResult<Row>): string {
  return JSON.stringify(rows.map((row) => Object.values(row)));
}

/** Fails when the deadline passes: a wrong answer never becomes equal. */
async function untilEqual(client: pg.Client, wanted: ReadonlyMap<string, string>): Promise<void> {
  const deadlineMs = performance.now() + START_TIMEOUT_MS;
  await client.query('SET statement_timeout = 0');
  for (const [view, rows] of wanted) {
    while (contents(await client.query<Row>(`SELECT * FROM ${view} ORDER BY 1`)) !== rows) {
      if (performance.now() > deadlineMs) throw new Error(`${view} is not what Postgres answers`);
      await sleep(POLL_MS);
    }
  }
}

function middle(starts: readonly Start[], key: keyof Start): number {
  return rounded(median(starts.map((start) => start[key])), 4);
}

function shown(name: string, starts: readonly Start[]): void {
  say(
    `${name.padEnd(16)} first answer after ${Math.round(middle(starts, 'ms'))} ms, CPU ${middle(starts, 'cpuSeconds')} s, RSS ${Math.round(middle(starts, 'rssBytes') / 1e6)} MB, peak ${Math.round(middle(starts, 'peakBytes') / 1e6)} MB`,
  );
}

await main();
