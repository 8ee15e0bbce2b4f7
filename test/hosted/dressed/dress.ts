/**
 * Dresses a real Postgres as a provider's: the bootstrap superuser disappears behind the provider's own, customers get an administrator who is none, TLS is demanded, settings that only the
 * provider has exist, and a gate stands in front. What cannot be imitated is said in each fake.
 */
import pg from 'pg';
import { ident, literal } from '../../../src/base/ident.ts';
import type { ProviderId } from '../../../src/providers/model.ts';
import { makeCertificates } from '../../postgres/certificates.ts';
import { startPostgres, type TestPostgres } from '../../postgres/postgres.ts';
import { TcpGate } from './gate.ts';
import { SelfGrant } from './self-grant.ts';
import type { DressedServer } from './server.ts';

type Settings = Readonly<Record<string, string>>;

export interface Dress {
  readonly provider: ProviderId;
  /** The superuser that customers never see through. */
  readonly superuser: string;
  readonly admin: string;
  readonly database: string;
  /** As SQL of the superuser, before customers come: roles, functions. `{admin}` is the administrator. */
  readonly roles: readonly string[];
  readonly settings: Settings;
  /** Settings that the provider derives from its own: rds.logical_replication → wal_level. */
  readonly derive?: (configured: Settings) => Settings;
  /** Whether sessions without TLS are refused. */
  readonly tlsOnly: boolean;
  /** Members of this role may replicate, though rolreplication stays false for everybody to see. */
  readonly replicationGroup?: string;
  /** The administrator starts without REPLICATION, and may give it to himself. */
  readonly selfGranted?: boolean;
  /** SQL of the superuser, in the customers' database. */
  readonly inDatabase?: readonly string[];
}

export interface DressOptions {
  readonly major?: number;
  /** As it will be after setup: spares the tests of everything else a restart. */
  readonly settings?: Settings;
}

const PASSWORD = 'hosted-admin-1';
const MEMBERSHIP_POLL_MS = 40;

export async function dress(what: Dress, options: DressOptions = {}): Promise<Dressed> {
  const certificates = makeCertificates();
  const factory = { ...what.settings, ...options.settings };
  const local = '127.0.0.1/32 scram-sha-256';
  const tls = certificates !== undefined && what.tlsOnly;
  const postgres = await startPostgres({
    settings: { ...certificates?.settings, ...factory, ...what.derive?.(factory), allow_system_table_mods: true },
    hba: [`host all ${what.superuser},bootstrap,postgres ${local}`, `${tls ? 'hostssl' : 'host'} all all ${local}`].map((line, i) =>
      i === 0 && what.admin === 'postgres' ? `host all ${what.superuser},bootstrap ${local}\nhost postgres postgres ${local}` : line,
    ),
    ...(options.major === undefined ? {} : { major: options.major }),
  });
  try {
    // The one who renames the bootstrap superuser must be somebody else.
    await postgres.query(`CREATE ROLE ${ident(what.superuser)} SUPERUSER LOGIN PASSWORD ${literal(PASSWORD)}`);
    const client = await connectTo(postgres, what.superuser, 'postgres');
    await postgres.restart();
    await client.end().catch(() => undefined);
    const dresser = await connectTo(postgres, what.superuser, 'postgres');
    await dresser.query('ALTER ROLE postgres RENAME TO bootstrap');
    for (const sql of what.roles)
      await dresser.query(sql.replaceAll('{admin}', ident(what.admin)).replaceAll('{password}', literal(PASSWORD)));
    await dresser.query(`CREATE DATABASE ${ident(what.database)} OWNER ${ident(what.admin)}`);
    await dresser.end();
    const gate = new TcpGate(() => postgres.port);
    await gate.listen();
    const dressed = new Dressed(what, postgres, gate, factory, certificates === undefined ? undefined : () => certificates.remove());
    await dressed.begin();
    return dressed;
  } catch (error) {
    await postgres.stop();
    certificates?.remove();
    throw error;
  }
}

function connectTo(postgres: TestPostgres, user: string, database: string): Promise<pg.Client> {
  const client = new pg.Client({ host: postgres.host, port: postgres.port, user, password: PASSWORD, database });
  client.on('error', () => undefined);
  return client.connect().then(() => client);
}

