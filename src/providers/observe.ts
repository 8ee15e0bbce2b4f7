/**
 * One pass over the database: facts by SQL, and three probes that decide by trying. Read-only but for a temporary slot
 * (gone with its connection) and a publication in a transaction that is rolled back; both bounded, so that doctor may run on a production server (I-4, I-6).
 * Called by doctor, by setup before it plans, and by apply to prove what it did.
 */
import { randomBytes } from 'node:crypto';
import { MillraceError, reasonOf } from '../base/errors.ts';
import { ident, qualified } from '../base/ident.ts';
import { connectUpstream, type TextRow, type UpstreamConnection } from '../upstream/connection/connect.ts';
import type { ConnectionParameters } from '../upstream/connection/parameters.ts';
import type {
  Asked,
  Failure,
  HostRule,
  Observed,
  OldTransaction,
  Probe,
  Probes,
  PublicationFacts,
  RoleFacts,
  ServerFacts,
  SessionFacts,
  SessionRole,
  Setting,
  Signals,
  SlotFacts,
  TableFacts,
} from './facts.ts';
import { isPublished } from './facts.ts';
import type { CloudApi, Control } from './model.ts';
import { HOST_RULES_SQL, PUBLICATION_SQL, ROLE_SQL, SERVER_SQL, SIGNALS_SQL, SLOTS_SQL, TABLES_SQL, WAL_RATE_SQL } from './queries.ts';

/** Of one statement; catalogs answer in milliseconds. */
const STATEMENT_TIMEOUT_MS = 10_000;
/** How long a probe may wait for the transactions that are open: no application may notice it. */
const PROBE_LOCK_TIMEOUT_MS = 1_500;
/** A standby's slot waits for a record of the primary, which lock_timeout does not bound. */
const PROBE_DEADLINE_MS = 5_000;
const TABLES_MAX = 2_000;
/** A statistic of a few minutes says nothing about days. */
const WAL_RATE_SECONDS_MIN = 3_600;

export interface ObserveOptions {
  readonly cloud?: CloudApi | undefined;
  readonly signal?: AbortSignal | undefined;
}

export async function observe(parameters: ConnectionParameters, asked: Asked, options: ObserveOptions = {}): Promise<Observed> {
  const { host, port } = parameters.hosts[0]!;
  const target = { host, port, user: parameters.user, database: parameters.database, sslmode: parameters.sslmode };
  const nothing: Signals = { host, port, settings: {}, roles: [], functions: [], version: '', certificateIssuer: undefined };

  const control = observeControl(options);
  const identified = probeReplication(parameters, options.signal);
  let connection: UpstreamConnection;
  try {
    connection = await connectUpstream(parameters, {
      purpose: 'doctor',
      statementTimeoutMs: STATEMENT_TIMEOUT_MS,
      lockTimeoutMs: PROBE_LOCK_TIMEOUT_MS,
      signal: options.signal,
    });
  } catch (error) {
    const probes = await identified;
    return {
      target,
      asked,
      refusal: failureOf(error),
      signals: nothing,
      server: undefined,
      role: undefined,
      tables: [],
      tablesCut: false,
      tablesMissing: [],
      publication: undefined,
      slots: [],
      probes: { ...probes, publication: skipped('there is no connection') },
      ...(await control),
    };
  }
  try {
    const certificateIssuer = issuerOf(connection);
    const signals = readSignals({ ...nothing, certificateIssuer }, (await connection.query(SIGNALS_SQL))[0]!);
    // A probe's own slot must not be counted as somebody's.
    const probed = await identified;
    const server = await readServer(connection);
    const role = readRole((await connection.query(ROLE_SQL, [asked.role ?? null]))[0]);
    const publication = readPublication(asked.publication, (await connection.query(PUBLICATION_SQL, [asked.publication]))[0]);
    const wanted = asked.tables === undefined ? null : JSON.stringify(asked.tables.map(({ schema, name }) => [schema, name]));
    const roleForTables = role === undefined ? null : role.name;
    const tables = (await connection.query(TABLES_SQL, [roleForTables, asked.publication, wanted, TABLES_MAX])).map(readTable);
    const slots = (await connection.query(SLOTS_SQL)).map(readSlot);
    const probes: Probes = { ...probed, publication: await probePublication(connection, server, tables, publication, asked) };
    return {
      target,
      asked,
      refusal: undefined,
      signals,
      server,
      role,
      tables,
      tablesCut: tables.filter((table) => table.root === undefined).length >= TABLES_MAX,
      tablesMissing: (asked.tables ?? []).filter(
        ({ schema, name }) => !tables.some((table) => table.schema === schema && table.name === name),
      ),
      publication,
      slots,
      probes,
      ...(await control),
    };
  } finally {
    await connection.end();
  }
}

