/** What Azure's answers mean, without asking anything: one server as it is now, its parameters and its firewall. Used by `client.ts`. */
import type { ControlFacts, ControlParameter } from '../../model.ts';
import { covers } from '../address.ts';
import { spelled } from '../steps.ts';
import type { AzureName, Configuration, FirewallRule, Server } from './calls.ts';

const KEPT =
  /^(wal_level|max_replication_slots|max_wal_senders|max_worker_processes|max_logical_replication_workers|max_slot_wal_keep_size|wal_sender_timeout|require_secure_transport|idle_replication_slot_timeout|sync_replication_slots|hot_standby_feedback)$/;
export const STOPPED = /^(Stopped|Stopping|Disabled|Dropping|Inaccessible)$/;

export function isIsolated({ network }: Server): boolean {
  return network?.delegatedSubnetResourceId !== undefined || network?.publicNetworkAccess === 'Disabled';
}

export function factsOf(
  name: AzureName,
  server: Server,
  configurations: readonly Configuration[],
  rules: readonly FirewallRule[],
): ControlFacts {
  const isolated = isIsolated(server);
  const state = server.state ?? 'unknown';
  return {
    provider: 'azure',
    variant: 'flexible',
    resource: name.server,
    refused: STOPPED.test(state)
      ? {
          reason: `the server is ${state}`,
          wayOut: `az postgres flexible-server start --resource-group ${name.group} --name ${name.server}`,
        }
      : undefined,
    parameters: Object.fromEntries(configurations.filter((one) => KEPT.test(one.name ?? '')).map((one) => [one.name, parameter(one)])),
    sharedWith: [],
    pendingChanges: configurations
      .filter((one) => one.isConfigPendingRestart === true && !KEPT.test(one.name ?? ''))
      .map((one) => `${one.name}=${one.value}`),
    network: {
      publicAccess: !isolated,
      rules: rules.map((rule) => ({
        id: rule.name ?? '',
        source: allOfAzure(rule) ? 'all of Azure' : `${rule.startIpAddress}-${rule.endIpAddress}`,
      })),
      fixed: isolated ? 'the server is in a virtual network (or without public access), where firewall rules do not apply' : undefined,
    },
  };
}

/** A parameter that matters to replication and is set, but not live. */
export function waitsForRestart(one: Configuration): boolean {
  return one.isConfigPendingRestart === true && KEPT.test(one.name ?? '');
}

function allOfAzure(rule: FirewallRule): boolean {
  return rule.startIpAddress === '0.0.0.0' && rule.endIpAddress === '0.0.0.0';
}

export function letsIn(rule: FirewallRule, address: string): boolean {
  return !allOfAzure(rule) && covers(`${rule.startIpAddress}-${rule.endIpAddress}`, address);
}

function parameter(one: Configuration): ControlParameter {
  return {
    value: spelled(one.value, one.dataType === 'Boolean'),
    pendingRestart: one.isConfigPendingRestart === true,
    restarts: one.isDynamicConfig !== true,
    modifiable: one.isReadOnly !== true,
  };
}
