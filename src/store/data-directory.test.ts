import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { openDataDirectory } from './data-directory.ts';

let home: string;
let path: string;

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'millrace-data-'));
  path = join(home, 'data');
});
afterEach(() => rmSync(home, { recursive: true }));

test('a new directory is ours alone, and keeps its id', () => {
  const first = openDataDirectory(path);
  expect(first.id).toMatch(/^[0-9a-f]{16}$/);
  expect(statSync(path).mode & 0o777).toBe(0o700);
  first.writeSecrets({ source: 'hunter2' });
  first.close();
  const second = openDataDirectory(path);
  expect(second.id).toBe(first.id);
  expect(second.readSecrets()).toEqual({ source: 'hunter2' });
  for (const name of ['millrace.json', 'secrets.json', 'lock']) expect(statSync(join(path, name)).mode & 0o777).toBe(0o600);
  second.close();
});

test('one process at a time; the lock dies with its process, even by kill -9', async () => {
  const script = `import { openDataDirectory } from ${JSON.stringify(join(import.meta.dirname, 'data-directory.ts'))};
    globalThis.held = openDataDirectory(${JSON.stringify(path)}); process.stdout.write('held'); setInterval(() => {}, 1000);`;
  const other = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    await once(other.stdout, 'data');
    expect(() => openDataDirectory(path)).toThrow(/is in use by another Millrace process/);
  } finally {
    other.kill('SIGKILL');
    await once(other, 'exit');
  }
  const mine = openDataDirectory(path);
  expect(() => openDataDirectory(path)).toThrow(/is in use/);
  mine.close();
});

test('what is not ours, of another format, or open to others is refused', () => {
  openDataDirectory(home).close();
  // 1: the row store held an entry a row.
  for (const format of [1, 99]) {
    writeFileSync(join(home, 'millrace.json'), `{"format":${format},"id":"x"}`);
    expect(() => openDataDirectory(home)).toThrow(`has format ${format}, this version of Millrace reads format 2`);
  }
  rmSync(join(home, 'millrace.json'));
  writeFileSync(join(home, 'thesis.doc'), '');
  expect(() => openDataDirectory(home)).toThrow(/was not made by Millrace/);
  openDataDirectory(path).close();
  chmodSync(path, 0o755);
  expect(() => openDataDirectory(path)).toThrow(/permissions 0755/);
});
