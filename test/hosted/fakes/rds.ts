/**
 * Amazon RDS and the security groups of EC2, imitated over one dressed Postgres: an instance, a Multi-AZ cluster or an Aurora cluster. The behaviour is that of the vendor's documentation:
 * default groups that cannot be changed, names stored in lower case, static parameters that wait (applying → pending-reboot) and go live only with a reboot,
 * a status that still reads `available` for a moment after a request, changes that ApplyImmediately lets loose, and security groups that drive the gate.
 */
import { ControlPlane, type Controlled, type FakeAnswer, type FakeRequest, type Vendor } from './control-plane.ts';
import { List, members, readForm, text, writeXml, type Form, type Xml } from './query-protocol.ts';
import { postgresSettings, RDS_PARAMETERS } from './rds-parameters.ts';

export type RdsKind = 'instance' | 'read-replica' | 'multi-az-cluster' | 'aurora' | 'aurora-serverless-v2' | 'aurora-serverless-v1';

interface Group {
  readonly name: string;
  readonly family: string;
  readonly description: string;
  readonly isDefault: boolean;
  readonly values: Map<string, string>;
}

type ApplyStatus = 'in-sync' | 'applying' | 'pending-reboot';

/** A group as one instance or cluster member has it. */
interface Attachment {
  group: string;
  status: ApplyStatus;
  /** Looks until it is no longer `applying`. */
  looksLeft: number;
  /** What is then waiting for a restart. */
  waits: boolean;
}

interface Instance {
  readonly id: string;
  readonly attachment: Attachment;
  readonly clusterId: string | undefined;
  /** Looks that still show the old status. */
  looksBehind: number;
  status: string;
  /** Looks that show at least the reboot, and what happens when they are over and the server is back. */
  looksAway: number;
  back: (() => void) | undefined;
  readonly pendingModified: Map<string, string>;
}

interface Cluster {
  readonly id: string;
  group: string;
  readonly memberStatus: Map<string, Attachment>;
  readonly writer: string;
}

export interface Permission {
  readonly protocol: string;
  readonly from: number;
  readonly to: number;
  readonly cidr: string;
  readonly description: string | undefined;
}

class Refusal extends Error {
  readonly code: string;
  readonly status: number;
  constructor(code: string, message: string, status = 400) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

/** Looks for which the old state is still shown. */
const LOOKS_BEHIND = 1;
const LOOKS_APPLYING = 3;
const LOOKS_AWAY = 2;
const PAGE = 5;

export class RdsFake implements Vendor {
  readonly plane: ControlPlane;
  readonly kind: RdsKind;
  readonly id: string;
  readonly groups = new Map<string, Group>();
  readonly clusterGroups = new Map<string, Group>();
  readonly instances = new Map<string, Instance>();
  readonly clusters = new Map<string, Cluster>();
  readonly securityGroups = new Map<string, Permission[]>([['sg-0a1b2c3d4e5f60718', []]]);
  /** Other people's changes that an ApplyImmediately of ours has let loose. A test wants none. */
  readonly letLoose: string[] = [];
  publiclyAccessible = true;
  maxAllocatedStorage: number | undefined = 200;
  /** The next reboot does not come back. */
  restartFails = false;
  reboots = 0;
  readonly #server: Controlled;
  #request = 0;

  constructor(server: Controlled, kind: RdsKind = 'instance', id = 'shop') {
    this.#server = server;
    this.kind = kind;
    this.id = id;
    this.plane = new ControlPlane(this);
    const groupDefault = this.#defaultGroup(this.groups, `default.${this.family}`);
    const isCluster = kind !== 'instance' && kind !== 'read-replica';
    if (isCluster) {
      const clusterDefault = this.#defaultGroup(this.clusterGroups, `default.${this.family}`);
      const writer = `${id}-1`;
      const names =
        kind === 'multi-az-cluster' ? [writer, `${id}-2`, `${id}-3`] : kind === 'aurora-serverless-v1' ? [] : [writer, `${id}-2`];
      for (const name of names) this.#addInstance(name, groupDefault.name, id);
      this.clusters.set(id, {
        id,
        group: clusterDefault.name,
        writer,
        memberStatus: new Map(names.map((name) => [name, inSync(clusterDefault.name)])),
      });
    } else this.#addInstance(id, groupDefault.name, undefined);
    this.#openGate();
  }

