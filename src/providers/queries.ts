/**
 * The SQL that reads the facts. Every statement runs on Postgres 10 to 18 as a plain role and errors on none: `current_setting(x, true)` never fails,
 * `to_jsonb(row) ->> 'column'` reads columns that only newer versions have. Placeholder settings answer to current_setting and are not in pg_settings.
 */
import { SIGNS } from './recognise.ts';

const SIGNAL_SETTINGS = SIGNS.flatMap(({ settings = [] }) => settings);
const SIGNAL_ROLES = SIGNS.flatMap(({ roles = [] }) => roles);

export const SIGNALS_SQL = `SELECT version() AS version,
  (SELECT json_object_agg(name, current_setting(name, true)) FROM unnest('{${SIGNAL_SETTINGS.join(',')}}'::text[]) name WHERE current_setting(name, true) IS NOT NULL)::text AS settings,
  (SELECT json_agg(rolname ORDER BY rolname) FROM pg_catalog.pg_roles WHERE rolname = ANY ('{${SIGNAL_ROLES.join(',')}}'::text[]))::text AS roles,
  to_regproc('pg_catalog.aurora_version') IS NOT NULL AS aurora_version,
  to_regproc('pg_catalog.aurora_stat_logical_wal_cache') IS NOT NULL AS aurora_wal_cache`;

const SETTINGS = [
  'wal_level',
  'max_replication_slots',
  'max_wal_senders',
  'max_worker_processes',
  'max_logical_replication_workers',
  'autovacuum_max_workers',
  'max_parallel_workers',
  'max_slot_wal_keep_size',
  'wal_sender_timeout',
  'idle_replication_slot_timeout',
  'ssl',
  'hot_standby_feedback',
  'sync_replication_slots',
  'synchronized_standby_slots',
  'default_transaction_read_only',
  'max_connections',
  'superuser_reserved_connections',
  'reserved_connections',
] as const;

/** Transactions older than this are named. */
const OLD_TRANSACTION_SECONDS = 300;

export const SERVER_SQL = `SELECT current_setting('server_version_num') AS version_num, version() AS version, pg_is_in_recovery() AS standby,
  (SELECT s.ssl FROM pg_catalog.pg_stat_ssl s WHERE s.pid = pg_backend_pid()) AS tls, host(inet_client_addr()) AS client_address,
  pg_encoding_to_char(d.encoding) AS encoding, coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') AS provider, d.datcollate AS libc_locale,
  coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') AS locale, to_jsonb(d) ->> 'datcollversion' AS collation_version,
  coalesce(current_setting('effective_wal_level', true), current_setting('wal_level')) AS wal_level,
  (SELECT json_object_agg(name, json_build_object('value', current_setting(name), 'pendingRestart', pending_restart)) FROM pg_catalog.pg_settings WHERE name = ANY ('{${SETTINGS.join(',')}}'::text[]))::text AS settings,
  (SELECT json_object_agg(name, json_build_object('value', current_setting(name, true), 'pendingRestart', false)) FROM unnest('{${SIGNAL_SETTINGS.join(',')}}'::text[]) name WHERE current_setting(name, true) IS NOT NULL)::text AS own_settings,
  (SELECT count(*) FROM pg_catalog.pg_replication_slots) AS slots_used, (SELECT count(*) FROM pg_catalog.pg_stat_replication WHERE pid <> pg_backend_pid()) AS senders_used,
  (SELECT count(*) FROM pg_catalog.pg_stat_activity a WHERE coalesce(to_jsonb(a) ->> 'backend_type', 'client backend') = 'client backend') AS connections_used,
  current_setting('transaction_read_only') AS read_only, current_user AS me,
  (SELECT json_build_object('superuser', rolsuper, 'replication', rolreplication, 'bypassRls', rolbypassrls) FROM pg_catalog.pg_roles WHERE rolname = current_user)::text AS session,
  (SELECT json_agg(json_build_object('pid', pid, 'user', usename, 'state', state, 'ageSeconds', floor(extract(epoch FROM clock_timestamp() - xact_start)))) FROM
     (SELECT * FROM pg_catalog.pg_stat_activity WHERE (backend_xid IS NOT NULL OR backend_xmin IS NOT NULL) AND xact_start < clock_timestamp() - interval '${OLD_TRANSACTION_SECONDS} s' AND pid <> pg_backend_pid() AND datname IS NOT NULL
      ORDER BY xact_start LIMIT 5) a)::text AS old_transactions,
  (SELECT json_agg(json_build_object('gid', gid, 'ageSeconds', floor(extract(epoch FROM clock_timestamp() - prepared)))) FROM (SELECT * FROM pg_catalog.pg_prepared_xacts ORDER BY prepared LIMIT 5) x)::text AS prepared,
  (SELECT json_agg(DISTINCT host(client_addr)) FROM pg_catalog.pg_stat_activity WHERE client_addr IS NOT NULL AND pid <> pg_backend_pid())::text AS connected,
  (SELECT json_agg(pubname ORDER BY pubname) FROM pg_catalog.pg_publication)::text AS publications
FROM pg_catalog.pg_database d WHERE d.datname = current_database()`;

