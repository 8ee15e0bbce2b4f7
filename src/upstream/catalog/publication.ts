/**
 * The publication and its tables, exactly as the stream will send them: which columns in which order, by which identity, and whether a copy may read them.
 * Keeps I-4 (only published tables) and I-1 (no silently filtered rows). Read at CREATE SOURCE, inside every snapshot, and every 15 s while streaming.
 */
import { millraceError, type MillraceError } from '../../base/errors.ts';
import { qualified } from '../../base/ident.ts';
import type { UpstreamConnection } from '../connection/connect.ts';
import type { UpstreamColumn, UpstreamTable } from '../table.ts';

export interface Publication {
  readonly oid: number;
  readonly name: string;
  readonly allTables: boolean;
  readonly viaRoot: boolean;
  /** insert, update, delete, truncate: what it does not publish. */
  readonly missing: readonly string[];
}

export interface PublishedTable {
  readonly table: UpstreamTable;
  /** pg_class.relkind: r or p. */
  readonly relkind: string;
  /** Whether an UPDATE or DELETE says which row it met. */
  readonly identityUsable: boolean;
  readonly rowFilter: string | null;
  readonly selectable: boolean;
  readonly rowSecurity: boolean;
  /** Columns that the publication leaves out: generated ones, and those that a column list does not name. */
  readonly unpublished: readonly { readonly name: string; readonly generated: boolean }[];
  /** Inheritance children of a table that is no partitioned one: upstream, their rows are its rows, too. */
  readonly children: readonly string[];
  /** Of a partition that is published by itself: the table that it is a part of. */
  readonly root: TableName | null;
}

export interface TableName {
  readonly schema: string;
  readonly name: string;
}

export async function readPublication(connection: UpstreamConnection, name: string): Promise<Publication | undefined> {
  const [row] = await connection.query(
    `SELECT p.oid, p.puballtables, coalesce(to_jsonb(p) ->> 'pubviaroot', 'false') AS viaroot, p.pubinsert, p.pubupdate, p.pubdelete, coalesce(to_jsonb(p) ->> 'pubtruncate', 'true') AS pubtruncate
     FROM pg_catalog.pg_publication p WHERE p.pubname = $1`,
    [name],
  );
  if (row === undefined) return undefined;
  const missing = (['insert', 'update', 'delete', 'truncate'] as const).filter(
    (kind) => row[`pub${kind}`] !== 't' && row[`pub${kind}`] !== 'true',
  );
  return { oid: Number(row['oid']), name, allTables: row['puballtables'] === 't', viaRoot: row['viaroot'] === 'true', missing };
}

/** One statement, so that all tables are seen at one moment. `only`: OIDs. */
export async function readPublishedTables(
  connection: UpstreamConnection,
  publication: string,
  only?: readonly number[],
): Promise<PublishedTable[]> {
  const rows = await connection.query(PUBLISHED_TABLES_SQL, [publication, only === undefined ? null : `{${only.join(',')}}`]);
  return rows.map((row) => publishedTable(JSON.parse(row['table']!) as TableRow));
}

/** Tables whose changes are in no log. */
export async function readUnlogged(connection: UpstreamConnection): Promise<TableName[]> {
  const rows = await connection.query(
    `SELECT n.nspname, c.relname FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relpersistence = 'u' AND c.relkind IN ('r', 'p')`,
  );
  return rows.map((row) => ({ schema: row['nspname']!, name: row['relname']! }));
}

interface TableRow {
  oid: string;
  schema: string;
  name: string;
  relkind: string;
  replident: 'd' | 'n' | 'f' | 'i';
  columns: (Omit<UpstreamColumn, 'comment'> & { comment: string | null })[] | null;
  /** attnums of the primary key (valid, immediate), and of the replica identity index. */
  primary_key: number[] | null;
  primary_key_name: string | null;
  identity_index: number[] | null;
  comment: string | null;
  row_filter: string | null;
  selectable: boolean;
  row_security: boolean;
  unpublished: { name: string; generated: boolean }[] | null;
  children: string[] | null;
  root: TableName | null;
}

const IS_SENT = `CASE WHEN to_jsonb(pt) ? 'attnames' THEN to_jsonb(pt) -> 'attnames' ? a.attname::text ELSE coalesce(to_jsonb(a) ->> 'attgenerated', '') = '' END`;

