/**
 * The soak's load: transactions over several tables that keep three sums, so that half a transaction or a step back in time is seen at once.
 *
 *  - accounts: random uuid keys, a 100 kB note that UPDATEs do not touch (unchanged TOAST); the balances always add up to the same total.
 *  - transfers: one row a transfer, written with its two account updates; `journal`: one row a transfer, too, without a key under REPLICA IDENTITY FULL.
 *  - items: their key is updated; scratch: truncated and filled again in one transaction, always 10 rows; counter: one row that only rises.
 */
import type { Client } from 'pg';
import { randomFrom } from '../../src/demo/workload.ts';

export const ACCOUNTS = 200;
export const BALANCE = 1000;
export const SCRATCH_ROWS = 10;

export const SOAK_SCHEMA = `
  CREATE TABLE accounts (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), n integer NOT NULL, owner text NOT NULL, balance numeric(12,2) NOT NULL, note text);
  ALTER TABLE accounts ALTER COLUMN note SET STORAGE EXTERNAL;
  CREATE TABLE transfers (id uuid PRIMARY KEY DEFAULT gen_random_uuid(), payer uuid NOT NULL, payee uuid NOT NULL, amount numeric(12,2) NOT NULL);
  CREATE TABLE journal (what text, amount numeric, at timestamptz);
  ALTER TABLE journal REPLICA IDENTITY FULL;
  CREATE TABLE items (id uuid PRIMARY KEY, name text NOT NULL, weight double precision NOT NULL);
  CREATE TABLE scratch (id integer PRIMARY KEY, round integer NOT NULL);
  CREATE TABLE counter (id integer PRIMARY KEY, value bigint NOT NULL);
  INSERT INTO accounts (n, owner, balance, note) SELECT n, 'owner ' || n % 17, ${BALANCE}, CASE WHEN n % 40 = 0 THEN repeat(md5(n::text), 3200) END FROM generate_series(1, ${ACCOUNTS}) n;
  INSERT INTO items SELECT gen_random_uuid(), 'item ' || n, n * 0.1 FROM generate_series(1, 300) n;
  INSERT INTO scratch SELECT n, 0 FROM generate_series(1, ${SCRATCH_ROWS}) n;
  INSERT INTO counter VALUES (1, 0);
  CREATE PUBLICATION mz_source FOR TABLE accounts, transfers, journal, items, scratch, counter;
`;

export const SOAK_VIEWS: Readonly<Record<string, string>> = {
  total: 'SELECT count(*) AS accounts, sum(balance) AS balance FROM accounts',
  by_owner:
    'SELECT owner, count(*) AS accounts, sum(balance) AS balance, min(balance) AS poorest, max(balance) AS richest FROM accounts GROUP BY owner',
  notes: 'SELECT n, balance, length(note) AS length, md5(note) AS digest FROM accounts WHERE note IS NOT NULL',
  paid: 'SELECT a.owner, count(*) AS transfers, sum(t.amount) AS amount FROM transfers t JOIN accounts a ON a.id = t.payer GROUP BY a.owner',
  silent: 'SELECT a.n, t.id FROM accounts a LEFT JOIN transfers t ON t.payee = a.id WHERE t.id IS NULL',
  booked: 'SELECT what, count(*) AS entries, sum(amount) AS amount FROM journal GROUP BY what',
  moved: 'SELECT id, name, weight FROM items',
  heaviest: 'SELECT id, name, weight FROM items ORDER BY weight DESC LIMIT 5',
  rounds: 'SELECT round, count(*) AS rows FROM scratch GROUP BY round',
  progress: 'SELECT value FROM counter',
  agreement: `SELECT what, c FROM (SELECT 'transfers' AS what, count(*) AS c FROM transfers UNION ALL SELECT 'journal', count(*) FROM journal) both_counts`,
};

export class SoakLoad {
  transactions = 0;
  readonly #client: Client;
  readonly #random: () => number;
  #stopping = false;
  #running: Promise<void> = Promise.resolve();
  error: unknown;

  constructor(client: Client, seed: number) {
    this.#client = client;
    this.#random = randomFrom(seed);
  }

