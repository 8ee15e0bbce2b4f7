/** SHOW: of a setting, of how an object was made, and of kinds of objects as questions to the status relations (Materialize's columns), answered like any other query. */
import { literal } from '../../base/ident.ts';
import type { ShowKind, StatementOf } from '../../sql/statements/statement.ts';
import { objectNamed, RELATIONS } from '../object-named.ts';
import { literalRows, textColumns } from '../results/literal-result.ts';
import { asAsked } from './query.ts';
import { prepareRows, type RowQuery } from './rows.ts';
import { shape, type StatementContext, type StatementKind } from './statement.ts';

export const showSetting: StatementKind<StatementOf<'showSetting'>> = {
  prepare({ name }, { settings }) {
    settings.get(name);
    return shape(textColumns(name));
  },
  execute: ({ name }, { settings }) => literalRows([[settings.get(name)]], 'SHOW'),
};

export const showCreate: StatementKind<StatementOf<'showCreate'>> = {
  prepare: () => shape(textColumns('name', 'create_sql')),
  execute({ object, name }, { coordinator, settings }) {
    const found = objectNamed(coordinator.catalog, [object], name, settings.searchPath);
    return literalRows([[`${found.schema}.${found.name}`, found.createSql]], 'SHOW');
  },
};

/** Of SHOW ALL there is no query. */
export const show: StatementKind<StatementOf<'show'>, RowQuery | undefined> = {
  async prepare(statement, by) {
    const text = queryOf(statement, by);
    return text === undefined ? shape(textColumns('name', 'setting')) : prepareRows({ text, parameterTypes: [] }, by);
  },
  execute(statement, by, bind, prepared) {
    const sql = queryOf(statement, by);
    return sql === undefined || prepared === undefined ? literalRows(by.settings.all(), 'SHOW') : asAsked({ ...prepared, sql }, by, bind);
  },
};

function queryOf({ what, on, like }: StatementOf<'show'>, { coordinator: { catalog }, settings }: StatementContext): string | undefined {
  if (what === 'all') return undefined;
  return showQuery(what, on && objectNamed(catalog, RELATIONS, on, settings.searchPath), like);
}

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

function showQuery(what: Exclude<ShowKind, 'all'>, on: { schema: string; name: string } | undefined, like: string | undefined): string {
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
