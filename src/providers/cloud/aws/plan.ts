/**
 * What has to be changed at RDS and in which order. Pure: what was seen, and what is wanted, to steps.
 *
 *     parameters:  ours alone → set there · default or shared → a group of our own (fresh, or a copy) → set → associate
 *     network:     one ingress rule an address that no rule covers
 *     restart:     the writer (Multi-AZ cluster: all), once, last
 *
 * A group that other databases use is never edited, and a change that somebody else has left pending is never let loose.
 */
import type { CloudWanted, ControlFacts } from '../../model.ts';
import { handStep } from '../../steps.ts';
import { covers, parseRange } from '../address.ts';
import { apiStep, MARK, provesOf, toRaise, type CallStep, type CloudStep } from '../steps.ts';
import type { Call } from './requests.ts';

export type Scope = 'instance' | 'cluster';

/** What RDS knows beyond what every control plane does. */
export interface AwsFacts {
  readonly scope: Scope;
  /** Of the instance, or of the cluster. */
  readonly id: string;
  readonly family: string;
  readonly group: string;
  readonly groupIsDefault: boolean;
  readonly groupDescription: string;
  /** The name for a group of our own, and what it is where it exists already. */
  readonly ownGroup: string;
  readonly ownGroupDescription: string | undefined;
  readonly applyStatus: string;
  readonly rebootWhole: boolean;
  readonly writer: string | undefined;
  readonly securityGroups: readonly string[];
  readonly securityGroupAffects: readonly string[];
  /** Rules on the database's port. */
  readonly rules: readonly { readonly group: string; readonly cidr: string; readonly description: string | undefined }[];
}

type Step = CallStep<Call>;
type Steps = CloudStep<Call>[];

const SWITCH = 'rds.logical_replication';

export function planAws(facts: ControlFacts, vendor: AwsFacts, wanted: CloudWanted): Steps {
  const values = missingValues(facts, wanted);
  const parameters = Object.keys(values).length === 0 ? [] : parameterSteps(facts, vendor, values);
  const network = networkSteps(facts, vendor, wanted);
  const waits = vendor.applyStatus === 'pending-reboot' || vendor.applyStatus === 'applying';
  const setNotLive = wanted.logicalDecoding && facts.parameters[SWITCH]?.value === 'on' && !wanted.logicalDecodingLive;
  const changesStatic = Object.keys(values).some((name) => facts.parameters[name]?.restarts !== false);
  const restart = changesStatic || waits || setNotLive ? [rebootStep(facts, vendor, setNotLive && !waits && !changesStatic)] : [];
  return [...parameters, ...network, ...restart];
}

/** In RDS's own spelling. */
function missingValues(facts: ControlFacts, wanted: CloudWanted): Record<string, string> {
  const values: Record<string, string> = {};
  if (wanted.logicalDecoding && facts.parameters[SWITCH]?.value !== 'on') values[SWITCH] = '1';
  for (const [name, least] of toRaise(facts.parameters, wanted.parameters)) values[name] = least;
  return values;
}

function parameterSteps(facts: ControlFacts, vendor: AwsFacts, values: Record<string, string>): Steps {
  const own = !vendor.groupIsDefault && facts.sharedWith.length === 0;
  if (own) return [setStep(vendor, vendor.group, values)];
  if (vendor.scope === 'cluster' && facts.pendingChanges.length > 0)
    return [
      handStep({
        id: 'aws.pending-changes',
        title: `Let the pending changes of ${vendor.id} be applied, or take them back: ${facts.pendingChanges.join(', ')}`,
        precondition: 'no modification of the cluster waits',
        request: `aws rds describe-db-clusters --db-cluster-identifier ${vendor.id}`,
        because: 'Associating a parameter group with a cluster applies at once, and that would let these changes loose, too.',
        affects: facts.pendingChanges,
        restarts: true,
      }),
    ];
  return [ownGroupStep(vendor, facts), setStep(vendor, vendor.ownGroup, values), associateStep(vendor, vendor.ownGroup, facts)];
}

/** What the description of a group of ours says: whose it is, and what was there before. */
function ownDescription(vendor: Pick<AwsFacts, 'id' | 'group'>): string {
  return `Made by Millrace for ${vendor.id} instead of ${vendor.group}`;
}

