/**
 * The world that a life is lived in: a database of its own on a real Postgres, the real `millrace serve` on a directory of its own, clients of both. `take` does a step;
 * what clients see then is read by `settle.ts`. Remembers what happened to each table since it was taken in, because a refusal has to have a cause.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ident, literal } from '../../src/base/ident.ts';
import { freePort, RunningMillrace } from '../harness/millrace.ts';
import { WireClient, type Answer } from '../harness/wire.ts';
import type { TestPostgres } from '../postgres/postgres.ts';
import type { Step, UpstreamStep } from './steps.ts';
import { Subscription } from '../harness/subscription.ts';

/** What a life begins with. */
export interface Beginning {
  readonly schema: readonly string[];
  readonly tables: readonly { readonly name: string; readonly canary: string }[];
  readonly publication: string;
}

export interface WorldTable {
  readonly name: string;
  readonly canary: string;
  /** The forms of DDL that it met since it was taken in. */
  readonly causes: string[];
  refused: boolean;
}

export interface WorldView {
  readonly name: string;
  readonly materialized: boolean;
  readonly sql: string;
  readonly reads: readonly string[];
}

export interface Fault {
  /** Two of the same kind are one fault: what, not which table. */
  readonly kind: string;
  readonly detail: string;
}

const SESSIONS = 3;
const START_TIMEOUT_MS = 90_000;
const ANSWER_TIMEOUT_MS = 45_000;
const ENVIRONMENT = { MILLRACE_VALIDATE: '1', MILLRACE_FOLD_BYTES: String(256 << 10) };

export class World {
  readonly tables = new Map<string, WorldTable>();
  readonly views = new Map<string, WorldView>();
  readonly subscriptions: Subscription[] = [];
  readonly faults: Fault[] = [];
  readonly counts = { steps: 0, ddl: 0, restarts: 0, comparisons: 0, refusedWithReason: 0, canaryLeaks: 0, silentlyDifferent: 0 };
  readonly beginning: Beginning;
  readonly #postgres: TestPostgres;
  readonly #database: string;
  #folder = '';
  #millrace: RunningMillrace | undefined;
  #upstream: WireClient | undefined;
  #sessions: WireClient[] = [];
  /** Clients of subscriptions are ended with the server. */
  readonly #others = new Set<WireClient>();

  constructor(postgres: TestPostgres, database: string, beginning: Beginning) {
    this.#postgres = postgres;
    this.#database = database;
    this.beginning = beginning;
  }

  get millrace(): RunningMillrace {
    return this.#millrace!;
  }

  get sessions(): readonly WireClient[] {
    return this.#sessions;
  }

  async open(): Promise<void> {
    await this.#postgres.createDatabase(this.#database, { provider: 'builtin' });
    for (const statement of this.beginning.schema) {
      const { error } = await this.upstream(statement);
      if (error !== undefined) throw new Error(`${error.message}: ${statement.slice(0, 500)}`);
    }
    this.#folder = await mkdtemp(join(tmpdir(), 'millrace-life-'));
    await this.#start(await freePort());
    await this.must(
      `CREATE SECRET pgpass AS 'postgres'`,
      `CREATE CONNECTION pg TO POSTGRES (HOST '${this.#postgres.host}', PORT ${this.#postgres.port}, DATABASE ${literal(this.#database)}, USER 'postgres', PASSWORD SECRET pgpass)`,
      `CREATE SOURCE s FROM POSTGRES CONNECTION pg (PUBLICATION 'mz_source')`,
    );
    for (const { name, canary } of this.beginning.tables) {
      const { error } = await this.ask(`CREATE TABLE ${ident(name)} FROM SOURCE s (REFERENCE public.${ident(name)})`);
      if (error === undefined) this.tables.set(name, { name, canary, causes: [], refused: false });
      else if (isInternal(error.sqlstate) || error.hint === '') this.fault('a table is refused without a reason', error.message);
    }
  }

