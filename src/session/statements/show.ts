/** SHOW as questions to the status relations: Materialize's columns, answered by Postgres like any other query. Pure. */
import { literal } from '../../base/ident.ts';
import type { ShowKind } from '../../sql/statements/statement.ts';

const CLUSTER = `'default'::text AS cluster`;
const COMMENT = `''::text AS comment`;

const QUERIES: Readonly<Record<Exclude<ShowKind, 'columns' | 'all' | 'schemas' | 'databases' | 'indexes'>, string>> = {
  secrets: `SELECT name, ${COMMENT} FROM millrace.objects WHERE kind = 'secret'`,
  connections: `SELECT name, 'postgres'::text AS type, ${COMMENT} FROM millrace.objects WHERE kind = 'connection'`,
  sources: `SELECT name, 'postgres'::text AS type, ${CLUSTER}, ${COMMENT} FROM millrace.sources`,
  tables: `SELECT name, ${COMMENT} FROM millrace.tables`,
  views: `SELECT name, ${COMMENT} FROM millrace.views WHERE kind = 'view'`,
  materializedViews: `SELECT name, ${CLUSTER}, ${COMMENT} FROM millrace.views WHERE kind = 'materialized view'`,
  objects: `SELECT name, replace(kind, ' ', '-') AS type, ${COMMENT} FROM millrace.objects`,
};

export function showQuery(
  what: Exclude<ShowKind, 'all'>,
  on: { schema: string; name: string } | undefined,
  like: string | undefined,
): string {
  const inner = innerQuery(what, on);
  const condition = like === undefined ? '' : ` WHERE name LIKE ${literal(like)}`;
  return `SELECT * FROM (${inner}) shown${condition}${what === 'columns' ? '' : ' ORDER BY name'}`;
}

function innerQuery(what: Exclude<ShowKind, 'all'>, on: { schema: string; name: string } | undefined): string {
  switch (what) {
    case 'schemas':
      return `SELECT nspname::text AS name, ${COMMENT} FROM pg_catalog.pg_namespace WHERE nspname !~ '^pg_(toast|temp)'`;
    case 'databases':
      return `SELECT datname::text AS name, ${COMMENT} FROM pg_catalog.pg_database WHERE datallowconn AND NOT datistemplate`;
    case 'columns':
      return `SELECT a.attname::text AS name, NOT a.attnotnull AS nullable, format_type(a.atttypid, a.atttypmod) AS type, coalesce(col_description(a.attrelid, a.attnum), '') AS comment
        FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE a.attnum > 0 AND NOT a.attisdropped AND n.nspname = ${literal(on?.schema ?? '')} AND c.relname = ${literal(on?.name ?? '')} ORDER BY a.attnum`;
    case 'indexes':
      return `SELECT o.name, d.name AS "on", ${CLUSTER}, ${COMMENT} FROM millrace.objects o JOIN millrace.objects d ON d.id = o.depends_on[1]
        WHERE o.kind = 'index'${on === undefined ? '' : ` AND d.name = ${literal(on.name)} AND d.schema_name = ${literal(on.schema)}`}`;
    default:
      return QUERIES[what];
  }
}
