/**
 * What was observed, as plain data: the only thing that checks look at. Made by `observe.ts`; tests make it by hand.
 * A part that could not be read is `undefined`, never a default: checks then say `unknown`.
 */
import type { Consumer, Control, TableName } from './model.ts';

export interface Observed {
  readonly target: Target;
  readonly asked: Asked;
  /** Undefined: the session was made. */
  readonly refusal: Failure | undefined;
  readonly signals: Signals;
  readonly server: ServerFacts | undefined;
  /** The role that will stream: the one that connects, unless another was asked about. Undefined: there is no such role. */
  readonly role: RoleFacts | undefined;
  readonly tables: readonly TableFacts[];
  /** More tables than are looked at one by one. */
  readonly tablesCut: boolean;
  /** Asked for by name and not there. */
  readonly tablesMissing: readonly TableName[];
  readonly publication: PublicationFacts | undefined;
  readonly slots: readonly SlotFacts[];
  readonly probes: Probes;
  readonly control: Control | undefined;
  /** Why the control plane could not be asked, where it was asked. */
  readonly controlFailure: Failure | undefined;
}

export interface Target {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly database: string;
  readonly sslmode: string;
}

export interface Asked {
  readonly consumer: Consumer;
  readonly publication: string;
  /** Whether the user named the publication: only then is its absence a fault. */
  readonly publicationNamed: boolean;
  /** Undefined: those of the publication, or every table of the user's schemas. */
  readonly tables: readonly TableName[] | undefined;
  /** The role that streams; undefined: the one that connects. */
  readonly role: string | undefined;
  /** Slots that the consumer holds at most at a time. */
  readonly slotsNeeded: number;
}

/** An error as a MillraceError classified it. */
export interface Failure {
  readonly code: string;
  /** What the server or the network sent: 42501, ETIMEDOUT. */
  readonly sqlstate: string;
  readonly said: string;
}

export type Probe =
  | { readonly outcome: 'passed' }
  | { readonly outcome: 'failed'; readonly failure: Failure }
  | { readonly outcome: 'skipped'; readonly because: string };

export interface Probes {
  /** (a) IDENTIFY_SYSTEM on a `replication=database` connection. */
  readonly identify: Probe;
  /** (b) A temporary logical slot, its wait bounded. */
  readonly slot: Probe;
  /** (c) CREATE PUBLICATION for the wanted tables in a transaction that is rolled back; skipped where the publication is there. */
  readonly publication: Probe;
}

/** For `recognise`: what tells one provider from another. */
export interface Signals {
  readonly host: string;
  readonly port: number;
  /** GUC → value, for those that exist. */
  readonly settings: Readonly<Record<string, string>>;
  readonly roles: readonly string[];
  readonly functions: readonly string[];
  readonly version: string;
  readonly certificateIssuer: string | undefined;
}

export interface Setting {
  readonly value: string;
  readonly pendingRestart: boolean;
}

export interface ServerFacts {
  readonly versionNum: number;
  readonly version: string;
  readonly standby: boolean;
  readonly tls: boolean;
  /** As the server sees us; undefined over a socket. */
  readonly clientAddress: string | undefined;
  readonly encoding: string;
  readonly collation: { readonly provider: string; readonly locale: string; readonly version: string | undefined };
  /** `effective_wal_level` where the server has it (19 on), else `wal_level`. */
  readonly walLevel: string;
  readonly settings: Readonly<Record<string, Setting>>;
  readonly slotsUsed: number;
  readonly sendersUsed: number;
  readonly connectionsUsed: number;
  readonly readOnly: boolean;
  /** The attributes of the role that connects. */
  readonly session: SessionRole;
  readonly oldTransactions: readonly OldTransaction[];
  readonly prepared: readonly { readonly gid: string; readonly ageSeconds: number }[];
  /** Mean since the statistics were reset (14 on). */
  readonly walBytesPerDay: number | undefined;
  /** Other databases' and users' addresses that are connected now. */
  readonly connectedAddresses: readonly string[];
  /** Lines of pg_hba.conf, where we may read them. */
  readonly hostRules: readonly HostRule[] | undefined;
  readonly publications: readonly string[];
}

export interface OldTransaction {
  readonly pid: number;
  readonly user: string;
  readonly state: string;
  readonly ageSeconds: number;
}