function formerGroup(description: string | undefined): string | undefined {
  return /^Made by Millrace for \S+ instead of (\S+)$/.exec(description ?? '')?.[1];
}

function ownGroupStep(vendor: AwsFacts, facts: ControlFacts): Step {
  const kind = kindOf(vendor.scope);
  const description = ownDescription(vendor);
  if (vendor.groupIsDefault)
    return apiStep<Call>({
      id: 'aws.parameter-group.create',
      title: `Create ${kind.words} ${vendor.ownGroup} (family ${vendor.family})`,
      proves: [],
      precondition: `no other group has the name ${vendor.ownGroup}`,
      request: `Create${kind.api}{${kind.api}Name=${vendor.ownGroup}, DBParameterGroupFamily=${vendor.family}}`,
      call: { kind: 'create-group', scope: vendor.scope, name: vendor.ownGroup, family: vendor.family, description },
      texts: {
        cli: `aws rds create-${kind.cli} --${kind.cli}-name ${vendor.ownGroup} --db-parameter-group-family ${vendor.family} --description '${description}'`,
        console: `RDS → Parameter groups → Create parameter group: family ${vendor.family}, type ${kind.console}, name ${vendor.ownGroup}`,
        terraform: `resource "${kind.terraform}" "millrace" {\n  name   = "${vendor.ownGroup}"\n  family = "${vendor.family}"\n}`,
      },
    });
  return apiStep<Call>({
    id: 'aws.parameter-group.copy',
    title: `Copy ${kind.words} ${vendor.group} to ${vendor.ownGroup}, because ${facts.sharedWith.join(', ')} ${facts.sharedWith.length === 1 ? 'uses' : 'use'} it too`,
    precondition: `no other group has the name ${vendor.ownGroup}`,
    request: `Copy${kind.api}{Source${kind.api}Identifier=${vendor.group}, Target${kind.api}Identifier=${vendor.ownGroup}}`,
    call: { kind: 'copy-group', scope: vendor.scope, source: vendor.group, name: vendor.ownGroup, family: vendor.family, description },
    texts: {
      cli: `aws rds copy-${kind.cli} --source-${kind.cli}-identifier ${vendor.group} --target-${kind.cli}-identifier ${vendor.ownGroup} --target-${kind.cli}-description '${description}'`,
      console: `RDS → Parameter groups → ${vendor.group} → Actions → Copy: name ${vendor.ownGroup}`,
      terraform: `# a copy of ${vendor.group}, with the same parameters\nresource "${kind.terraform}" "millrace" {\n  name   = "${vendor.ownGroup}"\n  family = "${vendor.family}"\n}`,
    },
  });
}

function setStep(vendor: AwsFacts, group: string, values: Record<string, string>): Step {
  const kind = kindOf(vendor.scope);
  const list = Object.entries(values);
  return apiStep<Call>({
    id: 'aws.parameter-group.set',
    title: `Set ${list.map(([name, value]) => `${name} = ${value}`).join(', ')} in ${group}`,
    proves: provesOf(Object.keys(values), SWITCH),
    precondition: `${kind.words} ${group} exists and is no default`,
    request: `Modify${kind.api}{${kind.api}Name=${group}, Parameters=[${list.map(([name, value]) => `${name}=${value} pending-reboot`).join(', ')}]}`,
    cost: SWITCH in values ? 'More WAL; a slot that nobody reads keeps WAL until the disk is full.' : 'A little shared memory.',
    call: { kind: 'set-parameters', scope: vendor.scope, group, values },
    texts: {
      cli: `aws rds modify-${kind.cli} --${kind.cli}-name ${group} --parameters ${list.map(([name, value]) => `'ParameterName=${name},ParameterValue=${value},ApplyMethod=pending-reboot'`).join(' ')}`,
      console: `RDS → Parameter groups → ${group} → Edit: ${list.map(([name, value]) => `${name} = ${value}`).join(', ')}`,
      terraform: list
        .map(
          ([name, value]) =>
            `  parameter {\n    name         = "${name}"\n    value        = "${value}"\n    apply_method = "pending-reboot"\n  }`,
        )
        .join('\n'),
    },
  });
}

