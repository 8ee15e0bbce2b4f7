/**
 * `npm run test:property -- --minutes 5 [--seed N] [--json]`: random schemas, transactions and queries over what Millrace covers, on databases with C, ICU and
 * builtin collations, through the real command and a real slot. After every few transactions each view must equal Postgres's own answer at that moment
 * (real-time recency), at the socket: in text and by another road (binary, COPY, a cursor, in pieces, a SUBSCRIBE summed up), several sessions at once. A query that Millrace refuses by name is counted, not compared. The last line counts comparisons.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Client } from 'pg';
import { literal } from '../../src/base/ident.ts';
import { randomFrom } from '../../src/demo/workload.ts';
import { freePort, RunningMillrace } from '../harness/millrace.ts';
import { startPostgres, type TestPostgres } from '../postgres/postgres.ts';
import { randomQuery } from './random-query.ts';
import { createTables, Dice, randomSchema, randomTransaction } from './random-schema.ts';
import { Readings } from './readings.ts';

const VIEWS_A_ROUND = 12;
const STEPS_A_ROUND = 14;
const SUBSCRIPTIONS_A_ROUND = 3;
const PROVIDERS = ['c', 'icu', 'builtin'] as const;

interface Totals {
  rounds: number;
  comparisons: number;
  differences: number;
  refused: Record<string, number>;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '5' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      rounds: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  const endMs = performance.now() + Number(values.minutes) * 60_000;
  const totals: Totals = { rounds: 0, comparisons: 0, differences: 0, refused: {} };
  const failures: string[] = [];
  const trust = (what: string): string => `host ${what} all 127.0.0.1/32 trust`;
  const postgres = await startPostgres({ hba: [trust('all'), trust('replication')] });
  try {
    for (let seed = Number(values.seed); performance.now() < endMs && totals.rounds < Number(values.rounds ?? Infinity); seed++) {
      await round(postgres, seed, endMs, totals, failures);
      totals.rounds++;
      process.stdout.write(`round ${totals.rounds} (seed ${seed}): ${totals.comparisons} comparisons, ${totals.differences} differences\n`);
      if (failures.length > 20) break;
    }
  } finally {
    await postgres.stop();
  }
  for (const failure of failures) process.stdout.write(`FAILED: ${failure}\n`);
  process.stdout.write(`refused by name: ${JSON.stringify(totals.refused)}\n`);
  if (values.json) process.stdout.write(`${JSON.stringify(totals)}\n`);
  process.stdout.write(`${totals.comparisons} comparisons in ${totals.rounds} rounds, ${totals.differences} differences\n`);
  process.stdout.write(`${totals.comparisons - totals.differences} passed, ${failures.length} failed\n`);
  process.exitCode = failures.length === 0 && totals.comparisons > 0 ? 0 : 1;
}

async function round(postgres: TestPostgres, seed: number, endMs: number, totals: Totals, failures: string[]): Promise<void> {
  const dice = new Dice(randomFrom(seed));
  const provider = PROVIDERS[seed % PROVIDERS.length]!;
  const database = `property_${seed}`;
  await postgres.createDatabase(database, { provider });
  const tables = randomSchema(dice);
  const schema = createTables(tables);
  await postgres.query(schema, undefined, database);
  const upstream = await postgres.connect(database);
  await upstream.query(`SET timezone = 'UTC'; SET extra_float_digits = 1; SET intervalstyle = postgres`);
  for (let i = 0; i < 6; i++) await transaction(upstream, randomTransaction(dice, tables, 6));
  const directory = await mkdtemp(join(tmpdir(), 'millrace-property-'));
  const millrace = new RunningMillrace({
    dataDirectory: join(directory, 'data'),
    port: await freePort(),
    environment: { MILLRACE_VALIDATE: '1' },
  });
  let readings: Readings | undefined;
  try {
    const client = await millrace.connect();
    const url = new URL(postgres.url(undefined, database));
    await client.query(`CREATE SECRET password AS ${literal(decodeURIComponent(url.password))}`);
    await client.query(
      `CREATE CONNECTION pg TO POSTGRES (HOST '${url.hostname}', PORT ${url.port}, DATABASE '${database}', USER '${url.username}', PASSWORD SECRET password)`,
    );
    await client.query(`CREATE SOURCE s FROM POSTGRES CONNECTION pg (PUBLICATION 'mz_source') FOR ALL TABLES`);
    readings = await Readings.open(
      { port: postgres.port, user: 'postgres', database },
      { port: millrace.port, user: 'millrace', database: 'millrace' },
      tables,
      dice,
    );
    const views = await createViews(client, upstream, dice, tables, totals, failures, seed);
    for (const view of [...views.keys()].slice(0, SUBSCRIPTIONS_A_ROUND)) await readings.subscribe(view);
    for (let step = 0; step < STEPS_A_ROUND && performance.now() < endMs; step++) {
      for (let i = 1 + dice.below(3); i > 0; i--) await transaction(upstream, randomTransaction(dice, tables, 1 + dice.below(8)));
      const where = `seed ${seed} step ${step} (${provider})\n${schema}`;
      for (const [name, sql] of views) await compareOne(readings, name, sql, totals, failures, where);
      // A query asked once takes the same road, and so does a whole table.
      for (const sql of [randomQuery(dice, tables), `SELECT * FROM ${dice.pick(tables).name}`])
        await compareOne(readings, undefined, sql, totals, failures, where);
    }
    await client.end();
  } catch (error) {
    failures.push(`seed ${seed}: ${error instanceof Error ? error.stack : String(error)}\n${millrace.output.slice(-3000)}`);
  } finally {
    readings?.close();
    await millrace.stop();
    await upstream.end();
    await rm(directory, { recursive: true, force: true });
    await postgres.query(`DROP DATABASE ${database} WITH (FORCE)`).catch(async () => {
      await new Promise((resolve) => setTimeout(resolve, 500));
      await postgres.query(
        `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '${database}' AND NOT active`,
      );
      await postgres.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`).catch(() => undefined);
    });
  }
}

async function createViews(
  client: Client,
  upstream: Client,
  dice: Dice,
  tables: ReturnType<typeof randomSchema>,
  totals: Totals,
  failures: string[],
  seed: number,
): Promise<Map<string, string>> {
  const views = new Map<string, string>();
  for (let i = 0; i < VIEWS_A_ROUND; i++) {
    const sql = randomQuery(dice, tables);
    // What Postgres itself does not accept (an ambiguous or ill-typed draw) is no test.
    if (!(await accepted(upstream, sql))) continue;
    try {
      await client.query(`CREATE MATERIALIZED VIEW v${i} AS ${sql}`);
      views.set(`v${i}`, sql);
    } catch (error) {
      refusal(error, sql, totals, failures, `seed ${seed}`);
    }
  }
  return views;
}

function refusal(error: unknown, sql: string, totals: Totals, failures: string[], where: string): void {
  const { code, message } = error as { code?: string; message: string };
  if (code === '0A000') totals.refused[message] = (totals.refused[message] ?? 0) + 1;
  else failures.push(`${where}: ${code ?? ''} ${message}\n${sql}`);
}

async function compareOne(
  readings: Readings,
  view: string | undefined,
  sql: string,
  totals: Totals,
  failures: string[],
  where: string,
): Promise<void> {
  const reading = await readings.reading(view === undefined ? sql : `SELECT * FROM ${view}`, sql, view);
  const what = view ?? 'ad hoc';
  switch (reading.kind) {
    case 'no answer':
      return;
    case 'refused':
      return refusal({ code: reading.error.sqlstate, message: reading.error.message }, sql, totals, failures, `${where}\n${what}`);
    case 'equal':
      totals.comparisons++;
      return;
    case 'different':
      totals.comparisons++;
      totals.differences++;
      failures.push(
        `${where}\n${what} by ${reading.road}: ${sql}\n  only Postgres: ${JSON.stringify(reading.onlyUpstream)}\n  only Millrace: ${JSON.stringify(reading.onlyMillrace)}`,
      );
  }
}

async function accepted(upstream: Client, sql: string): Promise<boolean> {
  return upstream.query(sql).then(
    () => true,
    () => false,
  );
}

async function transaction(client: Client, statements: readonly string[]): Promise<void> {
  for (const statement of statements) {
    try {
      await client.query(statement);
    } catch {
      await client.query('ROLLBACK');
      return;
    }
  }
}

await main();
