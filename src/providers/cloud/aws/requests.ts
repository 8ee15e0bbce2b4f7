/** A step's call, as plain data, to the one request that carries it out. */
import { assert, must } from '../../../base/assert.ts';
import { parseRange } from '../address.ts';
import { MARK } from '../steps.ts';
import type { IpPermission, Operation } from './calls.ts';
import { kindOf, type Scope } from './plan.ts';

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
      const { api } = kindOf(call.scope);
      return [`Create${api}`, { [`${api}Name`]: call.name, DBParameterGroupFamily: call.family, Description: call.description }];
    }
    case 'copy-group': {
      const { api } = kindOf(call.scope);
      const [from, to] = [`Source${api}Identifier`, `Target${api}Identifier`];
      return [`Copy${api}`, { [from]: call.source, [to]: call.name, [`Target${api}Description`]: call.description }];
    }
    case 'set-parameters': {
      const { api } = kindOf(call.scope);
      const Parameters = Object.entries(call.values).map(([ParameterName, ParameterValue]) => ({
        ParameterName,
        ParameterValue,
        ApplyMethod: 'pending-reboot',
      }));
      assert(Parameters.length <= 20, 'RDS takes 20 parameters at once');
      return [`Modify${api}`, { [`${api}Name`]: call.group, Parameters }];
    }
    case 'associate': {
      const { api, owner } = kindOf(call.scope);
      return [`Modify${owner}`, { [`${owner}Identifier`]: call.id, [`${api}Name`]: call.group, ApplyImmediately: call.immediately }];
    }
    case 'delete-group': {
      const { api } = kindOf(call.scope);
      return [`Delete${api}`, { [`${api}Name`]: call.name }];
    }
    case 'ingress':
      return ['AuthorizeSecurityGroupIngress', { GroupId: call.group, IpPermissions: [permission(call.address, call.port)] }];
    case 'revoke':
      return ['RevokeSecurityGroupIngress', { GroupId: call.group, IpPermissions: [permission(call.address, port)] }];
    case 'reboot':
      return call.whole
        ? ['RebootDBCluster', { DBClusterIdentifier: call.reboot }]
        : ['RebootDBInstance', { DBInstanceIdentifier: call.reboot }];
  }
}

function permission(address: string, port: number): IpPermission {
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
