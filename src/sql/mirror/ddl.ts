/**
 * The DDL that makes one object of the mirror. Pure. Names, types, keys, NOT NULLs, collations and comments; no defaults, no CHECKs, no expressions: nothing of
 * the upstream's code runs here. A type that the mirror cannot have (an extension's) is text. Called by `mirror.ts`.
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

/** `public.citext`, `public.citext[]`, `public.geometry(Point,4326)` become text, where the upstream's type of that name is opaque. */
export function mirrorTypeNames(types: readonly UpstreamType[]): TypeNames {
  const opaque = new Set(types.flatMap((type) => (type.kind === 'opaque' ? [qualified(type.schema, type.name), type.name] : [])));
  return (typeName) => {
    const array = typeName.endsWith('[]');
    const base = (array ? typeName.slice(0, -2) : typeName).replace(/\([^()]*\)$/, '');
    if (!opaque.has(base)) return typeName;
    return array ? 'text[]' : 'text';
  };
}

/** Enums, domains, composites and ranges, in the order given. Also what the evaluator needs: see `typesDdl`. */
export function typesDdl(types: readonly UpstreamType[]): string[] {
  const names = mirrorTypeNames(types);
  return types.flatMap((type) => {
    const name = qualified(type.schema, type.name);
    if (type.kind === 'opaque') return [];
    return [...schemaDdl(type.schema), `CREATE ${type.kind === 'domain' ? 'DOMAIN' : 'TYPE'} ${name} AS ${typeBody(type, names)}`];
  });
}

function typeBody(type: Exclude<UpstreamType, { kind: 'opaque' }>, names: TypeNames): string {
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
  const opaqueOids = new Set((source?.types ?? []).flatMap((type) => (type.kind === 'opaque' ? [type.oid] : [])));
  const columns = upstream.columns.map((column) =>
    columnDdl(column, opaqueOids.has(column.typeOid) ? () => 'text' : names, source?.collations ?? []),
  );
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