  get url(): string {
    return this.plane.url;
  }

  get engine(): string {
    return this.kind.startsWith('aurora') ? 'aurora-postgresql' : 'postgres';
  }

  get family(): string {
    return `${this.engine}${this.#server.major}`;
  }

  get engineVersion(): string {
    return `${this.#server.major}.4`;
  }

  /** The environment with which the official SDK and the AWS command line speak to this fake. */
  get environment(): Record<string, string> {
    return {
      AWS_ENDPOINT_URL_RDS: this.url,
      AWS_ENDPOINT_URL_EC2: this.url,
      AWS_REGION: 'eu-central-1',
      AWS_ACCESS_KEY_ID: 'AKIDEXAMPLE',
      AWS_SECRET_ACCESS_KEY: 'example',
      AWS_EC2_METADATA_DISABLED: 'true',
    };
  }

  /** A custom group, attached to our database and to these others. */
  useGroup(name: string, values: Readonly<Record<string, string>> = {}, alsoOf: readonly string[] = []): void {
    const groups = this.clusters.has(this.id) ? this.clusterGroups : this.groups;
    groups.set(name, {
      name,
      family: this.family,
      description: 'of the platform team',
      isDefault: false,
      values: new Map(Object.entries(values)),
    });
    for (const other of alsoOf) {
      this.#addInstance(other, this.clusters.has(this.id) ? `default.${this.family}` : name, undefined);
      if (this.clusters.has(this.id))
        this.clusters.set(other, { id: other, group: name, writer: other, memberStatus: new Map([[other, inSync(name)]]) });
    }
    const cluster = this.clusters.get(this.id);
    if (cluster === undefined) this.instances.get(this.id)!.attachment.group = name;
    else {
      cluster.group = name;
      for (const attachment of cluster.memberStatus.values()) attachment.group = name;
    }
  }

  /** What is set, and what the next restart would make of it. */
  values(group = this.#mainGroup()): ReadonlyMap<string, string> {
    return (this.clusters.has(this.id) ? this.clusterGroups : this.groups).get(group)!.values;
  }

  operation(request: FakeRequest): string {
    return text(readForm(request.body), 'Action') ?? `${request.method} ${request.path}`;
  }

  async answer(request: FakeRequest, operation: string): Promise<FakeAnswer> {
    const form = readForm(request.body);
    const ec2 = text(form, 'Version') === '2016-11-15';
    const requestId = `00000000-0000-4000-8000-${String(++this.#request).padStart(12, '0')}`;
    try {
      const result = this.#do(operation, form);
      return ec2
        ? xml(
            200,
            `<${operation}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>${requestId}</requestId>${writeXml(result)}</${operation}Response>`,
          )
        : xml(
            200,
            `<${operation}Response xmlns="http://rds.amazonaws.com/doc/2014-10-31/">${result === undefined ? '' : `<${operation}Result>${writeXml(result)}</${operation}Result>`}<ResponseMetadata><RequestId>${requestId}</RequestId></ResponseMetadata></${operation}Response>`,
          );
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      return failure(error.status, error.code, error.message, ec2, requestId);
    }
  }

  throttled(): FakeAnswer {
    return failure(400, 'Throttling', 'Rate exceeded', false, '00000000-0000-4000-8000-000000000000');
  }

  busy(): FakeAnswer {
    return failure(
      400,
      'InvalidDBInstanceState',
      'Database instance is not in available state.',
      false,
      '00000000-0000-4000-8000-000000000000',
    );
  }

  // ------------------------------------------------------------------------------------------------ operations

