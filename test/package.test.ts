/** The package as a user gets it: packed, installed in an empty folder, run. */
import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { textOf } from '../scripts/imports.ts';

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
