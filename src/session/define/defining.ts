/** What every definition has in common: by whom and how it is asked, what it answers, and whether a name is free. Used by `definitions.ts` and `define-*.ts`. */
import { millraceError } from '../../base/errors.ts';
import type { CallOptions } from '../../pglite/catalog-client.ts';
import type { Notice } from '../../server/session.ts';
import type { Name } from '../../sql/statements/statement.ts';
import type { Catalog, CatalogObject } from '../../catalog/catalog.ts';
import type { Settings } from '../settings.ts';
import { kindName } from '../../catalog/kind-name.ts';

export interface Defining {
  /** The statement, for SHOW CREATE. */
  readonly text: string;
  readonly settings: Settings;
  readonly call: CallOptions;
}

export interface Defined {
  readonly tag: string;
  readonly notices: readonly Notice[];
}

/** Throws OBJECT_EXISTS, or returns the notice of IF NOT EXISTS; undefined: the name is free. */
export function taken(
  catalog: Catalog,
  kind: CatalogObject['kind'],
  schema: string,
  name: string,
  ifNotExists: boolean,
  tag: string,
): Defined | undefined {
  const kinds: readonly CatalogObject['kind'][] =
    kind === 'secret' || kind === 'connection' ? [kind] : ['source', 'table', 'view', 'materializedView', 'index'];
  const existing = catalog.find(kinds, name, [schema]);
  if (existing === undefined) return undefined;
  if (!ifNotExists) throw millraceError('OBJECT_EXISTS', { kind: kindName(existing.kind), name });
  return {
    tag,
    notices: [{ severity: 'NOTICE', sqlstate: '42710', message: `${kindName(existing.kind)} "${name}" already exists, skipping` }],
  };
}

/** Where an unqualified new name goes. */
export function schemaFor(name: Name, settings: Settings): string {
  return name.schema ?? settings.searchPath[0] ?? 'public';
}
