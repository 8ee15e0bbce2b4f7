/** A step's call to the one request that carries it out, and its name. */
import { must } from '../../../base/assert.ts';
import { bounds, parseRange } from '../address.ts';
import type { AzureName, Client, Options, Poller } from './calls.ts';

export type Call =
  | { readonly kind: 'set'; readonly name: string; readonly value: string }
  | { readonly kind: 'firewall'; readonly rule: string; readonly address: string }
  | { readonly kind: 'firewall-delete'; readonly rule: string }
  | { readonly kind: 'restart'; readonly unconditional: boolean };

export const OPERATIONS: Readonly<Record<Call['kind'], string>> = {
  set: 'PATCH configuration',
  firewall: 'PUT firewallRule',
  'firewall-delete': 'DELETE firewallRule',
  restart: 'POST restart',
};

export function request(client: Client, { group, server }: AzureName, call: Call, options: Options): Promise<Poller> {
  switch (call.kind) {
    case 'set':
      return client.configurations.beginUpdate(group, server, call.name, { value: call.value, source: 'user-override' }, options);
    case 'firewall': {
      const { first, last } = bounds(must(parseRange(call.address), 'an address'));
      return client.firewallRules.beginCreateOrUpdate(group, server, call.rule, { startIpAddress: first, endIpAddress: last }, options);
    }
    case 'firewall-delete':
      return client.firewallRules.beginDelete(group, server, call.rule, options);
    case 'restart':
      return client.servers.beginRestart(group, server, options);
  }
}
