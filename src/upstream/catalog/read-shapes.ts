/**
 * Reads the shapes of tables (`upstream/shape.ts`) in one statement, so that all of it is seen at one moment, together with the WAL end by then. Only what the given tables need
 * is looked at, however many the database has. Called in every snapshot, at every reconnect, every few seconds while streaming, and for reads that ask for recency.
 */
import { must } from '../../base/assert.ts';
import { qualified } from '../../base/ident.ts';
import { parseLsn, type Lsn } from '../../base/lsn.ts';
import type { UpstreamConnection } from '../connection/connect.ts';
import { endOfRecordBefore, FLUSHED_LSN_SQL } from '../replication/wal-end.ts';
import type { TableShape, TypeShape } from '../shape.ts';

export interface ReadShapes {
  readonly shapes: ReadonlyMap<number, TableShape>;
  /** Every change of the catalog that is not seen here is committed at or past it; one that is seen and gave a table another file is flushed before it is seen. */
  readonly lsn: Lsn;
}

/** Postgres's own objects are below. */
const FIRST_NORMAL_OID = 16_384;

interface TypeRow {
  readonly oid: number;
  readonly kind: string;
  readonly name: string;
  readonly labels: string[] | null;
  readonly attributes: string[] | null;
  readonly base: string;
  readonly parts: number[] | null;
}

interface Row {
  readonly tables: readonly Omit<TableShape, 'types'>[] | null;
  readonly types: readonly TypeRow[] | null;
}

/** `expected`: names that they had; another table that has such a name now is told. */
export async function readShapes(
  connection: UpstreamConnection,
  publication: string,
  expected: readonly { readonly oid: number; readonly schema: string; readonly name: string }[],
): Promise<ReadShapes> {
  const [row] = await connection.query(shapesSql(connection.versionNum), [
    publication,
    JSON.stringify(expected.map(({ oid, schema, name }) => ({ oid, schema, name }))),
  ]);
  const { tables, types } = JSON.parse(must(row?.['shapes'], 'shapes')) as Row;
  const byOid = new Map((types ?? []).map((type) => [type.oid, type]));
  const shapes = (tables ?? []).map((table): TableShape => ({ ...table, types: typesOf(table, byOid) }));
  return { shapes: new Map(shapes.map((shape) => [shape.oid, shape])), lsn: endOfRecordBefore(parseLsn(must(row!['lsn'], 'the WAL end'))) };
}

/** How many rows, in the order in which they lie, are looked at for one that nobody wrote anew. */
const ROWS_LOOKED_AT_MAX = 200;

/** Whether one of the table's first rows is by a transaction older than `horizon`. */
export async function hasRowsBefore(connection: UpstreamConnection, { schema, name }: TableShape, horizon: string): Promise<boolean> {
  const [row] = await connection.query(
    `SELECT EXISTS (SELECT 1 FROM (SELECT xmin FROM ONLY ${qualified(schema, name)} LIMIT ${ROWS_LOOKED_AT_MAX}) r
       WHERE age(r.xmin) > age(($1::int8 % 4294967296)::text::xid)) AS kept`,
    [horizon],
  );
  return row?.['kept'] === 't';
}

function typesOf(table: Omit<TableShape, 'types'>, types: ReadonlyMap<number, TypeRow>): Record<number, TypeShape> {
  const found: Record<number, TypeShape> = {};
  const visit = (oid: number): void => {
    const type = types.get(oid);
    if (type === undefined || found[oid] !== undefined) return;
    found[oid] = typeShape(type);
    for (const part of type.parts ?? []) visit(part);
  };
  for (const column of table.columns) visit(column.typeOid);
  return found;
}

function typeShape({ kind, name, labels, attributes, base }: TypeRow): TypeShape {
  if (kind === 'e') return { kind: 'enum', name, labels: labels ?? [] };
  if (kind === 'c') return { kind: 'composite', name, attributes: attributes ?? [] };
  return { kind: 'other', name, base };
}

