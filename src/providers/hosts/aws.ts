/** What Amazon RDS and Aurora have in common: parameter groups, security groups, and the role that grants replication. Used by `rds.ts` and `aurora.ts` only. */
import type { Mends } from '../model.ts';

const EDIT_COST =
  'A restart of the writer (no maintenance window does it). A parameter group may serve other instances: they get the change at their next restart, too. Later: somewhat more WAL.';

/** `command`: what a group belongs to. `engine`, as DescribeDBEngineVersions knows it: which family a version has is AWS's to say, and never built from its number. */
export function awsMends(command: 'db' | 'db-cluster', engine: 'postgres' | 'aurora-postgresql'): Mends {
  const cluster = command === 'db-cluster';
  const name = 'millrace-logical';
  const identifier = cluster ? '--db-cluster-identifier' : '--db-instance-identifier';
  const groupOption = cluster ? '--db-cluster-parameter-group-name' : '--db-parameter-group-name';
  const setParameter = (group: string, parameter: string, value: string): string =>
    `aws rds modify-${command}-parameter-group ${groupOption} ${group} --parameters "ParameterName=${parameter},ParameterValue=${value},ApplyMethod=pending-reboot"`;
  const group = cluster ? 'aws_rds_cluster_parameter_group' : 'aws_db_parameter_group';
  const reboot = (resource: string): string =>
    `aws rds reboot-db-instance --db-instance-identifier ${cluster ? '<writer instance>' : resource}`;
  return {
    logical_decoding(_need, { versionNum, resource }) {
      const version = engineVersion(versionNum);
      const family = `$(aws rds describe-db-engine-versions --engine ${engine} --engine-version ${version} --query 'DBEngineVersions[0].DBParameterGroupFamily' --output text)`;
      return {
        cli: [
          `aws rds create-${command}-parameter-group ${groupOption} ${name} --db-parameter-group-family "${family}" --description "logical replication"`,
          setParameter(name, 'rds.logical_replication', '1'),
          `aws rds modify-${cluster ? 'db-cluster' : 'db-instance'} ${identifier} ${resource} ${groupOption} ${name}${cluster ? ' --apply-immediately' : ''}`,
          reboot(resource),
        ].join('\n'),
        console: `RDS → Parameter groups → Create (the family that aws rds describe-db-engine-versions --engine ${engine} --engine-version ${version} names${cluster ? ', type DB cluster parameter group' : ''}) → set rds.logical_replication = 1 → ${cluster ? 'Databases → the cluster' : 'Databases → the instance'} → Modify → ${cluster ? 'DB cluster parameter group' : 'DB parameter group'} → apply → reboot the ${cluster ? 'writer' : 'instance'}.`,
        terraform: `data "aws_rds_engine_version" "present" {\n  engine  = "${engine}"\n  version = "${version}"\n}\nresource "${group}" "${name.replace('-', '_')}" {\n  name   = "${name}"\n  family = data.aws_rds_engine_version.present.parameter_group_family\n  parameter {\n    name         = "rds.logical_replication"\n    value        = "1"\n    apply_method = "pending-reboot"\n  }\n}\n# then: ${cluster ? 'db_cluster_parameter_group_name' : 'parameter_group_name'} = ${group}.${name.replace('-', '_')}.name, and reboot: Terraform does not`,
        cost: EDIT_COST,
      };
    },
    restart: (_need, { resource }) => ({
      cli: reboot(resource),
      console: `RDS → Databases → ${cluster ? 'the writer instance' : 'the instance'} → Actions → Reboot (without failover).`,
      cost: 'Every client is disconnected, usually for less than a minute. Other changes that wait for a restart take effect, too.',
      link: 'https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/USER_RebootInstance.html',
    }),
    parameter(need, { resource }) {
      const value = awsValue(need.name, need.value);
      return {
        cli: setParameter('<group>', need.name, value) + (need.restarts ? `\n${reboot(resource)}` : ''),
        console: `RDS → Parameter groups → the group of this ${cluster ? 'cluster' : 'instance'} → ${need.name} = ${value}${need.restarts ? ' → reboot' : ''}.`,
        terraform: `parameter {\n  name         = "${need.name}"\n  value        = "${value}"\n  apply_method = "${need.restarts ? 'pending-reboot' : 'immediate'}"\n}`,
        cost: need.restarts ? EDIT_COST : 'No restart. A parameter group may serve other instances, which change, too.',
      };
    },
    address(need, facts) {
      const source = need.cidr ?? '<this machine’s public address>/32';
      const ranges = source.includes(':')
        ? `Ipv6Ranges=[{CidrIpv6=${source},Description=millrace}]`
        : `IpRanges=[{CidrIp=${source},Description=millrace}]`;
      return {
        cli: `aws ec2 authorize-security-group-ingress --group-id <security group> --ip-permissions 'IpProtocol=tcp,FromPort=${facts.port},ToPort=${facts.port},${ranges}'`,
        console: `RDS → Databases → ${facts.resource} → Connectivity & security → the VPC security group → Edit inbound rules → PostgreSQL, port ${facts.port}, source ${source}. A private database (Publicly accessible: No) is reached from inside its VPC only.`,
        terraform: `resource "aws_vpc_security_group_ingress_rule" "millrace" {\n  security_group_id = "<security group>"\n  ip_protocol       = "tcp"\n  from_port         = ${facts.port}\n  to_port           = ${facts.port}\n  ${source.includes(':') ? 'cidr_ipv6' : 'cidr_ipv4'}         = "${source}"\n}`,
        cost: 'No restart. Only that address is let in; the security group may serve other machines, which are opened to it, too.',
        link: 'https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Overview.RDSSecurityGroups.html',
      };
    },
    direct_host: {
      console: `Use the ${cluster ? 'writer endpoint of the cluster' : 'endpoint of the instance'}, not one of RDS Proxy (….proxy-….rds.amazonaws.com).`,
      link: 'https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/rds-proxy.html',
    },
    primary: {
      console: cluster
        ? 'Use the writer endpoint (….cluster-….rds.amazonaws.com), never the reader’s (….cluster-ro-…).'
        : 'Use the endpoint of the primary instance, not of a read replica.',
    },
    tls: (need) => ({
      console:
        need.sslmode === 'require'
          ? 'Add ?sslmode=require to the URL (RDS demands TLS from Postgres 15 on: rds.force_ssl = 1).'
          : `curl -O https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem, then ?sslmode=${need.sslmode}&sslrootcert=global-bundle.pem`,
      link: 'https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/PostgreSQL.Concepts.General.SSL.html',
    }),
  };
}

/** As AWS writes it: 160004 is 16.4. */
function engineVersion(versionNum: number): string {
  return versionNum < 100_000 ? '<engine version>' : `${Math.floor(versionNum / 10_000)}.${versionNum % 10_000}`;
}

/** AWS takes 1 and 0 for booleans, MB for max_slot_wal_keep_size, milliseconds for time-outs. */
function awsValue(name: string, value: string): string {
  if (name === 'max_slot_wal_keep_size') return String(Number(value.replace('GB', '')) * 1024);
  if (name === 'wal_sender_timeout') return '60000';
  return value;
}
