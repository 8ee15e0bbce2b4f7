/**
 * A walk over the stored blocks of one table: each step's block is left in memory that the next step overwrites.
 * `lmdb` makes two buffers a value; its hooks for other encodings hand out the memory that it copies into, and this takes them.
 * Made by `row-store.ts`, read by `table-reader.ts`. Scans of one store may take turns.
 */
import type { Database, Transaction } from 'lmdb';
import { tableEnd, tablePrefix } from './tuple.ts';

/** The same blocks as a database of buffers sees; its hooks take what it would return. */
export type ScanDatabase = Database<undefined, Buffer>;

/** Where the hooks of the store's scan database put what they are given. */
export class ScanHooks {
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
      readKey: (): undefined => undefined,
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
  readonly #blocks: Iterator<unknown>;

  constructor(database: ScanDatabase, hooks: ScanHooks, oid: number, transaction: Transaction) {
    this.#hooks = hooks;
    this.#blocks = database.getRange({ start: tablePrefix(oid), end: tableEnd(oid), transaction })[Symbol.iterator]();
  }

  /** False at the end. */
  next(): boolean {
    return this.#blocks.next().done !== true;
  }

  /** The block begins at 0 of it. Valid until the next step of any scan. */
  get block(): Uint8Array {
    return this.#hooks.value;
  }

  get blockLength(): number {
    return this.#hooks.valueLength;
  }

  /** Gives the cursor back before the end. */
  close(): void {
    this.#blocks.return?.();
  }
}
