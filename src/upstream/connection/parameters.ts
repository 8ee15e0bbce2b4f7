/**
 * Where the upstream is and how to get in, as libpq takes it: a `postgres://` URL, `key = value` pairs, or options by name (CREATE CONNECTION).
 * Plain data: crosses threads. Holds the password: never log it; `describe` gives what may be logged.
 */
import { millraceError } from '../../base/errors.ts';

export const SSL_MODES = ['disable', 'allow', 'prefer', 'require', 'verify-ca', 'verify-full'] as const;
export type SslMode = (typeof SSL_MODES)[number];

export interface ConnectionParameters {
  /** Tried in order. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[];
  readonly database: string;
  readonly user: string;
  readonly password: string | undefined;
  readonly sslmode: SslMode;
  /** A file, the PEM text itself, or `system`. */
  readonly sslrootcert: string | undefined;
  readonly sslcert: string | undefined;
  readonly sslkey: string | undefined;
  readonly sslpassword: string | undefined;
  readonly sslnegotiation: 'postgres' | 'direct';
  readonly channelBinding: 'disable' | 'prefer' | 'require';
  /** The password may be sent as it is to whoever asks for it, TLS or not: ALLOW CLEARTEXT, or libpq's require_auth with `password`. */
  readonly allowCleartext: boolean;
  readonly connectTimeoutMs: number;
  readonly keepaliveIdleMs: number;
  readonly applicationName: string | undefined;
  /** Command-line options for the backend, as in PGOPTIONS. */
  readonly options: string | undefined;
}

const CONNECT_TIMEOUT_MS_DEFAULT = 15_000;
const KEEPALIVE_IDLE_MS_DEFAULT = 15_000;

/** Parameters of libpq that change nothing here: accepted, so that strings made for other clients work. */
const IGNORED = new Set(
  (
    'fallback_application_name client_encoding keepalives keepalives_interval keepalives_count tcp_user_timeout gssencmode krbsrvname gsslib gssdelegation service passfile ' +
    'target_session_attrs load_balance_hosts sslcompression sslcrl sslcrldir sslsni ssl_min_protocol_version ssl_max_protocol_version requirepeer replication ' +
    'sslcertmode min_protocol_version max_protocol_version requiressl'
  ).split(' '),
);
const KNOWN = new Set(
  'host hostaddr port dbname user password sslmode sslrootcert sslcert sslkey sslpassword sslnegotiation channel_binding require_auth connect_timeout keepalives_idle application_name options'.split(
    ' ',
  ),
);

const ENVIRONMENT: Readonly<Record<string, string>> = {
  PGHOST: 'host',
  PGPORT: 'port',
  PGDATABASE: 'dbname',
  PGUSER: 'user',
  PGPASSWORD: 'password',
  PGSSLMODE: 'sslmode',
  PGSSLROOTCERT: 'sslrootcert',
  PGSSLCERT: 'sslcert',
  PGSSLKEY: 'sslkey',
  PGCONNECT_TIMEOUT: 'connect_timeout',
};

/**
 * A URL or conninfo string. `environment`: libpq's PG… variables fill in what the string leaves out (the command line passes process.env).
 * No error repeats a part of the string that could belong to a password written without its quoting.
 */
export function parseConnectionString(text: string, environment: Readonly<Record<string, string | undefined>> = {}): ConnectionParameters {
  const given = optionsIn(text);
  for (const [variable, name] of Object.entries(ENVIRONMENT)) {
    const value = environment[variable];
    if (value !== undefined && value !== '') given[name] ??= value;
  }
  refuseHalfCertificate(given);
  return connectionParameters(given);
}

/** What a URL or conninfo string gives, by libpq's names. */
export function optionsIn(text: string): Record<string, string> {
  return /^postgres(ql)?:\/\//.test(text) ? parseUrl(text) : parsePairs(text);
}

/** Options by libpq's names. Materialize's spellings of sslmode (`verify_ca`) are accepted. */
export function connectionParameters(given: Readonly<Record<string, string>>): ConnectionParameters {
  for (const name of Object.keys(given)) if (!isOption(name)) throw invalid(`unknown option "${name}"`);
  const names = (given['hostaddr'] ?? given['host'] ?? 'localhost').split(',');
  const ports = (given['port'] ?? '5432').split(',');
  const user = given['user'] ?? 'postgres';
  const hosts = names.map((host, i) => ({
    host: host === '' ? 'localhost' : host,
    port: portNumber(ports.length === 1 ? ports[0]! : (ports[i] ?? '')),
  }));
  const sslmode = (given['sslmode'] ?? 'prefer').toLowerCase().replace('_', '-');
  if (!isSslMode(sslmode)) throw invalid(`invalid sslmode value "${given['sslmode']!}"`);
  return {
    hosts,
    database: given['dbname'] ?? user,
    user,
    password: given['password'],
    sslmode,
    sslrootcert: given['sslrootcert'],
    sslcert: given['sslcert'],
    sslkey: given['sslkey'],
    sslpassword: given['sslpassword'],
    sslnegotiation: oneOf('sslnegotiation', given['sslnegotiation'] ?? 'postgres', ['postgres', 'direct'] as const),
    allowCleartext: given['require_auth']?.split(',').some((method) => method.trim() === 'password') ?? false,
    channelBinding: oneOf('channel_binding', given['channel_binding'] ?? 'prefer', ['disable', 'prefer', 'require'] as const),
    connectTimeoutMs: seconds('connect_timeout', given['connect_timeout'], CONNECT_TIMEOUT_MS_DEFAULT),
    keepaliveIdleMs: seconds('keepalives_idle', given['keepalives_idle'], KEEPALIVE_IDLE_MS_DEFAULT),
    applicationName: given['application_name'],
    options: given['options'],
  };
}

