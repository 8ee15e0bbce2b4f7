/**
 * `npm run test:soak -- --kills 50 [--json]`: kill -9 at each named failpoint and at random moments under the load of `load.ts`; after each restart every
 * view is audited against Postgres at an exact LSN. Passes with 0 differences and no violation seen by the watcher. The last line counts.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { failpoints } from '../../src/store/failpoints.ts';
import { requestAudit } from '../../src/cli/audit.ts';
import { randomFrom } from '../../src/demo/workload.ts';
import { freePort, RunningMillrace } from '../harness/millrace.ts';
import { startPostgres, type TestPostgres } from '../postgres/postgres.ts';
import { SOAK_SCHEMA, SOAK_VIEWS, SoakLoad } from './load.ts';
import { Watcher } from './watcher.ts';

/** Failpoints met while a source or view is being made; the others are met under load. */
const AT_CREATION = new Set<string>(['slot-creation', 'copy', 'ddl']);

interface Totals {
  kills: number;
  audits: number;
  differences: number;
  byFailpoint: Record<string, number>;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      kills: { type: 'string', default: '50' },
      seed: { type: 'string', default: String(Date.now() % 100_000) },
      json: { type: 'boolean', default: false },
    },
  });
  const kills = Number(values.kills);
  const random = randomFrom(Number(values.seed));
  const say = (line: string): void => void process.stdout.write(`${line}\n`);
  say(`soak: ${kills} kills, seed ${values.seed}`);
  const postgres = await startPostgres({ initdb: { provider: 'icu', locale: 'en-US' } });
  const dataDirectory = join(await mkdtemp(join(tmpdir(), 'millrace-soak-')), 'data');
  const totals: Totals = { kills: 0, audits: 0, differences: 0, byFailpoint: {} };
  const failures: string[] = [];
  const port = await freePort();
  const watcher = new Watcher(`postgres://millrace@127.0.0.1:${port}/millrace`);
  try {
    await postgres.query(SOAK_SCHEMA);
    const loads = await Promise.all([1, 2].map(async (n) => new SoakLoad(await postgres.connect(), Number(values.seed) + n)));
    for (const load of loads) load.start();
    await create(postgres, dataDirectory, port, totals, say);
    watcher.start();
    const underLoad = failpoints.filter((name) => !AT_CREATION.has(name));
    while (totals.kills < kills) {
      const failpoint = random() < 0.65 ? underLoad[totals.kills % underLoad.length]! : undefined;
      const armed = failpoint === undefined ? {} : { failpoint: `${failpoint}:${1 + Math.floor(random() * 20)}` };
      const server = new RunningMillrace({ dataDirectory, port, ...armed, environment: FAST_FOLD });
      if (!(await server.ended(failpoint === undefined ? 300 + random() * 2500 : 6000))) await server.kill();
      totals.kills++;
      count(totals, server.process.signalCode === 'SIGKILL' && failpoint !== undefined ? failpoint : 'random');
      await audited(dataDirectory, port, totals, failures, say);
    }
    for (const load of loads) await load.stop();
    say(`load: ${loads.reduce((sum, load) => sum + load.transactions, 0)} transactions`);
    await audited(dataDirectory, port, totals, failures, say);
  } catch (error) {
    failures.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    await watcher.stop();
    await rm(join(dataDirectory, '..'), { recursive: true, force: true });
    await postgres.stop();
  }
  failures.push(...watcher.violations);
  for (const failure of failures) say(`FAILED: ${failure}`);
  say(
    `watcher: ${watcher.reads} reads, ${watcher.marks} marks, ${watcher.violations.length} violations; kills by place: ${JSON.stringify(totals.byFailpoint)}`,
  );
  if (values.json) say(JSON.stringify({ ...totals, reads: watcher.reads, marks: watcher.marks, violations: watcher.violations.length }));
  const failed = failures.length + totals.differences;
  say(`${totals.audits - totals.differences} passed, ${failed} failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

/** Small folds often, so that a kill meets them. */
const FAST_FOLD = { MILLRACE_FOLD_BYTES: String(256 << 10) };

function count(totals: Totals, place: string): void {
  totals.byFailpoint[place] = (totals.byFailpoint[place] ?? 0) + 1;
}

/** Source and views, killed at each failpoint on the way and begun again. */
async function create(
  postgres: TestPostgres,
  dataDirectory: string,
  port: number,
  totals: Totals,
  say: (line: string) => void,
): Promise<void> {
  const url = new URL(postgres.url());
  const statements = [
    `CREATE SECRET IF NOT EXISTS pgpass AS '${decodeURIComponent(url.password)}'`,
    `CREATE CONNECTION IF NOT EXISTS pg TO POSTGRES (HOST '${url.hostname}', PORT ${url.port}, DATABASE 'postgres', USER '${url.username}', PASSWORD SECRET pgpass)`,
    `CREATE SOURCE IF NOT EXISTS shop FROM POSTGRES CONNECTION pg (PUBLICATION 'mz_source') FOR ALL TABLES`,
    ...Object.entries(SOAK_VIEWS).map(([name, sql]) => `CREATE MATERIALIZED VIEW IF NOT EXISTS ${name} AS ${sql}`),
  ];
  for (const failpoint of [...AT_CREATION].map((name) => `${name}:1`).concat('copy:4', 'ddl:6', '')) {
    const server = new RunningMillrace({ dataDirectory, port, ...(failpoint === '' ? {} : { failpoint }) });
    try {
      const client = await server.connect();
      for (const statement of statements) await client.query(statement);
      await client.end();
    } catch (error) {
      if (!(await server.ended(2000))) throw error;
    }
    if (failpoint !== '' && server.process.signalCode !== 'SIGKILL' && !(await server.ended(3000)))
      say(`(failpoint ${failpoint} was not met)`);
    if (server.exited && server.process.signalCode === 'SIGKILL') {
      totals.kills++;
      count(totals, failpoint.split(':')[0]!);
    }
    if (failpoint === '') await server.stop();
    else await server.kill();
  }
  const slots = await postgres.query<{ n: string }>('SELECT count(*) AS n FROM pg_replication_slots');
  if (slots[0]!.n !== '1') throw new Error(`${slots[0]!.n} replication slots are left on the source, expected 1`);
}

async function audited(
  dataDirectory: string,
  port: number,
  totals: Totals,
  failures: string[],
  say: (line: string) => void,
): Promise<void> {
  const server = new RunningMillrace({ dataDirectory, port, environment: FAST_FOLD });
  try {
    const client = await server.connect();
    await client.end();
    const report = await requestAudit(server.url, []);
    totals.audits += report.views.length;
    const wrong = report.views.filter((view) => view.state !== 'equal');
    totals.differences += wrong.length;
    for (const view of wrong) failures.push(`${view.name} ${view.state}: ${JSON.stringify(view).slice(0, 1000)}`);
    if (report.views.length !== Object.keys(SOAK_VIEWS).length)
      failures.push(`${report.views.length} views audited, ${Object.keys(SOAK_VIEWS).length} exist`);
    say(`kill ${totals.kills}: ${report.views.length - wrong.length} views equal at ${report.lsn ?? '?'}`);
    // The watcher, too, wants its time.
    await new Promise((resolve) => setTimeout(resolve, 500));
  } finally {
    await server.kill();
  }
}

await main();
