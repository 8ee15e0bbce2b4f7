/**
 * The data directory: made, recognised, and owned by one process. Keeps I-1 against a second process. Opened by `serve` before anything else, in the main thread.
 *
 *     millrace.json   format and id           lock   held while we live
 *     secrets.json    passwords, owner only   log/   rows/   catalog/
 *
 * The lock is SQLite's exclusive lock on an empty file (`node:sqlite`, nothing is ever written): a POSIX record lock of the kernel, so it dies with the process
 * however it dies, and holds between containers that share the directory. Node has no flock; a pid file cannot tell a dead owner from one in another
 * pid namespace, and an abstract socket is not shared between network namespaces.
 */
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { millraceError, reasonOf } from '../base/errors.ts';
import { isDiskFull } from './disk-full.ts';
import { realDisk, replaceFile } from './disk.ts';

/** 2: the rows lie in blocks. */
export const DATA_FORMAT = 2;

const DIRECTORY_MODE = 0o700;
const OTHERS = 0o077;
const SQLITE_BUSY = 5;

export interface DataDirectory {
  readonly path: string;
  /** 16 hex digits, random: part of the slot's name, so that our own slot is told from another's. */
  readonly id: string;
  readonly logDirectory: string;
  readonly rowsDirectory: string;
  readonly catalogDirectory: string;
  readSecrets(): Record<string, string>;
  writeSecrets(secrets: Readonly<Record<string, string>>): void;
  /** Lets the next process in. */
  close(): void;
}

interface Identity {
  readonly format: number;
  readonly id: string;
}

/** Makes the directory when it is absent or empty. Throws DATA_DIRECTORY_IN_USE, _FORMAT, _FOREIGN, _PERMISSIONS or _UNUSABLE. */
export function openDataDirectory(path: string): DataDirectory {
  try {
    return opened(path);
  } catch (error) {
    const { code } = error as { code?: unknown };
    if (typeof code !== 'string' || !UNUSABLE.has(code)) throw error;
    throw millraceError('DATA_DIRECTORY_UNUSABLE', { directory: path, reason: reasonOf(error) }, error);
  }
}

/** What the operating system says to a file in the place of a directory, and to a place that we may not write. */
const UNUSABLE: ReadonlySet<string> = new Set(['EEXIST', 'ENOTDIR', 'EACCES', 'EPERM', 'EROFS', 'ENOENT', 'ELOOP', 'ENAMETOOLONG']);

function opened(path: string): DataDirectory {
  const identityPath = join(path, 'millrace.json');
  makeDirectory(path);
  const isNew =
    readdirSync(path).every((name) => name === 'lost+found' || name === 'lock' || name === 'millrace.json.new') &&
    !existsSync(identityPath);
  if (isNew) chmodSync(path, DIRECTORY_MODE);
  else if (!existsSync(identityPath)) throw millraceError('DATA_DIRECTORY_FOREIGN', { directory: path });
  const mode = statSync(path).mode & 0o777;
  if ((mode & OTHERS) !== 0)
    throw millraceError('DATA_DIRECTORY_PERMISSIONS', { directory: path, mode: mode.toString(8).padStart(4, '0') });

  const lock = takeLock(path);
  try {
    if (isNew && !existsSync(identityPath)) {
      const identity: Identity = { format: DATA_FORMAT, id: randomBytes(8).toString('hex') };
      replaceFile(realDisk, path, 'millrace.json', `${JSON.stringify(identity)}\n`);
    }
    const { id } = readIdentity(path, identityPath);
    for (const name of ['log', 'rows', 'catalog']) mkdirSync(join(path, name), { recursive: true, mode: DIRECTORY_MODE });
    realDisk.syncDirectory(path);
    return {
      path,
      id,
      logDirectory: join(path, 'log'),
      rowsDirectory: join(path, 'rows'),
      catalogDirectory: join(path, 'catalog'),
      readSecrets: () => readSecrets(join(path, 'secrets.json')),
      writeSecrets: (secrets) => {
        try {
          replaceFile(realDisk, path, 'secrets.json', `${JSON.stringify(secrets)}\n`);
        } catch (error) {
          throw isDiskFull(error, path) ? millraceError('CATALOG_DISK_FULL', { directory: path }, error) : error;
        }
      },
      close: () => lock.close(),
    };
  } catch (error) {
    lock.close();
    throw error;
  }
}

/** Where the parent is there, plainly: Node's recursive form tries for ever in a file system that lets nobody make anything. */
function makeDirectory(path: string): void {
  if (existsSync(path) && statSync(path).isDirectory()) return;
  mkdirSync(path, { recursive: !existsSync(dirname(path)), mode: DIRECTORY_MODE });
}

function takeLock(path: string): DatabaseSync {
  const file = join(path, 'lock');
  const lock = new DatabaseSync(file);
  try {
    lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE');
    chmodSync(file, 0o600);
  } catch (error) {
    lock.close();
    if (error instanceof Error && 'errcode' in error && error.errcode === SQLITE_BUSY)
      throw millraceError('DATA_DIRECTORY_IN_USE', { directory: path }, error);
    throw error;
  }
  return lock;
}

function readIdentity(path: string, identityPath: string): Identity {
  const text = readFileSync(identityPath, 'utf8');
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch {
    found = undefined;
  }
  const format = typeof found === 'object' && found !== null && 'format' in found ? found.format : undefined;
  const id = typeof found === 'object' && found !== null && 'id' in found ? found.id : undefined;
  if (format !== DATA_FORMAT || typeof id !== 'string')
    throw millraceError('DATA_DIRECTORY_FORMAT', {
      directory: path,
      found: format === undefined ? 'unknown' : JSON.stringify(format),
      expected: DATA_FORMAT,
    });
  return { format, id };
}

function readSecrets(path: string): Record<string, string> {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>) : {};
}
