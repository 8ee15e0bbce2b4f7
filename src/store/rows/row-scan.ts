/**
 * A walk over the stored rows of one table without an object a row: each step's key and value are left in memory that the next step overwrites.
 * `lmdb` makes two buffers a row (1.9 µs of 3.5); its hooks for other encodings hand out the memory that it copies into, and this takes them.
 * Made by `row-store.ts`, read by `table-reader.ts`. Scans of one store may take turns.
 */
import type { Database, Transaction } from 'lmdb';
import { tableEnd, tablePrefix } from './tuple.ts';

/** The same rows as a database of buffers sees; its hooks take what it would return. */
export type ScanDatabase = Database<undefined, Buffer>;

/** Where the hooks of the store's scan database put what they are given. */
export class ScanHooks {
  keys: Uint8Array = new Uint8Array(0);
  keyStart = 0;
  keyEnd = 0;
  value: Uint8Array = new Uint8Array(0);
  valueLength = 0;
  #seen: Uint8Array | undefined;
  #seenBuffer: ArrayBufferLike | undefined;

  /** For `openDB`. */
  readonly options = {
    keyEncoder: {
      writeKey: (key: unknown, target: Uint8Array, at: number): number => {
        target.set(key as Buffer, at);
        return at + (key as Buffer).length;
      },
      readKey: (bytes: Uint8Array, start: number, end: number): undefined => {
        this.keys = bytes;
        this.keyStart = start;
        this.keyEnd = end;
      },
    },
    encoder: {
      encode: (value: unknown): Buffer => value as Buffer,
      decode: (bytes: Uint8Array, length: number): undefined => {
        // `lmdb` shadows the length of the buffer that it reuses: only a view of our own is a plain array.
        if (bytes !== this.#seen || bytes.buffer !== this.#seenBuffer) {
          this.#seen = bytes;
          this.#seenBuffer = bytes.buffer;
          this.value = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
        }
        this.valueLength = length;
      },
    },
  };
}

export class RowScan {
  readonly #hooks: ScanHooks;
  readonly #rows: Iterator<unknown>;

  constructor(database: ScanDatabase, hooks: ScanHooks, oid: number, transaction: Transaction) {
    this.#hooks = hooks;
    this.#rows = database.getRange({ start: tablePrefix(oid), end: tableEnd(oid), transaction })[Symbol.iterator]();
  }

  /** False at the end. */
  next(): boolean {
    return this.#rows.next().done !== true;
  }

  /** The value begins at 0 of it. Valid until the next step of any scan. */
  get value(): Uint8Array {
    return this.#hooks.value;
  }

  get valueLength(): number {
    return this.#hooks.valueLength;
  }

  /** Below 0 where this row's key comes before `key`. */
  compareKey(key: Uint8Array): number {
    const { keys, keyStart, keyEnd } = this.#hooks;
    const length = Math.min(key.length, keyEnd - keyStart);
    for (let i = 0; i < length; i++) {
      const difference = keys[keyStart + i]! - key[i]!;
      if (difference !== 0) return difference;
    }
    return keyEnd - keyStart - key.length;
  }

  copyKey(): Buffer {
    const { keys, keyStart, keyEnd } = this.#hooks;
    return Buffer.from(keys.subarray(keyStart, keyEnd));
  }

  copyValue(): Buffer {
    return Buffer.from(this.value.subarray(0, this.valueLength));
  }

  /** Gives the cursor back before the end. */
  close(): void {
    this.#rows.return?.();
  }
}
