/**
 * Brings the clouds' official SDKs for the hosted suite: pinned, into a cache folder of the user, never into this checkout. Returns the folder for NODE_PATH; undefined, with the reason
 * on stderr, where they cannot be had (offline). `node test/hosted/install-sdks.ts` does it ahead of time.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

/** The versions that the clients were tried with; 140 MB in all. */
export const SDKS: Readonly<Record<string, string>> = {
  '@aws-sdk/client-ec2': '3.1169.0',
  '@aws-sdk/client-rds': '3.1169.0',
  '@azure/arm-postgresql-flexible': '9.0.0',
  '@azure/identity': '4.14.1',
  '@googleapis/sqladmin': '42.0.0',
};

const INSTALL_TIMEOUT_MS = 240_000;

export async function installSdks(): Promise<string | undefined> {
  const cache = process.env['XDG_CACHE_HOME'] ?? path.join(homedir(), '.cache');
  const name = Object.entries(SDKS)
    .map(([sdk, version]) => `${sdk.replaceAll(/[^a-z0-9]+/g, '')}${version}`)
    .join('_');
  const folder = path.join(cache, 'millrace', 'cloud-sdks', name);
  const modules = path.join(folder, 'node_modules');
  if (existsSync(modules)) return modules;
  // Made beside and moved, so that a broken-off installation is never taken for one.
  const draft = `${folder}.${process.pid}`;
  try {
    await mkdir(draft, { recursive: true });
    await writeFile(path.join(draft, 'package.json'), JSON.stringify({ private: true, dependencies: SDKS }));
    await promisify(execFile)('npm', ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--loglevel=error'], {
      cwd: draft,
      timeout: INSTALL_TIMEOUT_MS,
    });
    await rename(draft, folder).catch((error: unknown) => {
      if (!existsSync(modules)) throw error;
    });
    return modules;
  } catch (error) {
    process.stderr.write(
      `the clouds' SDKs cannot be installed: their suites are skipped (${error instanceof Error ? error.message.split('\n')[0] : String(error)})\n`,
    );
    return undefined;
  } finally {
    await rm(draft, { recursive: true, force: true });
  }
}

/** Where `cloud/sdk.ts` looks, here and in processes started from here. */
export async function offerSdks(): Promise<boolean> {
  const modules = await installSdks();
  if (modules === undefined) return false;
  process.env['NODE_PATH'] = [modules, process.env['NODE_PATH']]
    .filter((entry) => entry !== undefined && entry !== '')
    .join(path.delimiter);
  return true;
}

if (import.meta.main && !(await offerSdks())) process.exitCode = 1;
