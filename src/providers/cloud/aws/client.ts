/**
 * Amazon RDS and Aurora: what the control plane knows of one instance or cluster, and the steps of `plan.ts` carried out. Each step looks again before it sends, and is done only when
 * the control plane shows it: a parameter group by its apply status (no waiter of the SDK covers it), a reboot by `pending-reboot` turning into `in-sync` on an available database.
 */
import { must, unreachable } from '../../../base/assert.ts';
import { millraceError } from '../../../base/errors.ts';
import type { ApiStep, CloudApi, CloudWanted, ControlFacts, HandStep, Progress, ProviderId, StepState } from '../../model.ts';
import { covers } from '../address.ts';
import { change, lookRepeatedly, read, waitUntil, type Patience } from '../patience.ts';
import { MARK } from '../steps.ts';
import {
  awsCode,
  awsError,
  type AwsCalls,
  awsTrouble,
  type DbCluster,
  type DbInstance,
  type DbParameter,
  type IpPermission,
  type Operation,
  type ParameterGroup,
} from './calls.ts';
import { clusterState, controlParameter, nameOf, ownGroup, pending, refusal, remarks, variantOf, type Database } from './database.ts';
import { planAws, undoAws, type AwsVendor, type Scope } from './plan.ts';
import { request, type Call } from './requests.ts';

/** Pages of a listing: 100 each, and no account has more databases than this. */
const PAGES_MAX = 100;
/** Parameters that matter to replication; the several hundred others are not kept. */
const KEPT =
  /^(rds\.logical_replication|rds\.force_ssl|max_replication_slots|max_wal_senders|max_logical_replication_workers|max_worker_processes|max_slot_wal_keep_size|wal_sender_timeout|idle_replication_slot_timeout|rds\.logical_slot_sync_dbname|sync_replication_slots|hot_standby_feedback)$/;
/** A status from which no waiting helps. */
const BROKEN = /^(failed|incompatible-.*|inaccessible-encryption-credentials.*|restore-error|insufficient-capacity|storage-full)$/;

export class AwsCloud implements CloudApi {
  readonly resource: string;
  #provider: ProviderId = 'rds';
  readonly #name: string;
  readonly #calls: AwsCalls;
  readonly #patience: Patience;
  #port = 5432;
  /** For progress: the database at the last look. */
  #seen = '';
  /** Reboots that this client has sent: an unconditional one is done once it was. */
  readonly #rebooted = new Set<string>();

  constructor(resource: string, name: string, calls: AwsCalls, patience: Patience) {
    this.resource = resource;
    this.#name = name;
    this.#calls = calls;
    this.#patience = patience;
  }

  get provider(): ProviderId {
    return this.#provider;
  }

  async observe(signal?: AbortSignal): Promise<ControlFacts> {
    const database = await this.#database(signal);
    const { scope, instance, cluster } = database;
    const engine = cluster?.Engine ?? instance?.Engine ?? 'postgres';
    const version = cluster?.EngineVersion ?? instance?.EngineVersion ?? '';
    const aurora = engine.startsWith('aurora');
    this.#provider = aurora ? 'aurora' : 'rds';
    this.#port = database.port;
    const refused = refusal(database);
    const [family, parameters, groups, sharedWith, network] = await Promise.all([
      this.#family(engine, version, signal),
      this.#parameters(scope, database.group, signal),
      this.#groups(scope, signal),
      this.#sharedWith(database, signal),
      this.#network(database, signal),
    ]);
    const present = groups.find((group) => nameOf(group) === database.group);
    const own = ownGroup(database, family, groups);
    const waits = database.applyStatus === 'pending-reboot' || database.applyStatus === 'applying';
    const vendor: AwsVendor = {
      scope,
      id: database.id,
      family,
      group: database.group,
      groupIsDefault: database.group.startsWith('default.'),
      groupDescription: present?.Description ?? '',
      ownGroup: own.name,
      ownGroupDescription: own.description,
      applyStatus: database.applyStatus,
      rebootWhole: scope === 'cluster' && !aurora,
      writer: cluster?.DBClusterMembers?.find(({ IsClusterWriter }) => IsClusterWriter)?.DBInstanceIdentifier,
      securityGroups: network.groups,
      securityGroupAffects: network.affects,
      rules: network.rules,
    };
    return {
      provider: this.#provider,
      variant: variantOf(database),
      resource: database.id,
      version,
      status: database.status,
      quiet: database.status === 'available' && database.applyStatus !== 'applying',
      refused,
      parameters: Object.fromEntries(
        parameters
          .filter(({ ParameterName }) => KEPT.test(ParameterName ?? ''))
          .map((one) => [one.ParameterName, controlParameter(one, waits)]),
      ),
      sharedWith,
      pendingChanges: [...pending(instance?.PendingModifiedValues), ...pending(cluster?.PendingModifiedValues)],
      network: {
        publicAccess: network.publicAccess,
        openToAll: network.rules.some(({ cidr }) => cidr === '0.0.0.0/0'),
        rules: network.rules.map(({ group, cidr, description }) => ({
          id: group,
          source: cidr,
          ...(description === undefined ? {} : { description }),
        })),
        fixed: network.fixed,
      },
      remarks: remarks(database),
      vendor,
    };
  }

