/**
 * The demo's live workload: mixed transactions (inserts, updates, deletes, rollbacks, several tables at once) at a steady rate over a few connections.
 * Deterministic from its seed. Every committed transaction keeps the shop consistent (no line without its order), so that half a transaction shown would be seen.
 */
import type { Client } from 'pg';
import type { ShopSize } from './shop.ts';

export interface WorkloadCounts {
  transactions: number;
  rolledBack: number;
  changes: number;
}

/** A small generator of repeatable numbers (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

export class Workload {
  readonly counts: WorkloadCounts = { transactions: 0, rolledBack: 0, changes: 0 };
  readonly #clients: readonly Client[];
  readonly #random: () => number;
  readonly #size: ShopSize;
  readonly #perSecond: number;
  readonly #onOrderCommitted: (orderId: number, atMs: number) => void;
  #nextOrder: number;
  #running: Promise<void>[] = [];
  #stopping = false;

  constructor(
    clients: readonly Client[],
    size: ShopSize,
    perSecond: number,
    onOrderCommitted: (orderId: number, atMs: number) => void,
    seed = 1,
  ) {
    this.#clients = clients;
    this.#size = size;
    this.#perSecond = perSecond;
    this.#onOrderCommitted = onOrderCommitted;
    this.#random = randomFrom(seed);
    this.#nextOrder = size.orders + 1;
  }

  start(): void {
    this.#stopping = false;
    this.#running = this.#clients.map((client) => this.#run(client));
    // Heard of by `stop`, which the demo may come to only later.
    for (const run of this.#running) run.catch(() => undefined);
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await Promise.all(this.#running);
  }

  async #run(client: Client): Promise<void> {
    const intervalMs = (1000 * this.#clients.length) / this.#perSecond;
    let due = performance.now() + this.#random() * intervalMs;
    while (!this.#stopping) {
      const waitMs = due - performance.now();
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      // A machine that cannot keep up is not punished with a burst afterwards.
      due = Math.max(due + intervalMs, performance.now() - 1000);
      await this.#transaction(client);
    }
  }

  async #transaction(client: Client): Promise<void> {
    const dice = this.#random();
    if (dice < 0.4) return this.#placeOrder(client);
    if (dice < 0.7) return this.#advanceOrder(client);
    if (dice < 0.8) return this.#repriceProduct(client);
    if (dice < 0.88) return this.#cancelOrder(client);
    if (dice < 0.94) return this.#moveCustomer(client);
    return this.#changeOfMind(client);
  }

  async #placeOrder(client: Client): Promise<void> {
    const id = this.#nextOrder++;
    const lines = 1 + this.#below(4);
    await client.query('BEGIN');
    await client.query(`INSERT INTO orders VALUES ($1, $2, 'new', now())`, [id, 1 + this.#below(this.#size.customers)]);
    for (let line = 1; line <= lines; line++) await this.#insertLine(client, id, line);
    const sentAtMs = performance.now();
    await client.query('COMMIT');
    this.#onOrderCommitted(id, sentAtMs);
    this.#count(1 + lines);
  }

  async #insertLine(client: Client, order: number, line: number): Promise<void> {
    await client.query(`INSERT INTO order_lines SELECT $1, $2, id, $3, price FROM products WHERE id = $4`, [
      order,
      line,
      1 + this.#below(5),
      1 + this.#below(this.#size.products),
    ]);
  }

  async #advanceOrder(client: Client): Promise<void> {
    const result = await client.query(
      `UPDATE orders SET status = CASE status WHEN 'new' THEN 'paid' WHEN 'paid' THEN 'packed' WHEN 'packed' THEN 'shipped' ELSE 'returned' END::order_status WHERE id = $1`,
      [this.#someOrder()],
    );
    this.#count(result.rowCount ?? 0);
  }

  /** The long description is not touched: an unchanged TOAST value on the wire. */
  async #repriceProduct(client: Client): Promise<void> {
    const result = await client.query(`UPDATE products SET price = round(price * $1::numeric, 2) WHERE id = $2`, [
      (0.9 + this.#random() * 0.2).toFixed(3),
      1 + this.#below(this.#size.products),
    ]);
    this.#count(result.rowCount ?? 0);
  }

  async #cancelOrder(client: Client): Promise<void> {
    const id = this.#someOrder();
    await client.query('BEGIN');
    const lines = await client.query(`DELETE FROM order_lines WHERE order_id = $1`, [id]);
    const orders = await client.query(`DELETE FROM orders WHERE id = $1`, [id]);
    await client.query('COMMIT');
    this.#count((lines.rowCount ?? 0) + (orders.rowCount ?? 0));
  }

  async #moveCustomer(client: Client): Promise<void> {
    const regions = ['north', 'south', 'east', 'west', 'central'];
    const result = await client.query(`UPDATE customers SET region = $1 WHERE id = $2`, [
      regions[this.#below(regions.length)],
      1 + this.#below(this.#size.customers),
    ]);
    this.#count(result.rowCount ?? 0);
  }

  /** Rolled back: nothing of it may ever be seen. */
  async #changeOfMind(client: Client): Promise<void> {
    await client.query('BEGIN');
    await client.query(`UPDATE products SET price = 0 WHERE id % 100 = $1`, [this.#below(100)]);
    await client.query('ROLLBACK');
    this.counts.rolledBack++;
  }

  #someOrder(): number {
    return 1 + this.#below(this.#nextOrder - 1);
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #count(changes: number): void {
    this.counts.transactions++;
    this.counts.changes += changes;
  }
}
