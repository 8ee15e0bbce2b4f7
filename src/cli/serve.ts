/**
 * `millrace serve [--data DIR] [--listen 127.0.0.1:6875] [--init FILE.sql] [--auth password|trust]`: opens the data directory, serves Postgres clients, runs
 * until it is told to stop. The composition root of the engine: the one place where the protocol server meets the coordinator.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { millraceError, MillraceError, reasonOf } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { createLogger, type Logger } from '../base/logging.ts';
import { within } from '../base/within.ts';
import { Coordinator } from '../session/coordinator.ts';
import { EngineSession } from '../session/session.ts';
import type { Authentication } from '../server/pgwire/authentication.ts';
import { scramVerifier } from '../server/pgwire/scram.ts';
import { listenPgwire } from '../server/pgwire/server.ts';
import { redacted } from '../sql/statements/redacted.ts';
import { fitted } from './exit.ts';

export interface ServeFlags {
  readonly data: string;
  readonly listen: string;
  readonly http: string;
  readonly init?: string;
  readonly auth: string;
}

const USER = 'millrace';
const LAST_RESORT_MS = 9_000;
/** In the secrets file, beside the secrets of CREATE SECRET. */
const PASSWORD_SECRET = 'millrace password';

export async function serve(flags: ServeFlags, version: string): Promise<number> {
  // The demo's: however that ended, this ends with it. What is on disk is always good for a start.
  if (process.env['MILLRACE_END_WITH_STDIN'] === '1') process.stdin.on('end', () => process.exit(0)).resume();
  const logger = createLogger();
  const ended = Promise.withResolvers<number>();
  const startedMs = performance.now();
  const listen = address(flags.listen);
  if (flags.http !== 'off')
    throw millraceError('OPTION_REFUSED', { option: '--http', value: flags.http, accepted: 'off: HTTP is not served yet' });
  const statements = flags.init === undefined ? undefined : statementsOf(flags.init);
  const coordinator = await Coordinator.start({
    dataDirectory: flags.data,
    version: `Millrace ${version}`,
    logger,
    validate: process.env['MILLRACE_VALIDATE'] === '1',
    onFailure: (error) => {
      logger.error({ error: error.message }, 'stopping');
      process.stderr.write(fitted(`millrace: ${error.message}\n`));
      ended.resolve(1);
    },
  });
  // Whatever fails from here on, workers and the data directory's lock are given back: the process must be able to end.
  try {
    return await served(coordinator, listen, flags, statements, version, startedMs, ended, logger);
  } finally {
    await coordinator.close();
  }
}

async function served(
  coordinator: Coordinator,
  { host, port }: { host: string; port: number },
  flags: ServeFlags,
  statements: string | undefined,
  version: string,
  startedMs: number,
  ended: PromiseWithResolvers<number>,
  logger: Logger,
): Promise<number> {
  const { authentication, password, fresh } = authenticationOf(flags.auth, coordinator);
  const server = await listenPgwire({
    host,
    port,
    authentication,
    sessions: { open: async (startup, { address }) => new EngineSession(coordinator, startup, address) },
    logger,
  });
  try {
    if (fresh && password !== undefined) {
      process.stdout.write(
        `The password of user ${USER} is ${password} (kept in the data directory; set another with MILLRACE_PASSWORD)\n`,
      );
      // Kept only now that it has been shown: a start that fails earlier makes another one.
      keep(coordinator, password);
    }
    if (statements !== undefined) await initialise(coordinator, flags.init!, statements, logger);
    process.stdout.write(`Millrace ${version} is ready after ${Math.round(performance.now() - startedMs)} ms, data in ${flags.data}\n`);
    const credentials = password === undefined ? '' : `PGPASSWORD=${fresh ? password : '…'} `;
    process.stdout.write(`  ${credentials}psql -h ${server.host} -p ${server.port} -U ${USER} ${USER}\n`);
    for (const signal of ['SIGINT', 'SIGTERM'] as const)
      process.once(signal, () => {
        lastResort();
        ended.resolve(0);
      });
    return await ended.promise;
  } finally {
    await within(limits.closeMsMax, server.close());
  }
}

/** Whatever hangs, a thread that cannot be ended too: the process is gone ten seconds after it was told. What is durable is durable. */
function lastResort(): void {
  setTimeout(() => {
    process.stderr.write('millrace: stopping took too long, ending at once\n');
    process.kill(process.pid, 'SIGKILL');
  }, LAST_RESORT_MS).unref();
}

function address(listen: string): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(listen);
  if (match === null || Number(match[3]) > 65_535) throw millraceError('LISTEN_ADDRESS_INVALID', { address: listen });
  return { host: match[1] ?? (match[2] === '' ? '127.0.0.1' : match[2]!), port: Number(match[3]) };
}

/** A password is made at the first start and kept; MILLRACE_PASSWORD replaces it. */
function authenticationOf(
  kind: string,
  coordinator: Coordinator,
): { authentication: Authentication; password: string | undefined; fresh: boolean } {
  if (kind === 'trust') return { authentication: { kind: 'trust' }, password: undefined, fresh: false };
  if (kind !== 'password') throw millraceError('OPTION_REFUSED', { option: '--auth', value: kind, accepted: 'password or trust' });
  const secrets = coordinator.directory.readSecrets();
  const given = process.env['MILLRACE_PASSWORD'];
  const known = given ?? secrets[PASSWORD_SECRET];
  const password = known ?? randomBytes(12).toString('base64url');
  if (known !== undefined) keep(coordinator, known);
  return { authentication: { kind: 'scram', users: new Map([[USER, scramVerifier(password)]]) }, password, fresh: known === undefined };
}

function keep({ directory }: Coordinator, password: string): void {
  const secrets = directory.readSecrets();
  if (secrets[PASSWORD_SECRET] !== password) directory.writeSecrets({ ...secrets, [PASSWORD_SECRET]: password });
}

function statementsOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw millraceError('INIT_FILE_UNUSABLE', { file, reason: reasonOf(error) }, error);
  }
}

/** Runs a file of statements through a session of its own; what exists already is left (write IF NOT EXISTS, or start on a new directory). */
async function initialise(coordinator: Coordinator, file: string, statements: string, logger: Logger): Promise<void> {
  const session = new EngineSession(coordinator, new Map([['application_name', 'millrace --init']]));
  try {
    for (const { text } of split(session, file, statements)) {
      try {
        const result = await session.execute(await session.prepare(text, []), [], [], []);
        if (result.body.kind !== 'none') for await (const batch of result.body.batches) void batch;
        logger.debug({ statement: redacted(text).slice(0, 80) }, result.tag(0));
      } catch (error) {
        // What is at the place of a syntax error may be a secret.
        if (error instanceof MillraceError && error.code === 'SYNTAX_ERROR')
          throw millraceError('INIT_FILE_UNUSABLE', { file, reason: `syntax error in: ${redacted(text).slice(0, 80)}` });
        if (!(error instanceof MillraceError) || error.code !== 'OBJECT_EXISTS') throw error;
        process.stdout.write(`${error.message}, left as it is\n`);
      }
    }
  } finally {
    await session.close();
  }
}

function split(session: EngineSession, file: string, statements: string): ReturnType<EngineSession['split']> {
  try {
    return session.split(statements);
  } catch {
    throw millraceError('INIT_FILE_UNUSABLE', { file, reason: 'a quote or a comment in it has no end' });
  }
}
