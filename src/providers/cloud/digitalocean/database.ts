/** What DigitalOcean's answers mean, without asking anything: one cluster as it is now, its configuration, rules and users. Used by `client.ts`. */
import type { ControlFacts, ControlParameter } from '../../model.ts';
import type { Config, Database, Rule, User } from './calls.ts';
import { RANGES } from './plan.ts';

const KEPT = [
  'max_replication_slots',
  'max_wal_senders',
  'max_slot_wal_keep_size',
  'wal_sender_timeout',
  'max_logical_replication_workers',
  'max_worker_processes',
];

export function factsOf(id: string, database: Database, config: Config, rules: readonly Rule[], users: readonly User[]): ControlFacts {
  return {
    provider: 'digitalocean',
    variant: undefined,
    resource: id,
    refused:
      database.engine === 'pg'
        ? undefined
        : {
            reason: `${database.name} is no PostgreSQL cluster (${database.engine})`,
            wayOut: 'Name the PostgreSQL cluster in --cloud do:ID.',
          },
    parameters: Object.fromEntries(KEPT.map((name) => [name, parameter(name, config)])),
    sharedWith: [],
    pendingChanges: [],
    network: {
      publicAccess: true,
      rules: rules.map((rule) => ({
        id: rule.uuid ?? rule.value,
        source: rule.type === 'ip_addr' ? rule.value : `${rule.type}:${rule.value}`,
        ...(rule.description === undefined ? {} : { description: rule.description }),
      })),
      fixed: undefined,
    },
    replicationUsers: users.filter(replicates).map(({ name }) => name),
  };
}

export function replicates(user: User): boolean {
  return user.role === 'primary' || user.settings?.pg_allow_replication === true;
}

export function text(value: unknown): string | undefined {
  return typeof value === 'number' || typeof value === 'string' ? String(value) : undefined;
}

function parameter(name: string, config: Config): ControlParameter {
  const range = RANGES[name];
  return {
    value: text(config[name]),
    pendingRestart: false,
    restarts: true,
    modifiable: range !== undefined || name === 'max_slot_wal_keep_size' || name === 'wal_sender_timeout',
  };
}
