/**
 * What the end-to-end tests share: a small shop on a real Postgres and the real `millrace serve` beside it, each in processes of their own. Everything that was
 * started is ended by `close`, by pid.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type pg from 'pg';
import { freePort, RunningMillrace } from '../harness/millrace.ts';
import { startPostgres, type TestPostgres } from '../postgres/postgres.ts';

const MAIN = fileURLToPath(new URL('../../bin/millrace.js', import.meta.url));

export const CUSTOMERS = 300;
export const ORDERS = 2_000;

/** Of the upstream's user for Millrace, who is no superuser. */
export const PASSWORD = 'open sesame';

/** `notes` and `unpublished` are for tables that come later; `ratios` is for views that fail on a row. */
const SCHEMA = `
  CREATE TYPE order_state AS ENUM ('new', 'paid', 'shipped');
  CREATE TABLE customers (id int PRIMARY KEY, name text NOT NULL, region text NOT NULL);
  CREATE TABLE orders (id int PRIMARY KEY, customer int NOT NULL, total numeric(10,2) NOT NULL, state order_state NOT NULL);
  CREATE TABLE ratios (id int PRIMARY KEY, part int NOT NULL, whole int NOT NULL);
  CREATE TABLE notes (id int PRIMARY KEY, text text);
  CREATE TABLE unpublished (id int PRIMARY KEY);
  INSERT INTO customers SELECT n, 'customer ' || n, (ARRAY['north', 'south', 'east'])[n % 3 + 1] FROM generate_series(1, ${CUSTOMERS}) n;
  INSERT INTO orders SELECT n, n % ${CUSTOMERS} + 1, n % 97 + 0.50, (ARRAY['new', 'paid', 'shipped'])[n % 3 + 1]::order_state FROM generate_series(1, ${ORDERS}) n;
  INSERT INTO ratios VALUES (1, 10, 2), (2, 9, 3);
  INSERT INTO notes SELECT n, 'note ' || n FROM generate_series(1, 500) n;
  CREATE PUBLICATION mz_source FOR TABLE customers, orders, ratios, notes;
  CREATE ROLE millrace LOGIN REPLICATION PASSWORD '${PASSWORD}';
  GRANT SELECT ON ALL TABLES IN SCHEMA public TO millrace;
`;

export interface ShopOptions {
  readonly environment?: Readonly<Record<string, string>>;
}

export class Shop {
  readonly postgres: TestPostgres;
  readonly dataDirectory: string;
  readonly #folder: string;
  readonly #environment: Readonly<Record<string, string>>;
  millrace: RunningMillrace;

  private constructor(postgres: TestPostgres, folder: string, port: number, environment: Readonly<Record<string, string>>) {
    this.postgres = postgres;
    this.#folder = folder;
    this.#environment = environment;
    this.dataDirectory = join(folder, 'data');
    this.millrace = new RunningMillrace({ dataDirectory: this.dataDirectory, port, environment });
  }

  static async open({ environment = {} }: ShopOptions = {}): Promise<Shop> {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-e2e-'));
    const [postgres, port] = await Promise.all([startPostgres(), freePort()]);
    await postgres.createDatabase('shop', { provider: 'icu' });
    await postgres.query(SCHEMA, undefined, 'shop');
    return new Shop(postgres, folder, port, { MILLRACE_VALIDATE: '1', ...environment });
  }

  /** Upstream. */
  async upstream<R extends pg.QueryResultRow = Record<string, unknown>>(sql: string, values?: readonly unknown[]): Promise<R[]> {
    return this.postgres.query<R>(sql, values, 'shop');
  }

  /** The upstream's answer, as text: the oracle. */
  async oracle(sql: string): Promise<string[][]> {
    const client = await this.postgres.connect('shop');
    try {
      return await textRows(client, sql);
    } finally {
      await client.end();
    }
  }

