/** What a kind of object is called in SQL and messages. */
import type { CatalogObject } from './catalog.ts';

const KIND_NAMES: Readonly<Record<CatalogObject['kind'], string>> = {
  secret: 'secret',
  connection: 'connection',
  source: 'source',
  table: 'table',
  view: 'view',
  materializedView: 'materialized view',
  index: 'index',
};

export function kindName(kind: CatalogObject['kind']): string {
  return KIND_NAMES[kind];
}
