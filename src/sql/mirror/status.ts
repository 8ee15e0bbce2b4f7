/**
 * The engine's state as relations: ordinary tables in the mirror, and Materialize's names as views over them. Where clients' catalog statements run, their rows are
 * replaced before a statement that reads them; where statements are planned they stay empty. Data only. `mirror.ts` makes and refreshes them.
 */
import { ident, literal } from '../../base/ident.ts';
import type { Ddl } from '../../pglite/catalog-contract.ts';

export interface StatusRelation {
  readonly name: string;
  readonly comment: string;
  /** Name and type, in the order in which `refreshDdl` takes the values. */
  readonly columns: Readonly<Record<string, string>>;
}

/** All in schema `millrace`. */
export const STATUS_RELATIONS = [
  {
    name: 'objects',
    comment: 'Every object: secrets, connections, sources, tables, views, materialized views, indexes.',
    columns: { id: 'text', kind: 'text', schema_name: 'text', name: 'text', create_sql: 'text', depends_on: 'text[]' },
  },
  {
    name: 'sources',
    comment: 'Each source: where its stream stands, and what is wrong with it.',
    columns: {
      id: 'text',
      name: 'text',
      connection: 'text',
      publication: 'text',
      slot: 'text',
      status: 'text',
      error: 'text',
      hint: 'text',
      since: 'timestamptz',
      next_attempt_at: 'timestamptz',
      server_version: 'text',
      system_id: 'text',
      timeline: 'int4',
      received_lsn: 'pg_lsn',
      durable_lsn: 'pg_lsn',
      acknowledged_lsn: 'pg_lsn',
      applied_lsn: 'pg_lsn',
      log_unfolded_bytes: 'int8',
      transactions: 'int8',
      changes: 'int8',
      bytes_received: 'int8',
      reconnects: 'int8',
    },
  },
  {
    name: 'tables',
    comment: 'Each replicated table: its copy, its rows as far as they are counted, its fault and what mends it.',
    columns: {
      id: 'text',
      schema_name: 'text',
      name: 'text',
      source: 'text',
      upstream_schema: 'text',
      upstream_name: 'text',
      replica_identity: 'text',
      status: 'text',
      error: 'text',
      hint: 'text',
      next_attempt_at: 'timestamptz',
      rows: 'int8',
      snapshot_lsn: 'pg_lsn',
      changes: 'int8',
    },
  },
  {
    name: 'views',
    comment: 'Each view: how exact it is, why, and how it fares.',
    columns: {
      id: 'text',
      schema_name: 'text',
      name: 'text',
      kind: 'text',
      exactness: 'text',
      exactness_reasons: 'text[]',
      status: 'text',
      error: 'text',
      hint: 'text',
      rows: 'int8',
      error_rows: 'int8',
      hydrated_at: 'timestamptz',
      hydration_ms: 'float8',
      hydration_slice_ms: 'float8',
      state_bytes: 'int8',
      definition: 'text',
    },
  },
  {
    name: 'arrangements',
    comment: 'Indexed state in memory, and what it costs.',
    columns: { object_id: 'text', object_name: 'text', arrangement: 'text', rows: 'int8', bytes: 'int8' },
  },
  {
    name: 'errors',
    comment: 'What fares ill now: rows of views whose evaluation fails, faults of sources, tables and views, and of the disk.',
    columns: {
      object_id: 'text',
      object_name: 'text',
      kind: 'text',
      code: 'text',
      sqlstate: 'text',
      message: 'text',
      hint: 'text',
      count: 'int8',
    },
  },
  {
    name: 'lag',
    comment:
      'How far each source is behind its upstream: bytes while it is heard, time since the rows were last known to be all; each with when it was measured.',
    columns: {
      source: 'text',
      upstream_lsn: 'pg_lsn',
      applied_lsn: 'pg_lsn',
      behind_bytes: 'int8',
      behind_ms: 'float8',
      slot_retained_bytes: 'int8',
      slot_measured_at: 'timestamptz',
      measured_at: 'timestamptz',
    },
  },
  {
    name: 'subscriptions',
    comment: 'Open subscriptions, and how far behind their readers are.',
    columns: { session: 'int8', object_name: 'text', query: 'text', started_at: 'timestamptz', rows_sent: 'int8', backlog_bytes: 'int8' },
  },
  {
    name: 'sessions',
    comment: 'Connected clients.',
    columns: {
      session: 'int8',
      application_name: 'text',
      client_address: 'text',
      connected_at: 'timestamptz',
      state: 'text',
      statement: 'text',
    },
  },
  {
    name: 'audits',
    comment: 'The last comparison of each view with the upstream since Millrace started.',
    columns: { view: 'text', lsn: 'pg_lsn', state: 'text', rows: 'int8', differences: 'int8', finished_at: 'timestamptz' },
  },
] as const satisfies readonly StatusRelation[];

