/** Catalog objects as the mirror has them. Pure. */
import { must } from '../../base/assert.ts';
import type { MirrorObject } from '../../sql/mirror/objects.ts';
import type { Catalog, CatalogObject } from '../../catalog/catalog.ts';

/** Secrets and connections are not relations. */
export function mirrored(catalog: Catalog, object: CatalogObject): MirrorObject[] {
  switch (object.kind) {
    case 'secret':
    case 'connection':
      return [];
    case 'source':
      return [
        {
          kind: 'source',
          id: object.id,
          types: object.types,
          collations: object.collations,
          databaseCollation: object.facts.databaseCollation,
        },
      ];
    case 'table':
      return [{ kind: 'table', id: object.id, schema: object.schema, name: object.name, upstream: object.upstream }];
    case 'view':
    case 'materializedView':
      return [
        {
          kind: object.kind,
          id: object.id,
          schema: object.schema,
          name: object.name,
          sql: object.sql,
          columnNames: object.columns.map((column) => column.name),
          settings: object.settings,
          dependsOn: object.dependsOn,
        },
      ];
    case 'index': {
      const on = must(catalog.get(object.onId), 'indexed object');
      const columns = 'columns' in on && on.kind !== 'index' ? on.columns : [];
      return [
        {
          kind: 'index',
          id: object.id,
          schema: object.schema,
          name: object.name,
          onId: object.onId,
          columnNames: object.columns.map((position) => must(columns[position], 'indexed column').name),
        },
      ];
    }
  }
}
