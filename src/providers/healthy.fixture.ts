/** A database on which every check is content, to break one thing at a time. */
import type { Failure, Observed, ServerFacts, Setting, SlotFacts, TableFacts } from './facts.ts';

const setting = (value: string): Setting => ({ value, pendingRestart: false });

export const healthyServer: ServerFacts = {
  versionNum: 160_004,
  version: 'PostgreSQL 16.4 on x86_64-pc-linux-gnu',
  standby: false,
  tls: true,
  clientAddress: '203.0.113.7',
  encoding: 'UTF8',
  collation: { provider: 'libc', locale: 'C', version: undefined },
  walLevel: 'logical',
  settings: {
    wal_level: setting('logical'),
    max_replication_slots: setting('10'),
    max_wal_senders: setting('10'),
    max_worker_processes: setting('16'),
    max_logical_replication_workers: setting('4'),
    autovacuum_max_workers: setting('3'),
    max_parallel_workers: setting('8'),
    max_slot_wal_keep_size: setting('50GB'),
    wal_sender_timeout: setting('1min'),
    max_connections: setting('100'),
    superuser_reserved_connections: setting('3'),
  },
  slotsUsed: 0,
  sendersUsed: 0,
  connectionsUsed: 5,
  readOnly: false,
  session: { superuser: false, replication: true, bypassRls: false },
  oldTransactions: [],
  prepared: [],
  walBytesPerDay: 1024 ** 3,
  connectedAddresses: [],
  hostRules: undefined,
  publications: ['mz_source'],
};

export const healthyTable: TableFacts = {
  schema: 'public',
  name: 'orders',
  oid: 16_400,
  top: 16_400,
  kind: 'r',
  persistence: 'p',
  identity: 'd',
  primaryKey: true,
  identityUsable: true,
  identityCandidate: undefined,
  owned: true,
  owner: 'shop',
  maySelect: true,
  mayUseSchema: true,
  grantable: true,
  filtered: false,
  root: undefined,
  published: true,
  rowFilter: undefined,
  bytes: 8192,
  generatedColumns: [],
  virtualColumns: [],
  partitionedBy: [],
  keyGenerated: [],
  columnList: false,
  identityUnpublished: [],
  extensionColumns: [],
  columns: 3,
};

export const healthy: Observed = {
  target: { host: 'db.example.com', port: 5432, user: 'millrace', database: 'shop', sslmode: 'require' },
  asked: {
    consumer: 'millrace',
    publication: 'mz_source',
    publicationNamed: true,
    tables: [{ schema: 'public', name: 'orders' }],
    role: undefined,
    slotsNeeded: 2,
  },
  refusal: undefined,
  signals: { host: 'db.example.com', port: 5432, settings: {}, roles: [], functions: [], version: '', certificateIssuer: undefined },
  server: healthyServer,
  role: {
    name: 'millrace',
    superuser: false,
    replication: true,
    canLogin: true,
    bypassRls: false,
    connectionLimit: -1,
    sessions: [],
    replicationGroups: [],
    mayCreateInDatabase: false,
    mayConnect: true,
  },
  tables: [healthyTable],
  tablesCut: false,
  tablesMissing: [],
  publication: { name: 'mz_source', owned: true, allTables: false, viaRoot: false, missing: [], generatedColumns: false, tableCount: 1 },
  slots: [],
  probes: {
    identify: { outcome: 'passed' },
    slot: { outcome: 'passed' },
    publication: { outcome: 'skipped', because: 'the publication is there' },
  },
  control: undefined,
  controlFailure: undefined,
};

export type Change = Omit<Partial<Observed>, 'server' | 'asked' | 'probes' | 'role'> & {
  readonly server?: Partial<ServerFacts>;
  readonly asked?: Partial<Observed['asked']>;
  readonly probes?: Partial<Observed['probes']>;
  readonly role?: Partial<NonNullable<Observed['role']>>;
};

/** Healthy but for this. Settings are merged, too. */
export function broken(change: Change): Observed {
  const { server, asked, probes, role, ...rest } = change;
  return {
    ...healthy,
    ...rest,
    server: { ...healthyServer, ...server, settings: { ...healthyServer.settings, ...server?.settings } },
    asked: { ...healthy.asked, ...asked },
    probes: { ...healthy.probes, ...probes },
    role: { ...healthy.role!, ...role },
  };
}

/** Not let in. */
export function refused(failure: Failure, change: Partial<Observed> = {}): Observed {
  const skipped = { outcome: 'skipped', because: 'there is no connection' } as const;
  return {
    ...healthy,
    refusal: failure,
    server: undefined,
    role: undefined,
    tables: [],
    publication: undefined,
    probes: { identify: { outcome: 'failed', failure }, slot: skipped, publication: skipped },
    ...change,
  };
}

/** Somebody's logical slot, idle and sound. */
export function idleSlot(name: string, change: Partial<SlotFacts> = {}): SlotFacts {
  return {
    name,
    plugin: 'pgoutput',
    logical: true,
    database: 'shop',
    active: false,
    reader: undefined,
    temporary: false,
    lost: undefined,
    failover: false,
    retainedBytes: 0,
    safeBytes: undefined,
    inactiveSeconds: 10,
    ...change,
  };
}