export function failureOf(error: unknown): Failure {
  if (!(error instanceof MillraceError)) {
    const { code } = error as { code?: unknown };
    return {
      code: 'UNKNOWN',
      sqlstate: typeof code === 'string' ? code : '',
      said: reasonOf(error),
    };
  }
  const raw = (error.cause as { code?: unknown } | undefined)?.code;
  const said = error.facts['said'] ?? error.facts['message'] ?? (error.cause instanceof Error ? error.cause.message : undefined);
  return {
    code: error.code,
    sqlstate: typeof raw === 'string' ? raw : error.sqlstate,
    said: typeof said === 'string' && said !== '' ? said : error.message,
  };
}

// ---------------------------------------------------------------------------------------------------------------- probes

function skipped(because: string): Probe {
  return { outcome: 'skipped', because };
}

const PASSED: Probe = { outcome: 'passed' };

function failed(error: unknown): Probe {
  return { outcome: 'failed', failure: failureOf(error) };
}

/** (a) and (b): on one walsender connection, so that they take one place of max_wal_senders. */
async function probeReplication(parameters: ConnectionParameters, signal?: AbortSignal): Promise<Pick<Probes, 'identify' | 'slot'>> {
  let walsender: UpstreamConnection;
  try {
    walsender = await connectUpstream(parameters, {
      purpose: 'doctor',
      replication: true,
      statementTimeoutMs: 0,
      lockTimeoutMs: PROBE_LOCK_TIMEOUT_MS,
      signal,
    });
  } catch (error) {
    return { identify: failed(error), slot: skipped('there is no replication connection') };
  }
  try {
    try {
      await bounded(walsender, walsender.query('IDENTIFY_SYSTEM'));
    } catch (error) {
      return {
        identify: failed(walsender.failure(error, { doing: 'identifying the system', replication: true })),
        slot: skipped('IDENTIFY_SYSTEM failed'),
      };
    }
    const name = `millrace_doctor_${randomBytes(6).toString('hex')}`;
    try {
      await bounded(walsender, walsender.query(`CREATE_REPLICATION_SLOT ${name} TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT`));
      // Dropped here and not by the end of the connection alone: the facts are read while that is still going on.
      await bounded(walsender, walsender.query(`DROP_REPLICATION_SLOT ${name}`));
      return { identify: PASSED, slot: PASSED };
    } catch (error) {
      return {
        identify: PASSED,
        slot: failed(walsender.failure(error, { doing: 'making a temporary slot', slot: name, replication: true })),
      };
    }
  } finally {
    await walsender.end();
  }
}

