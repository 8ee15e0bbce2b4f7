/**
 * A disk in memory that behaves as badly as a real one may: at a crash, unsynced writes are lost, kept, or kept by sectors in any order; names that were not
 * synced come or go; it can be full, write half, and fail to sync (and then forget what it should have synced, as Linux does).
 * For property tests only: kill -9 keeps the page cache and proves nothing about fsync.
 */
import { dirname } from 'node:path';
import { must } from '../../base/assert.ts';
import type { Disk, DiskFile } from '../disk.ts';

const SECTOR_BYTES = 512;

interface Write {
  readonly position: number;
  readonly bytes: Buffer;
}

interface Inode {
  durable: Buffer<ArrayBuffer>;
  current: Buffer<ArrayBuffer>;
  unsynced: (Write | { readonly truncateTo: number })[];
}

function systemError(code: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: simulated`), { code });
}

export class SimulatedDisk implements Disk {
  #names = new Map<string, Inode>();
  #durableNames = new Map<string, Inode>();
  #directories = new Set<string>();
  #age = 0;
  /** Writes beyond this many bytes in all files throw ENOSPC, after writing what fits. */
  capacityBytes = Infinity;
  /** The next so many syncs fail with EIO. */
  syncsToFail = 0;

  open(path: string, mode: 'read' | 'write'): DiskFile {
    let inode = this.#names.get(path);
    if (inode === undefined) {
      if (mode === 'read') throw systemError('ENOENT');
      inode = { durable: Buffer.alloc(0), current: Buffer.alloc(0), unsynced: [] };
      this.#names.set(path, inode);
    }
    return new SimulatedFile(this, inode, this.#age);
  }

  list(directory: string): string[] {
    if (!this.#directories.has(directory)) throw systemError('ENOENT');
    const names: string[] = [];
    for (const path of this.#names.keys()) if (dirname(path) === directory) names.push(path.slice(directory.length + 1));
    return names.sort();
  }

  makeDirectory(directory: string): void {
    this.#directories.add(directory);
  }

  unlink(path: string): void {
    if (!this.#names.delete(path)) throw systemError('ENOENT');
  }

  rename(from: string, to: string): void {
    this.#names.set(to, must(this.#names.get(from), from));
    this.#names.delete(from);
  }

  syncDirectory(directory: string): void {
    this.failSyncMaybe();
    for (const path of this.#durableNames.keys()) if (dirname(path) === directory) this.#durableNames.delete(path);
    for (const [path, inode] of this.#names) if (dirname(path) === directory) this.#durableNames.set(path, inode);
  }

  failSyncMaybe(): void {
    if (this.syncsToFail > 0) {
      this.syncsToFail--;
      throw systemError('EIO');
    }
  }

  get usedBytes(): number {
    let used = 0;
    for (const inode of this.#names.values()) used += inode.current.length;
    return used;
  }

  get age(): number {
    return this.#age;
  }

  /** Power off and on. Open files are dead. `random` gives [0, 1). */
  crash(random: () => number): void {
    this.#age++;
    const names = new Map<string, Inode>();
    for (const path of new Set([...this.#durableNames.keys(), ...this.#names.keys()])) {
      const before = this.#durableNames.get(path);
      const after = this.#names.get(path);
      // A name whose change was not synced is in its old or its new state; a file's name usually reaches the disk early, so both matter.
      const inode = before === after || random() < 0.5 ? after : before;
      if (inode !== undefined) names.set(path, inode);
    }
    for (const inode of new Set(names.values())) {
      inode.durable = survivor(inode, random);
      inode.current = Buffer.from(inode.durable);
      inode.unsynced = [];
    }
    this.#names = names;
    this.#durableNames = new Map(names);
  }

  /** Flips one bit of what is stored: damage that no crash explains. */
  damage(path: string, position: number): void {
    const inode = must(this.#names.get(path), path);
    for (const bytes of [inode.current, inode.durable]) if (position < bytes.length) bytes[position]! ^= 1;
  }
}

function survivor(inode: Inode, random: () => number): Buffer<ArrayBuffer> {
  let bytes = Buffer.from(inode.durable);
  const manner = random();
  for (const change of inode.unsynced) {
    if ('truncateTo' in change) {
      if (random() < 0.5) bytes = resized(bytes, change.truncateTo);
    } else if (manner < 0.25) {
      continue;
    } else if (manner < 0.5) {
      bytes = written(bytes, change);
    } else {
      for (let at = 0; at < change.bytes.length; at += SECTOR_BYTES) {
        if (random() < 0.6) bytes = written(bytes, { position: change.position + at, bytes: change.bytes.subarray(at, at + SECTOR_BYTES) });
        else if (manner < 0.75) break;
      }
    }
  }
  return bytes;
}

function resized(bytes: Buffer, size: number): Buffer<ArrayBuffer> {
  const result = Buffer.alloc(size);
  bytes.copy(result);
  return result;
}

function written(bytes: Buffer, write: Write): Buffer<ArrayBuffer> {
  const result = resized(bytes, Math.max(bytes.length, write.position + write.bytes.length));
  write.bytes.copy(result, write.position);
  return result;
}

class SimulatedFile implements DiskFile {
  readonly #disk: SimulatedDisk;
  readonly #inode: Inode;
  readonly #age: number;

  constructor(disk: SimulatedDisk, inode: Inode, age: number) {
    this.#disk = disk;
    this.#inode = inode;
    this.#age = age;
  }

  #live(): Inode {
    if (this.#age !== this.#disk.age) throw systemError('EBADF');
    return this.#inode;
  }

  size(): number {
    return this.#live().current.length;
  }

  write(chunks: readonly Uint8Array[], position: number): void {
    const inode = this.#live();
    const bytes = Buffer.concat(chunks);
    const room = this.#disk.capacityBytes - this.#disk.usedBytes + Math.max(0, inode.current.length - position);
    const change = { position, bytes: bytes.subarray(0, Math.max(0, Math.min(bytes.length, room))) };
    if (change.bytes.length > 0) {
      inode.current = written(inode.current, change);
      inode.unsynced.push(change);
    }
    if (change.bytes.length < bytes.length) throw systemError('ENOSPC');
  }

  read(into: Uint8Array, at: number, length: number, position: number): number {
    return this.#live().current.copy(into, at, position, position + length);
  }

  truncate(size: number): void {
    const inode = this.#live();
    inode.current = resized(inode.current, size);
    inode.unsynced.push({ truncateTo: size });
  }

  sync(): void {
    const inode = this.#live();
    try {
      this.#disk.failSyncMaybe();
    } catch (error) {
      // The kernel marks the pages clean all the same: a second fsync would succeed without having written them.
      inode.unsynced = [];
      throw error;
    }
    inode.durable = Buffer.from(inode.current);
    inode.unsynced = [];
  }

  async syncLater(): Promise<void> {
    this.sync();
  }

  close(): void {}
}