  #do(operation: string, form: Form): Xml {
    switch (operation) {
      case 'DescribeDBInstances':
        return this.#describeInstances(text(form, 'DBInstanceIdentifier'));
      case 'DescribeDBClusters':
        return this.#describeClusters(text(form, 'DBClusterIdentifier'));
      case 'DescribeDBEngineVersions':
        return {
          DBEngineVersions: new List('DBEngineVersion', [
            {
              Engine: this.engine,
              EngineVersion: this.engineVersion,
              DBParameterGroupFamily: this.family,
              MajorEngineVersion: String(this.#server.major),
            },
          ]),
        };
      case 'DescribeDBParameterGroups':
        return {
          DBParameterGroups: new List(
            'DBParameterGroup',
            this.#groupsShown(this.groups, text(form, 'DBParameterGroupName'), 'DBParameterGroupName'),
          ),
        };
      case 'DescribeDBClusterParameterGroups':
        return {
          DBClusterParameterGroups: new List(
            'DBClusterParameterGroup',
            this.#groupsShown(this.clusterGroups, text(form, 'DBClusterParameterGroupName'), 'DBClusterParameterGroupName'),
          ),
        };
      case 'DescribeDBParameters':
        return this.#parameters(this.#group(this.groups, text(form, 'DBParameterGroupName')), form);
      case 'DescribeDBClusterParameters':
        return this.#parameters(this.#group(this.clusterGroups, text(form, 'DBClusterParameterGroupName')), form);
      case 'CreateDBParameterGroup':
        return { DBParameterGroup: this.#create(this.groups, form, 'DBParameterGroupName') };
      case 'CreateDBClusterParameterGroup':
        return { DBClusterParameterGroup: this.#create(this.clusterGroups, form, 'DBClusterParameterGroupName') };
      case 'CopyDBParameterGroup':
        return { DBParameterGroup: this.#copy(this.groups, form, 'DBParameterGroup') };
      case 'CopyDBClusterParameterGroup':
        return { DBClusterParameterGroup: this.#copy(this.clusterGroups, form, 'DBClusterParameterGroup') };
      case 'DeleteDBParameterGroup':
        return this.#remove(this.groups, text(form, 'DBParameterGroupName'));
      case 'DeleteDBClusterParameterGroup':
        return this.#remove(this.clusterGroups, text(form, 'DBClusterParameterGroupName'));
      case 'ModifyDBParameterGroup':
        return { DBParameterGroupName: this.#modifyGroup(this.#group(this.groups, text(form, 'DBParameterGroupName')), form) };
      case 'ModifyDBClusterParameterGroup':
        return {
          DBClusterParameterGroupName: this.#modifyGroup(this.#group(this.clusterGroups, text(form, 'DBClusterParameterGroupName')), form),
        };
      case 'ModifyDBInstance':
        return { DBInstance: this.#modifyInstance(form) };
      case 'ModifyDBCluster':
        return { DBCluster: this.#modifyCluster(form) };
      case 'RebootDBInstance':
        return { DBInstance: this.#reboot(this.#instance(text(form, 'DBInstanceIdentifier'))) };
      case 'RebootDBCluster':
        return { DBCluster: this.#rebootCluster(text(form, 'DBClusterIdentifier')) };
      case 'DescribeSecurityGroups':
        return {
          securityGroupInfo: new List(
            'item',
            members(form['GroupId']).map((id) => this.#securityGroupShown(id as string)),
          ),
        };
      case 'AuthorizeSecurityGroupIngress':
        return this.#authorise(form);
      case 'RevokeSecurityGroupIngress':
        return this.#revoke(form);
      default:
        throw new Refusal('InvalidAction', `The action ${operation} is not valid for this web service.`);
    }
  }

  #describeInstances(id: string | undefined): Xml {
    const shown = id === undefined ? [...this.instances.values()] : [this.#instance(id)];
    return {
      DBInstances: new List(
        'DBInstance',
        shown.map((instance) => this.#instanceShown(instance, true)),
      ),
    };
  }

  #describeClusters(id: string | undefined): Xml {
    const cluster = id === undefined ? undefined : this.clusters.get(id);
    if (id !== undefined && cluster === undefined) throw new Refusal('DBClusterNotFoundFault', `DBCluster ${id} not found.`, 404);
    const shown = cluster === undefined ? [...this.clusters.values()] : [cluster];
    return {
      DBClusters: new List(
        'DBCluster',
        shown.map((one) => this.#clusterShown(one, true)),
      ),
    };
  }

  #instanceShown(instance: Instance, look: boolean): Xml {
    if (look) this.#look(instance.attachment);
    return {
      DBInstanceIdentifier: instance.id,
      DBInstanceClass: this.kind === 'aurora-serverless-v2' ? 'db.serverless' : 'db.m7g.large',
      Engine: this.engine,
      DBInstanceStatus: this.#statusShown(instance, look),
      MasterUsername: this.#server.admin.user,
      DBName: this.#server.database,
      Endpoint: { Address: this.#server.host, Port: this.#server.port },
      AllocatedStorage: 100,
      VpcSecurityGroups: new List(
        'VpcSecurityGroupMembership',
        [...this.securityGroups.keys()].map((id) => ({ VpcSecurityGroupId: id, Status: 'active' })),
      ),
      DBParameterGroups: new List('DBParameterGroup', [
        { DBParameterGroupName: instance.attachment.group, ParameterApplyStatus: instance.attachment.status },
      ]),
      PendingModifiedValues: Object.fromEntries(instance.pendingModified),
      MultiAZ: false,
      EngineVersion: this.engineVersion,
      ReadReplicaSourceDBInstanceIdentifier: this.kind === 'read-replica' ? 'shop-primary' : undefined,
      PubliclyAccessible: this.publiclyAccessible,
      DBClusterIdentifier: instance.clusterId,
      DbiResourceId: `db-${instance.id.toUpperCase()}`,
      CACertificateIdentifier: 'rds-ca-rsa2048-g1',
      DBInstanceArn: `arn:aws:rds:eu-central-1:123456789012:db:${instance.id}`,
      MaxAllocatedStorage: this.maxAllocatedStorage,
    };
  }

  #clusterShown(cluster: Cluster, look: boolean): Xml {
    const statuses = [...cluster.memberStatus].map(([id, attachment]) => {
      if (look) this.#look(attachment);
      return {
        DBInstanceIdentifier: id,
        IsClusterWriter: id === cluster.writer,
        DBClusterParameterGroupStatus: attachment.status,
        PromotionTier: 1,
      };
    });
    const writer = this.instances.get(cluster.writer);
    return {
      AllocatedStorage: 1,
      DBClusterIdentifier: cluster.id,
      DBClusterParameterGroup: cluster.group,
      // An Aurora cluster stays available while a member reboots; a Multi-AZ cluster reboots as a whole.
      Status: this.kind === 'multi-az-cluster' && writer !== undefined ? this.#statusShown(writer, look) : 'available',
      Endpoint: this.#server.host,
      Engine: this.engine,
      EngineVersion: this.engineVersion,
      Port: this.#server.port,
      DBClusterMembers: new List('DBClusterMember', statuses),
      VpcSecurityGroups: new List(
        'VpcSecurityGroupMembership',
        [...this.securityGroups.keys()].map((id) => ({ VpcSecurityGroupId: id, Status: 'active' })),
      ),
      DBClusterArn: `arn:aws:rds:eu-central-1:123456789012:cluster:${cluster.id}`,
      EngineMode: this.kind === 'aurora-serverless-v1' ? 'serverless' : 'provisioned',
      ServerlessV2ScalingConfiguration: this.kind === 'aurora-serverless-v2' ? { MinCapacity: 0, MaxCapacity: 4 } : undefined,
      PubliclyAccessible: this.kind === 'multi-az-cluster' ? this.publiclyAccessible : undefined,
    };
  }

  #statusShown(instance: Instance, look: boolean): string {
    if (instance.looksBehind > 0) {
      if (look) instance.looksBehind--;
      return 'available';
    }
    if (look && instance.status === 'rebooting' && --instance.looksAway < 0) instance.back?.();
    return instance.status;
  }

  #look(attachment: Attachment): void {
    if (attachment.status !== 'applying' || --attachment.looksLeft > 0) return;
    attachment.status = attachment.waits ? 'pending-reboot' : 'in-sync';
  }

  #groupsShown(groups: Map<string, Group>, name: string | undefined, key: string): Xml[] {
    const shown = name === undefined ? [...groups.values()] : [this.#group(groups, name)];
    return shown.map((group) => groupShown(group, key));
  }

  #parameters(group: Group, form: Form): Xml {
    const start = Number(text(form, 'Marker') ?? 0);
    const userOnly = text(form, 'Source') === 'user';
    const all = RDS_PARAMETERS.filter(({ name }) => !userOnly || group.values.has(name));
    return {
      Parameters: new List(
        'Parameter',
        all.slice(start, start + PAGE).map((parameter) => ({
          ParameterName: parameter.name,
          ParameterValue: group.values.get(parameter.name) ?? parameter.initial,
          Description: parameter.name,
          Source: group.values.has(parameter.name) ? 'user' : parameter.initial === undefined ? 'engine-default' : 'system',
          ApplyType: parameter.applyType,
          DataType: parameter.dataType,
          AllowedValues: parameter.allowed,
          IsModifiable: parameter.modifiable,
          ApplyMethod: 'pending-reboot',
        })),
      ),
      Marker: start + PAGE < all.length ? String(start + PAGE) : undefined,
    };
  }

  #create(groups: Map<string, Group>, form: Form, key: string): Xml {
    const name = groupName(text(form, key));
    const family = text(form, 'DBParameterGroupFamily') ?? '';
    if (groups.has(name)) throw new Refusal('DBParameterGroupAlreadyExists', `Parameter group ${name} already exists`);
    if (family !== this.family)
      throw new Refusal('InvalidParameterValue', `ParameterGroupFamily ${family} is not a valid parameter group family`);
    const group: Group = { name, family, description: text(form, 'Description') ?? '', isDefault: false, values: new Map() };
    groups.set(name, group);
    return groupShown(group, key);
  }

  #copy(groups: Map<string, Group>, form: Form, kind: string): Xml {
    const source = this.#group(groups, text(form, `Source${kind}Identifier`));
    const name = groupName(text(form, `Target${kind}Identifier`));
    if (source.isDefault) throw new Refusal('InvalidParameterValue', 'Default parameter groups cannot be copied.');
    if (groups.has(name)) throw new Refusal('DBParameterGroupAlreadyExists', `Parameter group ${name} already exists`);
    const group: Group = {
      name,
      family: source.family,
      description: text(form, `Target${kind}Description`) ?? '',
      isDefault: false,
      values: new Map(source.values),
    };
    groups.set(name, group);
    return groupShown(group, `${kind}Name`);
  }

  #remove(groups: Map<string, Group>, name: string | undefined): Xml {
    const group = this.#group(groups, name);
    if (group.isDefault) throw new Refusal('InvalidDBParameterGroupState', 'A default parameter group cannot be deleted.');
    if (this.#attachments(group.name).length > 0)
      throw new Refusal(
        'InvalidDBParameterGroupState',
        'One or more database instances are still members of this parameter group, so the group cannot be deleted',
      );
    groups.delete(group.name);
    return undefined;
  }

  #modifyGroup(group: Group, form: Form): string {
    if (group.isDefault) throw new Refusal('InvalidParameterValue', 'Cannot modify a default parameter group.');
    if (this.#attachments(group.name).some(({ status }) => status === 'applying'))
      throw new Refusal('InvalidDBParameterGroupState', `The parameter group ${group.name} is being applied.`);
    const wanted = members(form['Parameters'], 'Parameter');
    if (wanted.length === 0 || wanted.length > 20)
      throw new Refusal('InvalidParameterValue', 'Between 1 and 20 parameters can be modified at once.');
    const accepted: { name: string; value: string; isStatic: boolean }[] = [];
    for (const one of wanted) {
      const [name, value, method] = ['ParameterName', 'ParameterValue', 'ApplyMethod'].map((key) =>
        typeof one === 'string' ? undefined : text(one, key),
      );
      const known = RDS_PARAMETERS.find((parameter) => parameter.name === name);
      if (known === undefined) throw new Refusal('InvalidParameterValue', `Could not find parameter with name: ${name}`);
      if (!known.modifiable) throw new Refusal('InvalidParameterValue', `The parameter ${name} cannot be modified.`);
      if (known.applyType === 'static' && method === 'immediate')
        throw new Refusal('InvalidParameterCombination', 'cannot use immediate apply method for static parameter');
      if (value === undefined || !isAllowed(value, known.allowed))
        throw new Refusal('InvalidParameterValue', `Invalid parameter value: ${value} for: ${name} allowed values are: ${known.allowed}`);
      accepted.push({ name: known.name, value, isStatic: known.applyType === 'static' || method === 'pending-reboot' });
    }
    for (const { name, value } of accepted) group.values.set(name, value);
    this.#attachments(group.name).forEach((attachment) =>
      applying(
        attachment,
        accepted.some(({ isStatic }) => isStatic),
      ),
    );
    return group.name;
  }

  #modifyInstance(form: Form): Xml {
    const instance = this.#instance(text(form, 'DBInstanceIdentifier'));
    this.#mustBeAvailable(instance);
    const group = text(form, 'DBParameterGroupName');
    if (group !== undefined) this.#group(this.groups, group);
    if (text(form, 'ApplyImmediately') === 'true') this.#letLoose(instance);
    if (group !== undefined && group !== instance.attachment.group) {
      instance.attachment.group = group;
      applying(instance.attachment, true);
    }
    return this.#instanceShown(instance, false);
  }

  #modifyCluster(form: Form): Xml {
    const cluster = this.#cluster(text(form, 'DBClusterIdentifier'));
    const group = text(form, 'DBClusterParameterGroupName');
    if (group !== undefined) this.#group(this.clusterGroups, group);
    for (const id of cluster.memberStatus.keys()) {
      this.#mustBeAvailable(this.#instance(id));
      if (text(form, 'ApplyImmediately') === 'true') this.#letLoose(this.#instance(id));
    }
    if (group !== undefined && group !== cluster.group) {
      cluster.group = group;
      for (const attachment of cluster.memberStatus.values()) {
        attachment.group = group;
        applying(attachment, true);
      }
    }
    return this.#clusterShown(cluster, false);
  }

  #reboot(instance: Instance): Xml {
    if (this.kind === 'multi-az-cluster') throw new Refusal('InvalidParameterCombination', 'Reboot the DB cluster instead.');
    this.#mustBeAvailable(instance);
    const shown = this.#instanceShown(instance, false);
    const cluster = instance.clusterId === undefined ? undefined : this.clusters.get(instance.clusterId);
    const attachments = [instance.attachment, cluster?.memberStatus.get(instance.id)].filter((one) => one !== undefined);
    this.#restart([instance], attachments, instance.id === this.id || instance.id === cluster?.writer);
    return shown;
  }

  #rebootCluster(id: string | undefined): Xml {
    const cluster = this.#cluster(id);
    if (this.kind !== 'multi-az-cluster') throw new Refusal('InvalidParameterCombination', 'RebootDBCluster is for Multi-AZ DB clusters.');
    const instances = [...cluster.memberStatus.keys()].map((member) => this.#instance(member));
    for (const instance of instances) this.#mustBeAvailable(instance);
    const shown = this.#clusterShown(cluster, false);
    this.#restart(instances, [...cluster.memberStatus.values(), ...instances.map(({ attachment }) => attachment)], true);
    return shown;
  }

  #restart(instances: readonly Instance[], attachments: readonly Attachment[], isOurs: boolean): void {
    this.reboots++;
    for (const instance of instances) {
      instance.looksBehind = LOOKS_BEHIND;
      instance.looksAway = LOOKS_AWAY;
      instance.back = undefined;
      instance.status = 'rebooting';
    }
    if (this.restartFails) return;
    const back = (status: string): void => {
      const returned = (): void => {
        for (const instance of instances) instance.status = status;
        if (status === 'available') for (const attachment of attachments) attachment.status = 'in-sync';
      };
      for (const instance of instances) instance.back = returned;
    };
    if (!isOurs) {
      back('available');
      return;
    }
    this.#server.configure(postgresSettings(this.values()));
    this.#server.restart().then(
      () => back('available'),
      () => back('incompatible-parameters'),
    );
  }