/** Only from 14 on. */
export const WAL_RATE_SQL = `SELECT wal_bytes / greatest(extract(epoch FROM clock_timestamp() - stats_reset), 1) * 86400 AS per_day, extract(epoch FROM clock_timestamp() - stats_reset) AS seconds FROM pg_catalog.pg_stat_wal`;

/** Superusers and pg_read_all_settings only; 42501 otherwise. */
export const HOST_RULES_SQL = `SELECT json_agg(json_build_object('line', line_number, 'type', type, 'databases', database, 'users', user_name, 'address', address, 'method', auth_method) ORDER BY line_number)::text AS rules
  FROM pg_catalog.pg_hba_file_rules WHERE error IS NULL`;

/** $1: the role; null: the one that connects. */
export const ROLE_SQL = `SELECT r.rolname AS name, r.rolsuper AS superuser, r.rolreplication AS replication, r.rolcanlogin AS can_login, r.rolbypassrls AS bypass_rls, r.rolconnlimit AS connection_limit,
  (SELECT json_agg(g.rolname) FROM pg_catalog.pg_roles g WHERE g.rolname IN ('rds_replication') AND pg_has_role(r.oid, g.oid, 'USAGE'))::text AS groups,
  (SELECT json_agg(json_build_object('pid', a.pid, 'application', coalesce(a.application_name, ''), 'since', a.backend_start) ORDER BY a.pid) FROM
     (SELECT * FROM pg_catalog.pg_stat_activity WHERE usesysid = r.oid AND pid <> pg_backend_pid() ORDER BY pid LIMIT 20) a)::text AS sessions,
  has_database_privilege(r.oid, current_database(), 'CREATE') AS may_create, has_database_privilege(r.oid, current_database(), 'CONNECT') AS may_connect
FROM pg_catalog.pg_roles r WHERE r.rolname = coalesce($1::text, current_user)`;

/** $1: the publication. */
export const PUBLICATION_SQL = `SELECT p.puballtables, p.pubinsert, p.pubupdate, p.pubdelete, coalesce(to_jsonb(p) ->> 'pubtruncate', 'true') AS pubtruncate, coalesce(to_jsonb(p) ->> 'pubviaroot', 'false') AS viaroot, to_jsonb(p) ->> 'pubgencols' AS pubgencols,
  pg_has_role(p.pubowner, 'USAGE') AS owned, (SELECT count(*) FROM pg_catalog.pg_publication_tables t WHERE t.pubname = p.pubname) AS tables
FROM pg_catalog.pg_publication p WHERE p.pubname = $1`;

