/**
 * The words of this room, as plain data: what a provider is, what it requires, what was found, what mends it, and the steps that do.
 *
 *     facts (SQL + control plane) → checks → findings → needs → plan → steps → apply → the same checks again
 *
 * Everything between the two ends is pure; only `observe`, `apply` and the cloud clients do I/O. Nothing here ever holds a secret: a step that needs one says
 * where it is put in (`${password}`), and `apply` puts it in. Keeps I-4 and I-8. Imported by every file of the room; `CloudApi` is what `cloud/*.ts` implement.
 */

export const PROVIDERS = [
  'rds',
  'aurora',
  'cloudsql',
  'azure',
  'digitalocean',
  'alloydb',
  'supabase',
  'neon',
  'heroku',
  'crunchy',
  'aiven',
  'timescale',
  'render',
  'planetscale',
  'fly',
  'railway',
  'selfhosted',
] as const;
export type ProviderId = (typeof PROVIDERS)[number];

/** What kind of it, where that changes what is possible. */
export type Variant =
  | 'instance'
  | 'multi-az-cluster'
  | 'read-replica'
  | 'provisioned'
  | 'serverless-v2'
  | 'serverless-v1'
  | 'limitless'
  | 'flexible'
  | 'single';

/** Who will read the stream: it decides what is needed. */
export const CONSUMERS = ['millrace', 'materialize', 'debezium'] as const;
export type Consumer = (typeof CONSUMERS)[number];

export interface TableName {
  readonly schema: string;
  readonly name: string;
}

// ---------------------------------------------------------------------------------------------------------------- requirements

/** What is looked at, by number: each file of `checks/` opens with the ones that it decides. */
export type CheckId = `C0${1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9}` | `C1${0 | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9}` | `C2${0 | 1 | 2 | 3}`;

/** One line of the "Postgres in the Cloud" guide: S0, S1, RDS1 … DO6. */
export interface Requirement {
  readonly id: string;
  /** What the guide says. */
  readonly guide: string;
  /** What is true today; the same where nothing changed. */
  readonly today: string;
  readonly outdated: boolean;
  /** The checks that find it broken. Empty: nothing can break it (DO6), which `today` explains. */
  readonly checks: readonly CheckId[];
}

// ---------------------------------------------------------------------------------------------------------------- findings

/** error: a stream would not start, would be wrong, or would harm the source. warning: it would start, and get into trouble. unknown: could not be looked at. */
export type Severity = 'error' | 'warning' | 'unknown' | 'note';

/** The same mend in the four ways people work. Each is complete: copied, it runs. Absent: there is no such way here. */
export interface MendTexts {
  readonly sql?: string;
  readonly cli?: string;
  readonly console?: string;
  readonly terraform?: string;
}

export interface Mend extends MendTexts {
  /** Restart? More WAL? Money? Who else is affected? One or two sentences; "nothing" is an answer. */
  readonly cost: string;
  /** The vendor's own page. */
  readonly link: string;
}

/** What would make a finding go away, in the provider's absence: `hosts/*` turn it into texts, `plan` into steps. */
export type Need =
  | { readonly kind: 'logical_decoding' }
  /** Set already, not live. */
  | { readonly kind: 'restart'; readonly parameter: string }
  | { readonly kind: 'parameter'; readonly name: string; readonly value: string; readonly restarts: boolean }
  /** Undefined: our address is not known; the mend says how to find it. */
  | { readonly kind: 'address'; readonly cidr: string | undefined }
  | { readonly kind: 'direct_host' }
  | { readonly kind: 'primary' }
  | { readonly kind: 'tls'; readonly sslmode: string }
  | { readonly kind: 'credentials' }
  | { readonly kind: 'replication_right'; readonly role: string }
  | { readonly kind: 'grants'; readonly role: string; readonly table: TableName }
  | { readonly kind: 'row_security'; readonly role: string; readonly table: TableName }
  | { readonly kind: 'identity'; readonly table: TableName; readonly how: IdentityChoice }
  /** No replica identity will do: only a key of the table's own does. */
  | { readonly kind: 'key'; readonly table: TableName; readonly partitionedBy?: readonly string[] }
  | { readonly kind: 'publication'; readonly change: PublicationChange }
  | { readonly kind: 'publication_right'; readonly role: string }
  | { readonly kind: 'drop_slot'; readonly slot: string }
  | { readonly kind: 'transactions'; readonly pids: readonly number[]; readonly prepared: readonly string[] }
  | { readonly kind: 'host_rule'; readonly database: string; readonly role: string }
  | { readonly kind: 'connections' }
  | { readonly kind: 'writable' }
  /** Nothing mends it in place; `wayOut` says where to go instead. */
  | { readonly kind: 'replace'; readonly wayOut: string };

