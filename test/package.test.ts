/** The package as a user gets it: packed, installed in an empty folder, run. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { textOf } from '../scripts/imports.ts';
import { freePort } from './harness/millrace.ts';

const INSTALL_TIMEOUT_MS = 240_000;

const execute = promisify(execFile);
const root = join(import.meta.dirname, '..');
const { version } = JSON.parse(textOf('package.json')) as { version: string };
let folder = '';

/** npm and npx of the machine, under the Node of this test. */
function run(command: string, args: readonly string[], cwd: string): Promise<{ stdout: string; stderr: string }> {
  const PATH = `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}`;
  return execute(command, [...args], {
    cwd,
    env: { ...process.env, PATH, npm_config_update_notifier: 'false' },
    timeout: INSTALL_TIMEOUT_MS,
    maxBuffer: 16 << 20,
  });
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'millrace-package-'));
  await run('npm', ['pack', '--pack-destination', folder], root);
  writeFileSync(join(folder, 'package.json'), '{ "name": "somebody", "private": true }');
  await run('npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', `./millrace-${version}.tgz`], folder);
}, INSTALL_TIMEOUT_MS);

afterAll(() => {
  rmSync(folder, { recursive: true, force: true });
  rmSync(join(root, 'dist'), { recursive: true, force: true });
});

test('holds what it needs and no sources, tests or leftovers', () => {
  const installed = join(folder, 'node_modules/millrace');
  expect(readdirSync(installed).toSorted()).toEqual(
    [
      'ARCHITECTURE.md',
      'CHANGELOG.md',
      'LICENSE',
      'README.md',
      'SECURITY.md',
      'bin',
      'dist',
      'docs',
      'package.json',
      'prepared',
    ].toSorted(),
  );
  const files = readdirSync(join(installed, 'dist'), { recursive: true, encoding: 'utf8' });
  expect(files).toContain('cli/main.js');
  expect(files).toContain('cli/main.d.ts');
  expect(files.filter((path) => /\.test\.|testing\/|(?<!\.d)\.ts$/.test(path))).toEqual([]);
});

test('runs: npx millrace --help, --version', async () => {
  const { stdout } = await run('npx', ['--no-install', 'millrace', '--help'], folder);
  for (const command of readdirSync(join(root, 'src/cli')).filter((name) => /^(?:demo|doctor|setup|serve|subscribe|audit)\.ts$/.test(name)))
    expect(stdout).toContain(`  ${command.replace('.ts', '')} `);
  expect((await run('npx', ['--no-install', 'millrace', '--version'], folder)).stdout.trim()).toBe(version);
});

const has = (command: string): boolean => {
  const exists = existsSync(join(root, `src/cli/${command}.ts`));
  if (!exists) console.log(`there is no command ${command} yet: its test in the package is skipped`);
  return exists;
};

test.skipIf(!has('serve'))('serves: npx millrace serve answers a Postgres client, and stops when asked', async () => {
  const port = await freePort();
  const served = spawn(
    join(folder, 'node_modules/.bin/millrace'),
    ['serve', '--data', join(folder, 'data'), '--listen', `127.0.0.1:${port}`, '--http', 'off', '--auth', 'trust'],
    {
      cwd: folder,
      env: { ...process.env, PATH: `${dirname(process.execPath)}:${process.env['PATH'] ?? ''}` },
      stdio: ['ignore', 'pipe', 'pipe'],
    },
  );
  let said = '';
  for (const stream of [served.stdout, served.stderr]) stream.on('data', (bytes: Buffer) => (said += bytes.toString()));
  const ended = once(served, 'exit');
  try {
    await expect.poll(() => said, { timeout: 30_000 }).toContain(String(port));
    const client = new pg.Client({ connectionString: `postgres://millrace@127.0.0.1:${port}/millrace` });
    await client.connect();
    expect((await client.query('SELECT 1 + 1 AS two')).rows).toEqual([{ two: 2 }]);
    await client.end();
  } catch (error) {
    throw new Error(`serve said:\n${said}`, { cause: error });
  } finally {
    served.kill('SIGTERM');
    await ended;
  }
});

test.skipIf(!has('demo') || !has('serve'))(
  'shows itself: npx millrace demo ends with every view equal',
  async () => {
    const { stdout } = await run('npx', ['--no-install', 'millrace', 'demo', '--for', '5s', '--json'], folder);
    const report = JSON.parse(stdout.trim().split('\n').at(-1)!) as { views: { audit: string }[] };
    expect(report.views.length).toBeGreaterThan(0);
    expect(report.views.filter((view) => view.audit !== 'equal')).toEqual([]);
  },
  INSTALL_TIMEOUT_MS,
);

test('says in one line what to do under a Node that is too old, and uses the one that was brought along', async () => {
  const installed = join(folder, 'old/node_modules/millrace');
  cpSync(join(folder, 'node_modules/millrace/bin'), join(installed, 'bin'), { recursive: true });
  writeFileSync(join(installed, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(installed, 'bin/millrace.js'), textOf('bin/millrace.js').replaceAll('process.versions.node', "'12.22.12'"));
  const launch = (): Promise<{ stdout: string }> => execute(process.execPath, [join(installed, 'bin/millrace.js'), 'demo', '--for', '1s']);

  await expect(launch()).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/^millrace needs Node 22\.18 or newer, this is 12\.22\.12: [^\n]+\n$/) as string,
  });

  const brought = join(folder, `old/node_modules/node-${process.platform}-${process.arch}/bin`);
  mkdirSync(brought, { recursive: true });
  writeFileSync(join(brought, 'node'), '#!/bin/sh\nshift\necho "brought along: $*"\nexit 3\n', { mode: 0o755 });
  await expect(launch()).rejects.toMatchObject({ code: 3, stdout: 'brought along: demo --for 1s\n' });
});
