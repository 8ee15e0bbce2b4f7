/** The parameters that the imitated RDS knows: what they are in RDS, and what Postgres setting each becomes at a restart. A few among hundreds of the real one; pages are small so that they are many. */

export interface RdsParameter {
  readonly name: string;
  readonly applyType: 'static' | 'dynamic';
  readonly dataType: 'boolean' | 'integer' | 'string';
  readonly modifiable: boolean;
  readonly allowed?: string;
  /** Undefined: the engine's default. */
  readonly initial?: string;
}

export const RDS_PARAMETERS: readonly RdsParameter[] = [
  { name: 'autovacuum', applyType: 'dynamic', dataType: 'boolean', modifiable: true, allowed: '0,1', initial: '1' },
  { name: 'max_connections', applyType: 'static', dataType: 'integer', modifiable: true, allowed: '6-8388607' },
  { name: 'max_logical_replication_workers', applyType: 'static', dataType: 'integer', modifiable: true, allowed: '0-262143' },
  { name: 'max_replication_slots', applyType: 'static', dataType: 'integer', modifiable: true, allowed: '5-8388607', initial: '20' },
  { name: 'max_slot_wal_keep_size', applyType: 'dynamic', dataType: 'integer', modifiable: true, allowed: '-1-2147483647' },
  { name: 'max_wal_senders', applyType: 'static', dataType: 'integer', modifiable: true, allowed: '5-8388607', initial: '20' },
  { name: 'max_worker_processes', applyType: 'static', dataType: 'integer', modifiable: true, allowed: '1-262143' },
  { name: 'rds.extensions', applyType: 'static', dataType: 'string', modifiable: false },
  { name: 'rds.force_ssl', applyType: 'dynamic', dataType: 'boolean', modifiable: true, allowed: '0,1', initial: '1' },
  { name: 'rds.logical_replication', applyType: 'static', dataType: 'boolean', modifiable: true, allowed: '0,1', initial: '0' },
  { name: 'wal_level', applyType: 'static', dataType: 'string', modifiable: false },
  { name: 'wal_sender_timeout', applyType: 'dynamic', dataType: 'integer', modifiable: true, allowed: '0-3600000' },
];

const PASSED_ON = [
  'max_connections',
  'max_logical_replication_workers',
  'max_replication_slots',
  'max_wal_senders',
  'max_worker_processes',
  'wal_sender_timeout',
];

/** What a restart writes into postgresql.conf. */
export function postgresSettings(values: ReadonlyMap<string, string>): Record<string, string | undefined> {
  const logical = values.get('rds.logical_replication') === '1';
  const settings: Record<string, string | undefined> = {
    'rds.logical_replication': logical ? 'on' : 'off',
    wal_level: logical ? 'logical' : 'replica',
  };
  for (const name of PASSED_ON) {
    const value = values.get(name);
    if (value !== undefined) settings[name] = value;
  }
  return settings;
}