function associateStep(vendor: AwsFacts, group: string, facts: ControlFacts): Step {
  const kind = kindOf(vendor.scope);
  // RDS switches an instance's group at once either way, so nothing else that is pending is let loose.
  const immediately = vendor.scope === 'cluster';
  return apiStep<Call>({
    id: 'aws.parameter-group.associate',
    title: `Use ${group} for ${vendor.id} instead of ${vendor.group}`,
    proves: ['C08'],
    precondition: `${vendor.id} is available`,
    request: `Modify${kind.owner}{${kind.owner}Identifier=${vendor.id}, ${kind.api}Name=${group}, ApplyImmediately=${immediately}}`,
    affects: facts.pendingChanges.length === 0 ? [] : [`pending and left pending: ${facts.pendingChanges.join(', ')}`],
    call: { kind: 'associate', scope: vendor.scope, id: vendor.id, group, immediately },
    texts: {
      cli: `aws rds modify-${kind.ownerCli} --${kind.ownerCli}-identifier ${vendor.id} --${kind.cli}-name ${group} --${immediately ? '' : 'no-'}apply-immediately`,
      console: `RDS → Databases → ${vendor.id} → Modify → Additional configuration → ${kind.words}: ${group}`,
      terraform: `# in the ${kind.ownerCli}\n  ${vendor.scope === 'cluster' ? 'db_cluster_parameter_group_name' : 'parameter_group_name'} = "${group}"`,
    },
  });
}

function networkSteps(facts: ControlFacts, vendor: AwsFacts, wanted: CloudWanted): Steps {
  return wanted.allow
    .filter((address) => !vendor.rules.some(({ cidr }) => covers(cidr, address)))
    .map((address) => {
      const group = vendor.securityGroups[0];
      const range = parseRange(address);
      const fixed =
        facts.network.fixed ??
        (group === undefined
          ? 'no security group is attached'
          : range === undefined
            ? `${address} is no address`
            : !facts.network.publicAccess && !isPrivate(address)
              ? `${vendor.id} has no public address, so a rule alone lets nobody in from the Internet`
              : undefined);
      const cli = (id: string): string =>
        `aws ec2 authorize-security-group-ingress --group-id ${id} --ip-permissions 'IpProtocol=tcp,FromPort=${wanted.port},ToPort=${wanted.port},${address.includes(':') ? 'Ipv6Ranges=[{CidrIpv6' : 'IpRanges=[{CidrIp'}=${address},Description=${MARK}}]'`;
      const common = {
        id: `aws.security-group.allow ${address}`,
        proves: ['C01', 'C04'] as const,
        precondition: 'no rule covers the address yet',
        texts: {
          cli: cli(group ?? '<security group>'),
          console: `EC2 → Security groups → ${group ?? '<security group>'} → Edit inbound rules: PostgreSQL, port ${wanted.port}, source ${address}`,
          terraform: `resource "aws_vpc_security_group_ingress_rule" "millrace" {\n  security_group_id = "${group ?? '<security group>'}"\n  cidr_${address.includes(':') ? 'ipv6' : 'ipv4'} = "${address}"\n  ip_protocol = "tcp"\n  from_port   = ${wanted.port}\n  to_port     = ${wanted.port}\n}`,
        },
      };
      if (fixed !== undefined || group === undefined)
        return handStep({ ...common, title: `Let ${address} reach port ${wanted.port}`, request: common.texts.cli, because: `${fixed}.` });
      return apiStep<Call>({
        ...common,
        title: `Let ${address} reach port ${wanted.port} (security group ${group})`,
        request: `AuthorizeSecurityGroupIngress{GroupId=${group}, tcp ${wanted.port}, ${address}}`,
        affects: vendor.securityGroupAffects,
        call: { kind: 'ingress', group, address, port: wanted.port },
      });
    });
}

