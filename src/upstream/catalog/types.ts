/**
 * The enums, domains, composites and ranges that replicated columns use, each after those it is built from, and the collations of the columns.
 * Resolved by OID from what the columns need, never all types of a database (fault 69). For the mirror and for exactness.
 */
import type { UpstreamConnection } from '../connection/connect.ts';
import type { UpstreamCollation, UpstreamTable, UpstreamType } from '../table.ts';
import { DEFAULT_COLLATION_OID, providerAndLocale } from './facts.ts';

/** OIDs below are Postgres's own objects. */
const FIRST_NORMAL_OID = 16_384;
/** A chain of types built on types is never this long; a cycle cannot exist. */
const ROUNDS_MAX = 50;

interface TypeRow {
  oid: string;
  schema: string;
  name: string;
  kind: string;
  element: string;
  base: string;
  base_name: string;
  labels: string[] | null;
  attributes: { name: string; typeName: string; type: string }[] | null;
  subtype: string | null;
  subtype_name: string | null;
  /** Of a multirange: its range. */
  range: string | null;
}

const TYPES_SQL = `
SELECT json_build_object('oid', t.oid::text, 'schema', n.nspname, 'name', t.typname, 'kind', t.typtype, 'element', CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE 0 END::text,
    'base', t.typbasetype::text, 'base_name', format_type(t.typbasetype, t.typtypmod),
    'labels', (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid),
    'attributes', (SELECT json_agg(json_build_object('name', a.attname, 'typeName', format_type(a.atttypid, a.atttypmod), 'type', a.atttypid::text) ORDER BY a.attnum)
                   FROM pg_catalog.pg_attribute a WHERE a.attrelid = t.typrelid AND t.typrelid <> 0 AND a.attnum > 0 AND NOT a.attisdropped),
    'subtype', (SELECT r.rngsubtype::text FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid),
    'subtype_name', (SELECT format_type(r.rngsubtype, NULL) FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid),
    'range', (SELECT r.rngtypid::text FROM pg_catalog.pg_range r WHERE to_jsonb(r) ->> 'rngmultitypid' = t.oid::text)) AS type
FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE t.oid = ANY ($1::oid[])`;

export async function readTypes(connection: UpstreamConnection, tables: readonly UpstreamTable[]): Promise<UpstreamType[]> {
  const rows = new Map<number, TypeRow>();
  let wanted = new Set(tables.flatMap((table) => table.columns.map((column) => column.typeOid)));
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const missing = [...wanted].filter((oid) => oid >= FIRST_NORMAL_OID && !rows.has(oid));
    if (missing.length === 0) break;
    wanted = new Set();
    for (const { type } of await connection.query(TYPES_SQL, [`{${missing.join(',')}}`])) {
      const row = JSON.parse(type!) as TypeRow;
      rows.set(Number(row.oid), row);
      for (const oid of builtFrom(row)) wanted.add(oid);
    }
  }
  const ordered: UpstreamType[] = [];
  const done = new Set<number>();
  const visit = (oid: number): void => {
    const row = rows.get(oid);
    if (row === undefined || done.has(oid)) return;
    done.add(oid);
    for (const part of builtFrom(row)) visit(part);
    const type = upstreamType(row);
    if (type !== undefined) ordered.push(type);
  };
  for (const oid of rows.keys()) visit(oid);
  return ordered;
}

function builtFrom(row: TypeRow): number[] {
  return [row.element, row.base, row.subtype, row.range, ...(row.attributes ?? []).map((attribute) => attribute.type)]
    .map(Number)
    .filter((oid) => oid > 0);
}

/** Arrays and multiranges come with their element; undefined for them. */
function upstreamType(row: TypeRow): UpstreamType | undefined {
  const named = { oid: Number(row.oid), schema: row.schema, name: row.name };
  switch (row.kind) {
    case 'e':
      return { kind: 'enum', ...named, labels: row.labels ?? [] };
    case 'd':
      return { kind: 'domain', ...named, baseTypeName: row.base_name };
    case 'c':
      return { kind: 'composite', ...named, attributes: (row.attributes ?? []).map(({ name, typeName }) => ({ name, typeName })) };
    case 'r':
      return { kind: 'range', ...named, subtypeName: row.subtype_name ?? '' };
    case 'm':
      return undefined;
    default:
      return row.element === '0' ? { kind: 'opaque', ...named } : undefined;
  }
}

/** Every collation of a column; `default` stands for the database's own. */
export async function readCollations(
  connection: UpstreamConnection,
  tables: readonly UpstreamTable[],
  databaseCollation: UpstreamCollation,
): Promise<UpstreamCollation[]> {
  const oids = new Set(tables.flatMap((table) => table.columns.map((column) => column.collationOid)).filter((oid) => oid > 0));
  if (oids.size === 0) return [];
  const rows = await connection.query(
    `SELECT c.oid, n.nspname AS schema, c.collname AS name, c.collprovider AS provider, c.collcollate AS libc_locale, coalesce(to_jsonb(c) ->> 'colllocale', to_jsonb(c) ->> 'colliculocale') AS locale,
        coalesce(to_jsonb(c) ->> 'collisdeterministic', 'true') AS deterministic, c.collversion AS version
     FROM pg_catalog.pg_collation c JOIN pg_catalog.pg_namespace n ON n.oid = c.collnamespace WHERE c.oid = ANY ($1::oid[]) ORDER BY c.oid`,
    [`{${[...oids].join(',')}}`],
  );
  return rows.map((row) => {
    const oid = Number(row['oid']);
    if (oid === DEFAULT_COLLATION_OID) return databaseCollation;
    return {
      oid,
      schema: row['schema']!,
      name: row['name']!,
      ...providerAndLocale(row['provider']!, row['libc_locale'] ?? null, row['locale'] ?? null),
      deterministic: row['deterministic'] === 'true',
      version: row['version'] ?? null,
    };
  });
}
