/** A step's call, as plain data, to the one request that carries it out. */
import { assert, must, unreachable } from '../../../base/assert.ts';
import { parseRange } from '../address.ts';
import { MARK } from '../steps.ts';
import type { IpPermission, Operation } from './calls.ts';
import type { Scope } from './plan.ts';

export type Call =
  | { kind: 'create-group'; scope: Scope; name: string; family: string; description: string }
  | { kind: 'copy-group'; scope: Scope; source: string; name: string; family: string; description: string }
  | { kind: 'set-parameters'; scope: Scope; group: string; values: Record<string, string> }
  | { kind: 'associate'; scope: Scope; id: string; group: string; immediately: boolean }
  | { kind: 'delete-group'; scope: Scope; name: string }
  | { kind: 'ingress'; group: string; address: string; port: number }
  | { kind: 'revoke'; group: string; address: string }
  | { kind: 'reboot'; scope: Scope; id: string; reboot: string; whole: boolean; unconditional: boolean };

export function request(call: Call, port: number): [Operation, object] {
  switch (call.kind) {
    case 'create-group': {
      const { scope, name, family, description } = call;
      return scope === 'cluster'
        ? ['CreateDBClusterParameterGroup', { DBClusterParameterGroupName: name, DBParameterGroupFamily: family, Description: description }]
        : ['CreateDBParameterGroup', { DBParameterGroupName: name, DBParameterGroupFamily: family, Description: description }];
    }
    case 'copy-group': {
      const { scope, source, name, description } = call;
      return scope === 'cluster'
        ? [
            'CopyDBClusterParameterGroup',
            {
              SourceDBClusterParameterGroupIdentifier: source,
              TargetDBClusterParameterGroupIdentifier: name,
              TargetDBClusterParameterGroupDescription: description,
            },
          ]
        : [
            'CopyDBParameterGroup',
            {
              SourceDBParameterGroupIdentifier: source,
              TargetDBParameterGroupIdentifier: name,
              TargetDBParameterGroupDescription: description,
            },
          ];
    }
    case 'set-parameters': {
      const { scope, group, values } = call;
      const Parameters = Object.entries(values).map(([ParameterName, ParameterValue]) => ({
        ParameterName,
        ParameterValue,
        ApplyMethod: 'pending-reboot',
      }));
      assert(Parameters.length <= 20, 'RDS takes 20 parameters at once');
      return scope === 'cluster'
        ? ['ModifyDBClusterParameterGroup', { DBClusterParameterGroupName: group, Parameters }]
        : ['ModifyDBParameterGroup', { DBParameterGroupName: group, Parameters }];
    }
    case 'associate': {
      const { scope, id, group, immediately } = call;
      return scope === 'cluster'
        ? ['ModifyDBCluster', { DBClusterIdentifier: id, DBClusterParameterGroupName: group, ApplyImmediately: immediately }]
        : ['ModifyDBInstance', { DBInstanceIdentifier: id, DBParameterGroupName: group, ApplyImmediately: immediately }];
    }
    case 'delete-group': {
      const { scope, name } = call;
      return scope === 'cluster'
        ? ['DeleteDBClusterParameterGroup', { DBClusterParameterGroupName: name }]
        : ['DeleteDBParameterGroup', { DBParameterGroupName: name }];
    }
    case 'ingress':
      return ['AuthorizeSecurityGroupIngress', { GroupId: call.group, IpPermissions: [permission(call.address, call.port)] }];
    case 'revoke':
      return ['RevokeSecurityGroupIngress', { GroupId: call.group, IpPermissions: [permission(call.address, port)] }];
    case 'reboot':
      return call.whole
        ? ['RebootDBCluster', { DBClusterIdentifier: call.reboot }]
        : ['RebootDBInstance', { DBInstanceIdentifier: call.reboot }];
    default:
      return unreachable(call);
  }
}

export function permission(address: string, port: number): IpPermission {
  const range = must(parseRange(address), 'an address');
  const written = `${range.address}/${range.bits}`;
  return {
    IpProtocol: 'tcp',
    FromPort: port,
    ToPort: port,
    ...(range.family === 'ipv4'
      ? { IpRanges: [{ CidrIp: written, Description: MARK }] }
      : { Ipv6Ranges: [{ CidrIpv6: written, Description: MARK }] }),
  };
}
