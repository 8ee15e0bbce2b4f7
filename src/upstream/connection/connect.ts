/**
 * Opens a session with the upstream: bounded in time, with TCP keepalive, every setting that changes how a value is written pinned, every value raw text.
 * Used by catalog reads, snapshot copies, the walsender stream, audit and the providers' probes. `pg`'s internals are touched here, in cleartext.ts and in replication/stream.ts only.
 */
import type { Socket } from 'node:net';
import { Client, type ClientConfig, type QueryResultRow } from 'pg';
import type { MillraceError } from '../../base/errors.ts';
import { must } from '../../base/assert.ts';
import { guardPassword } from './cleartext.ts';
import { upstreamError, type ErrorContext } from './classify.ts';
import type { ConnectionParameters } from './parameters.ts';
import { waysToConnect, type Way } from './tls.ts';

export interface ConnectOptions {
  /** Shown upstream as application_name `millrace <purpose>`. */
  readonly purpose: string;
  /** A walsender session for logical replication. */
  readonly replication?: boolean;
  /** 0: none (copies, streams). */
  readonly statementTimeoutMs?: number;
  readonly lockTimeoutMs?: number;
  readonly signal?: AbortSignal | undefined;
  /**
   * It carries rows, for their bytes: names in them (regclass and its like) are written by the search_path that a session of this user has, and a database that takes any
   * bytes (SQL_ASCII) sends them as they are, where it would otherwise end the whole stream at one that is not UTF-8.
   */
  readonly carriesRows?: boolean;
  /** Makes the socket that pg speaks over, when there is no TLS. */
  readonly socket?: () => Socket;
}

const STATEMENT_TIMEOUT_MS_DEFAULT = 30_000;
/** How much longer than the server's own time-out we wait for an answer before the connection counts as dead. */
const ANSWER_GRACE_MS = 15_000;

export type TextRow = Record<string, string | null>;

/** The internals of pg's Client that are used here. */
interface Internals {
  readonly connection: { readonly stream: Socket };
}

const rawText = { getTypeParser: () => (value: string | Buffer) => value } as unknown as NonNullable<ClientConfig['types']>;

export async function connectUpstream(parameters: ConnectionParameters, options: ConnectOptions): Promise<UpstreamConnection> {
  const ways = await waysToConnect(parameters);
  let told: MillraceError | undefined;
  for (const host of parameters.hosts) {
    for (const way of ways) {
      options.signal?.throwIfAborted();
      try {
        return await attempt(parameters, host, way, options);
      } catch (error) {
        options.signal?.throwIfAborted();
        const failure = upstreamError(error, {
          parameters,
          host,
          doing: 'connecting',
          connecting: true,
          replication: options.replication === true,
        });
        // That one way is closed says less than what the other one met.
        if (told === undefined || WAY_CLOSED.has(told.code)) told = failure;
        if (!OTHER_WAY_MAY_HELP.has(failure.code)) break;
      }
    }
  }
  throw must(told, 'a host to connect to');
}

/** What makes libpq try the other way under sslmode allow and prefer. */
const OTHER_WAY_MAY_HELP = new Set([
  'UPSTREAM_TLS_UNSUPPORTED',
  'UPSTREAM_TLS_FAILED',
  'UPSTREAM_TLS_REQUIRED',
  'UPSTREAM_ACCESS_REFUSED',
  'UPSTREAM_TLS_CERTIFICATE_REFUSED',
]);

const WAY_CLOSED = new Set(['UPSTREAM_TLS_UNSUPPORTED', 'UPSTREAM_TLS_FAILED', 'UPSTREAM_TLS_REQUIRED']);

async function attempt(
  parameters: ConnectionParameters,
  host: { host: string; port: number },
  way: Way,
  options: ConnectOptions,
): Promise<UpstreamConnection> {
  const statementTimeoutMs = options.statementTimeoutMs ?? STATEMENT_TIMEOUT_MS_DEFAULT;
  const config: ClientConfig = {
    host: host.host,
    port: host.port,
    user: parameters.user,
    database: parameters.database,
    ssl: way.tls ? way.options : false,
    connectionTimeoutMillis: parameters.connectTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: parameters.keepaliveIdleMs,
    application_name: parameters.applicationName ?? `millrace ${options.purpose}`,
    client_encoding: 'UTF8',
    types: rawText,
    ...(parameters.password === undefined ? {} : { password: parameters.password }),
    ...(parameters.options === undefined ? {} : { options: parameters.options }),
    ...(statementTimeoutMs > 0 && options.replication !== true ? { query_timeout: statementTimeoutMs + ANSWER_GRACE_MS } : {}),
    ...(options.socket !== undefined && !way.tls ? { stream: options.socket } : {}),
  };
  const extra = {
    enableChannelBinding: way.tls && parameters.channelBinding !== 'disable',
    sslnegotiation: parameters.sslnegotiation,
    ...(options.replication === true ? { replication: 'database' } : {}),
  };
  const client = new Client({ ...config, ...extra } as ClientConfig);
  guardPassword(client, parameters, host, way.tls);
  const connection = new UpstreamConnection(client, parameters, host, way.tls);
  const abort = (): void => connection.destroy();
  options.signal?.addEventListener('abort', abort, { once: true });
  try {
    await client.connect();
    await connection.pin({
      ...(options.carriesRows === true ? withoutSearchPath : PINNED_SETTINGS),
      statement_timeout: String(statementTimeoutMs),
      lock_timeout: String(options.lockTimeoutMs ?? 0),
    });
    if (options.carriesRows === true && connection.takesAnyBytes) await connection.query(`SET client_encoding = 'SQL_ASCII'`);
    return connection;
  } catch (error) {
    connection.destroy();
    throw error;
  } finally {
    options.signal?.removeEventListener('abort', abort);
  }
}