  #letLoose(instance: Instance): void {
    for (const [name, value] of instance.pendingModified) this.letLoose.push(`${name}=${value}`);
    instance.pendingModified.clear();
  }

  #mustBeAvailable(instance: Instance): void {
    if (instance.status !== 'available') throw new Refusal('InvalidDBInstanceState', `Instance ${instance.id} is not in available state.`);
  }

  // ------------------------------------------------------------------------------------------------ security groups

  #authorise(form: Form): Xml {
    const id = text(form, 'GroupId') ?? '';
    const permissions = this.#permissions(id);
    const added = readPermissions(form);
    for (const one of added) {
      if (permissions.some((old) => same(old, one)))
        throw new Refusal(
          'InvalidPermission.Duplicate',
          `the specified rule "peer: ${one.cidr}, ${one.protocol.toUpperCase()}, from port: ${one.from}, to port: ${one.to}, ALLOW" already exists`,
        );
    }
    permissions.push(...added);
    this.#openGate();
    return {
      return: true,
      securityGroupRuleSet: new List(
        'item',
        added.map((one, index) => ruleShown(id, one, index)),
      ),
    };
  }

  #revoke(form: Form): Xml {
    const id = text(form, 'GroupId') ?? '';
    const permissions = this.#permissions(id);
    for (const one of readPermissions(form)) {
      const at = permissions.findIndex((old) => same(old, one));
      if (at < 0) throw new Refusal('InvalidPermission.NotFound', 'The specified rule does not exist in this security group.');
      permissions.splice(at, 1);
    }
    this.#openGate();
    return { return: true };
  }

  allow(cidr: string, port = this.#server.port): void {
    this.#permissions([...this.securityGroups.keys()][0]!).push({ protocol: 'tcp', from: port, to: port, cidr, description: undefined });
    this.#openGate();
  }

  #openGate(): void {
    const admitted = [...this.securityGroups.values()]
      .flat()
      .filter(({ protocol, from, to }) => protocol === '-1' || (protocol === 'tcp' && from <= this.#server.port && this.#server.port <= to))
      .map(({ cidr }) => cidr);
    this.#server.gate.admit(this.publiclyAccessible ? admitted : []);
  }

  #securityGroupShown(id: string): Xml {
    return {
      groupId: id,
      groupName: 'database',
      groupDescription: 'database',
      ownerId: '123456789012',
      vpcId: 'vpc-0123456789abcdef0',
      ipPermissions: new List(
        'item',
        this.#permissions(id).map((one) => ({
          ipProtocol: one.protocol,
          fromPort: one.protocol === '-1' ? undefined : one.from,
          toPort: one.protocol === '-1' ? undefined : one.to,
          ipRanges: one.cidr.includes(':') ? undefined : new List('item', [{ cidrIp: one.cidr, description: one.description }]),
          ipv6Ranges: one.cidr.includes(':') ? new List('item', [{ cidrIpv6: one.cidr, description: one.description }]) : undefined,
        })),
      ),
    };
  }

  // ------------------------------------------------------------------------------------------------ state

  #mainGroup(): string {
    return this.clusters.get(this.id)?.group ?? this.instances.get(this.id)!.attachment.group;
  }

  #attachments(group: string): Attachment[] {
    return [
      ...[...this.instances.values()].map(({ attachment }) => attachment),
      ...[...this.clusters.values()].flatMap(({ memberStatus }) => [...memberStatus.values()]),
    ].filter((attachment) => attachment.group === group);
  }

  #addInstance(id: string, group: string, clusterId: string | undefined): void {
    this.instances.set(id, {
      id,
      attachment: inSync(group),
      clusterId,
      looksBehind: 0,
      looksAway: 0,
      back: undefined,
      status: 'available',
      pendingModified: new Map(),
    });
  }

  #defaultGroup(groups: Map<string, Group>, name: string): Group {
    const group: Group = {
      name,
      family: this.family,
      description: `Default parameter group for ${this.family}`,
      isDefault: true,
      values: new Map(),
    };
    groups.set(name, group);
    return group;
  }

  #group(groups: Map<string, Group>, name: string | undefined): Group {
    const group = groups.get((name ?? '').toLowerCase());
    if (group === undefined) throw new Refusal('DBParameterGroupNotFound', `DBParameterGroup not found: ${name}`, 404);
    return group;
  }

  #instance(id: string | undefined): Instance {
    const instance = this.instances.get(id ?? '');
    if (instance === undefined) throw new Refusal('DBInstanceNotFound', `DBInstance ${id} not found.`, 404);
    return instance;
  }

  #cluster(id: string | undefined): Cluster {
    const cluster = this.clusters.get(id ?? '');
    if (cluster === undefined) throw new Refusal('DBClusterNotFoundFault', `DBCluster ${id} not found.`, 404);
    return cluster;
  }

  #permissions(id: string): Permission[] {
    const permissions = this.securityGroups.get(id);
    if (permissions === undefined) throw new Refusal('InvalidGroup.NotFound', `The security group '${id}' does not exist`);
    return permissions;
  }
}