export const SLOTS_SQL = `SELECT s.slot_name, s.plugin, s.slot_type, s.database, s.active, s.temporary, to_jsonb(s) ->> 'wal_status' AS wal_status, to_jsonb(s) ->> 'invalidation_reason' AS reason,
  to_jsonb(s) ->> 'failover' AS failover, to_jsonb(s) ->> 'safe_wal_size' AS safe_bytes, floor(extract(epoch FROM clock_timestamp() - (to_jsonb(s) ->> 'inactive_since')::timestamptz)) AS inactive_seconds,
  pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, s.restart_lsn) AS retained,
  (SELECT json_build_object('pid', s.active_pid, 'application', coalesce(a.application_name, ''), 'since', a.backend_start) FROM (SELECT 1) one LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = s.active_pid WHERE s.active_pid IS NOT NULL)::text AS reader
FROM pg_catalog.pg_replication_slots s ORDER BY s.slot_name`;

/**
 * $1: role or null · $2: publication · $3: wanted tables as JSON [["schema","name"], …] or null · $4: how many at most. Of a partitioned table its leaves come, too: UPDATE asks the leaf for its identity.
 * So do the tables that inherit from one: FOR TABLE publishes them with it.
 * Without wanted tables: those of the publication where it exists, else every ordinary table of the user's schemas.
 */
