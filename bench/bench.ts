/**
 * `npm run bench [-- --only ivm,ingest | --only '' (the page alone)] [--json]`: every benchmark at its small size (under 10 minutes in all), then one page, docs/reference/performance.md, with machine, versions
 * and date, and the three rows of it that the README quotes. A figure beside a target says whether it is met; nothing is left out because it is not.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { findBinaries } from '../src/demo/embedded-postgres.ts';
import { machine, rounded, say, type Machine } from './measure.ts';

const PAGE = join(import.meta.dirname, '../docs/reference/performance.md');
const README = join(import.meta.dirname, '../README.md');
const KEPT = join(import.meta.dirname, '../node_modules/.cache/millrace-bench/results.json');
const TIMEOUT_MS = 500_000;

const COMMANDS = {
  ivm: ['--peer-sizes', '1,100', '--peer-views', 'A1,M'],
  ingest: ['--changes', '150000', '--runs', '1', '--snapshot-rows', '500000'],
  latency: ['--for', '3s'],
  start: ['--rows', '1000000', '--runs', '1'],
} as const;
type Name = keyof typeof COMMANDS;

interface Batch {
  readonly size: number;
  readonly updatesPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly ratioToDbIvm: number | null;
  readonly ratioToD2ts: number | null;
  readonly ratioToDifferential: number | null;
}

interface Ivm {
  readonly rows: number;
  readonly bytesPerRow: number;
  readonly skipped: Readonly<Record<string, string>>;
  readonly wrongAnswersOfPeers: Readonly<Record<string, string>>;
  readonly views: readonly {
    readonly name: string;
    readonly loadRowsPerSecond: number;
    readonly stateBytesPerLine: number;
    readonly batches: readonly Batch[];
  }[];
}

interface StreamFigures {
  readonly load: string;
  readonly changesPerSecond: number;
  readonly changesPerSecondFolded: number;
  readonly recvlogicalChangesPerSecond: number | null;
  readonly ratio: number | null;
  readonly ratioFolded: number | null;
  readonly cpuMicrosPerChange: number;
  readonly cpuMicrosPerChangeFolded: number;
  readonly foldBacklogBytesMax: number;
  readonly bytesWrittenPerByteReceived: number;
}

interface Ingest {
  readonly streams: readonly StreamFigures[];
  readonly snapshot: {
    readonly rows: number;
    readonly rowsPerSecond: number;
    readonly countingReaderRowsPerSecond: number;
    readonly ratio: number;
    readonly rowsPerCpuSecond: number;
  };
  readonly recvlogicalMissing: string | null;
}

interface LatencyFigures {
  readonly transactionsPerSecond: number;
  readonly achievedPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly fromAcknowledgedP50Ms: number;
  readonly fromAcknowledgedP99Ms: number;
}

interface Latency {
  readonly rates: readonly LatencyFigures[];
  readonly whileHydrating: LatencyFigures & { readonly historyRows: number };
}

interface Start {
  readonly empty: { readonly readyMs: number; readonly rssBytes: number };
  readonly tenMillionRows: { readonly freshMs: number; readonly rssBytes: number };
}

interface Results {
  ivm?: Ivm;
  ingest?: Ingest;
  latency?: Latency;
  start?: Start;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { only: { type: 'string', default: Object.keys(COMMANDS).join(',') }, json: { type: 'boolean', default: false } },
  });
  const results: Results = earlier();
  const failed: string[] = [];
  for (const name of values.only.split(',').filter((part) => part !== '') as Name[]) {
    const outcome = await run(name);
    if (typeof outcome === 'string') failed.push(`${name}: ${outcome}`);
    else Object.assign(results, { [name]: outcome });
    mkdirSync(dirname(KEPT), { recursive: true });
    writeFileSync(KEPT, JSON.stringify(results));
  }
  const from = machine();
  const postgres = (await findBinaries())?.version ?? 'none';
  const text = page(results, from, postgres, failed);
  writeFileSync(PAGE, text);
  writeFileSync(README, quoting(readFileSync(README, 'utf8'), text));
  say(JSON.stringify({ ...results, failed, machine: from }));
  process.exitCode = failed.length === 0 ? 0 : 1;
}

/** The README with the page's figures in the rows that it quotes. */
function quoting(readme: string, text: string): string {
  return readme.replaceAll(/^\| ([^|]+) \| [^|]+ \|$/gm, (row, what: string) => {
    const measured = text
      .split('\n')
      .find((line) => line.startsWith(`| ${what} | `))
      ?.split(' | ')[1];
    return measured === undefined ? row : `| ${what} | ${measured} |`;
  });
}

/** Of runs before on this machine: `--only` measures one part anew and leaves the others on the page. */
function earlier(): Results {
  return existsSync(KEPT) ? (JSON.parse(readFileSync(KEPT, 'utf8')) as Results) : {};
}

