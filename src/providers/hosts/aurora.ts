/** Aurora PostgreSQL: provisioned and Serverless v2. Serverless v1 and Limitless are recognised by the control plane and refused. */
import type { Provider } from '../model.ts';
import { awsMends } from './aws.ts';
import { holds, outdated, requirements } from './guide.ts';

export const aurora: Provider = {
  id: 'aurora',
  name: 'Amazon Aurora',
  cloud: 'aws',
  link: 'https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/AuroraPostgreSQL.Replication.Logical.Configure.html',
  switch: { parameter: 'rds.logical_replication', on: 'on', restarts: true },
  replicationRight: { by: 'membership', role: 'rds_replication' },
  sharedStorage: true,
  variantsRefused: {
    'serverless-v1': {
      reason: 'this is Aurora Serverless v1, which cannot replicate logically',
      wayOut:
        'Convert it to provisioned (aws rds modify-db-cluster --engine-mode provisioned --allow-engine-mode-change …) or restore a snapshot as Serverless v2, then run doctor there.',
    },
    limitless: { reason: 'this is an Aurora Limitless database', wayOut: 'Stream from an ordinary Aurora cluster.' },
  },
  defects: [
    {
      from: 160_000,
      before: 160_002,
      code: 'aurora_decoding_bug',
      seen: 'Aurora PostgreSQL 16.1',
      why: 'Its decoding can fail with "could not map filenumber … to relation OID"; 16.2 mends it.',
      need: { kind: 'replace', wayOut: 'Upgrade the cluster to 16.2 or later.' },
    },
  ],
  requirements: requirements(
    outdated(
      'AUR1',
      ['C06'],
      'Aurora Serverless v1 does not support it.',
      'True, and v1 ended in March 2025: convert to provisioned or Serverless v2, which do.',
    ),
    outdated('AUR2', ['C10', 'C14', 'C17'], 'As a superuser …', 'There is none: rds_superuser to set up, rds_replication to stream.'),
    holds(
      'AUR3',
      ['C08'],
      'Create a DB cluster parameter group of your version’s family.',
      'True: the cluster’s group, not the instance’s, of the family that AWS names for the version (describe-db-engine-versions).',
    ),
    holds('AUR4', ['C08'], 'Set rds.logical_replication to 1.', 'True. On Serverless v2 this alone ends scaling to zero.'),
    outdated(
      'AUR5',
      ['C11', 'C12'],
      'Set max_replication_slots, max_wal_senders, max_logical_replication_workers, max_worker_processes.',
      'The defaults often suffice; only the first two matter to a stream that leaves the cluster. doctor computes all four.',
    ),
    holds('AUR6', ['C01', 'C02', 'C04'], 'Add the IP address to the security group.', 'True; security groups live on the cluster.'),
    holds('AUR7', ['C07', 'C09'], 'Restart the database.', 'Reboot the writer instance; use the writer endpoint only.'),
    outdated(
      'AUR8',
      ['C15'],
      'Create a publication mz_source for tables, or FOR ALL TABLES.',
      'For tables. FOR ALL TABLES makes every later table without a primary key refuse its own UPDATEs.',
    ),
  ),
  mends: awsMends('db-cluster', 'aurora-postgresql'),
  traps: [
    {
      about: 'C18',
      says: 'WAL lives in Aurora’s shared storage: max_slot_wal_keep_size does not bound it, and an abandoned slot is billed as storage.',
      source: 'reported',
    },
    {
      about: 'C19',
      says: 'Slots survive a failover of the writer; clients must come back through the writer endpoint.',
      source: 'reported',
    },
    {
      about: 'C08',
      says: 'Serverless v2 with a minimum of 0 ACU no longer pauses once rds.logical_replication is on, even without a slot.',
      source: 'vendor',
    },
  ],
};