/** One without the other is of no use, and would be left unused in silence. */
export function refuseHalfCertificate(given: Readonly<Record<string, unknown>>): void {
  if ((given['sslcert'] === undefined) === (given['sslkey'] === undefined)) return;
  throw invalid(
    given['sslcert'] === undefined
      ? 'a key without its certificate (sslcert; in CREATE CONNECTION: SSL CERTIFICATE)'
      : 'a certificate without its key (sslkey; in CREATE CONNECTION: SSL KEY SECRET)',
  );
}

/** For messages and logs: everything but secrets. */
export function describe(parameters: ConnectionParameters): string {
  const hosts = parameters.hosts.map(({ host, port }) => `${host}:${port}`).join(',');
  return `${parameters.user}@${hosts}/${parameters.database} sslmode=${parameters.sslmode}`;
}

/** What is usually meant. */
const QUOTING = 'in a user or password write @ as %40, / as %2F, ? as %3F, % as %25';
const PAIR_QUOTING = "a password with spaces is written in '…'";

function isOption(name: string): boolean {
  return KNOWN.has(name) || IGNORED.has(name);
}

function invalid(reason: string): Error {
  return millraceError('CONNECTION_STRING_INVALID', { reason });
}

function isSslMode(text: string): text is SslMode {
  return (SSL_MODES as readonly string[]).includes(text);
}

function oneOf<T extends string>(name: string, text: string, allowed: readonly T[]): T {
  const found = allowed.find((value) => value === text);
  if (found === undefined) throw invalid(`invalid ${name} value "${text}"`);
  return found;
}

function portNumber(text: string): number {
  const port = text === '' ? 5432 : Number(text);
  if (!Number.isInteger(port) || port < 1 || port > 65_535) throw invalid('invalid port number: it is one of 1 to 65535');
  return port;
}

/** As in libpq: 0 and nothing mean the default; less than two seconds means two. */
function seconds(name: string, text: string | undefined, defaultMs: number): number {
  if (text === undefined || text === '') return defaultMs;
  const value = Number(text);
  if (!Number.isInteger(value)) throw invalid(`invalid ${name} value "${text}"`);
  return value <= 0 ? defaultMs : Math.max(2, value) * 1000;
}

function parseUrl(text: string): Record<string, string> {
  const match = /^postgres(?:ql)?:\/\/(?:([^/?]*)@)?([^/?@]*)(?:\/([^?]*))?(?:\?(.*))?$/s.exec(text);
  if (match === null) throw invalid(`not a valid postgres:// URL (${QUOTING})`);
  const [, login, hosts, database, query] = match;
  // The login ends at the last @ before the first / or ?. A further one means that it was meant to end later: all between would be taken for a host, a database or an option, and shown.
  if (`${database ?? ''}${query ?? ''}`.includes('@')) throw invalid(`an @ after the host (${QUOTING})`);
  const given: Record<string, string> = {};
  if (login !== undefined) {
    const colon = login.indexOf(':');
    const user = decoded(colon < 0 ? login : login.slice(0, colon));
    if (user !== '') given['user'] = user;
    if (colon >= 0) given['password'] = decoded(login.slice(colon + 1));
  }
  if (hosts !== undefined && hosts !== '') {
    const parts = hosts.split(',').map((part) => {
      const address = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(part);
      if (address === null) throw invalid(`invalid host or port (${QUOTING})`);
      return { host: decoded(address[1]!.replace(/^\[(.*)\]$/, '$1')), port: address[2] ?? '' };
    });
    given['host'] = parts.map((part) => part.host).join(',');
    if (parts.some((part) => part.port !== '')) given['port'] = parts.map((part) => part.port).join(',');
  }
  if (database !== undefined && database !== '') given['dbname'] = decoded(database);
  for (const pair of (query ?? '').split('&')) {
    if (pair === '') continue;
    const [name, value, ...more] = pair.split('=');
    if (value === undefined || more.length > 0) throw invalid(`an option after the ? is not name=value (${QUOTING})`);
    // What JDBC and others write.
    if (name === 'ssl') given['sslmode'] ??= value === 'true' ? 'require' : 'disable';
    else if (login === undefined && !isOption(decoded(name!))) throw invalid(`unknown option after the ? (${QUOTING})`);
    else given[decoded(name!)] = decoded(value);
  }
  return given;
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid(`invalid percent-encoded part in the URL`);
  }
}

/** `host = a  password = 'it''s'`: as PQconninfoParse, with backslash escapes. */
function parsePairs(text: string): Record<string, string> {
  const given: Record<string, string> = {};
  const pattern = /\s*([a-z_]+)\s*=\s*(?:'((?:[^'\\]|\\.)*)'|((?:[^\s'\\]|\\.)*))(?=\s|$)\s*/suy;
  while (pattern.lastIndex < text.length) {
    const at = pattern.lastIndex;
    const match = pattern.exec(text);
    if (match === null) {
      if (text.slice(at).trim() === '') break;
      throw invalid(`no "key = value" at position ${at + 1}`);
    }
    if (given['password'] !== undefined && !isOption(match[1]!)) throw invalid(`unknown option after the password (${PAIR_QUOTING})`);
    given[match[1]!] = (match[2] ?? match[3]!).replaceAll(/\\(.)/gs, '$1');
  }
  if (Object.keys(given).length === 0) throw invalid('it is empty');
  return given;
}
