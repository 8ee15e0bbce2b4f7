/**
 * An administrator who starts without REPLICATION and may give it to himself, as on Cloud SQL, AlloyDB and Azure: a change of theirs in the server's C code, that plain Postgres refuses (42501).
 * Imitated from outside: ALTER ROLE locks pg_authid before it asks for rights, so a session of the superuser holds that table against writers, looks at who waits, and makes the administrator
 * a superuser for the length of that very statement. All other writers are let through at once. Used by `dress.ts`; ends when the right is given.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { ident, literal } from '../../../src/base/ident.ts';

const POLL_MS = 20;
const PAUSE_MS = 500;
const HOLD = 'BEGIN; LOCK TABLE pg_catalog.pg_authid IN SHARE MODE';
const AUTHID = `'pg_catalog.pg_authid'::regclass`;

export class SelfGrant {
  readonly #connect: () => Promise<pg.Client>;
  readonly #admin: string;
  #client: pg.Client | undefined;
  #watching: Promise<void> = Promise.resolve();
  #paused = true;

  constructor(connect: () => Promise<pg.Client>, admin: string) {
    this.#connect = connect;
    this.#admin = admin;
  }

  /** Resolves when the table is held: from then on the administrator may. */
  async begin(): Promise<void> {
    const client = await this.#connect();
    if (await this.#given(client)) return client.end();
    this.#client = client;
    this.#paused = false;
    await client.query(HOLD);
    // A restart ends the session; `begin` is called again after it.
    this.#watching = this.#watch(client).catch(() => undefined);
  }

  async pause(): Promise<void> {
    this.#paused = true;
    const client = this.#client;
    this.#client = undefined;
    // Behind a writer whose transaction stays open it would wait for ever: the end of the server ends it as well.
    await Promise.race([this.#watching, sleep(PAUSE_MS)]);
    void client?.end().catch(() => undefined);
  }

  async #watch(client: pg.Client): Promise<void> {
    while (!this.#paused) {
      const waiting = await writers(client);
      if (waiting.length === 0) {
        await sleep(POLL_MS);
        continue;
      }
      if (waiting.length > 1 || !this.#isSelfGrant(waiting[0]!)) {
        await client.query(`COMMIT; ${HOLD}`);
        continue;
      }
      // In one message: the table is asked for again, and with it the end of the writer's transaction is waited for, before its client can send another statement.
      const admin = ident(this.#admin);
      await client.query(`ALTER ROLE ${admin} SUPERUSER; COMMIT; ${HOLD}; ALTER ROLE ${admin} NOSUPERUSER; COMMIT; ${HOLD}`);
      if (await this.#given(client)) break;
    }
    await client.query('COMMIT');
  }

  #isSelfGrant({ user, query }: Writer): boolean {
    const statement = /^\s*ALTER (?:ROLE|USER) (\S+) (?:WITH )?REPLICATION;?\s*$/i.exec(query);
    return user === this.#admin && [this.#admin, ident(this.#admin), `"${this.#admin}"`].includes(statement?.[1] ?? '');
  }

  async #given(client: pg.Client): Promise<boolean> {
    const found = await client.query(`SELECT 1 FROM pg_catalog.pg_authid WHERE rolname = ${literal(this.#admin)} AND rolreplication`);
    return found.rows.length > 0;
  }
}

interface Writer {
  readonly user: string;
  readonly query: string;
}

async function writers(client: pg.Client): Promise<Writer[]> {
  // Within a transaction the statistics are those of the first look.
  await client.query('SELECT pg_stat_clear_snapshot()');
  const found = await client.query<Writer>(
    `SELECT a.usename::text AS "user", a.query FROM pg_catalog.pg_locks l JOIN pg_catalog.pg_stat_activity a USING (pid) WHERE l.relation = ${AUTHID} AND NOT l.granted`,
  );
  return found.rows;
}
