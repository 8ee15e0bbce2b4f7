/** What Cloud SQL's answers mean, without asking anything: one instance as it is now, and what runs on it. Used by `client.ts`. */
import type { ControlFacts, ControlParameter } from '../../model.ts';
import { spelled } from '../steps.ts';
import type { FlagKind, GcpName, Instance, Operation } from './calls.ts';

const KEPT =
  /^(cloudsql\.logical_decoding|cloudsql\.iam_authentication|max_replication_slots|max_wal_senders|max_worker_processes|max_logical_replication_workers|max_slot_wal_keep_size|wal_sender_timeout|idle_replication_slot_timeout)$/;

export function factsOf(name: GcpName, instance: Instance, kinds: readonly FlagKind[]): ControlFacts {
  const settings = instance.settings ?? {};
  const networks = settings.ipConfiguration?.authorizedNetworks ?? [];
  const state = instance.state ?? 'unknown';
  const stopped = settings.activationPolicy === 'NEVER' || state === 'SUSPENDED' || state === 'STOPPED';
  const isPublic = settings.ipConfiguration?.ipv4Enabled !== false;
  return {
    provider: 'cloudsql',
    variant: instance.masterInstanceName === undefined ? 'instance' : 'read-replica',
    resource: `${name.project}:${name.instance}`,
    refused: stopped
      ? {
          reason: `the instance is ${state === 'RUNNABLE' ? 'stopped' : state}`,
          wayOut: `gcloud sql instances patch ${name.instance} --activation-policy=ALWAYS --project ${name.project}`,
        }
      : undefined,
    parameters: Object.fromEntries(
      kinds
        .filter((kind) => KEPT.test(kind.name ?? ''))
        .map((kind) => [kind.name, parameter(kind, settings.databaseFlags?.find((flag) => flag.name === kind.name)?.value)]),
    ),
    sharedWith: [],
    pendingChanges: [],
    network: {
      publicAccess: isPublic,
      rules: networks.map((entry) => ({
        id: entry.name ?? entry.value ?? '',
        source: entry.value ?? '',
        ...(entry.name === undefined ? {} : { description: entry.name }),
      })),
      fixed: isPublic ? undefined : 'the instance has a private address only, where authorised networks do not apply',
    },
  };
}

function parameter(kind: FlagKind, value: string | undefined): ControlParameter {
  return {
    value: spelled(value ?? (kind.type === 'BOOLEAN' ? 'off' : undefined), kind.type === 'BOOLEAN'),
    pendingRestart: false,
    restarts: kind.requiresRestart === true,
    modifiable: true,
  };
}

export function mayRestart({ operationType }: Operation): boolean {
  return operationType === 'RESTART' || operationType === 'UPDATE';
}

export function isRunning({ status }: Operation): boolean {
  return status !== 'DONE';
}
