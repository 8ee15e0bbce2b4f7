/**
 * The prepared data directory (1.5 MB packed): found in the package or the repository, and in a checkout made when absent, in a child process, because
 * `initdb` takes 1.1 GB for two seconds. Never made at a user's first start. Safe when raced: one makes, the others wait, the file appears whole.
 * Called by the two clients on their own threads; workers are given the bytes.
 */
import { execFile } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { millraceError } from '../base/errors.ts';

/** Raised when the recipe in `scripts/prepare.ts` changes. */
const RECIPE = 4;

const MAKE_TIMEOUT_MS = 120_000;

/** `pglite-0.5.16-1.tgz`: of this version of PGlite, made by this recipe. */
export function preparedFileName(): string {
  // The package does not export its package.json.
  const entry = createRequire(import.meta.url).resolve('@electric-sql/pglite');
  const { version } = JSON.parse(readFileSync(join(dirname(entry), '../package.json'), 'utf8')) as { version: string };
  return `pglite-${version}-${RECIPE}.tgz`;
}

let bytes: Promise<Uint8Array> | undefined;

/** The packed directory. Kept in memory once read: it is needed again whenever a worker is reopened. */
export function preparedDirectory(): Promise<Uint8Array> {
  bytes ??= read().catch((error: unknown) => {
    bytes = undefined;
    throw error;
  });
  return bytes;
}

async function read(): Promise<Uint8Array> {
  const name = preparedFileName();
  // src/pglite in a checkout, dist/pglite in the package: both stand two below the root.
  const root = join(import.meta.dirname, '../..');
  const places = [join(root, 'prepared', name), join(root, 'dist/prepared', name)];
  const found = places.find((place) => existsSync(place));
  if (found !== undefined) return readFile(found);
  const script = join(root, 'scripts/prepare.ts');
  if (!existsSync(script)) throw millraceError('PREPARED_CATALOG_MISSING', { file: name });
  await promisify(execFile)(process.execPath, [script], { timeout: MAKE_TIMEOUT_MS });
  return readFile(places[0]!);
}
