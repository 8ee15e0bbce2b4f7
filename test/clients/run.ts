/**
 * `npm run test:clients [-- psycopg asyncpg sqlalchemy pgjdbc psql]`: real Postgres clients against a running Millrace, each a small program beside this file that writes
 * one line of JSON a check (name, error or null). What is compared is compared with the same client's answer from the upstream. A client whose tool or package is
 * not to be had is skipped, with the reason. The last line counts.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run, type Ran } from '../e2e/shop.ts';
import { freePort, RunningMillrace } from '../harness/millrace.ts';
import { startPostgres } from '../postgres/postgres.ts';
import { SCHEMA, VIEWS } from './kinds.ts';

const FOLDER = fileURLToPath(new URL('.', import.meta.url));
const PSYCOPG = 'psycopg[binary]==3.2.3';
const ASYNCPG = 'asyncpg==0.30.0';
const SQLALCHEMY = 'sqlalchemy==2.0.36';
const PGJDBC = '42.7.4';
/** A client that hangs is a failure of its own. */
const CLIENT_TIMEOUT_S = 60;

interface Client {
  readonly name: string;
  /** Puts in `folder` what it needs; the command to run, or why it cannot. */
  prepare(folder: string): Promise<readonly string[] | { readonly skip: string }>;
}

const python =
  (program: string, ...packages: string[]) =>
  async (folder: string): Promise<readonly string[] | { readonly skip: string }> => {
    const venv = join(folder, program);
    const made = await tried('python3', '-m', 'venv', venv);
    if (made.code !== 0) return { skip: `no virtual environment for Python: ${lastLine(made)}` };
    const installed = await tried(join(venv, 'bin', 'pip'), 'install', '--quiet', '--disable-pip-version-check', ...packages);
    if (installed.code !== 0) return { skip: `pip could not install ${packages.join(' ')}: ${lastLine(installed)}` };
    return [join(venv, 'bin', 'python'), join(FOLDER, `${program}.py`)];
  };

const CLIENTS: readonly Client[] = [
  { name: 'psycopg', prepare: python('psycopg_client', PSYCOPG) },
  { name: 'asyncpg', prepare: python('asyncpg_client', ASYNCPG) },
  { name: 'sqlalchemy', prepare: python('sqlalchemy_client', SQLALCHEMY, PSYCOPG) },
  {
    name: 'pgjdbc',
    async prepare(folder) {
      const java = await tried('java', '-version');
      if (java.code !== 0) return { skip: 'no java' };
      const fetched = await tried(
        'mvn',
        '-q',
        '-B',
        'dependency:copy',
        `-Dartifact=org.postgresql:postgresql:${PGJDBC}`,
        `-DoutputDirectory=${folder}`,
      );
      if (fetched.code !== 0) return { skip: `mvn could not bring pgjdbc ${PGJDBC}: ${lastLine(fetched)}` };
      return ['java', '-Dfile.encoding=UTF-8', '-cp', join(folder, `postgresql-${PGJDBC}.jar`), join(FOLDER, 'Pgjdbc.java')];
    },
  },
  {
    name: 'psql',
    async prepare() {
      const version = await tried('psql', '--version');
      return version.code === 0 ? [process.execPath, join(FOLDER, 'psql.ts')] : { skip: 'no psql' };
    },
  },
];

/** A command that may be absent. */
async function tried(command: string, ...args: string[]): Promise<Ran> {
  try {
    return await run(command, args);
  } catch (error) {
    return { code: null, stdout: '', stderr: error instanceof Error ? error.message : String(error) };
  }
}

function lastLine({ stdout, stderr }: Ran): string {
  return `${stdout}\n${stderr}`.trim().split('\n').at(-1) ?? '';
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const counts = { passed: 0, failed: 0 };

function count(client: string, { stdout, stderr, code }: Ran): void {
  let seen = 0;
  for (const line of stdout.split('\n')) {
    if (!line.startsWith('{')) continue;
    const { name, error } = JSON.parse(line) as { name: string; error: string | null };
    seen += 1;
    if (error === null) counts.passed += 1;
    else {
      counts.failed += 1;
      say(`FAILED ${client}: ${name}\n${error}`);
    }
  }
  if (code !== 0 || seen === 0) {
    counts.failed += 1;
    say(`FAILED ${client}: ended with ${code} after ${seen} checks\n${stderr.slice(-2000)}`);
  } else say(`${client}: ${seen} checks`);
}

const asked = process.argv.slice(2);
const folder = await mkdtemp(join(tmpdir(), 'millrace-clients-'));
const postgres = await startPostgres();
const millrace = new RunningMillrace({
  dataDirectory: join(folder, 'data'),
  port: await freePort(),
  environment: { MILLRACE_VALIDATE: '1' },
});
try {
  await postgres.createDatabase('shop', { provider: 'icu' });
  await postgres.query(SCHEMA, undefined, 'shop');
  const { host, port, server } = postgres;
  const owner = await millrace.connect();
  for (const statement of [
    `CREATE SECRET pgpass AS '${server.password}'`,
    `CREATE CONNECTION shop TO POSTGRES (HOST '${host}', PORT ${port}, DATABASE 'shop', USER 'postgres', PASSWORD SECRET pgpass)`,
    `CREATE SOURCE shop FROM POSTGRES CONNECTION shop (PUBLICATION 'mz_source') FOR ALL TABLES`,
    ...VIEWS,
  ])
    await owner.query(statement);
  await owner.end();
  const environment = {
    MILLRACE_PORT: String(millrace.port),
    UPSTREAM_URL: postgres.url(undefined, 'shop'),
    UPSTREAM_JDBC_URL: `jdbc:postgresql://${host}:${port}/shop?user=postgres&password=${server.password}&options=-c%20timezone=UTC`,
  };
  for (const client of CLIENTS) {
    if (asked.length > 0 && !asked.includes(client.name)) continue;
    const prepared = await client.prepare(folder);
    if ('skip' in prepared) say(`${client.name}: skipped, ${prepared.skip}`);
    else count(client.name, await run('timeout', [String(CLIENT_TIMEOUT_S), ...prepared], environment));
  }
} catch (error) {
  counts.failed += 1;
  say(`FAILED: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n${millrace.output}`);
} finally {
  await millrace.stop();
  await postgres.stop();
  await rm(folder, { recursive: true, force: true });
}
process.exitCode = counts.failed === 0 ? 0 : 1;
say(`${counts.passed} passed, ${counts.failed} failed`);