/** Past the deadline the server is told to stop, by a session of its own, and the connection is closed. */
async function bounded<T>(walsender: UpstreamConnection, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const late: Error & { code?: string } = new Error(`no answer within ${PROBE_DEADLINE_MS / 1000} s`);
      late.code = '57014';
      reject(late);
      void cancel(walsender);
    }, PROBE_DEADLINE_MS);
  });
  work.catch(() => undefined);
  try {
    return await Promise.race([work, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

async function cancel(walsender: UpstreamConnection): Promise<void> {
  try {
    const session = await connectUpstream(walsender.parameters, { purpose: 'doctor' });
    await session.query('SELECT pg_terminate_backend($1)', [walsender.backendPid]);
    await session.end();
  } catch {
    // The server ends it when it next writes to the closed socket.
  }
  walsender.destroy();
}

/** (c) Undone in the same breath; with lock_timeout, since it takes a lock (SHARE UPDATE EXCLUSIVE) that VACUUM and DDL hold, too. */
async function probePublication(
  connection: UpstreamConnection,
  server: ServerFacts,
  tables: readonly TableFacts[],
  publication: PublicationFacts | undefined,
  asked: Asked,
): Promise<Probe> {
  const publishable = tables.filter((table) => ['r', 'p'].includes(table.kind) && table.persistence === 'p' && table.root === undefined);
  const unpublished = publication === undefined ? publishable : publishable.filter((table) => !isPublished(table, tables));
  if (publication !== undefined && (publication.allTables || unpublished.length === 0)) return skipped('the publication is there');
  if (asked.role !== undefined && asked.role !== connection.parameters.user)
    return skipped('another role streams than the one that connects');
  if (server.standby) return skipped('a standby makes no publication');
  const name = `millrace_doctor_${randomBytes(6).toString('hex')}`;
  const list = unpublished.slice(0, 100).map((table) => qualified(table.schema, table.name));
  try {
    await connection.query('BEGIN READ WRITE');
    await connection.query(`CREATE PUBLICATION ${ident(name)}${list.length === 0 ? '' : ` FOR TABLE ${list.join(', ')}`}`);
    return PASSED;
  } catch (error) {
    return failed(connection.failure(error, { doing: 'making a publication' }));
  } finally {
    await connection.query('ROLLBACK').catch(() => undefined);
  }
}

async function observeControl(options: ObserveOptions): Promise<{ control: Control | undefined; controlFailure: Failure | undefined }> {
  if (options.cloud === undefined) return { control: undefined, controlFailure: undefined };
  try {
    return { control: await options.cloud.observe(options.signal), controlFailure: undefined };
  } catch (error) {
    return { control: undefined, controlFailure: failureOf(error) };
  }
}

// ---------------------------------------------------------------------------------------------------------------- rows into facts

function json<T>(text: string | null | undefined, otherwise: T): T {
  return text === null || text === undefined ? otherwise : (JSON.parse(text) as T);
}

const yes = (value: string | null | undefined): boolean => value === 't' || value === 'true' || value === 'on';
const count = (value: string | null | undefined): number => Number(value ?? 0);
const optional = (value: string | null | undefined): string | undefined => value ?? undefined;

function issuerOf(connection: UpstreamConnection): string | undefined {
  const socket = connection.socket as unknown as { getPeerCertificate?: () => { issuer?: Record<string, unknown> } };
  const issuer = socket.getPeerCertificate?.().issuer;
  if (issuer === undefined) return undefined;
  return ['O', 'CN']
    .map((key) => issuer[key])
    .filter((part): part is string => typeof part === 'string')
    .join(' · ');
}

function readSignals(base: Signals, row: TextRow): Signals {
  return {
    ...base,
    settings: json<Record<string, string>>(row['settings'], {}),
    roles: json<string[]>(row['roles'], []),
    functions: [
      ...(yes(row['aurora_version']) ? ['aurora_version'] : []),
      ...(yes(row['aurora_wal_cache']) ? ['aurora_stat_logical_wal_cache'] : []),
    ],
    version: row['version'] ?? '',
  };
}

async function readServer(connection: UpstreamConnection): Promise<ServerFacts> {
  const row = (await connection.query(SERVER_SQL))[0]!;
  const provider = row['provider'] ?? 'c';
  return {
    versionNum: count(row['version_num']),
    version: row['version'] ?? '',
    standby: yes(row['standby']),
    tls: yes(row['tls']),
    clientAddress: optional(row['client_address']),
    encoding: row['encoding'] ?? '',
    collation: {
      provider: provider === 'b' ? 'builtin' : provider === 'i' ? 'icu' : 'libc',
      locale: (provider === 'c' ? row['libc_locale'] : (row['locale'] ?? row['libc_locale'])) ?? '',
      version: optional(row['collation_version']),
    },
    walLevel: row['wal_level'] ?? '',
    settings: { ...json<Record<string, Setting>>(row['own_settings'], {}), ...json<Record<string, Setting>>(row['settings'], {}) },
    slotsUsed: count(row['slots_used']),
    sendersUsed: count(row['senders_used']),
    connectionsUsed: count(row['connections_used']),
    readOnly: yes(row['read_only']),
    session: json<SessionRole>(row['session'], { superuser: false, replication: false, bypassRls: false }),
    oldTransactions: json<OldTransaction[]>(row['old_transactions'], []),
    prepared: json<{ gid: string; ageSeconds: number }[]>(row['prepared'], []),
    walBytesPerDay: await walRate(connection),
    connectedAddresses: json<string[]>(row['connected'], []),
    hostRules: await hostRules(connection),
    publications: json<string[]>(row['publications'], []),
  };
}

async function walRate(connection: UpstreamConnection): Promise<number | undefined> {
  if (connection.versionNum < 140_000) return undefined;
  const [row] = await connection.query(WAL_RATE_SQL).catch(() => []);
  return row === undefined || row['per_day'] === null || count(row['seconds']) < WAL_RATE_SECONDS_MIN ? undefined : Number(row['per_day']);
}

async function hostRules(connection: UpstreamConnection): Promise<HostRule[] | undefined> {
  try {
    const [row] = await connection.query(HOST_RULES_SQL);
    return json<(Omit<HostRule, 'address'> & { address: string | null })[]>(row?.['rules'], []).map(({ address, ...rule }) => ({
      ...rule,
      address: address ?? undefined,
      databases: rule.databases ?? [],
      users: rule.users ?? [],
    }));
  } catch {
    return undefined;
  }
}

function readRole(row: TextRow | undefined): RoleFacts | undefined {
  if (row === undefined) return undefined;
  return {
    name: row['name']!,
    superuser: yes(row['superuser']),
    replication: yes(row['replication']),
    canLogin: yes(row['can_login']),
    bypassRls: yes(row['bypass_rls']),
    connectionLimit: count(row['connection_limit']),
    sessions: json<SessionFacts[]>(row['sessions'], []),
    replicationGroups: json<string[]>(row['groups'], []),
    mayCreateInDatabase: yes(row['may_create']),
    mayConnect: yes(row['may_connect']),
  };
}

function readPublication(name: string, row: TextRow | undefined): PublicationFacts | undefined {
  if (row === undefined) return undefined;
  return {
    name,
    owned: yes(row['owned']),
    allTables: yes(row['puballtables']),
    viaRoot: yes(row['viaroot']),
    missing: ['insert', 'update', 'delete', 'truncate'].filter((operation) => !yes(row[`pub${operation}`])),
    generatedColumns: row['pubgencols'] === 's',
    tableCount: count(row['tables']),
  };
}

function readTable(row: TextRow): TableFacts {
  return {
    oid: count(row['oid']),
    top: count(row['top']),
    schema: row['schema']!,
    name: row['name']!,
    kind: row['kind']!,
    persistence: row['persistence']!,
    identity: row['identity'] as TableFacts['identity'],
    primaryKey: yes(row['primary_key']),
    identityUsable: yes(row['usable']),
    identityCandidate: optional(row['candidate']),
    owned: yes(row['owned']),
    owner: row['owner'] ?? '',
    maySelect: yes(row['may_select']),
    mayUseSchema: yes(row['may_use']),
    grantable: yes(row['grantable']),
    filtered: yes(row['filtered']),
    root: optional(row['root']),
    published: yes(row['published']),
    rowFilter: optional(row['rowfilter']),
    bytes: count(row['bytes']),
    generatedColumns: json<string[]>(row['generated'], []),
    virtualColumns: json<string[]>(row['virtual'], []),
    partitionedBy: json<string[]>(row['partitioned_by'], []),
    keyGenerated: json<string[]>(row['key_generated'], []),
    columnList: yes(row['column_list']),
    identityUnpublished: json<string[]>(row['identity_unpublished'], []),
    extensionColumns: json<string[]>(row['extension_columns'], []),
    columns: count(row['columns']),
  };
}

function readSlot(row: TextRow): SlotFacts {
  return {
    name: row['slot_name']!,
    plugin: optional(row['plugin']),
    logical: row['slot_type'] === 'logical',
    database: optional(row['database']),
    active: yes(row['active']),
    reader: json<SessionFacts | undefined>(row['reader'], undefined),
    temporary: yes(row['temporary']),
    lost: optional(row['reason']) ?? (row['wal_status'] === 'lost' ? 'wal_removed' : undefined),
    failover: row['failover'] === null || row['failover'] === undefined ? undefined : yes(row['failover']),
    retainedBytes: count(row['retained']),
    safeBytes: row['safe_bytes'] === null || row['safe_bytes'] === undefined ? undefined : Number(row['safe_bytes']),
    inactiveSeconds:
      row['inactive_seconds'] === null || row['inactive_seconds'] === undefined ? undefined : Number(row['inactive_seconds']),
  };
}
