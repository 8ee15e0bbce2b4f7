/**
 * `npm run bench:ingest [-- --changes 100000] [--lines 300000] [--runs 3] [--loads update] [--json]`: the whole road. A stream: `serve` is stopped (SIGSTOP) while Postgres
 * commits a load, then drains it with log, acknowledgement, fold and one view; pg_recvlogical drains the same changes from a slot of its own into nothing. A snapshot: a
 * table into the store and a view, beside a reader that counts the bytes of the same COPY. Ends with an audit of every view against Postgres.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Client } from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { LOADS, schema, TABLES, type Load } from './ingest/loads.ts';
import { drain, recvlogicalMissing } from './ingest/recvlogical.ts';
import { cpuMicrosByThread, cpuMicrosOf, machine, median, rounded, say } from './measure.ts';
import { pause, System } from './system.ts';

const DRAIN_TIMEOUT_MS = 300_000;
/** The source's status is published about once a second. */
const STATUS_MS = 1_500;
/** How often the log's size is looked at. */
const LOOK_MS = 10;

interface Run {
  readonly ours: number;
  readonly oursFolded: number;
  readonly theirs: number | null;
  readonly cpuMicros: number;
  readonly cpuMicrosFolded: number;
  readonly backlogBytes: number;
  /** Until the fold has caught up. */
  readonly byThread: ReadonlyMap<string, number>;
}

class Stream {
  readonly #system: System;
  readonly #client: Client;
  readonly #markers = new Map<number, () => void>();
  readonly #withPeer: boolean;
  #marker = 0;

  constructor(system: System, client: Client, withPeer: boolean) {
    this.#system = system;
    this.#client = client;
    this.#withPeer = withPeer;
  }