export type IdentityChoice = { readonly by: 'full' } | { readonly by: 'index'; readonly index: string } | { readonly by: 'default' };

export type PublicationChange =
  /** `generated`: with its stored generated columns, because a replica identity holds some. */
  | {
      readonly change: 'create';
      readonly publication: string;
      readonly tables: readonly TableName[] | 'all';
      readonly generated?: boolean;
    }
  | { readonly change: 'add'; readonly publication: string; readonly tables: readonly TableName[]; readonly generated?: boolean }
  | { readonly change: 'publish_generated'; readonly publication: string }
  | { readonly change: 'publish_all_operations'; readonly publication: string }
  | { readonly change: 'unfilter'; readonly publication: string; readonly table: TableName }
  | { readonly change: 'drop_table'; readonly publication: string; readonly table: TableName };

/** What a check says, before the provider has been asked how to mend it. */
export interface Observation {
  readonly check: CheckId;
  /** Stable, for programs: `wal_level_too_low`. */
  readonly code: string;
  readonly severity: Severity;
  /** A table, slot or setting, where there may be several of one code. */
  readonly subject?: string;
  readonly seen: string;
  readonly why: string;
  readonly need?: Need;
}

/** An observation with the provider's own mend: what doctor prints, and what `--json` holds under names that only grow in number. */
export interface Finding extends Observation {
  /** Lines of the guide that this breaks: RDS3. */
  readonly requirements: readonly string[];
  readonly mend: Mend;
}

export type Verdict = 'ready' | 'not' | 'unknown';

// ---------------------------------------------------------------------------------------------------------------- steps

export interface StepCommon {
  /** Stable within a plan, the same in a second run: `aws.parameter-group.associate`, `sql.identity public.orders`. */
  readonly id: string;
  /** One line for a person: `Create parameter group millrace-shop (family postgres16)`. */
  readonly title: string;
  /** The checks that prove it: those that had failed. */
  readonly proves: readonly CheckId[];
  /** What must hold before; one line. `apply` reads the state again and skips or refuses. */
  readonly precondition: string;
  /** Exactly what is sent, secrets as `${password}`: SQL, or method, URL and body. */
  readonly request: string;
  readonly restarts: boolean;
  readonly reversible: boolean;
  /** Who or what else feels it; empty: nobody. */
  readonly affects: readonly string[];
  /** Money, WAL, waiting; absent: nothing worth a line. */
  readonly cost?: string;
  /** The same by other means, for `--emit`. */
  readonly texts: MendTexts;
}

export interface SqlStep extends StepCommon {
  readonly via: 'sql';
  readonly statements: readonly string[];
  /** One SELECT of one boolean: true when there is nothing (left) to do. Undefined: SQL cannot tell (a password), and what is planned is done. */
  readonly satisfied: string | undefined;
  /** All statements in one transaction. Default true. False: one may not hold them, or they look at what such steps have done; they are not tried beforehand. */
  readonly transaction?: boolean;
  /** What it changes, for who must know beyond what is shown. */
  readonly changes?: Change;
}

/** The identity of a table, what the publication carries of that table or of all of its tables, the publication otherwise, the password of the role that streams. */
export type Change =
  | { readonly of: 'identity' | 'published rows and columns'; readonly table: TableName }
  | { readonly of: 'generated columns' | 'publication' | 'password' };

/** Carried out by the client that planned it: it re-reads before it writes, survives a lost answer, waits out throttling and "operation in progress" within limits, and throws a MillraceError that says what to do. */
export interface ApiStep extends StepCommon {
  readonly via: 'api';
  state(signal?: AbortSignal): Promise<StepState>;
  /** Sends it when `todo`, then waits until `done`. Returns when the control plane says so; SQL is proved by the caller. */
  apply(progress: Progress, signal?: AbortSignal): Promise<void>;
}