  plan(facts: ControlFacts, wanted: CloudWanted): readonly (ApiStep | HandStep)[] {
    return planAws(facts, wanted);
  }

  planUndo(facts: ControlFacts): readonly (ApiStep | HandStep)[] {
    return undoAws(facts);
  }

  async state(step: ApiStep, signal?: AbortSignal): Promise<StepState> {
    const call = step.call as unknown as Call;
    switch (call.kind) {
      case 'create-group':
      case 'copy-group': {
        const group = await this.#group(call.arguments.scope, call.arguments.name, signal);
        if (group === undefined) return 'todo';
        if (group.DBParameterGroupFamily !== call.arguments.family)
          throw millraceError('CLOUD_CHANGED_MEANWHILE', {
            what: `parameter group ${call.arguments.name}`,
            reason: `its family is ${group.DBParameterGroupFamily}, not ${call.arguments.family}`,
          });
        return 'done';
      }
      case 'set-parameters': {
        const { scope, group, values } = call.arguments;
        const database = await this.#database(signal);
        const present = new Map((await this.#parameters(scope, group, signal)).map((one) => [one.ParameterName, one.ParameterValue]));
        if (Object.entries(values).some(([name, value]) => present.get(name) !== value)) return 'todo';
        return database.group === group && database.applyStatus === 'applying' ? 'underway' : 'done';
      }
      case 'associate': {
        const database = await this.#database(signal);
        if (database.group !== call.arguments.group) return 'todo';
        return database.applyStatus === 'applying' || database.status !== 'available' ? 'underway' : 'done';
      }
      case 'delete-group':
        return (await this.#group(call.arguments.scope, call.arguments.name, signal)) === undefined ? 'done' : 'todo';
      case 'ingress': {
        const rules = await this.#rules([call.arguments.group], call.arguments.port, signal);
        return rules.some(({ cidr }) => covers(cidr, call.arguments.address)) ? 'done' : 'todo';
      }
      case 'revoke': {
        const rules = await this.#rules([call.arguments.group], this.#port, signal);
        return rules.some(({ cidr, description }) => cidr === call.arguments.address && description === MARK) ? 'todo' : 'done';
      }
      case 'reboot': {
        const database = await this.#database(signal);
        if (BROKEN.test(database.status))
          throw millraceError('CLOUD_REFUSED', {
            operation: 'the reboot',
            resource: database.id,
            reason: `its status is ${database.status}`,
          });
        if (database.status !== 'available') return database.status === 'rebooting' ? 'underway' : 'todo';
        if (database.applyStatus !== 'in-sync') return this.#rebooted.has(step.id) ? 'underway' : 'todo';
        return call.arguments.unconditional && !this.#rebooted.has(step.id) ? 'todo' : 'done';
      }
      default:
        return unreachable(call);
    }
  }

  async apply(step: ApiStep, progress: Progress, signal?: AbortSignal): Promise<void> {
    const call = step.call as unknown as Call;
    const state = await this.state(step, signal);
    if (state === 'done') return;
    const restart = call.kind === 'reboot';
    if (restart && state === 'todo') await this.#available(progress, signal);
    const alreadyThere = async (): Promise<object | undefined> => ((await this.state(step, signal)) === 'todo' ? undefined : {});
    if (state === 'todo') {
      const [operation, input] = request(call, this.#port);
      await change({
        operation,
        send: async () => {
          try {
            return await this.#calls.send(operation, input, signal);
          } catch (error) {
            // Somebody (perhaps we, in a try whose answer was lost) was quicker: what counts is what is there.
            if (
              /^(InvalidPermission\.(Duplicate|NotFound)|DB(Cluster)?ParameterGroupAlreadyExists)$/.test(awsCode(error)) &&
              (await alreadyThere()) !== undefined
            )
              return {};
            throw error;
          }
        },
        done: restart ? () => lookRepeatedly(alreadyThere, this.#patience, signal) : alreadyThere,
        trouble: awsTrouble,
        translate: awsError(this.resource),
        patience: this.#patience,
        progress,
        signal,
      });
      if (restart) this.#rebooted.add(step.id);
    }
    let wasAway = false;
    // RDS takes a moment until it shows what it has accepted: this many looks may still show the old state.
    let grace =
      state === 'todo' && (restart ? call.arguments.unconditional : call.kind === 'set-parameters' || call.kind === 'associate') ? 3 : 0;
    await waitUntil(
      {
        what: restart ? `reboot of ${call.arguments.reboot}` : step.title,
        where: `aws rds describe-db-${'scope' in call.arguments ? call.arguments.scope : 'instance'}s`,
        timeoutMs: restart ? this.#patience.restartTimeoutMs : this.#patience.operationTimeoutMs,
        patience: this.#patience,
        progress,
        signal,
      },
      async () => {
        const now = await this.state(step, signal);
        const seen = restart || call.kind === 'set-parameters' || call.kind === 'associate' ? this.#seen : now;
        wasAway ||= now === 'underway' || seen.includes('pending-reboot');
        return { done: now === 'done' && (wasAway || grace-- <= 0), seen };
      },
    );
  }

  close(): Promise<void> {
    this.#calls.close();
    return Promise.resolve();
  }

  // ------------------------------------------------------------------------------------------------ reading

  async #read<O extends Operation>(operation: O, input: object, signal: AbortSignal | undefined) {
    const send = () => this.#calls.send(operation, input, signal);
    return read({
      operation,
      send,
      trouble: awsTrouble,
      translate: awsError(this.resource),
      patience: this.#patience,
      signal,
    });
  }

  /** All pages of a listing. */
  async #all<T>(page: (marker: object) => Promise<{ items: readonly T[] | undefined; marker: string | undefined }>): Promise<T[]> {
    const items: T[] = [];
    let marker: object = {};
    for (let pages = 0; pages < PAGES_MAX; pages++) {
      const answer = await page(marker);
      items.push(...(answer.items ?? []));
      if (answer.marker === undefined || answer.marker === '') return items;
      marker = { Marker: answer.marker };
    }
    return items;
  }

  /** The instance or the cluster of that name; an instance of a cluster stands for its cluster. */
  async #database(signal: AbortSignal | undefined): Promise<Database> {
    const database = await this.#look(signal);
    this.#seen = `${database.status}, parameters ${database.applyStatus}`;
    return database;
  }

  async #look(signal: AbortSignal | undefined): Promise<Database> {
    const instance = await this.#instance(this.#name, signal);
    const clusterName = instance === undefined ? this.#name : instance.DBClusterIdentifier;
    if (clusterName !== undefined) {
      const cluster = (await this.#read('DescribeDBClusters', { DBClusterIdentifier: clusterName }, signal)).DBClusters?.[0];
      return clusterState(must(cluster, 'the cluster'), await this.#writer(cluster, signal));
    }
    const found = must(instance, 'the instance');
    const group = found.DBParameterGroups?.[0];
    return {
      scope: 'instance',
      id: found.DBInstanceIdentifier ?? this.#name,
      instance: found,
      cluster: undefined,
      group: group?.DBParameterGroupName ?? '',
      applyStatus: group?.ParameterApplyStatus ?? 'in-sync',
      status: found.DBInstanceStatus ?? 'unknown',
      port: found.Endpoint?.Port ?? 5432,
    };
  }

  async #writer(cluster: DbCluster | undefined, signal: AbortSignal | undefined): Promise<DbInstance | undefined> {
    const name = cluster?.DBClusterMembers?.find(({ IsClusterWriter }) => IsClusterWriter)?.DBInstanceIdentifier;
    return name === undefined ? undefined : this.#instance(name, signal);
  }

  async #instance(id: string, signal: AbortSignal | undefined): Promise<DbInstance | undefined> {
    try {
      return (await this.#read('DescribeDBInstances', { DBInstanceIdentifier: id }, signal)).DBInstances?.[0];
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === 'CLOUD_NOT_FOUND') return undefined;
      throw error;
    }
  }

  async #family(engine: string, version: string, signal: AbortSignal | undefined): Promise<string> {
    const versions = (await this.#read('DescribeDBEngineVersions', { Engine: engine, EngineVersion: version }, signal)).DBEngineVersions;
    return versions?.[0]?.DBParameterGroupFamily ?? '';
  }

  async #parameters(scope: Scope, group: string, signal: AbortSignal | undefined): Promise<DbParameter[]> {
    return this.#all(async (marker) => {
      const answer =
        scope === 'cluster'
          ? await this.#read('DescribeDBClusterParameters', { DBClusterParameterGroupName: group, ...marker }, signal)
          : await this.#read('DescribeDBParameters', { DBParameterGroupName: group, ...marker }, signal);
      return { items: answer.Parameters, marker: answer.Marker };
    });
  }

  async #groups(scope: Scope, signal: AbortSignal | undefined): Promise<readonly ParameterGroup[]> {
    return (
      (scope === 'cluster'
        ? (await this.#read('DescribeDBClusterParameterGroups', {}, signal)).DBClusterParameterGroups
        : (await this.#read('DescribeDBParameterGroups', {}, signal)).DBParameterGroups) ?? []
    );
  }

  async #group(scope: Scope, name: string, signal: AbortSignal | undefined): Promise<ParameterGroup | undefined> {
    return (await this.#groups(scope, signal)).find((group) => nameOf(group) === name.toLowerCase());
  }

  async #sharedWith(database: Database, signal: AbortSignal | undefined): Promise<string[]> {
    if (database.scope === 'cluster') {
      const clusters = await this.#all(async (marker) => {
        const answer = await this.#read('DescribeDBClusters', marker, signal);
        return { items: answer.DBClusters, marker: answer.Marker };
      });
      return clusters
        .filter((one) => one.DBClusterIdentifier !== database.id && one.DBClusterParameterGroup === database.group)
        .map((one) => one.DBClusterIdentifier ?? '');
    }
    const instances = await this.#instances(signal);
    return instances
      .filter(
        (one) =>
          one.DBInstanceIdentifier !== database.id &&
          one.DBParameterGroups?.some(({ DBParameterGroupName }) => DBParameterGroupName === database.group),
      )
      .map((one) => one.DBInstanceIdentifier ?? '');
  }

  async #instances(signal: AbortSignal | undefined): Promise<DbInstance[]> {
    return this.#all(async (marker) => {
      const answer = await this.#read('DescribeDBInstances', marker, signal);
      return { items: answer.DBInstances, marker: answer.Marker };
    });
  }

  async #network(database: Database, signal: AbortSignal | undefined) {
    const groups = (database.cluster?.VpcSecurityGroups ?? database.instance?.VpcSecurityGroups ?? []).flatMap(
      ({ VpcSecurityGroupId: id }) => (id === undefined ? [] : [id]),
    );
    const publicAccess = database.instance?.PubliclyAccessible ?? database.cluster?.PubliclyAccessible ?? false;
    try {
      const rules = await this.#rules(groups, database.port, signal);
      const members = new Set(database.cluster?.DBClusterMembers?.map(({ DBInstanceIdentifier }) => DBInstanceIdentifier) ?? [database.id]);
      const affects = (await this.#instances(signal))
        .filter(
          (one) =>
            !members.has(one.DBInstanceIdentifier) &&
            one.VpcSecurityGroups?.some(({ VpcSecurityGroupId }) => VpcSecurityGroupId === groups[0]),
        )
        .map((one) => `${one.DBInstanceIdentifier} has the same security group`);
      return { groups, publicAccess, rules, affects, fixed: undefined };
    } catch (error) {
      // Doctor goes on without the right to read security groups; setup hands the step over.
      if (error instanceof Error && 'code' in error && error.code === 'CLOUD_DENIED')
        return { groups, publicAccess, rules: [], affects: [], fixed: error.message };
      throw error;
    }
  }

  async #rules(
    groups: readonly string[],
    port: number,
    signal: AbortSignal | undefined,
  ): Promise<{ group: string; cidr: string; description: string | undefined }[]> {
    if (groups.length === 0) return [];
    const found = (await this.#read('DescribeSecurityGroups', { GroupIds: [...groups] }, signal)).SecurityGroups ?? [];
    return found.flatMap((group) =>
      (group.IpPermissions ?? [])
        .filter((one) => reaches(one, port))
        .flatMap((one) => [
          ...(one.IpRanges ?? []).map((range) => ({
            group: group.GroupId ?? '',
            cidr: range.CidrIp ?? '',
            description: range.Description,
          })),
          ...(one.Ipv6Ranges ?? []).map((range) => ({
            group: group.GroupId ?? '',
            cidr: range.CidrIpv6 ?? '',
            description: range.Description,
          })),
        ]),
    );
  }

  // ------------------------------------------------------------------------------------------------ waiting

  /** Before a reboot: nothing may be applying, or the reboot would come too early. */
  async #available(progress: Progress, signal: AbortSignal | undefined): Promise<void> {
    await waitUntil(
      {
        what: `${this.#name} to be available`,
        where: 'aws rds describe-db-instances',
        timeoutMs: this.#patience.operationTimeoutMs,
        patience: this.#patience,
        progress,
        signal,
      },
      async () => {
        const { status, applyStatus } = await this.#database(signal);
        return {
          done: status === 'rebooting' || (status === 'available' && applyStatus !== 'applying'),
          seen: `${status}, parameters ${applyStatus}`,
        };
      },
    );
  }
}

function reaches(one: IpPermission, port: number): boolean {
  if (one.IpProtocol === '-1') return true;
  return (one.IpProtocol === 'tcp' || one.IpProtocol === '6') && (one.FromPort ?? 0) <= port && port <= (one.ToPort ?? 65_535);
}
