/**
 * The DDL that makes one object of the mirror. Pure. Names, types, keys, NOT NULLs, collations and comments; no defaults, no CHECKs, no expressions: nothing of
 * the upstream's code runs here. A type that the mirror cannot have (an extension's) is a domain over text: its values are kept and shown, and planning sees where
 * an operator takes one for text (`PgType.foreign`). Called by `mirror.ts`.
 */
import { ident, literal, qualified } from '../../base/ident.ts';
import { must } from '../../base/assert.ts';
import { assignment } from '../../pglite/settings.ts';
import type { Ddl } from '../../pglite/catalog-contract.ts';
import type { UpstreamCollation, UpstreamColumn, UpstreamTable, UpstreamType } from '../../upstream/table.ts';
import type { MirrorIndex, MirrorSource, MirrorTable, MirrorView } from './objects.ts';

export function schemaDdl(schema: string): string[] {
  return schema === 'public' || schema === 'pg_catalog' ? [] : [`CREATE SCHEMA IF NOT EXISTS ${ident(schema)}`];
}

/** Types as format_type prints them → as the mirror has them. */
export type TypeNames = (typeName: string) => string;

/** `public.geometry(Point,4326)`, `public.geometry[]` lose what only the upstream's own type can have. A type in pg_catalog, where nobody makes any, is text. */
export function mirrorTypeNames(types: readonly UpstreamType[]): TypeNames {
  const opaque = new Map<string, string>();
  for (const type of types) {
    if (type.kind !== 'opaque') continue;
    const name = isMirrored(type) ? qualified(type.schema, type.name) : 'text';
    for (const written of [qualified(type.schema, type.name), `${type.schema}.${type.name}`, type.name]) opaque.set(written, name);
  }
  return (typeName) => {
    const array = typeName.endsWith('[]');
    const name = opaque.get((array ? typeName.slice(0, -2) : typeName).replace(/\([^()]*\)$/, ''));
    return name === undefined ? typeName : `${name}${array ? '[]' : ''}`;
  };
}

/** Has an object of its own in the mirror. */
export function isMirrored({ kind, schema }: UpstreamType): boolean {
  return kind !== 'opaque' || schema !== 'pg_catalog';
}

/** Enums, domains, composites and ranges, in the order given. Also what the evaluator needs: see `typesDdl`. */
export function typesDdl(types: readonly UpstreamType[]): string[] {
  const names = mirrorTypeNames(types);
  return types.flatMap((type) => {
    if (!isMirrored(type)) return [];
    const kind = type.kind === 'domain' || type.kind === 'opaque' ? 'DOMAIN' : 'TYPE';
    return [...schemaDdl(type.schema), `CREATE ${kind} ${qualified(type.schema, type.name)} AS ${typeBody(type, names)}`];
  });
}

function typeBody(type: UpstreamType, names: TypeNames): string {
  if (type.kind === 'opaque') return 'text';
  if (type.kind === 'enum') return `ENUM (${type.labels.map(literal).join(', ')})`;
  if (type.kind === 'domain') return names(type.baseTypeName);
  if (type.kind === 'range') return `RANGE (subtype = ${names(type.subtypeName)})`;
  return `(${type.attributes.map((attribute) => `${ident(attribute.name)} ${names(attribute.typeName)}`).join(', ')})`;
}

/** Collations that PGlite's own pg_catalog has under the same name stay as they are; only the name matters, the order is the upstream's (types.ts). */
export function collationDdl({ schema, name }: UpstreamCollation): Ddl[] {
  const sql = `CREATE COLLATION IF NOT EXISTS ${qualified(schema, name)} (provider = libc, locale = 'C')`;
  return schema === 'pg_catalog' ? [{ privileged: sql }] : [...schemaDdl(schema), sql];
}

export function sourceDdl({ types, collations }: MirrorSource): Ddl[] {
  return [...collations.filter(({ name }) => name !== 'default').flatMap(collationDdl), ...typesDdl(types)];
}