function inSync(group: string): Attachment {
  return { group, status: 'in-sync', looksLeft: 0, waits: false };
}

function applying(attachment: Attachment, waits: boolean): void {
  attachment.waits = waits || attachment.status === 'pending-reboot' || (attachment.status === 'applying' && attachment.waits);
  attachment.status = 'applying';
  attachment.looksLeft = LOOKS_APPLYING;
}

function groupShown(group: Group, key: string): Record<string, string> {
  return {
    [key]: group.name,
    DBParameterGroupFamily: group.family,
    Description: group.description,
    [key.replace('Name', 'Arn')]: `arn:aws:rds:eu-central-1:123456789012:pg:${group.name}`,
  };
}

function groupName(name: string | undefined): string {
  if (name === undefined || !/^[A-Za-z](?!.*--)[A-Za-z0-9-]{0,254}$/.test(name) || name.endsWith('-'))
    throw new Refusal(
      'InvalidParameterValue',
      'The parameter DBParameterGroupName is not a valid identifier. Identifiers must begin with a letter; must contain only ASCII letters, digits, and hyphens; and must not end with a hyphen or contain two consecutive hyphens.',
    );
  return name.toLowerCase();
}

function isAllowed(value: string, allowed: string | undefined): boolean {
  if (allowed === undefined) return true;
  const range = /^(-?\d+)-(\d+)$/.exec(allowed);
  if (range === null) return allowed.split(',').includes(value);
  return /^-?\d+$/.test(value) && Number(value) >= Number(range[1]) && Number(value) <= Number(range[2]);
}

