/** A step's call, as plain data, to the one request that carries it out. */
import { assert, must, unreachable } from '../../../base/assert.ts';
import { parseRange } from '../address.ts';
import { MARK } from '../steps.ts';
import type { IpPermission, Operation } from './calls.ts';
import type { Scope } from './plan.ts';

export type Call =
  | { kind: 'create-group'; arguments: { scope: Scope; name: string; family: string; description: string } }
  | { kind: 'copy-group'; arguments: { scope: Scope; source: string; name: string; family: string; description: string } }
  | { kind: 'set-parameters'; arguments: { scope: Scope; group: string; values: Record<string, string> } }
  | { kind: 'associate'; arguments: { scope: Scope; id: string; group: string; immediately: boolean } }
  | { kind: 'delete-group'; arguments: { scope: Scope; name: string } }
  | { kind: 'ingress'; arguments: { group: string; address: string; port: number } }
  | { kind: 'revoke'; arguments: { group: string; address: string } }
  | { kind: 'reboot'; arguments: { scope: Scope; id: string; reboot: string; whole: boolean; unconditional: boolean } };

export function request(call: Call, port: number): [Operation, object] {
  switch (call.kind) {
    case 'create-group': {
      const { scope, name, family, description } = call.arguments;
      return scope === 'cluster'
        ? ['CreateDBClusterParameterGroup', { DBClusterParameterGroupName: name, DBParameterGroupFamily: family, Description: description }]
        : ['CreateDBParameterGroup', { DBParameterGroupName: name, DBParameterGroupFamily: family, Description: description }];
    }
    case 'copy-group': {
      const { scope, source, name, description } = call.arguments;
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
      const { scope, group, values } = call.arguments;
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
      const { scope, id, group, immediately } = call.arguments;
      return scope === 'cluster'
        ? ['ModifyDBCluster', { DBClusterIdentifier: id, DBClusterParameterGroupName: group, ApplyImmediately: immediately }]
        : ['ModifyDBInstance', { DBInstanceIdentifier: id, DBParameterGroupName: group, ApplyImmediately: immediately }];
    }
    case 'delete-group': {
      const { scope, name } = call.arguments;
      return scope === 'cluster'
        ? ['DeleteDBClusterParameterGroup', { DBClusterParameterGroupName: name }]
        : ['DeleteDBParameterGroup', { DBParameterGroupName: name }];
    }
    case 'ingress':
      return [
        'AuthorizeSecurityGroupIngress',
        { GroupId: call.arguments.group, IpPermissions: [permission(call.arguments.address, call.arguments.port)] },
      ];
    case 'revoke':
      return ['RevokeSecurityGroupIngress', { GroupId: call.arguments.group, IpPermissions: [permission(call.arguments.address, port)] }];
    case 'reboot':
      return call.arguments.whole
        ? ['RebootDBCluster', { DBClusterIdentifier: call.arguments.reboot }]
        : ['RebootDBInstance', { DBInstanceIdentifier: call.arguments.reboot }];
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
