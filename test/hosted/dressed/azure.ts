/** Azure Flexible Server: wal_level is a server parameter, TLS is demanded, max_slot_wal_keep_size is fixed. Single Server had a setting of its own. */
import { dress, type Dressed, type DressOptions } from './dress.ts';

const ROLES = [
  'CREATE ROLE azure_pg_admin NOLOGIN',
  'CREATE ROLE {admin} LOGIN CREATEDB CREATEROLE PASSWORD {password}',
  'GRANT azure_pg_admin, pg_monitor, pg_signal_backend TO {admin} WITH ADMIN OPTION',
];

export function dressAzure(options?: DressOptions): Promise<Dressed> {
  return dress(
    {
      provider: 'azure',
      superuser: 'azuresu',
      admin: 'shopadmin',
      database: 'shop',
      roles: ROLES,
      settings: {
        wal_level: 'replica',
        max_wal_senders: '10',
        max_replication_slots: '10',
        max_slot_wal_keep_size: '-1',
        'azure.extensions': '',
      },
      tlsOnly: true,
      selfGranted: true,
    },
    options,
  );
}

export function dressAzureSingleServer(options?: DressOptions): Promise<Dressed> {
  return dress(
    {
      provider: 'azure',
      superuser: 'azuresu',
      admin: 'shopadmin',
      database: 'shop',
      roles: [...ROLES, 'CREATE ROLE azure_superuser NOLOGIN'],
      settings: { wal_level: 'replica', 'azure.replication_support': 'REPLICA' },
      tlsOnly: true,
    },
    options,
  );
}
