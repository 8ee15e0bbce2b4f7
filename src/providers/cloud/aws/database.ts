/** What RDS's answers mean, without asking anything: one database as it is now, its variant, what is pending, and the name for a parameter group of its own. Used by `client.ts`. */
import type { ControlFacts, ControlParameter, Variant } from '../../model.ts';
import { MARK, spelled } from '../steps.ts';
import type { DbCluster, DbInstance, DbParameter, ParameterGroup } from './calls.ts';
import type { AwsFacts, Scope } from './plan.ts';

/** One database as it is now. */
export interface Database {
  readonly scope: Scope;
  readonly id: string;
  readonly instance: DbInstance | undefined;
  readonly cluster: DbCluster | undefined;
  readonly engine: string;
  readonly version: string;
  readonly group: string;
  readonly applyStatus: string;
  readonly status: string;
  readonly port: number;
}

/** Parameters that matter to replication; the several hundred others are not kept. */
const KEPT =
  /^(rds\.logical_replication|rds\.force_ssl|max_replication_slots|max_wal_senders|max_logical_replication_workers|max_worker_processes|max_slot_wal_keep_size|wal_sender_timeout|idle_replication_slot_timeout|rds\.logical_slot_sync_dbname|sync_replication_slots|hot_standby_feedback)$/;

/** What was read beside the database itself. */
export interface Surroundings {
  readonly family: string;
  readonly parameters: readonly DbParameter[];
  readonly groups: readonly ParameterGroup[];
  readonly sharedWith: readonly string[];
  readonly network: Network;
}

export interface Network {
  readonly groups: readonly string[];
  readonly publicAccess: boolean;
  readonly rules: AwsFacts['rules'];
  readonly affects: readonly string[];
  readonly fixed: string | undefined;
}

export function factsOf(
  database: Database,
  { family, parameters, groups, sharedWith, network }: Surroundings,
): { facts: ControlFacts; own: AwsFacts } {
  const { scope, instance, cluster } = database;
  const aurora = database.engine.startsWith('aurora');
  const present = groups.find((group) => nameOf(group) === database.group);
  const ours = ownGroup(database, family, groups);
  const waits = database.applyStatus === 'pending-reboot' || database.applyStatus === 'applying';
  const own: AwsFacts = {
    scope,
    id: database.id,
    family,
    group: database.group,
    groupIsDefault: database.group.startsWith('default.'),
    groupDescription: present?.Description ?? '',
    ownGroup: ours.name,
    ownGroupDescription: ours.description,
    applyStatus: database.applyStatus,
    rebootWhole: scope === 'cluster' && !aurora,
    writer: cluster?.DBClusterMembers?.find(({ IsClusterWriter }) => IsClusterWriter)?.DBInstanceIdentifier,
    securityGroups: network.groups,
    securityGroupAffects: network.affects,
    rules: network.rules,
  };
  const facts: ControlFacts = {
    provider: aurora ? 'aurora' : 'rds',
    variant: variantOf(database),
    resource: database.id,
    refused: refusal(database),
    parameters: Object.fromEntries(
      parameters
        .filter(({ ParameterName }) => KEPT.test(ParameterName ?? ''))
        .map((one) => [one.ParameterName, controlParameter(one, waits)]),
    ),
    sharedWith,
    pendingChanges: [...pending(instance?.PendingModifiedValues), ...pending(cluster?.PendingModifiedValues)],
    network: {
      publicAccess: network.publicAccess,
      rules: network.rules.map(({ group, cidr, description }) => ({
        id: group,
        source: cidr,
        ...(description === undefined ? {} : { description }),
      })),
      fixed: network.fixed,
    },
  };
  return { facts, own };
}