  start(): void {
    this.#stopping = false;
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#running;
    if (this.error !== undefined) throw this.error;
  }

  async #run(): Promise<void> {
    try {
      while (!this.#stopping) {
        await this.#transaction();
        this.transactions++;
        // About 400 a second: enough to be in the middle of something at any moment, and to leave the machine its breath.
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    } catch (error) {
      this.error = error;
    }
  }

  async #transaction(): Promise<void> {
    const dice = this.#random();
    if (dice < 0.55) return this.#transfer();
    if (dice < 0.7) return this.#moveItems();
    if (dice < 0.78) return this.#refillScratch();
    if (dice < 0.86) return this.#forget();
    if (dice < 0.92) return this.#rollBack();
    return this.#bulk();
  }

  #transfer(count = 1 + Math.floor(this.#random() * 3)): Promise<void> {
    const statements = ['BEGIN'];
    for (let i = 0; i < count; i++) {
      const [payer, payee] = [this.#below(ACCOUNTS) + 1, this.#below(ACCOUNTS) + 1];
      const amount = (this.#random() * 20).toFixed(2);
      statements.push(
        `UPDATE accounts SET balance = balance - ${amount} WHERE n = ${payer}`,
        `UPDATE accounts SET balance = balance + ${amount} WHERE n = ${payee}`,
        `INSERT INTO transfers (payer, payee, amount) SELECT a.id, b.id, ${amount} FROM accounts a, accounts b WHERE a.n = ${payer} AND b.n = ${payee}`,
        `INSERT INTO journal VALUES ('transfer ${payer % 5}', ${amount}, now())`,
      );
    }
    statements.push('UPDATE counter SET value = value + 1', 'COMMIT');
    return this.#do(statements);
  }

  /** Key updates; some items change name as well. */
  #moveItems(): Promise<void> {
    return this.#do([
      'BEGIN',
      `UPDATE items SET id = gen_random_uuid(), weight = weight + 0.1 WHERE ctid IN (SELECT ctid FROM items LIMIT ${1 + this.#below(5)})`,
      `UPDATE items SET name = name || '!' WHERE name LIKE 'item ${this.#below(10)}%' AND length(name) < 30`,
      'UPDATE counter SET value = value + 1',
      'COMMIT',
    ]);
  }

  #refillScratch(): Promise<void> {
    return this.#do([
      'BEGIN',
      'TRUNCATE scratch',
      `INSERT INTO scratch SELECT n, ${this.#below(1000)} FROM generate_series(1, ${SCRATCH_ROWS}) n`,
      'UPDATE counter SET value = value + 1',
      'COMMIT',
    ]);
  }

  /** Deletes a few old transfers and as many journal rows, duplicates among them. */
  #forget(): Promise<void> {
    return this.#do([
      'BEGIN',
      'WITH gone AS (DELETE FROM transfers WHERE ctid IN (SELECT ctid FROM transfers LIMIT 3) RETURNING 1), counted AS (SELECT count(*) AS c FROM gone) DELETE FROM journal WHERE ctid IN (SELECT ctid FROM journal LIMIT (SELECT c FROM counted))',
      'UPDATE counter SET value = value + 1',
      'COMMIT',
    ]);
  }

  #rollBack(): Promise<void> {
    return this.#do(['BEGIN', 'UPDATE accounts SET balance = 0', 'DELETE FROM journal', 'ROLLBACK']);
  }

  /** One transaction of several hundred changes. */
  #bulk(): Promise<void> {
    return this.#do([
      'BEGIN',
      `UPDATE accounts SET owner = 'owner ' || (n + ${this.#below(17)}) % 17`,
      `UPDATE items SET weight = weight * 1.01`,
      'UPDATE counter SET value = value + 1',
      'COMMIT',
    ]);
  }

  async #do(statements: readonly string[]): Promise<void> {
    try {
      for (const statement of statements) await this.#client.query(statement);
    } catch (error) {
      // Two writers may meet in a deadlock; the loser begins anew.
      if ((error as { code?: string }).code !== '40P01') throw error;
      await this.#client.query('ROLLBACK');
    }
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }
}
