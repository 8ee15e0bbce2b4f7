/** What is asked of RDS and EC2, page by page: one database, its parameters, who shares its groups, which rules reach it. Changes nothing. Used by `client.ts`. */
import { must } from '../../../base/assert.ts';
import { read, type Service } from '../patience.ts';
import type { AwsCalls, DbCluster, DbInstance, DbParameter, IpPermission, Operation, ParameterGroup } from './calls.ts';
import { clusterState, nameOf, type Database, type Network } from './database.ts';
import type { AwsFacts, Scope } from './plan.ts';

/** Pages of a listing: 100 each, and no account has more databases than this. */
const PAGES_MAX = 100;

export class AwsReading {
  readonly #name: string;
  readonly #calls: AwsCalls;
  readonly #service: Service;

  constructor(name: string, calls: AwsCalls, service: Service) {
    this.#name = name;
    this.#calls = calls;
    this.#service = service;
  }

  async #read<O extends Operation>(operation: O, input: object, signal: AbortSignal | undefined) {
    return read(this.#service, operation, () => this.#calls.send(operation, input, signal), signal);
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
  async database(signal: AbortSignal | undefined): Promise<Database> {
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
      engine: found.Engine ?? 'postgres',
      version: found.EngineVersion ?? '',
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

  async family(engine: string, version: string, signal: AbortSignal | undefined): Promise<string> {
    const versions = (await this.#read('DescribeDBEngineVersions', { Engine: engine, EngineVersion: version }, signal)).DBEngineVersions;
    return versions?.[0]?.DBParameterGroupFamily ?? '';
  }

  async parameters(scope: Scope, group: string, signal: AbortSignal | undefined): Promise<DbParameter[]> {
    return this.#all(async (marker) => {
      const answer =
        scope === 'cluster'
          ? await this.#read('DescribeDBClusterParameters', { DBClusterParameterGroupName: group, ...marker }, signal)
          : await this.#read('DescribeDBParameters', { DBParameterGroupName: group, ...marker }, signal);
      return { items: answer.Parameters, marker: answer.Marker };
    });
  }

  async groups(scope: Scope, signal: AbortSignal | undefined): Promise<readonly ParameterGroup[]> {
    return (
      (scope === 'cluster'
        ? (await this.#read('DescribeDBClusterParameterGroups', {}, signal)).DBClusterParameterGroups
        : (await this.#read('DescribeDBParameterGroups', {}, signal)).DBParameterGroups) ?? []
    );
  }

  async group(scope: Scope, name: string, signal: AbortSignal | undefined): Promise<ParameterGroup | undefined> {
    return (await this.groups(scope, signal)).find((group) => nameOf(group) === name.toLowerCase());
  }

  async sharedWith(database: Database, signal: AbortSignal | undefined): Promise<string[]> {
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

  async network(database: Database, signal: AbortSignal | undefined): Promise<Network> {
    const groups = (database.cluster?.VpcSecurityGroups ?? database.instance?.VpcSecurityGroups ?? []).flatMap(
      ({ VpcSecurityGroupId: id }) => (id === undefined ? [] : [id]),
    );
    const publicAccess = database.instance?.PubliclyAccessible ?? database.cluster?.PubliclyAccessible ?? false;
    try {
      const rules = await this.rules(groups, database.port, signal);
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

  async rules(groups: readonly string[], port: number, signal: AbortSignal | undefined): Promise<AwsFacts['rules']> {
    if (groups.length === 0) return [];
    const found = (await this.#read('DescribeSecurityGroups', { GroupIds: [...groups] }, signal)).SecurityGroups ?? [];
    return found.flatMap(({ GroupId: group = '', IpPermissions: permissions = [] }) =>
      permissions
        .filter((one) => reaches(one, port))
        .flatMap(({ IpRanges: v4 = [], Ipv6Ranges: v6 = [] }) => [
          ...v4.map(({ CidrIp: cidr = '', Description: description }) => ({ group, cidr, description })),
          ...v6.map(({ CidrIpv6: cidr = '', Description: description }) => ({ group, cidr, description })),
        ]),
    );
  }
}

function reaches(one: IpPermission, port: number): boolean {
  if (one.IpProtocol === '-1') return true;
  return (one.IpProtocol === 'tcp' || one.IpProtocol === '6') && (one.FromPort ?? 0) <= port && port <= (one.ToPort ?? 65_535);
}