  connection(name = 'shop', more = ''): string {
    const { host, port } = this.postgres;
    return `CREATE CONNECTION ${name} TO POSTGRES (HOST '${host}', PORT ${port}, DATABASE 'shop', USER 'millrace', PASSWORD SECRET pgpass${more})`;
  }

  async connect(): Promise<pg.Client> {
    return this.millrace.connect();
  }

  /** As psql's Ctrl-C: a CancelRequest on a connection of its own. */
  async cancel(target: pg.Client): Promise<void> {
    const { processID, secretKey } = target as unknown as { processID: number; secretKey: number };
    const socket = createConnection(this.millrace.port, '127.0.0.1');
    const request = Buffer.alloc(16);
    request.writeInt32BE(16, 0);
    request.writeInt32BE(80877102, 4);
    request.writeInt32BE(processID, 8);
    request.writeInt32BE(secretKey, 12);
    socket.end(request);
    await once(socket, 'close');
  }

  /** Secret, connection, source and whatever else is asked for. */
  async define(client: pg.Client, ...statements: string[]): Promise<void> {
    for (const statement of [
      `CREATE SECRET pgpass AS '${PASSWORD}'`,
      this.connection(),
      `CREATE SOURCE shop FROM POSTGRES CONNECTION shop (PUBLICATION 'mz_source') FOR ALL TABLES`,
      ...statements,
    ])
      await client.query(statement);
  }

  /** On the same data directory and port. */
  async startAgain(): Promise<pg.Client> {
    await this.millrace.kill();
    this.millrace = new RunningMillrace({ dataDirectory: this.dataDirectory, port: this.millrace.port, environment: this.#environment });
    return this.connect();
  }

  async close(): Promise<void> {
    // For whoever reads a failed run: why the server is not there any more.
    if (this.millrace.process.exitCode !== null)
      process.stderr.write(`millrace had ended with ${this.millrace.process.exitCode}:\n${this.millrace.output}\n`);
    await this.millrace.stop();
    await this.postgres.stop();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Rows as Postgres's text, without node-postgres's own reading of types. */
export async function textRows(client: pg.Client, text: string, values: readonly unknown[] = []): Promise<string[][]> {
  const raw = { getTypeParser: () => (value: unknown) => value };
  const config: pg.QueryArrayConfig = { text, rowMode: 'array', types: raw as pg.CustomTypesConfig };
  // Without values it is a simple query, with them an extended one.
  return (await client.query<string[]>(values.length === 0 ? config : { ...config, values: [...values] })).rows;
}

export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly hint?: string;
  readonly detail?: string;
  readonly position?: string;
}

/** The error of a statement that must fail. */
export async function refusal(work: Promise<unknown>): Promise<Refusal> {
  const outcome = await work.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (outcome === undefined) throw new Error('the statement was not refused');
  return outcome as Refusal;
}

/** Asks until the answer is as wanted; the last answer (or error) is in the failure. */
export async function eventually<T>(ask: () => Promise<T>, wanted: (answer: T) => boolean, timeoutMs = 20_000): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    let seen: unknown;
    try {
      const answer = await ask();
      if (wanted(answer)) return answer;
      seen = answer;
    } catch (error) {
      seen = error;
    }
    if (performance.now() > deadline)
      throw new Error(`not as wanted after ${timeoutMs} ms: ${seen instanceof Error ? seen.message : JSON.stringify(seen)}`);
    await pause(25);
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

export interface Ran {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command to its end. */
export async function run(command: string, args: readonly string[], environment: Readonly<Record<string, string>> = {}): Promise<Ran> {
  const child = spawn(command, [...args], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...environment } });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (bytes: Buffer) => (stdout += bytes.toString()));
  child.stderr.on('data', (bytes: Buffer) => (stderr += bytes.toString()));
  await once(child, 'close');
  return { code: child.exitCode, stdout, stderr };
}

export function runMillrace(...args: string[]): Promise<Ran> {
  return run(process.execPath, [MAIN, ...args]);
}
