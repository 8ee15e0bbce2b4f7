/** The durable catalog in memory: what a commit has put there outlives a kill. It can be full. */
import { millraceError } from '../../src/base/errors.ts';
import type { CatalogObject } from '../../src/catalog/catalog.ts';
import type { DurableCatalog } from '../../src/engine/catalog-store.ts';

export class MemoryCatalog implements DurableCatalog {
  readonly #objects = new Map<string, CatalogObject>();
  timestampCeiling = 0;
  isFull = false;

  objects(): CatalogObject[] {
    return [...this.#objects.values()].sort((a, b) => Number(a.id.slice(1)) - Number(b.id.slice(1)));
  }

  commit({ put = [], remove = [] }: { readonly put?: readonly CatalogObject[]; readonly remove?: readonly string[] }): void {
    this.#refuseFull();
    for (const object of put) this.#objects.set(object.id, object);
    for (const id of remove) this.#objects.delete(id);
  }

  raiseTimestampCeiling(to: number): void {
    this.#refuseFull();
    this.timestampCeiling = to;
  }

  async close(): Promise<void> {}

  #refuseFull(): void {
    if (this.isFull) throw millraceError('CATALOG_DISK_FULL', { directory: 'simulated' });
  }
}