export class Dressed implements DressedServer {
  readonly provider: ProviderId;
  readonly host = '127.0.0.1';
  readonly database: string;
  readonly admin: { readonly user: string; readonly password: string };
  readonly gate: TcpGate;
  readonly major: number;
  readonly versionNum: number;
  readonly postgres: TestPostgres;
  readonly #what: Dress;
  readonly #factory: Settings;
  readonly #removeCertificates: (() => void) | undefined;
  readonly #selfGrant: SelfGrant | undefined;
  #configured: Record<string, string>;
  #session: Promise<pg.Client> | undefined;
  #watch: NodeJS.Timeout | undefined;
  #queue: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(what: Dress, postgres: TestPostgres, gate: TcpGate, factory: Settings, removeCertificates: (() => void) | undefined) {
    this.provider = what.provider;
    this.database = what.database;
    this.admin = { user: what.admin, password: PASSWORD };
    this.postgres = postgres;
    this.gate = gate;
    this.major = postgres.server.binaries.major;
    this.versionNum = this.major * 10_000 + Number(postgres.server.binaries.version.split('.')[1] ?? 0);
    this.#what = what;
    this.#factory = factory;
    this.#configured = { ...factory };
    this.#removeCertificates = removeCertificates;
    if (what.selfGranted === true) this.#selfGrant = new SelfGrant(() => connectTo(postgres, what.superuser, what.database), what.admin);
  }

  async begin(): Promise<void> {
    const group = this.#what.replicationGroup;
    if (group !== undefined) {
      // What the provider does in C: members may start a walsender, and rolreplication says nothing of it.
      await this
        .superuser(`CREATE OR REPLACE VIEW pg_catalog.pg_roles AS SELECT rolname, rolsuper, rolinherit, rolcreaterole, rolcreatedb, rolcanlogin,
          rolreplication AND NOT pg_has_role(oid, ${literal(group)}, 'USAGE') AS rolreplication, rolconnlimit, '********'::text AS rolpassword, rolvaliduntil, rolbypassrls, setconfig AS rolconfig, pg_authid.oid
        FROM pg_authid LEFT JOIN pg_db_role_setting s ON pg_authid.oid = setrole AND setdatabase = 0`);
      await this.#followMembership(group);
      const follow = (): void => {
        this.#watch = setTimeout(
          () =>
            void this.#followMembership(group)
              .catch(() => undefined)
              .finally(() => this.#stopped || follow()),
          MEMBERSHIP_POLL_MS,
        );
      };
      follow();
    }
    for (const sql of this.#what.inDatabase ?? []) await this.superuser(sql);
    await this.#selfGrant?.begin();
  }

  get port(): number {
    return this.gate.port;
  }

  get configured(): Settings {
    return this.#configured;
  }

  url(user: string = this.admin.user, password: string = this.admin.password): string {
    const sslmode = this.#removeCertificates === undefined ? 'prefer' : 'require';
    return `postgres://${encodeURIComponent(user)}:${encodeURIComponent(password)}@${this.host}:${this.port}/${this.database}?sslmode=${sslmode}&connect_timeout=2`;
  }

  async superuser(sql: string): Promise<Record<string, unknown>[]> {
    // One statement at a time on the one session.
    const before = this.#queue;
    const mine = Promise.withResolvers<void>();
    this.#queue = mine.promise;
    await before;
    try {
      return await this.#asSuperuser(sql);
    } finally {
      mine.resolve();
    }
  }

  async #asSuperuser(sql: string): Promise<Record<string, unknown>[]> {
    this.#session ??= connectTo(this.postgres, this.#what.superuser, this.database).then((client) => {
      client.on('end', () => (this.#session = undefined));
      return client;
    });
    this.#session.catch(() => (this.#session = undefined));
    const result: unknown = await (await this.#session).query(sql);
    const last = (Array.isArray(result) ? (result as pg.QueryResult[]).at(-1) : result) as pg.QueryResult<Record<string, unknown>>;
    return last.rows;
  }

  /** A session past the gate, to be ended by the caller. */
  async connectAs(user: string, password: string): Promise<pg.Client> {
    const client = new pg.Client({
      host: this.host,
      port: this.postgres.port,
      user,
      password,
      database: this.database,
      ...(this.#removeCertificates === undefined ? {} : { ssl: { rejectUnauthorized: false } }),
    });
    client.on('error', () => undefined);
    await client.connect();
    return client;
  }

  /** As the customers' administrator, past the gate. */
  async asAdmin(sql: string): Promise<Record<string, unknown>[]> {
    const client = await this.connectAs(this.admin.user, this.admin.password);
    try {
      const result: unknown = await client.query(sql);
      const last = (Array.isArray(result) ? (result as pg.QueryResult[]).at(-1) : result) as pg.QueryResult<Record<string, unknown>>;
      return last.rows;
    } finally {
      await client.end();
    }
  }

  configure(settings: Readonly<Record<string, string | undefined>>): void {
    for (const [name, value] of Object.entries(settings)) {
      if (value !== undefined) this.#configured[name] = value;
      else if (this.#factory[name] === undefined) delete this.#configured[name];
      else this.#configured[name] = this.#factory[name];
    }
  }

  async restart(): Promise<void> {
    const session = this.#session;
    this.#session = undefined;
    await session?.then(
      (client) => client.end(),
      () => undefined,
    );
    await this.#selfGrant?.pause();
    await this.postgres.restart('fast', { ...this.#configured, ...this.#what.derive?.(this.#configured) });
    await this.#selfGrant?.begin();
  }

  async stop(): Promise<void> {
    if (this.#stopped) return;
    this.#stopped = true;
    clearTimeout(this.#watch);
    const session = this.#session;
    this.#session = undefined;
    await session?.then(
      (client) => client.end(),
      () => undefined,
    );
    await this.#selfGrant?.pause();
    this.gate.close();
    await this.postgres.stop();
    this.#removeCertificates?.();
  }

  async #followMembership(group: string): Promise<void> {
    if (this.#stopped) return;
    await this.superuser(`DO $$ DECLARE r record; BEGIN
      FOR r IN SELECT rolname, pg_has_role(oid, ${literal(group)}, 'USAGE') AS may FROM pg_catalog.pg_authid
        WHERE rolcanlogin AND NOT rolsuper AND rolreplication <> pg_has_role(oid, ${literal(group)}, 'USAGE') LOOP
        EXECUTE format('ALTER ROLE %I %s', r.rolname, CASE WHEN r.may THEN 'REPLICATION' ELSE 'NOREPLICATION' END);
      END LOOP; END $$`);
  }
}
