/**
 * Functions of Postgres that are taken from everybody in here, because they leave something behind in a process that all clients share (locks, a seed, bytes in
 * the write-ahead log, statistics), or hold it without doing anything. Revoked when the directory is prepared (`scripts/prepare.ts`), so that no way of calling
 * them is forgotten; named in the error by `client-statement.ts`.
 */
export const REFUSED_FUNCTIONS: readonly string[] = [
  // It could undo the role.
  'set_config',
  'pg_sleep',
  'pg_sleep_for',
  'pg_sleep_until',
  'setseed',
  ...['', '_shared'].flatMap((shared) => [
    `pg_advisory_lock${shared}`,
    `pg_advisory_xact_lock${shared}`,
    `pg_try_advisory_lock${shared}`,
    `pg_try_advisory_xact_lock${shared}`,
    `pg_advisory_unlock${shared}`,
  ]),
  'pg_logical_emit_message',
  'pg_notify',
  'pg_export_snapshot',
  'pg_cancel_backend',
  'pg_terminate_backend',
  'nextval',
  'setval',
  'lo_creat',
  'lo_create',
  'lo_from_bytea',
  'lo_import',
  'lo_export',
  'lo_open',
  'lo_put',
  'lo_unlink',
  'lo_truncate',
  'lo_truncate64',
  'lowrite',
  'pg_clear_relation_stats',
  'pg_clear_attribute_stats',
  'pg_restore_relation_stats',
  'pg_restore_attribute_stats',
  'brin_summarize_new_values',
  'brin_summarize_range',
  'brin_desummarize_range',
  'gin_clean_pending_list',
];

/** Run by a superuser: every overload of them. A name that this Postgres does not have is no error. */
export const REVOKE_REFUSED_FUNCTIONS = `DO $$
  DECLARE refused regprocedure;
  BEGIN
    FOR refused IN SELECT oid FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace AND proname = ANY ('{${REFUSED_FUNCTIONS.join(',')}}') LOOP
      EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', refused);
    END LOOP;
  END $$`;
