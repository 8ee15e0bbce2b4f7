/** An object of the catalog by the name that a statement gives it; who names what is not there is told so. */
import { millraceError } from '../base/errors.ts';
import { kindName } from '../catalog/kind-name.ts';
import type { Catalog, CatalogObject } from '../catalog/catalog.ts';
import type { Name } from '../sql/statements/statement.ts';

export const RELATIONS = ['table', 'view', 'materializedView'] as const;

/** `searchPath`: for a name without a schema. */
export function objectNamed<K extends CatalogObject['kind']>(
  catalog: Catalog,
  kinds: readonly K[],
  { schema, name }: Name,
  searchPath: readonly string[],
): Extract<CatalogObject, { kind: K }> {
  const found = catalog.find(kinds, name, schema === undefined ? searchPath : [schema]);
  if (found === undefined) throw millraceError('OBJECT_MISSING', { kind: kinds.length === 1 ? kindName(kinds[0]!) : 'relation', name });
  return found;
}
