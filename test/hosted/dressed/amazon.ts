/** Amazon RDS and Aurora: logical decoding by rds.logical_replication at the next restart, the right to replicate by membership in rds_replication, an administrator in rds_superuser. */
import { dress, type Dress, type Dressed, type DressOptions } from './dress.ts';

const ROLES = [
  'CREATE ROLE rds_superuser NOLOGIN',
  'CREATE ROLE rds_replication NOLOGIN',
  'CREATE ROLE rds_password NOLOGIN',
  'CREATE ROLE rdstopmgr NOLOGIN',
  'CREATE ROLE rdsrepladmin NOLOGIN REPLICATION',
  'GRANT pg_monitor, pg_signal_backend, rds_replication, rds_password TO rds_superuser WITH ADMIN OPTION',
  'CREATE ROLE {admin} LOGIN CREATEDB CREATEROLE PASSWORD {password}',
  'GRANT rds_superuser TO {admin}',
  'GRANT rds_replication TO {admin} WITH ADMIN OPTION',
];

const SETTINGS = {
  wal_level: 'replica',
  max_wal_senders: '20',
  max_replication_slots: '20',
  'rds.logical_replication': 'off',
  'rds.force_ssl': '1',
  'rds.extensions': 'pg_stat_statements',
};

const DRESS: Dress = {
  provider: 'rds',
  superuser: 'rdsadmin',
  admin: 'postgres',
  database: 'shop',
  roles: ROLES,
  settings: SETTINGS,
  derive: (configured) => {
    const on = ['1', 'on'].includes(configured['rds.logical_replication'] ?? '');
    return { 'rds.logical_replication': on ? 'on' : 'off', wal_level: on ? 'logical' : 'replica' };
  },
  tlsOnly: true,
  replicationGroup: 'rds_replication',
};

export function dressRds(options?: DressOptions): Promise<Dressed> {
  return dress(DRESS, options);
}

export function dressAurora(options?: DressOptions): Promise<Dressed> {
  return dress(
    {
      ...DRESS,
      provider: 'aurora',
      settings: { ...SETTINGS, 'rds.logical_wal_cache': '16MB' },
      inDatabase: [
        `CREATE FUNCTION pg_catalog.aurora_version() RETURNS text LANGUAGE sql AS $$ SELECT '18.4.1' $$`,
        `CREATE FUNCTION pg_catalog.aurora_stat_logical_wal_cache() RETURNS text LANGUAGE sql AS $$ SELECT '' $$`,
      ],
    },
    options,
  );
}
