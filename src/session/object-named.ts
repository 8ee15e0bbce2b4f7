/** An object of the catalog by the name that a statement gives it, under the session's search path; who names what is not there is told so. */
import { millraceError } from '../base/errors.ts';
import type { Catalog, CatalogObject } from '../catalog/catalog.ts';
import type { Name } from '../sql/statements/statement.ts';

/** `what`: the kind, in the words of the error. */
export function objectNamed<K extends CatalogObject['kind']>(
  catalog: Catalog,
  kinds: readonly K[],
  { schema, name }: Name,
  searchPath: readonly string[],
  what: string,
): Extract<CatalogObject, { kind: K }> {
  const found = catalog.find(kinds, name, schema === undefined ? searchPath : [schema]);
  if (found === undefined) throw millraceError('OBJECT_MISSING', { kind: what, name });
  return found;
}

export const RELATIONS = ['table', 'view', 'materializedView'] as const;
