/** Every requirement, broken alone in a database that was ready, and what must then be found. `run.ts` breaks each, looks, mends it by setup (or does what setup prints), and proves it. */
import type { CheckId } from '../../src/providers/model.ts';
import type { Scene, Stage } from './scene.ts';

export interface Break<S extends Stage = Stage> {
  /** A line of the guide, or a check that the guide does not know of. */
  readonly id: string;
  readonly check: CheckId;
  readonly what: string;
  do(scene: Scene<S>): Promise<void>;
  /** Nobody can mend that in place: setup must refuse, and say where to go instead. Then this takes it back. */
  readonly refused?: (scene: Scene<S>) => Promise<void>;
  /** Only a person can: setup must say exactly what; this does what it says. */
  readonly byHand?: (scene: Scene<S>, printed: string) => Promise<void>;
  /** Looked at with another URL than the reader's own; the mend is in the URL, too. */
  readonly url?: (scene: Scene<S>) => string;
  /** What must be taken away afterwards, because setup works around it. */
  readonly after?: (scene: Scene<S>) => Promise<void>;
}

/** `current_setting('server_version_num')` of a server that is too old for anything we can start here. */
export function tooOld<S extends Stage>(): Break<S> {
  return {
    id: 'S0',
    check: 'C06',
    what: 'a server older than 10',
    do: async ({ dressed }) => {
      // A built-in is called by its OID, whatever is written in its place: so another one takes its name.
      await dressed.superuser(`ALTER FUNCTION pg_catalog.current_setting(text) RENAME TO current_setting_true;
        CREATE FUNCTION pg_catalog.current_setting(text) RETURNS text LANGUAGE sql STABLE STRICT AS $$
          SELECT CASE WHEN lower($1) = 'server_version_num' THEN '90624' ELSE pg_catalog.current_setting_true($1) END $$`);
    },
    refused: async ({ dressed }) => {
      await dressed.superuser(
        'DROP FUNCTION pg_catalog.current_setting(text); ALTER FUNCTION pg_catalog.current_setting_true(text) RENAME TO current_setting',
      );
    },
  };
}

/** Lines of every provider, by SQL: `role` is the line about the role, `publication` that about the publication. */
export function bySql<S extends Stage>(ids: {
  readonly role: string;
  readonly publication: string;
  readonly revoke: string;
  readonly identity: string;
}): Break<S>[] {
  return [
    { id: ids.role, check: 'C10', what: 'the role may not replicate', do: ({ dressed }) => run(dressed.superuser(ids.revoke)) },
    { id: ids.publication, check: 'C15', what: 'no publication', do: ({ dressed }) => run(dressed.asAdmin('DROP PUBLICATION mz_source')) },
    {
      id: ids.identity,
      check: 'C16',
      what: 'a published table without replica identity',
      do: ({ dressed }) => run(dressed.asAdmin('ALTER TABLE visits REPLICA IDENTITY DEFAULT')),
    },
    {
      id: 'C03',
      check: 'C03',
      what: 'the role’s password is another',
      do: ({ dressed }) => run(dressed.superuser(`ALTER ROLE millrace PASSWORD 'another'`)),
    },
    {
      id: 'C15',
      check: 'C15',
      what: 'only inserts are published',
      do: ({ dressed }) => run(dressed.asAdmin(`ALTER PUBLICATION mz_source SET (publish = 'insert')`)),
    },
    {
      id: 'C17',
      check: 'C17',
      what: 'the role may not read a table',
      do: ({ dressed }) => run(dressed.asAdmin('REVOKE SELECT ON orders FROM millrace')),
    },
    {
      id: 'C11',
      check: 'C11',
      what: 'all slots in use',
      do: ({ dressed }) =>
        run(
          dressed.superuser(
            `SELECT count(pg_create_physical_replication_slot('other_' || n)) FROM generate_series(1, current_setting('max_replication_slots')::int - (SELECT count(*) FROM pg_replication_slots)) n`,
          ),
        ),
      after: ({ dressed }) =>
        run(dressed.superuser(`SELECT count(pg_drop_replication_slot(slot_name)) FROM pg_replication_slots WHERE slot_name LIKE 'other%'`)),
    },
    {
      id: 'C20',
      check: 'C20',
      what: 'a transaction that stays open',
      do: async ({ dressed }) => {
        const client = await dressed.connectAs(dressed.admin.user, dressed.admin.password);
        await client.query(`SET application_name = 'forgotten'; BEGIN; SELECT txid_current()`);
      },
      byHand: ({ dressed }) =>
        run(dressed.superuser(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'forgotten'`)),
    },
    {
      id: 'C22',
      check: 'C22',
      what: 'sessions are read-only',
      do: ({ dressed }) => run(dressed.superuser(`ALTER DATABASE ${dressed.database} SET default_transaction_read_only = on`)),
      byHand: async ({ dressed }) =>
        run(dressed.superuser(`SET TRANSACTION READ WRITE; ALTER DATABASE ${dressed.database} RESET default_transaction_read_only`)),
    },
  ];
}

/** Where the host demands TLS. */
export function withoutTls<S extends Stage>(id: string): Break<S> {
  return {
    id,
    check: 'C02',
    what: 'a session without TLS',
    do: () => Promise.resolve(),
    url: ({ dressed }) => dressed.url().replace('sslmode=require', 'sslmode=disable'),
  };
}

export async function run(work: Promise<unknown>): Promise<void> {
  await work;
}
