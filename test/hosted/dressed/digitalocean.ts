/** DigitalOcean: wal_level is logical from the start; doadmin replicates, other users by the API alone. */
import { dress, type Dressed, type DressOptions } from './dress.ts';

export function dressDigitalOcean(options?: DressOptions): Promise<Dressed> {
  return dress(
    {
      provider: 'digitalocean',
      superuser: '_doadmin',
      admin: 'doadmin',
      database: 'defaultdb',
      roles: [
        'CREATE ROLE {admin} LOGIN CREATEDB CREATEROLE REPLICATION PASSWORD {password}',
        'GRANT pg_monitor, pg_signal_backend TO {admin} WITH ADMIN OPTION',
      ],
      settings: { wal_level: 'logical', max_wal_senders: '20', max_replication_slots: '20' },
      tlsOnly: true,
    },
    options,
  );
}