  async subscribe(): Promise<void> {
    const stream = (await this.#system.connect()).query(copyTo('COPY (SUBSCRIBE (SELECT id FROM marker)) TO STDOUT'));
    stream.on('error', () => undefined);
    let rest = '';
    stream.on('data', (bytes: Buffer) => {
      const lines = (rest + bytes.toString('latin1')).split('\n');
      rest = lines.pop()!;
      for (const line of lines) this.#markers.get(Number(line.split('\t')[2]))?.();
    });
    await pause(200);
  }

  async run(load: Load, changes: number): Promise<Run> {
    const { sql, upstream } = this.#system;
    const slot = `bench_${++this.#marker}`;
    if (this.#withPeer) await sql.query(`SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`);
    const walsenders = await this.#stopped();
    let theirs: number | null = null;
    try {
      await sql.query('SET synchronous_commit = off');
      await sql.query(`CALL ${load.procedure}(${changes}, ${load.perTransaction})`);
      await sql.query('SET synchronous_commit = on');
      const { rows } = await sql.query<{ lsn: string }>('SELECT pg_current_wal_insert_lsn() AS lsn');
      await sql.query(`INSERT INTO marker VALUES (${this.#marker})`);
      if (this.#withPeer) theirs = changes / (await drain(upstream.port, slot, 'mz_source', rows[0]!.lsn));
    } finally {
      if (this.#withPeer) await sql.query(`SELECT pg_drop_replication_slot('${slot}')`);
      for (const pid of [...walsenders, this.#system.pid]) process.kill(pid, 'SIGCONT');
    }
    let backlogBytes = 0;
    const look = setInterval(() => (backlogBytes = Math.max(backlogBytes, this.#logBytes())), LOOK_MS);
    const cpuBefore = cpuMicrosOf(this.#system.pid);
    const threadsBefore = cpuMicrosByThread(this.#system.pid);
    const startedMs = performance.now();
    try {
      await this.#arrival(this.#marker);
      const seconds = (performance.now() - startedMs) / 1000;
      const cpuMicros = cpuMicrosOf(this.#system.pid) - cpuBefore;
      // A read of a table that nothing arranges wants the fold where the engine stands.
      await this.#client.query(`SELECT count(*) FROM ${load.table} WHERE false`);
      const secondsFolded = (performance.now() - startedMs) / 1000;
      backlogBytes = Math.max(backlogBytes, this.#logBytes());
      return {
        ours: changes / seconds,
        oursFolded: changes / secondsFolded,
        theirs,
        cpuMicros: cpuMicros / changes,
        cpuMicrosFolded: (cpuMicrosOf(this.#system.pid) - cpuBefore) / changes,
        backlogBytes,
        byThread: new Map(
          [...cpuMicrosByThread(this.#system.pid)].map(([name, micros]) => [name, (micros - (threadsBefore.get(name) ?? 0)) / changes]),
        ),
      };
    } finally {
      clearInterval(look);
    }
  }

  /** Stops `serve` and the server's process that sends to it, which would else fill 32 MiB of socket buffers ahead of the clock. Returns the latter's pids. */
  async #stopped(): Promise<number[]> {
    const { rows } = await this.#system.sql.query<{ pid: number }>('SELECT pid FROM pg_stat_replication');
    const pids = rows.map(({ pid }) => pid);
    for (const pid of [this.#system.pid, ...pids]) process.kill(pid, 'SIGSTOP');
    return pids;
  }

  /** Bytes received from the upstream and bytes written to disk so far. */
  async traffic(): Promise<{ received: number; written: number }> {
    await pause(STATUS_MS);
    const { rows } = await this.#client.query<{ bytes: string }>('SELECT bytes_received AS bytes FROM millrace.sources');
    return { received: Number(rows[0]!.bytes), written: bytesWrittenBy(this.#system.pid) };
  }

  #arrival(marker: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`marker ${marker} did not arrive within ${DRAIN_TIMEOUT_MS} ms`)), DRAIN_TIMEOUT_MS);
      this.#markers.set(marker, () => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #logBytes(): number {
    const folder = join(this.#system.dataDirectory, 'log');
    return readdirSync(folder).reduce((sum, name) => sum + (statSync(join(folder, name), { throwIfNoEntry: false })?.size ?? 0), 0);
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      changes: { type: 'string', default: '100000' },
      lines: { type: 'string', default: '300000' },
      'snapshot-rows': { type: 'string', default: '1000000' },
      runs: { type: 'string', default: '3' },
      loads: { type: 'string', default: '' },
      json: { type: 'boolean', default: false },
    },
  });
  const changes = Number(values.changes);
  const lines = Number(values.lines);
  const missing = await recvlogicalMissing();
  if (missing !== undefined) say(`without pg_recvlogical: ${missing}`);
  const system = await System.start();
  try {
    await system.sql.query(schema({ lines, accounts: 100_000 }));
    const client = await system.serve(TABLES);
    await client.query('CREATE MATERIALIZED VIEW markers AS SELECT id FROM marker');
    const stream = new Stream(system, client, missing === undefined);
    await stream.subscribe();
    const streams = [];
    for (const load of LOADS.filter(({ name }) => name.includes(values.loads))) {
      await client.query(`CREATE MATERIALIZED VIEW measured AS ${load.view}`);
      const runs: Run[] = [];
      // The first one compiles.
      await stream.run(load, Math.ceil(changes / 4));
      const before = await stream.traffic();
      for (let i = 0; i < Number(values.runs); i++) runs.push(await stream.run(load, changes));
      const after = await stream.traffic();
      await system.audit();
      await client.query('DROP MATERIALIZED VIEW measured');
      const of = (field: 'ours' | 'oursFolded' | 'cpuMicros' | 'cpuMicrosFolded'): number => rounded(median(runs.map((run) => run[field])));
      const theirs = missing === undefined ? rounded(median(runs.map((run) => run.theirs ?? 0))) : null;
      const ratioTo = (figure: number): number | null => (theirs === null ? null : rounded(figure / theirs));
      const figures = {
        load: load.name,
        changesPerSecond: of('ours'),
        changesPerSecondFolded: of('oursFolded'),
        recvlogicalChangesPerSecond: theirs,
        ratio: ratioTo(of('ours')),
        ratioFolded: ratioTo(of('oursFolded')),
        cpuMicrosPerChange: of('cpuMicros'),
        cpuMicrosPerChangeFolded: of('cpuMicrosFolded'),
        cpuMicrosPerChangeByThread: Object.fromEntries(
          [...runs[0]!.byThread.keys()]
            .map((name): [string, number] => [name, rounded(median(runs.map(({ byThread }) => byThread.get(name) ?? 0)))])
            .filter(([, micros]) => micros > 0),
        ),
        foldBacklogBytesMax: Math.max(...runs.map(({ backlogBytes }) => backlogBytes)),
        bytesWrittenPerByteReceived: rounded((after.written - before.written) / (after.received - before.received)),
      };
      streams.push(figures);
      say(
        `${load.name}: ${figures.changesPerSecond}/s (${figures.changesPerSecondFolded} folded), pg_recvlogical ${theirs ?? '–'}/s, ratio ${figures.ratio ?? '–'} (${figures.ratioFolded ?? '–'}); ${figures.cpuMicrosPerChange} µs of CPU a change (${figures.cpuMicrosPerChangeFolded} folded), log at most ${Math.round(figures.foldBacklogBytesMax / 2 ** 20)} MiB`,
      );
    }
    await client.end();
    const snapshot = await measureSnapshot(Number(values['snapshot-rows']));
    say(
      `snapshot of ${snapshot.rows} lines into store and view: ${snapshot.rowsPerSecond} rows/s, ${snapshot.rowsPerCpuSecond} a CPU second; counting reader ${snapshot.countingReaderRowsPerSecond} rows/s; ratio ${snapshot.ratio}`,
    );
    say(JSON.stringify({ streams, snapshot, recvlogicalMissing: missing ?? null, machine: machine() }));
  } finally {
    await system.stop();
  }
}

interface Snapshot {
  readonly rows: number;
  readonly rowsPerSecond: number;
  readonly countingReaderRowsPerSecond: number;
  readonly ratio: number;
  readonly rowsPerCpuSecond: number;
}

/** A table of its own system, so that nothing else is copied: from CREATE SOURCE until a view over it answers. */
async function measureSnapshot(lines: number): Promise<Snapshot> {
  const system = await System.start();
  try {
    await system.sql.query(schema({ lines, accounts: 1 }));
    const countingSeconds = await countBytes(system.sql);
    await countBytes(system.sql);
    let startedMs = 0;
    let cpuBefore = 0;
    const client = await system.serve(['lineitem'], () => {
      startedMs = performance.now();
      cpuBefore = cpuMicrosOf(system.pid);
    });
    await client.query(
      'CREATE MATERIALIZED VIEW sums AS SELECT l_returnflag, count(*) AS n, sum(l_extendedprice) AS total FROM lineitem GROUP BY l_returnflag',
    );
    const seconds = (performance.now() - startedMs) / 1000;
    const cpuSeconds = (cpuMicrosOf(system.pid) - cpuBefore) / 1e6;
    await system.audit();
    const rowsPerSecond = rounded(lines / seconds);
    const countingReaderRowsPerSecond = rounded(lines / countingSeconds);
    return {
      rows: lines,
      rowsPerSecond,
      countingReaderRowsPerSecond,
      ratio: rounded(rowsPerSecond / countingReaderRowsPerSecond),
      rowsPerCpuSecond: rounded(lines / cpuSeconds),
    };
  } finally {
    await system.stop();
  }
}

async function countBytes(sql: Client): Promise<number> {
  const startedMs = performance.now();
  let bytes = 0;
  const stream = sql.query(copyTo('COPY lineitem TO STDOUT'));
  for await (const chunk of stream) bytes += (chunk as Buffer).length;
  if (bytes === 0) throw new Error('lineitem is empty');
  return (performance.now() - startedMs) / 1000;
}

/** As Linux counts what a process sends to its disks: too much where pages are written twice. */
function bytesWrittenBy(pid: number): number {
  return Number(/write_bytes: (\d+)/.exec(readFileSync(`/proc/${pid}/io`, 'latin1'))?.[1] ?? 0);
}

await main();