function readPermissions(form: Form): Permission[] {
  return members(form['IpPermissions']).flatMap((permission) => {
    if (typeof permission === 'string') return [];
    const ranges = [...members(permission['IpRanges']), ...members(permission['Ipv6Ranges'])];
    return ranges.flatMap((range) =>
      typeof range === 'string'
        ? []
        : [
            {
              protocol: text(permission, 'IpProtocol') ?? '-1',
              from: Number(text(permission, 'FromPort') ?? 0),
              to: Number(text(permission, 'ToPort') ?? 65535),
              cidr: text(range, 'CidrIp') ?? text(range, 'CidrIpv6') ?? '',
              description: text(range, 'Description'),
            },
          ],
    );
  });
}

function same(a: Permission, b: Permission): boolean {
  return a.protocol === b.protocol && a.from === b.from && a.to === b.to && a.cidr === b.cidr;
}

function ruleShown(group: string, one: Permission, index: number): Xml {
  return {
    securityGroupRuleId: `sgr-${String(index + 1).padStart(17, '0')}`,
    groupId: group,
    groupOwnerId: '123456789012',
    isEgress: false,
    ipProtocol: one.protocol,
    fromPort: one.from,
    toPort: one.to,
    cidrIpv4: one.cidr.includes(':') ? undefined : one.cidr,
    cidrIpv6: one.cidr.includes(':') ? one.cidr : undefined,
    description: one.description,
  };
}

function xml(status: number, body: string): FakeAnswer {
  return { status, headers: { 'content-type': 'text/xml' }, body: `<?xml version="1.0" encoding="UTF-8"?>\n${body}` };
}

function failure(status: number, code: string, message: string, ec2: boolean, requestId: string): FakeAnswer {
  return ec2
    ? xml(
        status,
        `<Response><Errors><Error><Code>${code}</Code><Message>${writeXml(message)}</Message></Error></Errors><RequestID>${requestId}</RequestID></Response>`,
      )
    : xml(
        status,
        `<ErrorResponse xmlns="http://rds.amazonaws.com/doc/2014-10-31/"><Error><Type>Sender</Type><Code>${code}</Code><Message>${writeXml(message)}</Message></Error><RequestId>${requestId}</RequestId></ErrorResponse>`,
      );
}
