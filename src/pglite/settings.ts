/**
 * Settings of one statement or view as SET statements. Values are quoted, so that a setting is never more than a setting; names that would change who runs
 * the statement, or let it write, are refused. Used by all that speaks to Postgres on behalf of a session or a view.
 */
import { millraceError } from '../base/errors.ts';
import { ident, literal } from '../base/ident.ts';
import type { StatementSettings } from './catalog-contract.ts';

/** `; SET LOCAL …` for each, to be appended to BEGIN. */
export function localSettings({ searchPath, settings }: StatementSettings): string {
  const statements = Object.entries(settings ?? {}).map(([name, value]) => `; SET LOCAL ${assignment(name, value)}`);
  if (searchPath !== undefined) statements.push(`; SET LOCAL search_path = ${schemaList(searchPath)}`);
  return statements.join('');
}

/** `name = value`, as SET wants it. */
export function assignment(name: string, value: string): string {
  if (/^(role|session_authorization|transaction_read_only|default_transaction_read_only)$/i.test(name)) {
    throw millraceError('CATALOG_STATEMENT_REFUSED', { keyword: `SET ${name}` });
  }
  if (name.toLowerCase() === 'search_path') return `search_path = ${schemaList(splitSearchPath(value))}`;
  // A custom setting has a dot (`a.b`), each part quoted by itself.
  return `${name.split('.').map(ident).join('.')} = ${literal(value)}`;
}

/** pg_temp is named last, so that an object of the analysis is never found by a bare name. */
function schemaList(schemas: readonly string[]): string {
  const list = schemas.includes('pg_temp') ? schemas : [...schemas, 'pg_temp'];
  return list.map((schema) => literal(schema)).join(', ');
}

/** `public, "My Schema", "$user"` as names. */
export function splitSearchPath(value: string): string[] {
  return Array.from(value.matchAll(/"((?:[^"]|"")*)"|([^\s,"]+)/g), ([, quoted, plain]) =>
    quoted === undefined ? plain!.toLowerCase() : quoted.replaceAll('""', '"'),
  );
}