/** Columns and catalogs that only newer versions have are left out where they are not. */
function shapesSql(versionNum: number): string {
  const generated = versionNum >= 120_000 ? 'a.attgenerated' : `''`;
  const keyColumns = versionNum >= 110_000 ? 'i.indnkeyatts' : 'i.indnatts';
  const bySchema =
    versionNum >= 150_000
      ? `UNION ALL SELECT f.root, 'schema ' || s.oid FROM family f JOIN pg_catalog.pg_class m ON m.oid = f.oid
           JOIN pg_catalog.pg_publication_namespace s ON s.pnnspid = m.relnamespace JOIN publication p ON s.pnpubid = p.oid`
      : '';
  const multirange = versionNum >= 140_000 ? 'OR r.rngmultitypid = t.oid' : '';
  const key = (condition: string): string =>
    `coalesce((SELECT json_agg(k.attnum ORDER BY k.ord) FROM pg_catalog.pg_index i, unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, ord)
       WHERE i.indrelid = c.oid AND i.indisvalid AND ${condition} AND k.ord <= ${keyColumns}), '[]')`;
  return `
WITH RECURSIVE wanted AS (SELECT (j ->> 'oid')::oid AS oid, j ->> 'schema' AS schema, j ->> 'name' AS name FROM json_array_elements($2::json) j),
publication AS (SELECT p.oid, p.xmin::text AS version, p.puballtables FROM pg_catalog.pg_publication p WHERE p.pubname = $1),
descendants(root, oid, since) AS (
  SELECT i.inhparent, i.inhrelid, i.xmin::text FROM pg_catalog.pg_inherits i JOIN wanted w ON w.oid = i.inhparent
  UNION SELECT d.root, i.inhrelid, i.xmin::text FROM descendants d JOIN pg_catalog.pg_inherits i ON i.inhparent = d.oid),
-- A partition is published with its ancestors: by any of their entries, as long as it is attached.
family(root, oid, since) AS (
  SELECT w.oid, w.oid, '' FROM wanted w
  UNION SELECT f.root, i.inhparent, i.xmin::text FROM family f JOIN pg_catalog.pg_class m ON m.oid = f.oid AND m.relispartition JOIN pg_catalog.pg_inherits i ON i.inhrelid = m.oid),
entries(root, entry) AS (
  SELECT f.root, 'table ' || r.oid || ' ' || f.since FROM family f JOIN pg_catalog.pg_publication_rel r ON r.prrelid = f.oid JOIN publication p ON r.prpubid = p.oid
  ${bySchema}),
used(oid) AS (
  SELECT a.atttypid FROM pg_catalog.pg_attribute a JOIN wanted w ON w.oid = a.attrelid WHERE a.attnum > 0 AND NOT a.attisdropped AND a.atttypid >= ${FIRST_NORMAL_OID}
  UNION SELECT parts.oid FROM used u JOIN pg_catalog.pg_type t ON t.oid = u.oid, LATERAL (
    SELECT t.typelem AS oid WHERE t.typcategory = 'A' UNION ALL SELECT t.typbasetype
    UNION ALL SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid ${multirange}
    UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute a WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) parts
  WHERE parts.oid >= ${FIRST_NORMAL_OID})
SELECT (${FLUSHED_LSN_SQL})::text AS lsn, json_build_object(
  'tables', (SELECT json_agg(json_build_object(
    'oid', w.oid::int8, 'schema', coalesce(n.nspname, ''), 'name', coalesce(c.relname, ''), 'kind', coalesce(c.relkind::text, ''), 'persistence', coalesce(c.relpersistence::text, ''),
    'file', coalesce(c.relfilenode::int8, 0), 'toast', coalesce(c.reltoastrelid::int8, 0), 'horizon', txid_snapshot_xmin(txid_current_snapshot())::text, 'identity', coalesce(c.relreplident::text, 'n'), 'primaryKey', ${key('i.indisprimary AND i.indimmediate')}, 'identityIndex', ${key('i.indisreplident')},
    'columns', coalesce((SELECT json_agg(json_build_object('attnum', a.attnum, 'name', a.attname, 'typeOid', a.atttypid::int8, 'typmod', a.atttypmod, 'typeName', format_type(a.atttypid, a.atttypmod),
        'collationOid', a.attcollation::int8, 'generated', ${generated}, 'version', a.xmin::text) ORDER BY a.attnum)
      FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped), '[]'),
    'dropped', coalesce((SELECT json_agg(a.attnum ORDER BY a.attnum) FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.attisdropped), '[]'),
    'children', coalesce((SELECT json_agg(json_build_object('oid', d.oid::int8, 'name', m.relname, 'file', m.relfilenode::int8, 'version', m.xmin::text, 'since', d.since) ORDER BY d.oid, d.since)
      FROM descendants d JOIN pg_catalog.pg_class m ON m.oid = d.oid WHERE d.root = c.oid), '[]'),
    'named', coalesce((SELECT t.xmin::text FROM pg_catalog.pg_type t WHERE t.oid = c.reltype), ''),
    'published', json_build_object('publication', (SELECT p.oid::int8 FROM publication p), 'version', coalesce((SELECT p.version FROM publication p), ''),
      'all', coalesce((SELECT p.puballtables FROM publication p), false), 'entries', coalesce((SELECT json_agg(e.entry ORDER BY e.entry) FROM entries e WHERE e.root = c.oid), '[]')),
    'successor', (SELECT o.oid::int8 FROM pg_catalog.pg_class o JOIN pg_catalog.pg_namespace s ON s.oid = o.relnamespace
      WHERE s.nspname = w.schema AND o.relname = w.name AND o.oid <> w.oid AND o.relkind IN ('r', 'p'))) ORDER BY w.oid)
    FROM wanted w LEFT JOIN pg_catalog.pg_class c ON c.oid = w.oid LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace),
  'types', (SELECT json_agg(json_build_object('oid', t.oid::int8, 'kind', t.typtype, 'name', format_type(t.oid, NULL), 'base', format_type(t.typbasetype, t.typtypmod),
      'labels', (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid),
      'attributes', (SELECT json_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod) ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
                     WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped),
      'parts', (SELECT json_agg(x.oid::int8) FROM (SELECT t.typelem AS oid WHERE t.typcategory = 'A' UNION ALL SELECT t.typbasetype
        UNION ALL SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid ${multirange}
        UNION ALL SELECT a.atttypid FROM pg_catalog.pg_attribute a WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) x WHERE x.oid >= ${FIRST_NORMAL_OID})))
    FROM used u JOIN pg_catalog.pg_type t ON t.oid = u.oid)) AS shapes`;
}
