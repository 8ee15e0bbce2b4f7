/** Cloud SQL: logical decoding by the flag cloudsql.logical_decoding, REPLICATION as an attribute that the administrator gives himself first. */
import { dress, type Dressed, type DressOptions } from './dress.ts';

export function dressCloudSql(options?: DressOptions): Promise<Dressed> {
  return dress(
    {
      provider: 'cloudsql',
      superuser: 'cloudsqladmin',
      admin: 'postgres',
      database: 'shop',
      roles: [
        'CREATE ROLE cloudsqlsuperuser NOLOGIN',
        'CREATE ROLE {admin} LOGIN CREATEDB CREATEROLE PASSWORD {password}',
        'GRANT cloudsqlsuperuser, pg_monitor, pg_signal_backend TO {admin} WITH ADMIN OPTION',
      ],
      settings: {
        wal_level: 'replica',
        max_wal_senders: '10',
        max_replication_slots: '10',
        'cloudsql.logical_decoding': 'off',
        'cloudsql.iam_authentication': 'off',
      },
      derive: (configured) => ({ wal_level: configured['cloudsql.logical_decoding'] === 'on' ? 'logical' : 'replica' }),
      tlsOnly: false,
      selfGranted: true,
    },
    options,
  );
}