export type StatusName = (typeof STATUS_RELATIONS)[number]['name'];

/** The relations that a statement may read, judged by its words: too many costs a refresh, too few would show old rows. */
export function statusRelationsIn(sql: string): StatusName[] {
  if (!/\b(millrace|mz_catalog|mz_internal|mz_introspection)\b|\bmz_\w/i.test(sql)) return [];
  const named = STATUS_RELATIONS.filter(({ name }) => new RegExp(`\\b${name}\\b`, 'i').test(sql)).map(({ name }) => name);
  // Materialize's names stand on several of them.
  return /\bmz_/i.test(sql) ? [...new Set<StatusName>([...named, 'objects', 'sources', 'tables', 'views', 'arrangements', 'lag'])] : named;
}

/** Columns as Materialize's tools read them (dbt, its console); only what Millrace can say truly. */
const MATERIALIZE_VIEWS: Readonly<Record<string, string>> = {
  'mz_catalog.mz_databases': `SELECT 'u1'::text AS id, current_database()::text AS name`,
  'mz_catalog.mz_schemas': `SELECT oid::text AS id, oid, 'u1'::text AS database_id, nspname::text AS name FROM pg_namespace WHERE nspname !~ '^pg_(toast|temp)'`,
  'mz_catalog.mz_roles': `SELECT oid::text AS id, oid, rolname::text AS name FROM pg_roles WHERE rolname !~ '^pg_'`,
  'mz_catalog.mz_clusters': `SELECT 'u1'::text AS id, 'quickstart'::text AS name, true AS managed, '1'::text AS size, 1::int8 AS replication_factor`,
  'mz_catalog.mz_cluster_replicas': `SELECT 'u1'::text AS id, 'r1'::text AS name, 'u1'::text AS cluster_id, '1'::text AS size`,
  'mz_catalog.mz_objects': `SELECT o.id, c.oid, n.oid::text AS schema_id, o.name, replace(o.kind, ' ', '-') AS type FROM millrace.objects o LEFT JOIN pg_namespace n ON n.nspname = o.schema_name LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = o.name`,
  'mz_catalog.mz_relations': `SELECT * FROM mz_catalog.mz_objects WHERE type IN ('table', 'source', 'view', 'materialized-view')`,
  'mz_catalog.mz_tables': `SELECT o.id, o.oid, o.schema_id, o.name, t.source AS source_name FROM mz_catalog.mz_objects o JOIN millrace.tables t ON t.id = o.id`,
  'mz_catalog.mz_sources': `SELECT o.id, o.oid, o.schema_id, o.name, 'postgres'::text AS type, x.create_sql FROM mz_catalog.mz_objects o JOIN millrace.objects x ON x.id = o.id WHERE o.type = 'source'`,
  'mz_catalog.mz_views': `SELECT o.id, o.oid, o.schema_id, o.name, v.definition, x.create_sql FROM mz_catalog.mz_objects o JOIN millrace.objects x ON x.id = o.id LEFT JOIN millrace.views v ON v.id = o.id WHERE o.type = 'view'`,
  'mz_catalog.mz_materialized_views': `SELECT o.id, o.oid, o.schema_id, o.name, 'u1'::text AS cluster_id, v.definition, x.create_sql FROM mz_catalog.mz_objects o JOIN millrace.objects x ON x.id = o.id LEFT JOIN millrace.views v ON v.id = o.id WHERE o.type = 'materialized-view'`,
  'mz_catalog.mz_indexes': `SELECT o.id, o.oid, o.name, x.depends_on[1] AS on_id, 'u1'::text AS cluster_id, x.create_sql FROM mz_catalog.mz_objects o JOIN millrace.objects x ON x.id = o.id WHERE o.type = 'index'`,
  'mz_catalog.mz_connections': `SELECT o.id, o.schema_id, o.name, 'postgres'::text AS type, x.create_sql FROM mz_catalog.mz_objects o JOIN millrace.objects x ON x.id = o.id WHERE o.type = 'connection'`,
  'mz_catalog.mz_secrets': `SELECT id, schema_id, name FROM mz_catalog.mz_objects WHERE type = 'secret'`,
  'mz_catalog.mz_columns': `SELECT o.id, a.attname::text AS name, a.attnum::int8 AS position, NOT a.attnotnull AS nullable, format_type(a.atttypid, NULL) AS type, a.atttypid AS type_oid, a.atttypmod AS type_mod FROM mz_catalog.mz_relations o JOIN pg_attribute a ON a.attrelid = o.oid AND a.attnum > 0 AND NOT a.attisdropped`,
  'mz_internal.mz_object_dependencies': `SELECT id AS object_id, unnest(depends_on) AS referenced_object_id FROM millrace.objects`,
  'mz_internal.mz_comments': `SELECT o.id, o.type AS object_type, nullif(d.objsubid, 0) AS object_sub_id, d.description AS comment FROM mz_catalog.mz_objects o JOIN pg_description d ON d.objoid = o.oid AND d.classoid = 'pg_class'::regclass`,
  'mz_internal.mz_source_statuses': `SELECT id, name, 'postgres'::text AS type, since AS last_status_change_at, status, error, CASE WHEN hint IS NULL THEN NULL ELSE jsonb_build_object('hints', jsonb_build_array(hint)) END AS details FROM millrace.sources`,
  'mz_internal.mz_source_statistics': `SELECT s.id, s.changes AS messages_received, s.bytes_received, s.changes AS updates_staged, s.changes AS updates_committed, (s.received_lsn - '0/0')::numeric AS offset_known, (s.applied_lsn - '0/0')::numeric AS offset_committed FROM millrace.sources s`,
  'mz_internal.mz_postgres_sources': `SELECT id, slot AS replication_slot, timeline::int8 AS timeline_id FROM millrace.sources`,
  'mz_internal.mz_hydration_statuses': `SELECT id AS object_id, 'u1'::text AS replica_id, status = 'running' AS hydrated FROM millrace.views WHERE kind = 'materialized view'`,
  'mz_internal.mz_wallclock_global_lag': `SELECT id AS object_id, l.behind_ms * interval '1 millisecond' AS lag FROM millrace.lag l JOIN millrace.sources s ON s.name = l.source`,
  'mz_introspection.mz_arrangement_sizes': `SELECT object_id, object_name AS name, rows AS records, bytes AS size FROM millrace.arrangements`,
};