  async close(): Promise<void> {
    for (const client of [...this.#sessions, ...this.#others]) client.close();
    this.#upstream?.close();
    await this.#millrace?.kill();
    await rm(this.#folder, { recursive: true, force: true });
    await this.#dropDatabase().catch(() => undefined);
  }

  fault(kind: string, detail: string): void {
    this.faults.push({ kind, detail: detail.slice(0, 4_000) });
  }

  /** False when the upstream refused it. */
  async take(step: Exclude<Step, { do: 'settle' }>): Promise<boolean> {
    this.counts.steps++;
    switch (step.do) {
      case 'upstream':
        return this.#change(step);
      case 'restart':
        await this.#restart(step.signal, step.meanwhile);
        return true;
      case 'cut':
        await this.upstream(
          `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = ${literal(this.#database)} AND active_pid IS NOT NULL`,
        );
        return true;
      case 'restart upstream':
        this.#upstream?.close();
        this.#upstream = undefined;
        await this.#postgres.restart(step.mode);
        return true;
      case 'view':
        return this.createView({ name: step.name, materialized: step.materialized, sql: step.sql, reads: step.reads });
      case 'drop view':
        await this.dropView(step.name);
        return true;
      case 'subscribe':
        await this.#subscribe(step.draw);
        return true;
    }
  }

  /** A statement at the upstream, as its users' sessions have it; both schemas are on the path. */
  async upstream(sql: string): Promise<Answer> {
    if (this.#upstream === undefined || !this.#upstream.open) {
      this.#upstream = await WireClient.open({ port: this.#postgres.port, user: 'postgres', database: this.#database });
      await this.#upstream.simple(
        `SET search_path = public, other; SET timezone = 'UTC'; SET statement_timeout = '30s'; SET lc_monetary = 'C'`,
      );
    }
    return this.#upstream.simple(sql);
  }

  async upstreamClient(): Promise<WireClient> {
    await this.upstream('SELECT 1');
    return this.#upstream!;
  }

  /** A statement at Millrace that must not fail. */
  async must(...statements: readonly string[]): Promise<void> {
    for (const statement of statements) {
      const { error } = await this.ask(statement);
      if (error !== undefined) throw new Error(`${error.sqlstate} ${error.message} ${error.detail}: ${statement}`);
    }
  }

  async ask(statement: string): Promise<Answer> {
    return this.answered(this.#sessions[0]!.simple(statement), statement);
  }

  /** The same, or a fault when nothing comes. */
  async answered<T>(work: Promise<T>, what: string): Promise<T> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.fault('no answer', `${what.slice(0, 300)}: nothing within ${ANSWER_TIMEOUT_MS} ms`);
        reject(new Error('no answer'));
      }, ANSWER_TIMEOUT_MS);
    });
    try {
      return await Promise.race([work, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** False: not made. A refusal is right where the upstream refuses, too, where a table of it is stopped, and where the feature is named. */
  async createView(view: WorldView): Promise<boolean> {
    if (!view.reads.every((name) => this.tables.has(name)) || this.views.has(view.name)) return false;
    const statement = `CREATE ${view.materialized ? 'MATERIALIZED VIEW' : 'VIEW'} ${view.name} AS ${view.sql}`;
    const { error } = await this.ask(statement);
    if (error === undefined) {
      this.views.set(view.name, view);
      return true;
    }
    const known = error.sqlstate === '0A000' || this.causesOf(view.reads).length > 0;
    if (isInternal(error.sqlstate) || !known) {
      const theirs = await this.upstream(view.sql);
      if (theirs.error?.sqlstate !== error.sqlstate) this.fault(`CREATE VIEW: ${error.sqlstate}`, `${error.message}\n${statement}`);
    }
    return false;
  }

  async dropView(name: string): Promise<void> {
    const view = this.views.get(name);
    if (view === undefined) return;
    this.views.delete(name);
    for (const subscription of this.subscriptions) if (subscription.relation === name) this.#endSubscription(subscription);
    const { error } = await this.ask(`DROP ${view.materialized ? 'MATERIALIZED VIEW' : 'VIEW'} ${name}`);
    if (error !== undefined) this.fault(`DROP VIEW: ${error.sqlstate}`, error.message);
  }

  /** The relation and its text upstream, what it reads. */
  relation(name: string): { sql: string; reads: readonly string[] } | undefined {
    if (this.tables.has(name)) return { sql: `SELECT * FROM ${ident(name)}`, reads: [name] };
    return this.views.get(name);
  }

  causesOf(tables: readonly string[]): string[] {
    return tables.flatMap((name) => this.tables.get(name)?.causes ?? []);
  }

  endSubscriptionsTo(names: ReadonlySet<string>): void {
    for (const subscription of this.subscriptions.slice()) if (names.has(subscription.relation)) this.#endSubscription(subscription);
  }

  #endSubscription(subscription: Subscription): void {
    this.subscriptions.splice(this.subscriptions.indexOf(subscription), 1);
    subscription.close();
    this.#others.delete(subscription.client);
  }

  async #subscribe(draw: number): Promise<void> {
    const names = [...this.tables.keys(), ...this.views.keys()];
    const relation = names[draw % names.length];
    if (relation === undefined || this.subscriptions.length >= 4 || this.subscriptions.some((one) => one.relation === relation)) return;
    const client = await this.#client();
    this.#others.add(client);
    this.subscriptions.push(new Subscription(client, relation));
  }

  /** Statements one after another; in a block that fails, to its end. What a step changed before it failed stays a cause. */
  async #change(step: UpstreamStep): Promise<boolean> {
    const ddl = step.what !== 'transaction';
    if (ddl) this.counts.ddl++;
    let taken = 0;
    let failed = false;
    for (const statement of step.sql) {
      const { error } = await this.upstream(statement);
      if (error === undefined) {
        taken++;
        continue;
      }
      failed = true;
      await this.upstream('ROLLBACK');
      break;
    }
    if (ddl && taken > 0 && step.neutral !== true) for (const name of step.tables) this.tables.get(name)?.causes.push(step.what);
    return !failed || !ddl;
  }

  async #restart(signal: 'SIGTERM' | 'SIGKILL', meanwhile: readonly UpstreamStep[]): Promise<void> {
    this.counts.restarts++;
    for (const client of [...this.#sessions, ...this.#others]) client.close();
    this.#sessions = [];
    this.#others.clear();
    this.subscriptions.length = 0;
    const { port } = this.millrace;
    if (signal === 'SIGTERM') {
      this.millrace.process.kill('SIGTERM');
      if (!(await this.millrace.ended(10_000))) this.fault('SIGTERM does not end it', this.millrace.output.slice(-2_000));
    }
    await this.millrace.kill();
    for (const step of meanwhile) await this.#change(step);
    await this.#start(port);
  }

  /** It ended by itself: a fault, and the life goes on with a new one. */
  async revive(): Promise<boolean> {
    if (!this.millrace.exited) return false;
    this.fault(
      'the server ended by itself',
      `${String(this.millrace.process.exitCode ?? this.millrace.process.signalCode)}\n${this.millrace.output.slice(-3_000)}`,
    );
    await this.#restart('SIGKILL', []);
    return true;
  }

  async #start(port: number): Promise<void> {
    this.#millrace = new RunningMillrace({ dataDirectory: join(this.#folder, 'data'), port, environment: ENVIRONMENT });
    await (await this.#millrace.connect(START_TIMEOUT_MS)).end();
    this.#sessions = await Promise.all(Array.from({ length: SESSIONS }, () => this.#client()));
  }

  async renewSession(index: number): Promise<void> {
    this.#sessions[index]?.close();
    this.#sessions[index] = await this.#client();
  }

  async #client(): Promise<WireClient> {
    return WireClient.open({ port: this.millrace.port, user: 'millrace', database: 'millrace' });
  }

  async #dropDatabase(): Promise<void> {
    const name = literal(this.#database);
    for (let tries = 0; tries < 50; tries++) {
      try {
        await this.#postgres.query(
          `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = ${name} AND active_pid IS NOT NULL`,
        );
        await this.#postgres.query(`SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = ${name}`);
        await this.#postgres.query(`DROP DATABASE IF EXISTS ${this.#database} WITH (FORCE)`);
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
    }
  }
}

/** A fault of ours, whatever the text says. */
export function isInternal(sqlstate: string): boolean {
  return sqlstate.startsWith('XX') || sqlstate === '';
}
