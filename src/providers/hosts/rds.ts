/** Amazon RDS for PostgreSQL: an instance, a Multi-AZ instance, a read replica; a Multi-AZ DB cluster has a cluster parameter group instead. */
import type { Provider } from '../model.ts';
import { awsMends } from './aws.ts';
import { holds, outdated, requirements } from './guide.ts';

export const rds: Provider = {
  id: 'rds',
  name: 'Amazon RDS',
  cloud: 'aws',
  link: 'https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/PostgreSQL.Concepts.General.FeatureSupport.LogicalReplication.html',
  switch: { parameter: 'rds.logical_replication', on: 'on', restarts: true },
  replicationRight: { by: 'membership', role: 'rds_replication' },
  requirements: requirements(
    outdated(
      'RDS1',
      ['C10', 'C14', 'C17'],
      'The account needs the rds_superuser role.',
      'Only to set up. To stream, membership in rds_replication suffices (rolreplication stays false, and that is right).',
    ),
    holds(
      'RDS2',
      ['C08'],
      'Create a custom parameter group and associate it; default groups cannot be changed.',
      'True. A group may serve other instances: give this one its own. Associating it alone takes a restart, too.',
    ),
    holds(
      'RDS3',
      ['C08'],
      'Set the static parameter rds.logical_replication to 1.',
      'True; the API says 1, SHOW says on. wal_level follows by itself.',
    ),
    holds(
      'RDS4',
      ['C01', 'C02', 'C04'],
      'Add the IP address to the security group.',
      'True; it does nothing for an instance that is not publicly accessible, and RDS demands TLS from Postgres 15 on.',
    ),
    holds('RDS5', ['C09'], 'Restart the database.', 'True: until then the group shows pending-reboot. No maintenance window does it.'),
    outdated(
      'RDS6',
      ['C15'],
      'Create a publication mz_source for tables, or FOR ALL TABLES.',
      'For tables. FOR ALL TABLES makes every later table without a primary key refuse its own UPDATEs.',
    ),
  ),
  mends: awsMends('db', 'postgres'),
  traps: [
    {
      about: 'C18',
      says: 'Storage autoscaling turns an abandoned slot into a bill: storage grows and never shrinks. Watch OldestReplicationSlotLag and TransactionLogsDiskUsage.',
      source: 'vendor',
    },
    {
      about: 'C19',
      says: 'The standby of a Multi-AZ instance shares the storage, so slots survive its failover; a promoted read replica has them only from 17 on (rds.logical_slot_sync_dbname).',
      source: 'reported',
    },
    { about: 'C10', says: 'IAM database authentication cannot open a replication session: use a password.', source: 'vendor' },
  ],
};