/** The last line's object, or why there is none. */
async function run(name: Name): Promise<unknown> {
  say(`── bench:${name} ${COMMANDS[name].join(' ')}`);
  const child = spawn(process.execPath, [join(import.meta.dirname, `${name}.ts`), ...COMMANDS[name], '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: TIMEOUT_MS,
  });
  let output = '';
  let errors = '';
  child.stdout.on('data', (bytes: Buffer) => {
    output += bytes.toString();
    process.stdout.write(bytes);
  });
  child.stderr.on('data', (bytes: Buffer) => (errors += bytes.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0)
    return `ended with ${code ?? 'a signal (too long)'}: ${errors.split('\n').find((line) => line.includes('Error')) ?? errors.slice(-300)}`;
  return JSON.parse(output.trim().split('\n').at(-1)!);
}

function page(results: Results, from: Machine, postgres: string, failed: readonly string[]): string {
  const parts = [
    `# Performance

Made by \`npm run bench\` on ${from.date}: ${from.cpu}, ${from.cores} cores (shared, load ${from.loadAverage} at the end), ${from.memoryGiB} GiB, ${from.platform}; Node ${from.node}, Postgres ${postgres}.
Every run was held against Postgres or a plain recomputation. Rates are per **CPU second** where it says so, because the machine is shared; ratios are to a peer on the same machine in the
same minute. Small sizes; \`npm run bench:ivm -- --rows 10000000\` and \`npm run bench:start\` run the large ones. Where the time of a change goes: [hot-path.md](../internals/hot-path.md).`,
    targets(results),
    results.ivm === undefined ? '' : upkeep(results.ivm),
    results.ingest === undefined ? '' : ingest(results.ingest),
    results.latency === undefined ? '' : latency(results.latency),
    failed.length === 0 ? '' : `## Did not run\n\n${failed.map((line) => `- ${line}`).join('\n')}`,
  ];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

/** what, measured, must, goal, and whether they are met. */
function targets({ ivm, ingest: road, latency: freshness, start }: Results): string {
  const rows: string[][] = [];
  const add = (
    what: string,
    figure: number | null | undefined,
    unit: string,
    must: number | null,
    goal: number | null,
    less = false,
  ): void => {
    if (figure === undefined) return;
    const good = (limit: number | null): boolean => figure !== null && limit !== null && (less ? figure <= limit : figure >= limit);
    const verdict =
      figure === null ? 'not measured here' : good(goal) ? 'goal' : good(must) ? 'must' : must === null ? 'goal missed' : '**missed**';
    const sign = less ? '≤' : '≥';
    rows.push([
      what,
      figure === null ? '–' : `${shown(figure)}${unit}`,
      must === null ? '–' : `${sign} ${shown(must)}${unit}`,
      goal === null ? '–' : `${sign} ${shown(goal)}${unit}`,
      verdict,
    ]);
  };
  const stream = (part: string): StreamFigures | undefined => road?.streams.find(({ load }) => load.includes(part));
  const batch = (view: string, size: number): Batch | undefined =>
    ivm?.views.find(({ name }) => name === view)?.batches.find((one) => one.size === size);
  add(
    'stream, serial keys, transactions of 100, store and view, to pg_recvlogical',
    stream('serial keys, transactions of 100')?.ratio,
    ' ×',
    1.2,
    1.6,
  );
  add('stream, random uuid keys, folded, to pg_recvlogical', stream('uuid')?.ratioFolded, ' ×', 1, 1.5);
  add('stream, updates of random rows, folded, to pg_recvlogical', stream('random rows, transactions of 100')?.ratioFolded, ' ×', 1, 1.5);
  add(
    'our CPU a change, all threads, M as the view, folded',
    stream('random rows, transactions of 100')?.cpuMicrosPerChangeFolded,
    ' µs',
    7,
    4.5,
    true,
  );
  add('snapshot into store and one view, a CPU second', road?.snapshot.rowsPerCpuSecond, ' rows', 200_000, null);
  add('the same, to a reader that counts bytes', road?.snapshot.ratio, ' ×', null, 0.6);
  add('upkeep M, steps of 100, to db-ivm', batch('M', 100)?.ratioToDbIvm, ' ×', 30, null);
  add('upkeep M, steps of 100, to differential', batch('M', 100)?.ratioToDifferential, ' ×', 3, null);
  add('upkeep M, steps of 100, a CPU second', batch('M', 100)?.updatesPerSecond, '/s', null, 600_000);
  const share = (view: string, of: string): number | undefined => {
    const [a, b] = [batch(view, 100), batch(of, 100)];
    return a === undefined || b === undefined ? undefined : rounded(a.updatesPerSecond / b.updatesPerSecond);
  };
  add('upkeep A3, steps of 100, to A1', share('A3', 'A1'), ' ×', 0.5, null);
  add('upkeep M3, steps of 100, to M', share('M3', 'M'), ' ×', 0.5, null);
  add('single-row steps (M)', batch('M', 1)?.updatesPerSecond, '/s', 100_000, 200_000);
  add('single-row step (M), p99', batch('M', 1)?.p99Us, ' µs', null, 10, true);
  add('bytes a 40-byte row, one index', ivm?.bytesPerRow, ' B', 100, 80, true);
  add(
    'freshness, p99 at 1,000 transactions/s',
    freshness?.rates.find((rate) => rate.transactionsPerSecond === 1_000)?.p99Ms,
    ' ms',
    50,
    10,
    true,
  );
  add('empty start to the first answer', start?.empty.readyMs, ' ms', 1_500, 1_000, true);
  add('idle memory', start === undefined ? undefined : rounded(start.empty.rssBytes / 1e6), ' MB', 300, 200, true);
  return `## Targets\n\n${table(['what', 'measured', 'must', 'goal', 'met'], rows)}`;
}

function upkeep(ivm: Ivm): string {
  const rows = ivm.views.flatMap(({ name, batches }) =>
    batches.map((batch) => [
      name,
      shown(batch.size),
      shown(batch.updatesPerSecond),
      `${shown(batch.p50Us)} / ${shown(batch.p99Us)}`,
      ...[batch.ratioToDbIvm, batch.ratioToD2ts, batch.ratioToDifferential].map((ratio) =>
        ratio === null || ratio === 0 ? '–' : `${shown(ratio)} ×`,
      ),
    ]),
  );
  const notes = [
    ...Object.entries(ivm.skipped).map(([peer, reason]) => `${peer} was skipped: ${reason}.`),
    ...Object.entries(ivm.wrongAnswersOfPeers).map(([peer, difference]) => `${peer} answered wrongly (${difference}).`),
  ];
  return `## Upkeep: orders ⋈ ${shown(ivm.rows)} lines

A1: 15 groups, COUNT and SUM of 50 values · A2: 15,000 groups · A3: 15 groups of 40,000 prices · M: A2 with MIN · M3: A1's groups with MIN of 40,000 prices. An update gives a random line
another quantity and price, raw pgoutput bytes in. Per CPU second of the whole process. differential-dataflow has COUNT and SUM pushed below the join, its fastest form.
Memory: ${ivm.bytesPerRow} bytes a row of lineitem (seven columns) with one index; whole views ${ivm.views.map(({ name, stateBytesPerLine }) => `${name} ${stateBytesPerLine}`).join(', ')} bytes a line. Load: ${ivm.views.map(({ name, loadRowsPerSecond }) => `${name} ${shown(loadRowsPerSecond)}`).join(', ')} rows a CPU second.
${notes.length === 0 ? '' : `\n${notes.join(' ')}\n`}
${table(['view', 'step of', 'updates/s', 'p50 / p99 µs a step', 'to db-ivm', 'to d2ts', 'to differential'], rows)}`;
}

function ingest({ streams, snapshot, recvlogicalMissing }: Ingest): string {
  const rows = streams.map((one) => [
    one.load,
    shown(one.changesPerSecond),
    shown(one.changesPerSecondFolded),
    one.recvlogicalChangesPerSecond === null ? '–' : shown(one.recvlogicalChangesPerSecond),
    one.ratio === null ? '–' : `${shown(one.ratio)} (${shown(one.ratioFolded ?? 0)}) ×`,
    `${shown(one.cpuMicrosPerChange)} (${shown(one.cpuMicrosPerChangeFolded)})`,
    `${Math.round(one.foldBacklogBytesMax / 2 ** 20)} MiB`,
    shown(one.bytesWrittenPerByteReceived),
  ]);
  return `## The stream: log, acknowledgement, fold and one view

Changes a second of wall, drained from standing still; in brackets until the fold has caught up as well.${recvlogicalMissing === null ? '' : ` ${recvlogicalMissing}.`}

${table(['load', 'changes/s', 'folded, too', 'pg_recvlogical', 'ratio', 'our CPU µs a change', 'log at most', 'bytes written a byte received'], rows)}

Snapshot of ${shown(snapshot.rows)} lines into store and view: ${shown(snapshot.rowsPerSecond)} rows/s (${shown(snapshot.rowsPerCpuSecond)} a CPU second); a reader that counts the bytes of the same COPY ${shown(snapshot.countingReaderRowsPerSecond)} rows/s.`;
}

function latency({ rates, whileHydrating }: Latency): string {
  const row = (what: string, one: LatencyFigures): string[] => [
    what,
    shown(one.achievedPerSecond),
    `${shown(one.p50Ms)} / ${shown(one.p99Ms)}`,
    `${shown(one.fromAcknowledgedP50Ms)} / ${shown(one.fromAcknowledgedP99Ms)}`,
  ];
  return `## Freshness: from COMMIT to a subscriber

${table(
  ['transactions/s', 'achieved', 'from sending, p50 / p99 ms', 'from the acknowledgement, p50 / p99 ms'],
  [
    ...rates.map((one) => row(shown(one.transactionsPerSecond), one)),
    row(`1,000, while a second view of ${shown(whileHydrating.historyRows)} rows hydrates`, whileHydrating),
  ],
)}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function shown(value: number): string {
  return value >= 1_000 ? Math.round(value).toLocaleString('en-US') : String(value);
}

await main();
