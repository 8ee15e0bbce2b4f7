/**
 * The few things the log asks of a disk, so that tests can put a disk beneath it that forgets, tears, fills up and fails (`simulated-disk.ts`).
 * Everything is synchronous: its callers are workers whose thread has nothing better to do; `syncLater` is for the one that has (ingest).
 * What was written is durable only after `sync`; a file's name only after `syncDirectory` (I-3). Called by `store/log` and `store/data-directory`.
 */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { assert } from '../base/assert.ts';

export interface Disk {
  /** `write` creates the file when absent; it never truncates. */
  open(path: string, mode: 'read' | 'write'): DiskFile;
  /** Names in a directory, sorted. */
  list(directory: string): string[];
  makeDirectory(directory: string): void;
  unlink(path: string): void;
  rename(from: string, to: string): void;
  syncDirectory(directory: string): void;
}

export interface DiskFile {
  size(): number;
  /** Writes all chunks at `position`, or throws; a part of them may be written then. */
  write(chunks: readonly Uint8Array[], position: number): void;
  /** Bytes read; 0 at the end of the file. */
  read(into: Uint8Array, at: number, length: number, position: number): number;
  truncate(size: number): void;
  /** fdatasync. */
  sync(): void;
  syncLater(): Promise<void>;
  close(): void;
}

/** writev(2) takes at most this many buffers (IOV_MAX on Linux and macOS). */
const CHUNKS_PER_WRITE_MAX = 1024;

export const realDisk: Disk = {
  open: (path, mode) =>
    new RealFile(fs.openSync(path, mode === 'read' ? fs.constants.O_RDONLY : fs.constants.O_RDWR | fs.constants.O_CREAT, 0o600)),
  list: (directory) => fs.readdirSync(directory).sort(),
  makeDirectory: (directory) => {
    fs.mkdirSync(directory, { recursive: true, mode: 0o700 });
  },
  unlink: (path) => fs.unlinkSync(path),
  rename: (from, to) => fs.renameSync(from, to),
  syncDirectory: (directory) => {
    const fd = fs.openSync(directory, fs.constants.O_RDONLY);
    try {
      fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
  },
};

class RealFile implements DiskFile {
  readonly #fd: number;

  constructor(fd: number) {
    this.#fd = fd;
  }

  size(): number {
    return fs.fstatSync(this.#fd).size;
  }

  write(chunks: readonly Uint8Array[], position: number): void {
    let rest = chunks.filter((chunk) => chunk.byteLength > 0);
    while (rest.length > 0) {
      let written = fs.writevSync(this.#fd, rest.slice(0, CHUNKS_PER_WRITE_MAX), position);
      assert(written > 0, 'a write of nothing');
      position += written;
      let whole = 0;
      while (whole < rest.length && written >= rest[whole]!.byteLength) written -= rest[whole++]!.byteLength;
      rest = rest.slice(whole);
      if (written > 0) rest[0] = rest[0]!.subarray(written);
    }
  }

  read(into: Uint8Array, at: number, length: number, position: number): number {
    let done = 0;
    while (done < length) {
      const read = fs.readSync(this.#fd, into, at + done, length - done, position + done);
      if (read === 0) break;
      done += read;
    }
    return done;
  }

  truncate(size: number): void {
    fs.ftruncateSync(this.#fd, size);
  }

  sync(): void {
    fs.fdatasyncSync(this.#fd);
  }

  syncLater(): Promise<void> {
    return new Promise((resolve, reject) => {
      fs.fdatasync(this.#fd, (error) => (error === null ? resolve() : reject(error)));
    });
  }

  close(): void {
    fs.closeSync(this.#fd);
  }
}

/** Replaces a small file whole or not at all: written aside, synced, renamed, and the name synced. */
export function replaceFile(disk: Disk, directory: string, name: string, content: string): void {
  const aside = join(directory, `${name}.new`);
  const file = disk.open(aside, 'write');
  try {
    file.truncate(0);
    file.write([Buffer.from(content)], 0);
    file.sync();
  } finally {
    file.close();
  }
  disk.rename(aside, join(directory, name));
  disk.syncDirectory(directory);
}