export function clusterState(cluster: DbCluster, writer: DbInstance | undefined): Database {
  const statuses = cluster.DBClusterMembers ?? [];
  // Readers of Aurora follow their writer's wal_level; only a Multi-AZ cluster reboots as a whole.
  const counted = (cluster.Engine ?? '').startsWith('aurora') ? statuses.filter(({ IsClusterWriter }) => IsClusterWriter) : statuses;
  const has = (status: string): boolean => counted.some(({ DBClusterParameterGroupStatus: one }) => one === status);
  return {
    scope: 'cluster',
    id: cluster.DBClusterIdentifier ?? '',
    instance: writer,
    cluster,
    engine: cluster.Engine ?? writer?.Engine ?? 'postgres',
    version: cluster.EngineVersion ?? writer?.EngineVersion ?? '',
    group: cluster.DBClusterParameterGroup ?? '',
    applyStatus: has('applying')
      ? 'applying'
      : has('pending-reboot')
        ? 'pending-reboot'
        : (counted.find(({ DBClusterParameterGroupStatus: one }) => one !== 'in-sync')?.DBClusterParameterGroupStatus ?? 'in-sync'),
    status: cluster.Status !== 'available' ? (cluster.Status ?? 'unknown') : (writer?.DBInstanceStatus ?? 'available'),
    port: cluster.Port ?? 5432,
  };
}

function refusal({ cluster, id }: Database): ControlFacts['refused'] {
  if (cluster?.EngineMode === 'serverless')
    return {
      reason: `${id} is Aurora Serverless v1, which has no logical replication`,
      wayOut:
        'Migrate it to Aurora Serverless v2 or to a provisioned cluster: take a snapshot, restore it as provisioned, then run setup there.',
    };
  if (cluster?.ClusterScalabilityType === 'limitless')
    return {
      reason: `${id} is an Aurora Limitless Database, which is not supported`,
      wayOut: 'Replicate from a provisioned or Serverless v2 cluster.',
    };
  return undefined;
}

function variantOf({ instance, cluster }: Database): Variant {
  if (cluster === undefined) return instance?.ReadReplicaSourceDBInstanceIdentifier === undefined ? 'instance' : 'read-replica';
  if (!(cluster.Engine ?? '').startsWith('aurora')) return 'multi-az-cluster';
  if (cluster.EngineMode === 'serverless') return 'serverless-v1';
  if (cluster.ClusterScalabilityType === 'limitless') return 'limitless';
  return cluster.ServerlessV2ScalingConfiguration === undefined ? 'provisioned' : 'serverless-v2';
}

function pending(values: Readonly<Record<string, unknown>> | undefined): string[] {
  return Object.entries(values ?? {})
    .filter(([, value]) => value !== undefined)
    .map(
      ([name, value]) =>
        `${name}=${name.includes('Password') ? '…' : typeof value === 'object' ? JSON.stringify(value) : String(value as string | number | boolean)}`,
    );
}

function controlParameter(one: DbParameter, waits: boolean): ControlParameter {
  const restarts = one.ApplyType !== 'dynamic';
  return {
    value: spelled(one.ParameterValue, one.DataType === 'boolean'),
    pendingRestart: waits && restarts && one.Source === 'user',
    restarts,
    modifiable: one.IsModifiable !== false,
  };
}

export function nameOf(group: ParameterGroup): string | undefined {
  return group.DBClusterParameterGroupName ?? group.DBParameterGroupName;
}

/** A free name, or that of a group which an earlier run made for this database and has not associated yet. RDS takes letters, digits and single hyphens. */
function ownGroup(
  database: Database,
  family: string,
  groups: readonly ParameterGroup[],
): { name: string; description: string | undefined } {
  const stem = `${MARK}-${database.id}-${family}`
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, '-')
    .slice(0, 240);
  for (let number = 1; ; number++) {
    const name = number === 1 ? stem : `${stem}-${number}`;
    const there = groups.find((group) => nameOf(group) === name);
    if (there === undefined) return { name, description: undefined };
    if (
      name !== database.group &&
      there.DBParameterGroupFamily === family &&
      there.Description?.startsWith(`Made by Millrace for ${database.id} `) === true
    )
      return { name, description: there.Description };
  }
}