export interface HostRule {
  readonly line: number;
  readonly type: string;
  readonly databases: readonly string[];
  readonly users: readonly string[];
  readonly address: string | undefined;
  readonly method: string;
}

/** Who connects: setup's administrator. From 16 on an attribute can be given only by who has it; before, by a superuser. */
export interface SessionRole {
  readonly superuser: boolean;
  readonly replication: boolean;
  readonly bypassRls: boolean;
}

/** Who holds something now. Since when, only those see who may read statistics. */
export interface SessionFacts {
  readonly pid: number;
  readonly application: string;
  readonly since: string | null;
}

export interface RoleFacts extends SessionRole {
  readonly name: string;
  /** Sessions of it, in whatever database, but for the one that looks. */
  readonly sessions: readonly SessionFacts[];
  readonly canLogin: boolean;
  readonly connectionLimit: number;
  /** Group roles that stand for the right to replicate, of which it is a member: rds_replication. */
  readonly replicationGroups: readonly string[];
  readonly mayCreateInDatabase: boolean;
  readonly mayConnect: boolean;
}

export interface TableFacts extends TableName {
  readonly oid: number;
  /** The topmost table that it is a partition of or inherits from, among those looked at; else itself. */
  readonly top: number;
  /** r p v m f S */
  readonly kind: string;
  /** p: permanent · u: unlogged · t: temporary */
  readonly persistence: string;
  readonly identity: 'd' | 'n' | 'f' | 'i';
  readonly primaryKey: boolean;
  /** The identity as it stands says which row an UPDATE met. */
  readonly identityUsable: boolean;
  /** A unique index that could serve as identity: immediate, total, over plain NOT NULL columns. */
  readonly identityCandidate: string | undefined;
  /** We (the role that connects) may ALTER it and publish it. */
  readonly owned: boolean;
  readonly owner: string;
  readonly maySelect: boolean;
  readonly mayUseSchema: boolean;
  /** We (the role that connects) may let others read it: both the table and its schema. */
  readonly grantable: boolean;
  /** Row-level security would filter what the role reads. */
  readonly filtered: boolean;
  /** The topmost partitioned table above it; undefined: it is no partition. */
  readonly root: string | undefined;
  readonly published: boolean;
  readonly rowFilter: string | undefined;
  readonly bytes: number;
  readonly generatedColumns: readonly string[];
  /** Those of them that are computed when read (18 on): no publication can carry them. */
  readonly virtualColumns: readonly string[];
  /** Generated columns in the index that is the identity, or would be by default. */
  readonly keyGenerated: readonly string[];
  /** The publication asked about names columns of it. */
  readonly columnList: boolean;
  /** Columns of the identity as it stands that the publication asked about leaves out: from 15 on every UPDATE and DELETE of the table then fails. Empty where it is not published. */
  readonly identityUnpublished: readonly string[];
  /** Of a partitioned table, where those are plain columns: a primary key must hold them. */
  readonly partitionedBy: readonly string[];
  /** Columns whose type comes from an extension: `location geometry (postgis)`. */
  readonly extensionColumns: readonly string[];
  readonly columns: number;
}

export interface PublicationFacts {
  readonly name: string;
  readonly owned: boolean;
  readonly allTables: boolean;
  readonly viaRoot: boolean;
  /** insert, update, delete, truncate: what it does not publish. */
  readonly missing: readonly string[];
  /** Whether it carries stored generated columns; before 18 none does. */
  readonly generatedColumns: boolean;
  readonly tableCount: number;
}

export interface SlotFacts {
  readonly name: string;
  readonly plugin: string | undefined;
  readonly logical: boolean;
  readonly database: string | undefined;
  readonly active: boolean;
  /** Who reads it. */
  readonly reader: SessionFacts | undefined;
  readonly temporary: boolean;
  readonly lost: string | undefined;
  readonly failover: boolean | undefined;
  readonly retainedBytes: number;
  readonly safeBytes: number | undefined;
  readonly inactiveSeconds: number | undefined;
}

/** A partitioned table that is published leaf by leaf is, itself, in no list of published tables. */
export function isPublished(table: TableFacts, tables: readonly TableFacts[]): boolean {
  return (
    table.published || (table.kind === 'p' && tables.some((leaf) => leaf.top === table.top && leaf.root !== undefined && leaf.published))
  );
}

export function tableText(table: TableName): string {
  return `${table.schema}.${table.name}`;
}