/** Everything that is in the mirror before the first source. `version`, `environmentId`: what mz_version() and mz_environment_id() say. */
export function statusDdl({ version, environmentId }: { readonly version: string; readonly environmentId: string }): Ddl[] {
  const trivial = (name: string, value: string): Ddl => ({
    privileged: `CREATE FUNCTION pg_catalog.${name}() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE RETURN ${literal(value)}`,
  });
  return [
    ...['millrace', 'mz_catalog', 'mz_internal', 'mz_introspection'].map((schema) => `CREATE SCHEMA ${schema}`),
    ...STATUS_RELATIONS.flatMap(({ name, comment, columns }) => [
      `CREATE TABLE millrace.${ident(name)} (${Object.entries(columns)
        .map(([column, type]) => `${ident(column)} ${type}`)
        .join(', ')})`,
      `COMMENT ON TABLE millrace.${ident(name)} IS ${literal(comment)}`,
    ]),
    ...Object.entries(MATERIALIZE_VIEWS).map(([name, sql]) => `CREATE VIEW ${name} AS ${sql}`),
    trivial('mz_version', version),
    trivial('mz_environment_id', environmentId),
  ];
}

/** Replaces all rows of one relation. */
export function refreshDdl(name: StatusName, rows: readonly (readonly (string | null)[])[]): string[] {
  const values = rows.map((row) => `(${row.map((value) => (value === null ? 'NULL' : literal(value))).join(', ')})`);
  return [
    `TRUNCATE millrace.${ident(name)}`,
    ...(rows.length === 0 ? [] : [`INSERT INTO millrace.${ident(name)} VALUES ${values.join(', ')}`]),
  ];
}