export function tableDdl({ schema, name, upstream }: MirrorTable, source: MirrorSource | undefined): Ddl[] {
  const table = qualified(schema, name);
  const names = mirrorTypeNames(source?.types ?? []);
  const columns = upstream.columns.map((column) => columnDdl(column, names, source?.collations ?? []));
  return [
    ...schemaDdl(schema),
    `CREATE TABLE ${table} (${[...columns, ...primaryKey(name, upstream)].join(', ')})`,
    ...uniqueKeyDdl(table, upstream),
    noRowsHere(table),
    ...commentDdl('TABLE', table, upstream.comment),
    ...upstream.columns.flatMap((column) => commentDdl('COLUMN', `${table}.${ident(column.name)}`, column.comment)),
  ];
}

function columnDdl(column: UpstreamColumn, names: TypeNames, collations: readonly UpstreamCollation[]): string {
  const collation = collations.find(({ oid }) => oid === column.collationOid);
  const collate = collation === undefined || collation.name === 'default' ? '' : ` COLLATE ${qualified(collation.schema, collation.name)}`;
  return `${ident(column.name)} ${names(column.typeName)}${collate}${column.notNull ? ' NOT NULL' : ''}`;
}

/** Decides what GROUP BY may leave out. */
function primaryKey(name: string, upstream: UpstreamTable): string[] {
  if (upstream.key.length === 0 || upstream.primaryKeyName === undefined) return [];
  // Index names are one namespace a schema, and another table here may come from another schema there.
  const constraint = upstream.name === name ? upstream.primaryKeyName : `${name}_pkey`;
  return [`CONSTRAINT ${ident(constraint)} PRIMARY KEY (${keyColumns(upstream)})`];
}

/** Another replica identity index. */
function uniqueKeyDdl(table: string, upstream: UpstreamTable): string[] {
  return upstream.key.length === 0 || upstream.primaryKeyName !== undefined
    ? []
    : [`CREATE UNIQUE INDEX ON ${table} (${keyColumns(upstream)})`];
}

function keyColumns(upstream: UpstreamTable): string {
  return upstream.key.map((position) => ident(must(upstream.columns[position], 'a key column').name)).join(', ');
}

function commentDdl(kind: 'TABLE' | 'COLUMN', name: string, comment: string | undefined): string[] {
  return comment === undefined ? [] : [`COMMENT ON ${kind} ${name} IS ${literal(comment)}`];
}

/** Under the settings that were in force when it was written. */
export function viewDdl({ kind, schema, name, sql, columnNames, settings }: MirrorView): Ddl[] {
  const columns = columnNames === undefined ? '' : ` (${columnNames.map(ident).join(', ')})`;
  const relation = `${qualified(schema, name)}${columns} AS ${sql}`;
  return [
    ...schemaDdl(schema),
    ...Object.entries(settings).map(([setting, value]) => `SET LOCAL ${assignment(setting, value)}`),
    // A new line, because the text may end in a comment.
    ...(kind === 'view'
      ? [`CREATE VIEW ${relation}`]
      : [`CREATE MATERIALIZED VIEW ${relation}\n WITH NO DATA`, noRowsHere(qualified(schema, name))]),
  ];
}

/** The rows are in the engine. A catalog statement that reads a table as well must fail (42501), never find it empty; analysis asks for no privilege. */
function noRowsHere(relation: string): string {
  return `REVOKE SELECT ON ${relation} FROM millrace`;
}

/** An index on a plain view has no counterpart in Postgres. */
export function indexDdl(index: MirrorIndex, on: MirrorTable | MirrorView): Ddl[] {
  if (on.kind === 'view') return [];
  return [`CREATE INDEX ${ident(index.name)} ON ${qualified(on.schema, on.name)} (${index.columnNames.map(ident).join(', ')})`];
}

/** IF EXISTS: one that Postgres refused in a rebuild is not there. */
export function dropDdl(object: MirrorTable | MirrorView | MirrorIndex): string {
  return `DROP ${DROP_KINDS[object.kind]} IF EXISTS ${qualified(object.schema, object.name)}`;
}

const DROP_KINDS = { table: 'TABLE', view: 'VIEW', materializedView: 'MATERIALIZED VIEW', index: 'INDEX' } as const;