function rebootStep(facts: ControlFacts, vendor: AwsFacts, unconditional: boolean): Step {
  const id = vendor.rebootWhole ? vendor.id : (vendor.writer ?? vendor.id);
  return apiStep<Call>({
    id: 'aws.reboot',
    title: `Reboot ${id}${vendor.rebootWhole ? ' (the whole cluster)' : vendor.scope === 'cluster' ? ' (the writer)' : ''}`,
    proves: ['C08', 'C09'],
    precondition: `${id} is available, nothing is applying`,
    request: vendor.rebootWhole ? `RebootDBCluster{DBClusterIdentifier=${id}}` : `RebootDBInstance{DBInstanceIdentifier=${id}}`,
    restarts: true,
    reversible: false,
    affects: [
      `every connection to ${id} is cut`,
      ...(facts.pendingChanges.length === 0 ? [] : [`also pending: ${facts.pendingChanges.join(', ')}`]),
    ],
    cost: 'Usually one to five minutes without the database. It never happens by itself in the maintenance window.',
    call: { kind: 'reboot', scope: vendor.scope, id: vendor.id, reboot: id, whole: vendor.rebootWhole, unconditional },
    texts: {
      cli: vendor.rebootWhole
        ? `aws rds reboot-db-cluster --db-cluster-identifier ${id}`
        : `aws rds reboot-db-instance --db-instance-identifier ${id}`,
      console: `RDS → Databases → ${id} → Actions → Reboot (without failover)`,
      terraform: '# Terraform does not reboot: use the console or the command line.',
    },
  });
}

/** Back to the former group, a reboot, our group away, our rules away (last: this very connection may come in through one). */
export function undoAws(facts: ControlFacts, vendor: AwsFacts): Steps {
  const steps: Steps = [];
  const former = formerGroup(vendor.groupDescription);
  if (former !== undefined) {
    steps.push({ ...associateStep(vendor, former, facts), id: 'aws.undo.associate' });
    steps.push({ ...rebootStep(facts, vendor, false), id: 'aws.undo.reboot' });
  } else if (vendor.applyStatus === 'pending-reboot' && formerGroup(vendor.ownGroupDescription) !== undefined)
    steps.push({ ...rebootStep(facts, vendor, false), id: 'aws.undo.reboot' });
  const own = former !== undefined ? vendor.group : formerGroup(vendor.ownGroupDescription) !== undefined ? vendor.ownGroup : undefined;
  const kind = kindOf(vendor.scope);
  if (own !== undefined)
    steps.push(
      apiStep<Call>({
        id: 'aws.undo.delete-group',
        title: `Delete ${kind.words} ${own}`,
        precondition: 'nothing uses it',
        request: `Delete${kind.api}{${kind.api}Name=${own}}`,
        reversible: false,
        call: { kind: 'delete-group', scope: vendor.scope, name: own },
        texts: { cli: `aws rds delete-${kind.cli} --${kind.cli}-name ${own}` },
      }),
    );
  for (const rule of vendor.rules.filter(({ description }) => description === MARK))
    steps.push(
      apiStep<Call>({
        id: `aws.undo.revoke ${rule.cidr}`,
        title: `Take back the rule for ${rule.cidr} in ${rule.group}`,
        precondition: 'the rule bears our mark',
        request: `RevokeSecurityGroupIngress{GroupId=${rule.group}, ${rule.cidr}}`,
        call: { kind: 'revoke', group: rule.group, address: rule.cidr },
      }),
    );
  return steps;
}

function isPrivate(address: string): boolean {
  return ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16', '127.0.0.0/8', 'fc00::/7'].some((range) => covers(range, address));
}

/** How RDS names the group of a database, in its API, its command line and its console. */
const KINDS = {
  cluster: {
    api: 'DBClusterParameterGroup',
    owner: 'DBCluster',
    cli: 'db-cluster-parameter-group',
    ownerCli: 'db-cluster',
    console: 'DB cluster parameter group',
    words: 'cluster parameter group',
    terraform: 'aws_rds_cluster_parameter_group',
  },
  instance: {
    api: 'DBParameterGroup',
    owner: 'DBInstance',
    cli: 'db-parameter-group',
    ownerCli: 'db-instance',
    console: 'DB parameter group',
    words: 'parameter group',
    terraform: 'aws_db_parameter_group',
  },
} as const;

export function kindOf(scope: Scope): (typeof KINDS)[Scope] {
  return KINDS[scope];
}