export const TABLES_SQL = `
WITH RECURSIVE me AS (SELECT r.oid, r.rolsuper OR r.rolbypassrls AS sees_all FROM pg_catalog.pg_roles r WHERE r.rolname = coalesce($1::text, current_user)),
published AS (SELECT t.schemaname, t.tablename, to_jsonb(t) ->> 'rowfilter' AS rowfilter, to_jsonb(t) -> 'attnames' AS columns FROM pg_catalog.pg_publication_tables t WHERE t.pubname = $2),
wanted AS (
  SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE CASE
    WHEN $3::text IS NOT NULL THEN c.relkind IN ('r', 'p', 'v', 'm', 'f') AND EXISTS (SELECT 1 FROM json_array_elements($3::json) w WHERE w ->> 0 = n.nspname AND w ->> 1 = c.relname)
    WHEN EXISTS (SELECT 1 FROM published) THEN EXISTS (SELECT 1 FROM published p WHERE p.schemaname = n.nspname AND p.tablename = c.relname)
    ELSE c.relkind IN ('r', 'p') AND c.relpersistence = 'p' AND NOT c.relispartition AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_depend e WHERE e.classid = 'pg_catalog.pg_class'::regclass AND e.objid = c.oid AND e.deptype = 'e') END
  ORDER BY n.nspname, c.relname LIMIT $4::int),
tree(oid, root, top) AS (
  SELECT oid, NULL::oid, NULL::oid FROM wanted
  UNION
  SELECT i.inhrelid, CASE WHEN p.relkind = 'p' THEN coalesce(t.root, t.oid) END, coalesce(t.top, t.oid) FROM tree t JOIN pg_catalog.pg_class p ON p.oid = t.oid AND p.relkind IN ('p', 'r') JOIN pg_catalog.pg_inherits i ON i.inhparent = t.oid),
one AS (SELECT oid, max(root) AS root, max(top) AS top FROM tree GROUP BY oid)
SELECT c.oid, coalesce(one.top, c.oid) AS top, n.nspname AS schema, c.relname AS name, c.relkind AS kind, c.relpersistence AS persistence, c.relreplident AS identity,
  EXISTS (SELECT 1 FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indisvalid AND i.indimmediate) AS primary_key,
  CASE c.relreplident WHEN 'f' THEN true WHEN 'd' THEN EXISTS (SELECT 1 FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary AND i.indisvalid AND i.indimmediate)
    WHEN 'i' THEN EXISTS (SELECT 1 FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisreplident AND i.indisvalid) ELSE false END AS usable,
  (SELECT json_agg(a.attname ORDER BY a.attnum) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey::int2[])
     WHERE i.indrelid = c.oid AND CASE c.relreplident WHEN 'i' THEN i.indisreplident ELSE i.indisprimary END AND coalesce(to_jsonb(a) ->> 'attgenerated', '') <> '')::text AS key_generated,
  (SELECT json_agg(a.attname ORDER BY a.attnum) FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND p.columns IS NOT NULL AND (NOT p.columns ? a.attname::text OR c.relreplident = 'f' AND list.named)
     AND (current_setting('server_version_num')::int >= 180000 OR coalesce(to_jsonb(a) ->> 'attgenerated', '') = '')
     AND CASE c.relreplident WHEN 'f' THEN true WHEN 'n' THEN false
       ELSE EXISTS (SELECT 1 FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND a.attnum = ANY (i.indkey::int2[]) AND CASE c.relreplident WHEN 'i' THEN i.indisreplident ELSE i.indisprimary END) END)::text AS identity_unpublished,
  (SELECT x.relname FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
     WHERE i.indrelid = c.oid AND i.indisunique AND i.indimmediate AND i.indisvalid AND i.indpred IS NULL AND i.indexprs IS NULL AND NOT i.indisprimary
       AND NOT EXISTS (SELECT 1 FROM unnest(i.indkey::int2[]) WITH ORDINALITY k(attnum, ord) JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
                       WHERE k.ord <= coalesce((to_jsonb(i) ->> 'indnkeyatts')::int, i.indnatts) AND (NOT a.attnotnull OR coalesce(to_jsonb(a) ->> 'attgenerated', '') <> ''))
     ORDER BY i.indnatts, x.relname LIMIT 1) AS candidate,
  pg_has_role(c.relowner, 'USAGE') AS owned, pg_get_userbyid(c.relowner) AS owner,
  has_table_privilege(me.oid, c.oid, 'SELECT') AS may_select, has_schema_privilege(me.oid, n.oid, 'USAGE') AS may_use,
  has_table_privilege(c.oid, 'SELECT WITH GRANT OPTION') AND (has_schema_privilege(n.oid, 'USAGE WITH GRANT OPTION') OR has_schema_privilege(me.oid, n.oid, 'USAGE')) AS grantable,
  c.relrowsecurity AND NOT me.sees_all AND (c.relforcerowsecurity OR NOT pg_has_role(me.oid, c.relowner, 'USAGE')) AS filtered,
  (SELECT format('%I.%I', rn.nspname, rc.relname) FROM pg_catalog.pg_class rc JOIN pg_catalog.pg_namespace rn ON rn.oid = rc.relnamespace WHERE rc.oid = one.root) AS root,
  (SELECT json_agg(a.attname) FROM pg_catalog.pg_partitioned_table d JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (d.partattrs::int2[]) WHERE d.partrelid = c.oid AND NOT 0 = ANY (d.partattrs::int2[]))::text AS partitioned_by,
  p.tablename IS NOT NULL OR list.there AS published, p.rowfilter, list.named AS column_list,
  CASE WHEN c.relkind IN ('r', 'm') THEN pg_table_size(c.oid) ELSE 0 END AS bytes,
  (SELECT json_agg(a.attname ORDER BY a.attnum) FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND coalesce(to_jsonb(a) ->> 'attgenerated', '') <> '')::text AS generated,
  (SELECT json_agg(a.attname ORDER BY a.attnum) FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND to_jsonb(a) ->> 'attgenerated' = 'v')::text AS virtual,
  (SELECT json_agg(format('%s %s (%s)', a.attname, format_type(a.atttypid, a.atttypmod), e.extname) ORDER BY a.attnum) FROM pg_catalog.pg_attribute a
     JOIN pg_catalog.pg_type t ON t.oid = a.atttypid JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_type'::regclass AND d.objid IN (t.oid, t.typelem) AND d.deptype = 'e' AND d.refclassid = 'pg_catalog.pg_extension'::regclass
     JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)::text AS extension_columns,
  (SELECT count(*) FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS columns
FROM one JOIN pg_catalog.pg_class c ON c.oid = one.oid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN published p ON p.schemaname = n.nspname AND p.tablename = c.relname CROSS JOIN me
CROSS JOIN LATERAL (SELECT coalesce(bool_or(to_jsonb(r) ->> 'prattrs' IS NOT NULL), false) AS named, coalesce(bool_or(r.prrelid = c.oid), false) AS there
  FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication b ON b.oid = r.prpubid WHERE b.pubname = $2 AND r.prrelid IN (c.oid, one.root)) list
ORDER BY n.nspname, c.relname`;
