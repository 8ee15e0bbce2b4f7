/**
 * The durable catalog: a small LMDB environment of its own in the data directory. A change is one synced transaction: the commit point of DDL.
 * Also keeps the ceiling of `mz_timestamp` (timestamps stay below a durable ceiling, and restart above it). Written by the engine worker alone.
 */
import { join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { assert } from '../base/assert.ts';
import { millraceError } from '../base/errors.ts';
import { isDiskFull } from '../store/disk-full.ts';
import type { CatalogObject } from '../catalog/catalog.ts';

/** Of the objects' form but for plans, which have a version of their own (`plan.ts`). */
export const CATALOG_VERSION = 1;

/** What the engine asks of it. */
export type DurableCatalog = Pick<CatalogStore, 'objects' | 'commit' | 'timestampCeiling' | 'raiseTimestampCeiling' | 'close'>;

export class CatalogStore {
  readonly #db: RootDatabase<unknown, string>;
  readonly #dataDirectory: string;

  constructor(dataDirectory: string) {
    this.#dataDirectory = dataDirectory;
    this.#db = open<unknown, string>({ path: join(dataDirectory, 'catalog'), encoding: 'json', maxDbs: 1 });
    const version = this.#db.get('version');
    assert(version === undefined || version === CATALOG_VERSION, `catalog version ${String(version)}`);
    if (version === undefined) this.#transaction(() => this.#db.putSync('version', CATALOG_VERSION));
  }

  objects(): CatalogObject[] {
    return [...this.#db.getRange({ start: 'object/', end: 'object0' })]
      .map(({ value }) => value as CatalogObject)
      .sort((a, b) => Number(a.id.slice(1)) - Number(b.id.slice(1)));
  }

  /** All or nothing, synced when it returns. */
  commit(change: { readonly put?: readonly CatalogObject[]; readonly remove?: readonly string[] }): void {
    this.#transaction(() => {
      for (const object of change.put ?? []) this.#db.putSync(`object/${object.id}`, object);
      for (const id of change.remove ?? []) this.#db.removeSync(`object/${id}`);
    });
  }

  get timestampCeiling(): number {
    return (this.#db.get('timestampCeiling') as number | undefined) ?? 0;
  }

  raiseTimestampCeiling(to: number): void {
    this.#transaction(() => this.#db.putSync('timestampCeiling', to));
  }

  #transaction(write: () => unknown): void {
    try {
      this.#db.transactionSync(write);
    } catch (error) {
      throw isDiskFull(error, this.#dataDirectory) ? millraceError('CATALOG_DISK_FULL', { directory: this.#dataDirectory }, error) : error;
    }
  }

  async close(): Promise<void> {
    await this.#db.close();
  }
}