/** A deferrable primary key is not an identity: Postgres itself does not take it for one, and inside a transaction it may hold twice. */
const PUBLISHED_TABLES_SQL = `
SELECT json_build_object(
    'oid', c.oid::text, 'schema', n.nspname, 'name', c.relname, 'relkind', c.relkind, 'replident', c.relreplident,
    'columns', (SELECT json_agg(json_build_object('attnum', a.attnum, 'name', a.attname, 'notNull', a.attnotnull, 'typeOid', a.atttypid::int8, 'typmod', a.atttypmod,
                         'typeName', format_type(a.atttypid, a.atttypmod), 'collationOid', a.attcollation::int8, 'comment', col_description(c.oid, a.attnum)) ORDER BY a.attnum)
                FROM pg_catalog.pg_attribute a
                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                  AND ${IS_SENT}),
    'primary_key', (SELECT array_agg(k.attnum ORDER BY k.ord) FROM pg_catalog.pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, ord)
                    WHERE i.indrelid = c.oid AND i.indisprimary AND i.indimmediate AND i.indisvalid AND k.ord <= coalesce((to_jsonb(i) ->> 'indnkeyatts')::int, i.indnatts)),
    'primary_key_name', (SELECT k.conname FROM pg_catalog.pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'p'),
    'identity_index', (SELECT array_agg(k.attnum ORDER BY k.ord) FROM pg_catalog.pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, ord)
                    WHERE i.indrelid = c.oid AND i.indisreplident AND i.indisvalid AND k.ord <= coalesce((to_jsonb(i) ->> 'indnkeyatts')::int, i.indnatts)),
    'comment', obj_description(c.oid, 'pg_class'),
    'row_filter', to_jsonb(pt) ->> 'rowfilter',
    'selectable', has_schema_privilege(n.oid, 'USAGE') AND (has_table_privilege(c.oid, 'SELECT') OR has_any_column_privilege(c.oid, 'SELECT')),
    'row_security', row_security_active(c.oid),
    'unpublished', (SELECT json_agg(json_build_object('name', a.attname, 'generated', coalesce(to_jsonb(a) ->> 'attgenerated', '') <> '') ORDER BY a.attnum)
                    FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND NOT ${IS_SENT}),
    'children', (SELECT json_agg(i.inhrelid::regclass::text ORDER BY i.inhrelid) FROM pg_catalog.pg_inherits i WHERE i.inhparent = c.oid AND c.relkind = 'r'),
    'root', (WITH RECURSIVE up(oid) AS (SELECT i.inhparent FROM pg_catalog.pg_inherits i WHERE i.inhrelid = c.oid AND c.relispartition
                                        UNION ALL SELECT i.inhparent FROM up JOIN pg_catalog.pg_inherits i ON i.inhrelid = up.oid)
             SELECT json_build_object('schema', rn.nspname, 'name', r.relname) FROM up JOIN pg_catalog.pg_class r ON r.oid = up.oid JOIN pg_catalog.pg_namespace rn ON rn.oid = r.relnamespace
             WHERE NOT r.relispartition)) AS "table"
FROM pg_catalog.pg_publication_tables pt
JOIN pg_catalog.pg_publication p ON p.pubname = pt.pubname
JOIN pg_catalog.pg_namespace n ON n.nspname = pt.schemaname
JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = pt.tablename
WHERE pt.pubname = $1 AND ($2::oid[] IS NULL OR c.oid = ANY ($2::oid[]))
ORDER BY n.nspname, c.relname`;

function publishedTable(row: TableRow): PublishedTable {
  const columns: UpstreamColumn[] = (row.columns ?? []).map(({ comment, ...column }) =>
    comment === null ? column : { ...column, comment },
  );
  const positions = (attnums: readonly number[] | null): number[] | undefined => {
    const found = attnums?.map((attnum) => columns.findIndex((column) => column.attnum === attnum));
    return found === undefined || found.length === 0 || found.includes(-1) ? undefined : found;
  };
  const primaryKey = positions(row.primary_key);
  const identityIndex = row.replident === 'i' ? positions(row.identity_index) : undefined;
  // Under `i` the stream names a row by the index, whatever the primary key is.
  const key = row.replident === 'i' ? identityIndex : primaryKey;
  const table: UpstreamTable = {
    oid: Number(row.oid),
    schema: row.schema,
    name: row.name,
    replicaIdentity: row.replident,
    columns,
    key: row.replident === 'n' ? [] : (key ?? []),
    ...(row.primary_key_name === null ? {} : { primaryKeyName: row.primary_key_name }),
    ...(row.comment === null ? {} : { comment: row.comment }),
  };
  const identityUsable = row.replident === 'f' || (row.replident === 'd' && primaryKey !== undefined) || identityIndex !== undefined;
  return {
    table,
    relkind: row.relkind,
    identityUsable,
    rowFilter: row.row_filter,
    selectable: row.selectable,
    rowSecurity: row.row_security,
    unpublished: row.unpublished ?? [],
    children: row.children ?? [],
    root: row.root,
  };
}

/** Why the stream does not bring all of this table's changes, or undefined. */
export function streamRefusalOf({ table, ...published }: PublishedTable, publication: string): MillraceError | undefined {
  const { schema, name } = table;
  if (published.rowFilter !== null) return millraceError('PUBLICATION_FILTERS_ROWS', { schema, table: name, publication });
  if (published.children.length > 0) return millraceError('TABLE_HAS_CHILDREN', { schema, table: name, children: published.children });
  if (!published.identityUsable) return millraceError('REPLICA_IDENTITY_MISSING', { schema, table: name });
  return undefined;
}

/** Why this table cannot be copied and then kept exactly, or undefined. What `user` may read counts for the copy alone. */
export function refusalOf(published: PublishedTable, publication: string, user: string): MillraceError | undefined {
  const { schema, name } = published.table;
  const named = { schema, table: name, publication, user };
  const refusal = streamRefusalOf(published, publication);
  if (refusal !== undefined) return refusal;
  if (!published.selectable) return millraceError('UPSTREAM_SELECT_NOT_PERMITTED', { ...named, said: undefined });
  if (published.rowSecurity) return millraceError('ROW_SECURITY_FILTERS', named);
  return undefined;
}

/** The publication, fit to stream; throws PUBLICATION_MISSING or PUBLICATION_INCOMPLETE. `tables`: for the remedy. */
export async function requirePublication(
  connection: UpstreamConnection,
  name: string,
  tables: readonly TableName[] = [],
): Promise<Publication> {
  const publication = await readPublication(connection, name);
  if (publication === undefined) throw publicationMissing(name, connection.parameters.database, tables);
  if (publication.missing.length > 0) throw millraceError('PUBLICATION_INCOMPLETE', { publication: name, missing: publication.missing });
  return publication;
}

export function publicationMissing(publication: string, database: string, tables: readonly TableName[]): MillraceError {
  return millraceError('PUBLICATION_MISSING', {
    publication,
    database,
    tables: tables.map((table) => qualified(table.schema, table.name)),
  });
}