/** What Millrace cannot or must not do itself: it stops there, says what to do, and continues in the next run. */
export interface HandStep extends StepCommon {
  readonly via: 'hand';
  readonly because: string;
  /** Where SQL can tell whether it has been done. */
  readonly satisfied?: string | undefined;
}

export type Step = SqlStep | ApiStep | HandStep;

/** done: nothing left to do · underway: sent, not effective yet · todo. */
export type StepState = 'done' | 'underway' | 'todo';

export type AppliedState = 'skipped' | 'done' | 'failed' | 'by hand' | 'not allowed' | 'not reached';

/** Shown while waiting, at most a few times a second: `parameter group: applying`. `since` is filled in by the printer. */
export type Progress = (line: string) => void;

// ---------------------------------------------------------------------------------------------------------------- the control plane

/** A parameter as the control plane holds it; `value` is the configured one, normalised to Postgres's own spelling (`on`, not `1`) where it is a boolean. */
export interface ControlParameter {
  readonly value: string | undefined;
  /** Configured and not yet live. */
  readonly pendingRestart: boolean;
  readonly restarts: boolean;
  readonly modifiable: boolean;
}

export interface NetworkRule {
  /** The vendor's own name of it. */
  readonly id: string;
  /** CIDR, or `first-last` (Azure), or the vendor's word for something that is no address (`k8s:…`, `sg-…`). */
  readonly source: string;
  readonly description?: string;
}

export interface ControlNetwork {
  /** Whether the database has an address on the Internet at all. */
  readonly publicAccess: boolean;
  readonly rules: readonly NetworkRule[];
  /** Why rules cannot be changed through the API (VNet-integrated, private IP only); undefined: they can. */
  readonly fixed: string | undefined;
}

/** What the control plane knows, as plain data. */
export interface ControlFacts {
  readonly provider: ProviderId;
  readonly variant: Variant | undefined;
  /** The vendor's name of the instance or cluster. */
  readonly resource: string;
  /** Not able to replicate whatever one does (Aurora Serverless v1, Azure Single Server, stopped): the reason and the way out. */
  readonly refused: DeadEnd | undefined;
  /** By the name that Postgres or the vendor gives it: `rds.logical_replication`, `wal_level`, `max_replication_slots`. Only those that matter here. */
  readonly parameters: Readonly<Record<string, ControlParameter>>;
  /** Other instances that share the parameter group: editing it would change them, too. */
  readonly sharedWith: readonly string[];
  /** Changes of other people that wait for the next restart and would be let loose by ours. */
  readonly pendingChanges: readonly string[];
  readonly network: ControlNetwork;
  /** Roles that replicate by an API setting (DigitalOcean); absent elsewhere. */
  readonly replicationUsers?: readonly string[];
}

/** What setup wants of the control plane. */
export interface CloudWanted {
  readonly logicalDecoding: boolean;
  /** Whether SQL shows the setting live: set in the control plane and not live means a restart is missing. */
  readonly logicalDecodingLive: boolean;
  /** Raised for capacity: `{ max_replication_slots: '20' }`. Values are the least that suffices; a larger one already there stays. */
  readonly parameters: Readonly<Record<string, string>>;
  /** Single addresses or ranges in CIDR form to let in; empty: nothing to do. */
  readonly allow: readonly string[];
  readonly port: number;
  /** The role that must replicate, where the API decides that (DigitalOcean). */
  readonly replicationUser: string | undefined;
  /** `--close-firewall`: a list that is empty and means "everybody" may be closed by its first rule. */
  readonly closeFirewall: boolean;
  /** Addresses that are connected now, as the server sees them: whom closing would lock out. */
  readonly connectedAddresses: readonly string[];
}

/** What the control plane knew at one moment, and what it would do about it: pure, and the only place where a cloud's own knowledge is used. */
export interface Control extends ControlFacts {
  /** Ordered: parameters, network, restart last. What it must not do unasked comes as a `hand` step that says why. Nothing to do: empty. */
  plan(wanted: CloudWanted): readonly (ApiStep | HandStep)[];
  /** What takes our own changes back, as far as that is safe; only what is marked as ours. */
  planUndo(): readonly (ApiStep | HandStep)[];
}

