/** A session with a running Millrace for `subscribe` and `audit`: bounded in time, the password from the URL, PGPASSWORD or a question, and every failure in words. */
import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import pg from 'pg';
import { millraceError, MillraceError, reasonOf } from '../base/errors.ts';
import { parseConnectionString } from '../upstream/connection/parameters.ts';

const CONNECT_TIMEOUT_MS = 10_000;
/** What a URL may leave out: where `millrace serve` listens by default. */
const DEFAULTS = { PGPORT: '6875', PGUSER: 'millrace', PGDATABASE: 'millrace' };

export async function connectMillrace(url: string, name: string): Promise<pg.Client> {
  const parameters = parseConnectionString(url, { ...DEFAULTS, PGPASSWORD: process.env['PGPASSWORD'] });
  const { host, port } = parameters.hosts[0]!;
  const encrypted = !['disable', 'allow', 'prefer'].includes(parameters.sslmode);
  let asking = false;
  const client = new pg.Client({
    host,
    port,
    user: parameters.user,
    database: parameters.database,
    application_name: name,
    ssl: encrypted ? { rejectUnauthorized: parameters.sslmode.startsWith('verify') } : false,
    // Asked for only when the server does.
    password: () => {
      if (parameters.password !== undefined) return parameters.password;
      asking = true;
      clearTimeout(timer);
      return askForPassword(parameters.user, host, port);
    },
  });
  client.on('error', () => undefined);
  const { stream } = (client as unknown as { connection: { stream: { destroy(): void } } }).connection;
  const late = Promise.withResolvers<never>();
  const timer = setTimeout(() => late.reject(new Error(`no answer within ${CONNECT_TIMEOUT_MS / 1000} s`)), CONNECT_TIMEOUT_MS);
  const lost = new Promise<never>((_, reject) => client.on('error', reject));
  try {
    await Promise.race([client.connect(), late.promise, lost]);
    return client;
  } catch (error) {
    stream.destroy();
    if (error instanceof MillraceError) throw error;
    const { code } = error as { code?: unknown };
    if (code === '28P01') throw millraceError('CLIENT_PASSWORD_REFUSED', { user: parameters.user, host, port }, error);
    throw millraceError('MILLRACE_UNREACHABLE', { host, port, said: asking ? 'the connection ended' : said(error) }, error);
  } finally {
    clearTimeout(timer);
  }
}

function said(error: unknown): string {
  const reasons = error instanceof AggregateError ? error.errors.map(reasonOf) : [reasonOf(error)];
  return reasons.filter((text) => text !== '').join('; ');
}

async function askForPassword(user: string, host: string, port: number): Promise<string> {
  if (!process.stdin.isTTY) throw millraceError('CLIENT_PASSWORD_MISSING', { user, host, port });
  process.stderr.write(`Password of ${user}: `);
  // Typed, not shown.
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: process.stdin, output: silent, terminal: true });
  try {
    return await new Promise<string>((resolve, reject) => {
      lines.once('line', resolve);
      lines.once('SIGINT', () => reject(millraceError('CLIENT_PASSWORD_MISSING', { user, host, port })));
      lines.once('close', () => reject(millraceError('CLIENT_PASSWORD_MISSING', { user, host, port })));
    });
  } finally {
    lines.close();
    process.stderr.write('\n');
  }
}