/**
 * Every setting that changes the text of a value, or that could end a long read. The stream and the copy must write a value alike, whatever the role's defaults are.
 * row_security = off turns silently missing rows into an error.
 */
const PINNED_SETTINGS: Readonly<Record<string, string>> = {
  DateStyle: 'ISO, MDY',
  IntervalStyle: 'postgres',
  TimeZone: 'UTC',
  // 3 means the shortest exact form from Postgres 12 on, and all digits before.
  extra_float_digits: '3',
  bytea_output: 'hex',
  xmlbinary: 'base64',
  search_path: 'pg_catalog',
  quote_all_identifiers: 'off',
  row_security: 'off',
  idle_in_transaction_session_timeout: '0',
  idle_session_timeout: '0',
  transaction_timeout: '0',
  synchronize_seqscans: 'on',
};

const { search_path: _, ...withoutSearchPath } = PINNED_SETTINGS;

export class UpstreamConnection {
  readonly client: Client;
  readonly parameters: ConnectionParameters;
  readonly host: { readonly host: string; readonly port: number };
  readonly tls: boolean;
  /** server_version_num: 180004. */
  versionNum = 0;
  backendPid = 0;
  /** 0: the server never ends a silent stream. */
  walSenderTimeoutMs = 0;
  inRecovery = false;
  /** A database of encoding SQL_ASCII: its text may be no text. */
  takesAnyBytes = false;
  #lost: Error | undefined;
  #ended = false;
  readonly #onLost: ((error: Error) => void)[] = [];

  constructor(client: Client, parameters: ConnectionParameters, host: { host: string; port: number }, tls: boolean) {
    this.client = client;
    this.parameters = parameters;
    this.host = host;
    this.tls = tls;
    // pg throws a lost connection as an unhandled 'error' unless someone listens.
    client.on('error', (error) => this.#lose(error));
    client.on('end', () => this.#lose(new Error('Connection terminated')));
  }

  get socket(): Socket {
    return (this.client as unknown as Internals).connection.stream;
  }

  get lost(): Error | undefined {
    return this.#lost;
  }

  /** Called once when the connection ends without `end` having been asked for. */
  onLost(listener: (error: Error) => void): void {
    if (this.#lost !== undefined) listener(this.#lost);
    else this.#onLost.push(listener);
  }

  /** One round trip; settings that this version does not have, or that this user may not set, are left alone. */
  async pin(settings: Readonly<Record<string, string>>): Promise<void> {
    const wanted = Object.entries(settings)
      .map(([name, value]) => `('${name}','${value}')`)
      .join(',');
    const [row] = await this.query(
      `SELECT (SELECT count(set_config(s.name, w.value, false)) FROM (VALUES ${wanted}) w(name, value) JOIN pg_catalog.pg_settings s ON lower(s.name) = lower(w.name) WHERE s.context = 'user') AS pinned,
         current_setting('server_version_num') AS version, pg_backend_pid() AS pid, pg_is_in_recovery() AS recovery, current_setting('server_encoding') AS encoding,
         (SELECT setting FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout') AS wal_sender_timeout`,
    );
    this.versionNum = Number(row!['version']);
    this.backendPid = Number(row!['pid']);
    this.walSenderTimeoutMs = Number(row!['wal_sender_timeout'] ?? 0);
    this.inRecovery = row!['recovery'] === 't';
    this.takesAnyBytes = row!['encoding'] === 'SQL_ASCII';
  }

  /** One statement; values as text. Errors are the driver's own: classify with `failure`. */
  async query(text: string, values?: readonly (string | number | null)[]): Promise<TextRow[]> {
    const result =
      values === undefined ? await this.client.query<QueryResultRow>(text) : await this.client.query<QueryResultRow>(text, [...values]);
    return result.rows as TextRow[];
  }

  failure(error: unknown, context: Omit<ErrorContext, 'parameters' | 'host'>): MillraceError {
    return upstreamError(this.#lost !== undefined && !hasSqlState(error) ? this.#lost : error, {
      ...context,
      parameters: this.parameters,
      host: this.host,
    });
  }

  /** A polite goodbye, cut short when the server does not take it. */
  async end(): Promise<void> {
    if (this.#ended) return;
    this.#ended = true;
    const timer = setTimeout(() => this.destroy(), 2_000);
    await this.client.end().catch(() => undefined);
    clearTimeout(timer);
  }

  destroy(): void {
    this.#ended = true;
    this.socket.destroy();
  }

  #lose(error: Error): void {
    if (this.#lost !== undefined) return;
    this.#lost = error;
    if (this.#ended) return;
    this.#ended = true;
    for (const listener of this.#onLost) listener(error);
    this.socket.destroy();
  }
}

function hasSqlState(error: unknown): boolean {
  // EPIPE is of five characters, too.
  return error instanceof Error && /^(?!E[A-Z]+$)[0-9A-Z]{5}$/.test(String((error as { code?: unknown }).code));
}
