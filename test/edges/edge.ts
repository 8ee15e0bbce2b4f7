/**
 * A case at the edge: the smallest input of a kind that once went wrong, through the real command and a real Postgres, seen by real clients. A case passes when its
 * `run` returns; it throws (an assertion of `node:assert`) when a client sees something else than what is right. Written by the areas beside this file, run by `run.ts`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type pg from 'pg';
import { literal } from '../../src/base/ident.ts';
import { freePort, RunningMillrace, type MillraceOptions } from '../harness/millrace.ts';
import { startPostgres, type DatabaseOptions, type PostgresOptions, type TestPostgres } from '../postgres/postgres.ts';

export interface EdgeCase {
  /** Short and unique: `E1 text`, `setup generated columns`. Says which edge it is. */
  readonly id: string;
  /** What is right, in a line. */
  readonly right: string;
  run(world: World): Promise<void>;
}

/** What a case may start; everything is ended when the case is over. */
export class World {
  readonly #ends: (() => Promise<unknown>)[] = [];
  readonly #shared: TestPostgres;
  #databases = 0;
  readonly #prefix: string;

  constructor(shared: TestPostgres, prefix: string) {
    this.#shared = shared;
    this.#prefix = prefix;
  }

  /** A database of the case's own on the shared Postgres 18 (superuser `postgres`), with `sql` run in it. */
  async upstream(sql: string, options: DatabaseOptions = {}): Promise<Upstream> {
    const name = `${this.#prefix}_${++this.#databases}`;
    await this.#shared.createDatabase(name, options);
    this.#ends.push(() => dropDatabase(this.#shared, name));
    await this.#shared.query(sql, undefined, name);
    return new Upstream(this.#shared, name, (end) => this.#ends.push(end));
  }

  /** A Postgres of the case's own: another major, other settings, or one that is stopped and killed. */
  async server(options: PostgresOptions, sql: string): Promise<Upstream> {
    const server = await startPostgres(options);
    this.#ends.push(() => server.stop());
    await server.query(sql);
    return new Upstream(server, 'postgres', (end) => this.#ends.push(end));
  }

  /** `millrace serve --auth trust` on an empty directory. */
  async millrace(options: Partial<MillraceOptions> = {}): Promise<RunningMillrace> {
    const folder = await this.folder();
    const started = new RunningMillrace({ dataDirectory: join(folder, 'data'), port: await freePort(), ...options });
    this.#ends.push(() => started.stop());
    return started;
  }

  /** The same directory and port again, after `stop` or `kill`. */
  async again(before: RunningMillrace): Promise<RunningMillrace> {
    const started = new RunningMillrace({ ...before.options });
    this.#ends.push(() => started.stop());
    return started;
  }

  async connect(millrace: RunningMillrace): Promise<pg.Client> {
    const client = await millrace.connect();
    this.#ends.push(() => client.end());
    return client;
  }

  /** Millrace with a source `s` of the publication mz_source and all its tables. */
  async following(upstream: Upstream, options: Partial<MillraceOptions> = {}): Promise<{ millrace: RunningMillrace; client: pg.Client }> {
    const millrace = await this.millrace(options);
    const client = await this.connect(millrace);
    await upstream.source(client);
    return { millrace, client };
  }

  /** Ends something that the case started by itself. */
  atEnd(end: () => Promise<unknown>): void {
    this.#ends.push(end);
  }

  async folder(): Promise<string> {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-edge-'));
    this.#ends.push(() => rm(folder, { recursive: true, force: true }));
    return folder;
  }

  async close(): Promise<void> {
    for (const end of this.#ends.reverse()) await end().catch(() => undefined);
  }
}

export class Upstream {
  readonly postgres: TestPostgres;
  readonly database: string;
  readonly #atEnd: (end: () => Promise<unknown>) => void;

  constructor(postgres: TestPostgres, database: string, atEnd: (end: () => Promise<unknown>) => void) {
    this.postgres = postgres;
    this.database = database;
    this.#atEnd = atEnd;
  }

  async query(sql: string): Promise<Record<string, unknown>[]> {
    return this.postgres.query(sql, undefined, this.database);
  }

  async connect(user?: string): Promise<pg.Client> {
    const client = await this.postgres.connect(this.database, user);
    this.#atEnd(() => client.end());
    return client;
  }

  url(user?: string, password?: string): string {
    return this.postgres.url(user, this.database, password);
  }

  /** CREATE SECRET, CONNECTION and SOURCE s over it. */
  async source(client: pg.Client, tables = 'FOR ALL TABLES'): Promise<void> {
    await client.query(`CREATE SECRET pgpass AS ${literal('postgres')}`);
    await client.query(
      `CREATE CONNECTION pg TO POSTGRES (HOST '${this.postgres.host}', PORT ${this.postgres.port}, DATABASE ${literal(this.database)}, USER 'postgres', PASSWORD SECRET pgpass)`,
    );
    await client.query(`CREATE SOURCE s FROM POSTGRES CONNECTION pg (PUBLICATION 'mz_source') ${tables}`);
  }
}

const AS_TEXT = { getTypeParser: () => (value: string) => value };

/** Rows as a client receives them, every value as text. */
export async function textRows(client: pg.Client, sql: string, values: unknown[] = []): Promise<(string | null)[][]> {
  const result = await client.query<(string | null)[]>({ text: sql, rowMode: 'array', types: AS_TEXT, values });
  return result.rows;
}

/** The error that a statement is answered with; fails when there is none. */
export async function refusal(work: Promise<unknown>): Promise<pg.DatabaseError> {
  const outcome = await work.then(
    () => undefined,
    (error: unknown) => error as pg.DatabaseError,
  );
  if (outcome === undefined) throw new Error('it was not refused');
  return outcome;
}

/** Tries until `check` does not throw; its last error after `timeoutMs`. */
export async function eventually<T>(check: () => Promise<T>, timeoutMs = 15_000): Promise<T> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function dropDatabase(postgres: TestPostgres, name: string): Promise<void> {
  await eventually(async () => {
    await postgres.query(
      `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = ${literal(name)} AND active_pid IS NOT NULL`,
    );
    await postgres.query(`SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = ${literal(name)}`);
    await postgres.query(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`);
  }, 5_000);
}
