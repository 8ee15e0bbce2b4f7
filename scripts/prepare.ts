/**
 * Makes prepared/pglite-<version>-<recipe>.tgz, the empty Postgres data directory from which every Millrace starts, once: `npm ci` runs it, tests do when it
 * is absent. Idempotent; safe when raced (the lock's owner makes, others wait; the file is renamed into its place whole).
 *
 * The recipe: 1 MB WAL segments; one database `millrace` owned by the unprivileged role `millrace`, as which everything of a client's runs; no templates
 * (they would be 15 MB of memory); functions that would leave something behind are taken from PUBLIC (refused-functions.ts).
 */
import { PGlite } from '@electric-sql/pglite';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { preparedFileName } from '../src/pglite/prepared.ts';
import { REVOKE_REFUSED_FUNCTIONS } from '../src/pglite/refused-functions.ts';

const LOCK_STALE_MS = 60_000;
const LOCK_POLL_MS = 200;

const folder = join(import.meta.dirname, '../prepared');
const target = join(folder, preparedFileName());
const lock = `${target}.lock`;

mkdirSync(folder, { recursive: true });
while (!existsSync(target)) {
  if (!tryLock()) {
    await sleep(LOCK_POLL_MS);
    continue;
  }
  try {
    if (!existsSync(target)) await make();
  } finally {
    rmSync(lock, { force: true });
  }
}

function tryLock(): boolean {
  try {
    closeSync(openSync(lock, 'wx'));
    return true;
  } catch {
    try {
      if (Date.now() - statSync(lock).mtimeMs > LOCK_STALE_MS) rmSync(lock, { force: true });
    } catch {
      // Its owner removed it between the two calls.
    }
    return false;
  }
}

async function make(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'millrace-prepare-'));
  try {
    const first = await PGlite.create({ dataDir: directory, database: 'template1', initDbStartParams: ['--wal-segsize=1'] });
    await first.exec('CREATE ROLE millrace LOGIN');
    await first.exec('ALTER DATABASE postgres RENAME TO millrace');
    await first.exec('ALTER DATABASE millrace OWNER TO millrace');
    await first.close();
    const startParams = [
      ...PGlite.defaultStartParams,
      ...['min_wal_size=2MB', 'max_wal_size=4MB', 'wal_level=minimal', 'max_wal_senders=0'].flatMap((setting) => ['-c', setting]),
    ];
    const second = await PGlite.create({ dataDir: directory, database: 'millrace', startParams });
    for (const template of ['template0', 'template1']) {
      await second.exec(`ALTER DATABASE ${template} IS_TEMPLATE false`);
      await second.exec(`DROP DATABASE ${template}`);
    }
    await second.exec(REVOKE_REFUSED_FUNCTIONS);
    await second.exec('GRANT pg_maintain, pg_checkpoint TO millrace');
    await second.exec('VACUUM FULL');
    await second.exec('VACUUM ANALYZE');
    await second.exec('CHECKPOINT');
    await second.close();
    const part = `${target}.${process.pid}`;
    writeFileSync(part, gzipSync(tar(directory), { level: 9 }));
    renameSync(part, target);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

/** A ustar archive of a directory: all that is needed, the same on every platform. */
function tar(root: string): Buffer {
  const blocks: Buffer[] = [];
  const entries = readdirSync(root, { recursive: true, withFileTypes: true })
    .map((entry) => ({ path: join(entry.parentPath, entry.name), directory: entry.isDirectory() }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
  for (const { path, directory } of entries) {
    const content = directory ? Buffer.alloc(0) : readFileSync(path);
    const header = Buffer.alloc(512);
    header.write(path.slice(root.length + 1).replaceAll('\\', '/'), 0, 100);
    header.write(directory ? '0000750\0' : '0000640\0', 100);
    header.write('0000000\0', 108);
    header.write('0000000\0', 116);
    header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124);
    header.write('00000000000\0', 136);
    header.write('        ', 148);
    header.write(directory ? '5' : '0', 156);
    header.write('ustar\x0000', 257);
    header.write(
      `${header
        .reduce((sum, byte) => sum + byte, 0)
        .toString(8)
        .padStart(6, '0')}\0 `,
      148,
    );
    blocks.push(header, content, Buffer.alloc((512 - (content.length % 512)) % 512));
  }
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}
