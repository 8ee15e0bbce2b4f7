/**
 * A whole system for a benchmark: a real Postgres as the upstream and the `serve` command in a process of its own, connected. Nothing is left behind.
 * Used by `latency.ts`, `ingest.ts` and `neighbours.ts`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { requestAudit } from '../src/cli/audit.ts';
import { startEmbeddedPostgres, type EmbeddedPostgres } from '../src/demo/embedded-postgres.ts';
import { freePort, RunningMillrace, type MillraceOptions } from '../test/harness/millrace.ts';

export interface UpstreamSettings {
  readonly [name: string]: string | number | boolean;
}

/** On a machine that is busy with a benchmark. */
const START_TIMEOUT_MS = 90_000;

const SETTINGS: UpstreamSettings = {
  wal_level: 'logical',
  max_wal_senders: 20,
  max_replication_slots: 20,
  max_connections: 100,
  shared_buffers: '512MB',
  max_wal_size: '8GB',
  autovacuum: false,
  // A stopped reader must not be dropped.
  wal_sender_timeout: 0,
};

export class System {
  readonly upstream: EmbeddedPostgres;
  readonly sql: pg.Client;
  readonly #directory: string;
  readonly #clients: pg.Client[] = [];
  #millrace: RunningMillrace | undefined;

  static async start(settings: UpstreamSettings = {}): Promise<System> {
    const upstream = await startEmbeddedPostgres({
      cluster: { provider: 'builtin' },
      settings: { ...SETTINGS, ...settings },
      hba: ['host all all 127.0.0.1/32 trust', 'host replication all 127.0.0.1/32 trust'],
    });
    const sql = new pg.Client({ connectionString: upstream.url() });
    await sql.connect();
    return new System(upstream, sql, await mkdtemp(join(tmpdir(), 'millrace-bench-')));
  }

  private constructor(upstream: EmbeddedPostgres, sql: pg.Client, directory: string) {
    this.upstream = upstream;
    this.sql = sql;
    this.#directory = directory;
  }

  get millrace(): RunningMillrace {
    if (this.#millrace === undefined) throw new Error('serve was not started');
    return this.#millrace;
  }

  get dataDirectory(): string {
    return join(this.#directory, 'data');
  }

  get pid(): number {
    return this.millrace.process.pid ?? 0;
  }

  async connect(url = this.millrace.url): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: url });
    client.on('error', () => undefined);
    await client.connect();
    this.#clients.push(client);
    return client;
  }

  /** Publishes these tables, starts `serve` and copies them. */
  async serve(tables: readonly string[], beforeSource: () => void = () => {}, options: Partial<MillraceOptions> = {}): Promise<pg.Client> {
    await this.sql.query(`DROP PUBLICATION IF EXISTS mz_source; CREATE PUBLICATION mz_source FOR TABLE ${tables.join(', ')}`);
    this.#millrace = new RunningMillrace({ dataDirectory: this.dataDirectory, port: await freePort(), ...options });
    await (await this.#millrace.connect(START_TIMEOUT_MS)).end();
    const client = await this.connect();
    await client.query(
      `CREATE CONNECTION upstream TO POSTGRES (HOST '${this.upstream.host}', PORT ${this.upstream.port}, DATABASE 'postgres', USER 'postgres')`,
    );
    beforeSource();
    await client.query(
      `CREATE SOURCE upstream_source FROM POSTGRES CONNECTION upstream (PUBLICATION 'mz_source') FOR TABLES (${tables.join(', ')})`,
    );
    await this.copied(client, tables.length);
    return client;
  }

  /** The same directory and port again, after it ended. */
  async again(): Promise<void> {
    this.#millrace = new RunningMillrace({ ...this.millrace.options });
    await (await this.#millrace.connect(START_TIMEOUT_MS)).end();
  }

  async copied(client: pg.Client, tables: number, timeoutMs = 300_000): Promise<void> {
    const deadlineMs = performance.now() + timeoutMs;
    for (;;) {
      const { rows } = await client.query<{ status: string; error: string | null }>('SELECT status, error FROM millrace.tables');
      const failed = rows.find(({ error }) => error !== null);
      if (failed !== undefined) throw new Error(`a table failed: ${failed.error}`);
      if (rows.length === tables && rows.every(({ status }) => status === 'running')) return;
      if (performance.now() > deadlineMs) throw new Error(`the copy is not complete after ${timeoutMs} ms`);
      await pause(20);
    }
  }

  /** Every view against the upstream at one exact LSN; throws where one differs. */
  async audit(): Promise<void> {
    const report = await requestAudit(this.millrace.url, []);
    const wrong = report.views.filter(({ state }) => state !== 'equal');
    if (report.views.length === 0 || wrong.length > 0)
      throw new Error(`the audit found: ${JSON.stringify(wrong.length > 0 ? wrong : report)}`);
  }

  async stop(): Promise<void> {
    await Promise.allSettled(this.#clients.map((client) => client.end()));
    await this.#millrace?.stop();
    await this.sql.end().catch(() => undefined);
    await this.upstream.stop('immediate');
    await rm(this.#directory, { recursive: true, force: true });
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