/** A cloud's control plane for one database. Made by `openCloud(resource, environment)` of `cloud/open.ts`; used by doctor and setup. One at a time: never two steps at once. */
export interface CloudApi {
  /** As the user wrote it: `aws:shop`. */
  readonly resource: string;
  observe(signal?: AbortSignal): Promise<Control>;
  /** The password of a role that the control plane made and keeps (DigitalOcean, where the API makes roles that replicate): goes into CREATE SECRET, nowhere else. */
  password?(role: string, signal?: AbortSignal): Promise<string | undefined>;
  close?(): Promise<void>;
}

// ---------------------------------------------------------------------------------------------------------------- a provider

/** What a host needs to know to write a mend: names, never secrets. */
export interface MendFacts {
  readonly versionNum: number;
  readonly database: string;
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly publication: string;
  /** The vendor's name of the instance or cluster where known, else a placeholder such as `<instance>`. */
  readonly resource: string;
}

/** A mend as a host writes it: without a word it costs nothing, and is told of on the page about logical replication. */
export type Answer = MendTexts & Partial<Pick<Mend, 'cost' | 'link'>>;

/** Answers by need, or what makes them of the need and the database. */
export type Mends = {
  readonly [K in Need['kind']]?: Answer | ((need: Extract<Need, { readonly kind: K }>, facts: MendFacts) => Answer);
};

/** One provider, as data: `hosts/<name>.ts`. */
export interface Provider {
  readonly id: ProviderId;
  /** As people write it: Amazon RDS. */
  readonly name: string;
  readonly requirements: readonly Requirement[];
  /** How needs are mended here; for one that is not named, the general answer of `mends.ts` is right. */
  readonly mends: Mends;
  /** Where the vendor writes about logical replication. */
  readonly link: string;
  /** How logical decoding is turned on: the parameter's name and the value as SHOW prints it. Undefined: it is always on. */
  readonly switch: { readonly parameter: string; readonly on: string; readonly restarts: boolean } | undefined;
  /** How a role gets the right to replicate. */
  readonly replicationRight:
    /** `selfGranted`: the administrator starts without the attribute, and the host lets him give it to himself, which plain Postgres does not. */
    | { readonly by: 'attribute'; readonly selfGranted?: true }
    | { readonly by: 'membership'; readonly role: string }
    | { readonly by: 'api' }
    | { readonly by: 'fixed'; readonly says: string };
  /** Why FOR ALL TABLES is refused here whoever asks; undefined: the server's answer decides. */
  readonly allTablesRefused?: string;
  /** Facts of the host that no probe shows, each with whether it was verified: retention, failover, costs. Printed as notes where they apply. */
  readonly traps: readonly Trap[];
  /** Not able to replicate at all: why, and the way out (Heroku). */
  readonly refused?: DeadEnd;
  /** The same of some variants only. */
  readonly variantsRefused?: Readonly<Partial<Record<Variant, DeadEnd>>>;
  /** Nobody's host: the rules of Postgres hold as they are written, and pg_hba.conf is the user's own. Elsewhere only trying shows what is permitted. */
  readonly plain?: true;
  /** The administrator is a true superuser: parameters are set by SQL. */
  readonly superuser?: true;
  /** A session without TLS is usual, on a private network. */
  readonly withoutTls?: true;
  /** Readers share the storage of the writer: no standby loses a slot, and none can decode. */
  readonly sharedStorage?: true;
  /** Of its own builds of Postgres, by server_version_num. */
  readonly defects?: readonly Defect[];
  /** A cloud client exists: the prefix of `--cloud`. */
  readonly cloud?: 'aws' | 'gcp' | 'azure' | 'do';
}

/** Why something cannot replicate, whatever one does, and where to go instead. */
export interface DeadEnd {
  readonly reason: string;
  readonly wayOut: string;
}

export interface Defect extends Pick<Observation, 'code' | 'seen' | 'why' | 'need'> {
  readonly from: number;
  readonly before: number;
}

export interface Trap {
  readonly about: CheckId;
  readonly says: string;
  readonly source: 'verified' | 'vendor' | 'reported';
  readonly link?: string;
}
