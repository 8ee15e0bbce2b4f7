/**
 * A real Postgres for a test: `const pg = await startPostgres()`; `await pg.stop()` in `afterAll`. Ready in about a quarter of a second.
 * Differences from a production server: fsync is off, wal_level is logical, text order is by bytes (builtin C.UTF-8) unless asked for otherwise.
 */
import { readFile } from 'node:fs/promises';
import { Client, type QueryResult, type QueryResultRow } from 'pg';
import { ident, literal } from '../../src/base/ident.ts';
import { startEmbeddedPostgres, type ClusterOptions, type EmbeddedPostgres } from '../../src/demo/embedded-postgres.ts';

type Settings = Readonly<Record<string, string | number | boolean>>;

export interface PostgresOptions {
  readonly settings?: Settings;
  readonly initdb?: ClusterOptions;
  readonly major?: number;
  /** Replaces pg_hba.conf; default: passwords (scram) for everybody. */
  readonly hba?: readonly string[];
}

/** c: libc "C" · builtin: C.UTF-8 · icu: en-US · libc: C.UTF-8. */
export interface DatabaseOptions {
  readonly provider?: 'c' | 'builtin' | 'icu' | 'libc';
  readonly locale?: string;
  /** Takes any bytes as text. */
  readonly encoding?: 'SQL_ASCII';
}

const TEST_SETTINGS: Settings = {
  fsync: false,
  synchronous_commit: true,
  full_page_writes: false,
  wal_level: 'logical',
  max_wal_senders: 20,
  max_replication_slots: 20,
  max_connections: 100,
  shared_buffers: '32MB',
  autovacuum: false,
  log_statement: 'none',
};

export async function startPostgres(options: PostgresOptions = {}): Promise<TestPostgres> {
  const server = await startEmbeddedPostgres({
    useTemplate: true,
    settings: { ...TEST_SETTINGS, ...options.settings },
    ...(options.initdb === undefined ? {} : { cluster: options.initdb }),
    ...(options.major === undefined ? {} : { major: options.major }),
    ...(options.hba === undefined ? {} : { hba: options.hba }),
  });
  return new TestPostgres(server);
}

export class TestPostgres {
  readonly server: EmbeddedPostgres;
  readonly #clients = new Map<string, Promise<Client>>();

  constructor(server: EmbeddedPostgres) {
    this.server = server;
  }

  get host(): string {
    return this.server.host;
  }

  get port(): number {
    return this.server.port;
  }

  /** As the superuser `postgres` (password `postgres`) unless a user is given. */
  url(user?: string, database = 'postgres', password = user ?? this.server.password): string {
    return this.server.url(database, user, password);
  }

  /** Runs SQL in `database` on a connection kept for it; several statements at once are fine without values. The rows of the last one. */
  async query<R extends QueryResultRow = Record<string, unknown>>(
    sql: string,
    values?: readonly unknown[],
    database = 'postgres',
  ): Promise<R[]> {
    const client = await this.#client(database);
    const result: QueryResult<R> | QueryResult<R>[] =
      values === undefined ? await client.query<R>(sql) : await client.query<R>(sql, [...values]);
    return (Array.isArray(result) ? result.at(-1)!.rows : result.rows) as R[];
  }

  /** A connection of the caller's own, to be ended by the caller. */
  async connect(database = 'postgres', user?: string): Promise<Client> {
    const client = new Client({ connectionString: this.url(user, database) });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  async createDatabase(name: string, options: DatabaseOptions = {}): Promise<string> {
    const clause = {
      c: `LOCALE_PROVIDER libc LOCALE 'C'`,
      libc: `LOCALE_PROVIDER libc LOCALE ${literal(options.locale ?? 'C.UTF-8')}`,
      builtin: `LOCALE_PROVIDER builtin BUILTIN_LOCALE ${literal(options.locale ?? 'C.UTF-8')} LOCALE 'C'`,
      icu: `LOCALE_PROVIDER icu ICU_LOCALE ${literal(options.locale ?? 'en-US')} LOCALE 'C'`,
    };
    if (options.encoding !== undefined) {
      await this.query(
        `CREATE DATABASE ${ident(name)} TEMPLATE template0 ENCODING ${literal(options.encoding)} LOCALE_PROVIDER libc LOCALE 'C'`,
      );
      return this.url(undefined, name);
    }
    await this.query(
      `CREATE DATABASE ${ident(name)} ${options.provider === undefined ? '' : `TEMPLATE template0 ENCODING 'UTF8' ${clause[options.provider]}`}`,
    );
    return this.url(undefined, name);
  }

  /** The server's log so far. */
  async log(): Promise<string> {
    return readFile(this.server.logFile, 'utf8');
  }

  async restart(mode: 'smart' | 'fast' | 'immediate' = 'fast', settings: Settings = {}): Promise<void> {
    await this.#closeClients();
    await this.server.restart(mode, settings);
  }

  /** kill -9; `start` brings it back. */
  async kill(): Promise<void> {
    await this.server.kill();
    this.#clients.clear();
  }

  async halt(): Promise<void> {
    await this.#closeClients();
    await this.server.halt();
  }

  async start(settings: Settings = {}): Promise<void> {
    await this.server.start(undefined, settings);
  }

  async stop(): Promise<void> {
    await this.#closeClients();
    await this.server.stop('immediate');
  }

  #client(database: string): Promise<Client> {
    let client = this.#clients.get(database);
    if (client === undefined) {
      client = this.connect(database).then((connected) => {
        connected.on('end', () => this.#clients.delete(database));
        return connected;
      });
      client.catch(() => this.#clients.delete(database));
      this.#clients.set(database, client);
    }
    return client;
  }

  async #closeClients(): Promise<void> {
    const open = [...this.#clients.values()];
    this.#clients.clear();
    for (const client of open)
      await client.then(
        (connected) => connected.end(),
        () => undefined,
      );
  }
}
