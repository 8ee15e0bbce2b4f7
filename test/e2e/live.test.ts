/** What goes on while the upstream is written to: subscriptions, transactions at one tick, real-time recency, cancelling, timeouts, statements that are too heavy. */
import pg from 'pg';
import { to as copyTo } from 'pg-copy-streams';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, pause, refusal, Shop, textRows } from './shop.ts';

let shop: Shop;
let client: pg.Client;

beforeAll(async () => {
  shop = await Shop.open();
  client = await shop.connect();
  await shop.define(
    client,
    `CREATE MATERIALIZED VIEW by_state AS SELECT state, count(*) AS n, sum(total) AS total FROM orders GROUP BY state`,
    `CREATE MATERIALIZED VIEW all_orders AS SELECT count(*) AS n, sum(total) AS total FROM orders`,
    // Multiplied by the digits of pi and by itself, it has no native form: Postgres in the evaluator computes it.
    `CREATE MATERIALIZED VIEW quotients AS SELECT id, part / whole AS quotient FROM ratios`,
  );
});

afterAll(async () => {
  await client?.end();
  await shop?.close();
});

/** Orders that keep coming, one of each state a transaction, until told to stop. Every commit leaves equal numbers of the three states' new orders. */
function writer(from: number): { stop(): Promise<number> } {
  const state = { running: true };
  const done = (async () => {
    let transactions = 0;
    for (let id = from; state.running; id += 3, transactions++) {
      await shop.upstream(`INSERT INTO orders VALUES (${id}, 1, 10, 'new'), (${id + 1}, 1, 10, 'paid'), (${id + 2}, 1, 10, 'shipped')`);
      await pause(2);
    }
    return transactions;
  })();
  return {
    stop() {
      state.running = false;
      return done;
    },
  };
}

/** The messages of a subscription as they come, one array of fields each. */
async function* lines(from: pg.Client, sql: string): AsyncGenerator<(string | null)[]> {
  let rest = '';
  for await (const chunk of from.query(copyTo(`COPY (${sql}) TO STDOUT`)) as AsyncIterable<Buffer>) {
    const parts = (rest + chunk.toString()).split('\n');
    rest = parts.pop()!;
    for (const line of parts) yield line.split('\t').map((field) => (field === '\\N' ? null : field));
  }
}

/** Reads until `enough` and hangs up. */
async function subscribed(
  sql: string,
  enough: (seen: (string | null)[][]) => boolean,
  meanwhile?: () => Promise<unknown>,
): Promise<(string | null)[][]> {
  const subscriber = await shop.connect();
  const seen: (string | null)[][] = [];
  try {
    for await (const line of lines(subscriber, sql)) {
      seen.push(line);
      if (seen.length === 1) void meanwhile?.();
      if (enough(seen)) break;
    }
  } catch (error) {
    if (!enough(seen)) throw error;
  } finally {
    void subscriber.end();
  }
  return seen;
}

describe('SUBSCRIBE', () => {
  test('the snapshot, then each change as a retraction and an insertion at one timestamp', async () => {
    const before = await textRows(client, `SELECT n FROM by_state WHERE state = 'new'`);
    const seen = await subscribed(
      'SUBSCRIBE by_state',
      (lines_) => lines_.length === 5,
      async () => {
        await pause(100);
        await shop.upstream(`INSERT INTO orders VALUES (100001, 1, 5, 'new')`);
      },
    );
    const [snapshot, [gone, come]] = [seen.slice(0, 3), seen.slice(3) as [string[], string[]]];
    expect(new Set(snapshot.map(([timestamp]) => timestamp)).size).toBe(1);
    expect(snapshot.map(([, diff, state]) => `${diff} ${state}`).sort()).toEqual(['1 new', '1 paid', '1 shipped']);
    expect(gone.slice(1, 4)).toEqual(['-1', 'new', before[0]![0]]);
    expect(come.slice(1, 4)).toEqual(['1', 'new', String(Number(before[0]![0]) + 1)]);
    expect(come[0]).toBe(gone[0]);
    expect(Number(come[0])).toBeGreaterThan(Number(snapshot[0]![0]));
  });

  test('without the snapshot, of a query of its own', async () => {
    const seen = await subscribed(
      `SUBSCRIBE (SELECT id, total FROM orders WHERE total > 500) WITH (SNAPSHOT = false, PROGRESS)`,
      (lines_) => lines_.some(([, progressed]) => progressed === 'f'),
      () => shop.upstream(`INSERT INTO orders VALUES (100002, 1, 501, 'new')`),
    );
    expect(seen.at(-1)!.slice(1)).toEqual(['f', '1', '100002', '501.00']);
    // The first message is a mark at the subscription's own beginning.
    expect(seen[0]!.slice(1)).toEqual(['t', null, null, null]);
  });

  test('PROGRESS: marks go up while nothing changes, and no row is older than a mark before it', async () => {
    const writing = writer(200_000);
    const began = performance.now();
    const seen = await subscribed('SUBSCRIBE by_state WITH (PROGRESS)', (lines_) => lines_.filter(([, mark]) => mark === 't').length >= 40);
    // One a sync, not one a second.
    expect(performance.now() - began).toBeLessThan(15_000);
    await writing.stop();
    let mark = 0;
    for (const [timestamp, progressed] of seen) {
      expect(Number(timestamp)).toBeGreaterThanOrEqual(mark);
      if (progressed === 't') mark = Number(timestamp);
    }
    // Idle, they keep coming.
    const idle = await subscribed('SUBSCRIBE by_state WITH (SNAPSHOT = false, PROGRESS)', (lines_) => lines_.length === 3);
    expect(idle.every(([, progressed]) => progressed === 't')).toBe(true);
  });

  test('half a transaction is never seen: every commit leaves the three states equally', async () => {
    const start = new Map((await textRows(client, 'SELECT state, n FROM by_state')).map(([state, n]) => [state!, Number(n)]));
    const writing = writer(300_000);
    const seen = await subscribed('SUBSCRIBE by_state WITH (PROGRESS)', (lines_) => lines_.filter(([, mark]) => mark === 't').length > 30);
    await writing.stop();
    const now = new Map<string | null, number>();
    let cuts = 0;
    for (const [, progressed, diff, state, n] of seen) {
      if (progressed === 'f') {
        if (diff === '1') now.set(state!, Number(n));
        continue;
      }
      if (now.size < 3) continue;
      const grown = [...now].map(([state_, count]) => count - (start.get(state_!) ?? 0));
      expect(new Set(grown).size, JSON.stringify(grown)).toBe(1);
      cuts++;
    }
    expect(cuts).toBeGreaterThan(5);
  });

  test('through node-postgres, row by row, until cancelled', async () => {
    const subscriber = await shop.connect();
    const query = new pg.Query<{ mz_timestamp: string; mz_diff: string; state: string }>(`SUBSCRIBE by_state`);
    const rows: { mz_timestamp: string; mz_diff: string; state: string }[] = [];
    query.on('row', (row) => rows.push(row));
    const ended = new Promise<Error & { code?: string }>((resolve) => query.on('error', resolve));
    subscriber.query(query);
    await eventually(
      async () => rows.length,
      (length) => length === 3,
    );
    await shop.upstream(`INSERT INTO orders VALUES (100003, 1, 5, 'paid')`);
    await eventually(
      async () => rows.length,
      (length) => length === 5,
    );
    expect(rows[4]).toMatchObject({ mz_diff: '1', state: 'paid' });
    await shop.cancel(subscriber);
    expect((await ended).code).toBe('57014');
    // The session goes on.
    expect((await subscriber.query('SELECT 1 AS one')).rows).toEqual([{ one: 1 }]);
    await subscriber.end();
  });

  test('ends with an error when its view is dropped', async () => {
    await client.query('CREATE MATERIALIZED VIEW passing AS SELECT id FROM customers WHERE id < 3');
    const subscriber = await shop.connect();
    const ended = refusal(subscriber.query('SUBSCRIBE passing'));
    await eventually(
      () => textRows(client, 'SELECT * FROM millrace.subscriptions'),
      (rows) => rows.length > 0,
    );
    await pause(100);
    await client.query('DROP MATERIALIZED VIEW passing');
    expect(await ended).toMatchObject({ code: '42P01' });
    await subscriber.end();
  });
});

describe('reads while writes go on', () => {
  test('a read-only transaction reads everything as of one tick', async () => {
    const writing = writer(400_000);
    try {
      for (let i = 0; i < 6; i++) {
        await client.query('BEGIN READ ONLY');
        // The first read opens a table's rows, and ticks go on meanwhile.
        const first = await textRows(client, i % 2 === 0 ? 'SELECT count(*) FROM orders' : 'SELECT sum(n) FROM by_state');
        await pause(20);
        expect(await textRows(client, 'SELECT n FROM all_orders')).toEqual(first);
        expect(await textRows(client, 'SELECT count(*) FROM orders')).toEqual(first);
        expect(await textRows(client, 'SELECT sum(n) FROM by_state')).toEqual(first);
        await client.query('COMMIT');
        await eventually(
          () => textRows(client, 'SELECT n FROM all_orders'),
          (now) => Number(now[0]![0]) > Number(first[0]![0]),
        );
      }
    } finally {
      await writing.stop();
    }
  });

  test('a statement that joins views sees all of them at one commit', async () => {
    const writing = writer(500_000);
    try {
      for (let i = 0; i < 15; i++)
        expect(await textRows(client, 'SELECT a.n FROM all_orders a JOIN (SELECT sum(n) AS n FROM by_state) s ON s.n = a.n')).toHaveLength(
          1,
        );
    } finally {
      await writing.stop();
    }
  });

  test('a block that failed says so until it ends; definitions do not run in a block', async () => {
    await client.query('BEGIN');
    expect(await refusal(client.query('SELECT * FROM nothing'))).toMatchObject({ code: '42P01' });
    expect(await refusal(client.query('SELECT 1'))).toMatchObject({ code: '25P02' });
    expect((await client.query('COMMIT')).command).toBe('ROLLBACK');
    await client.query('BEGIN');
    expect(await refusal(client.query('CREATE VIEW v AS SELECT id FROM orders'))).toMatchObject({ code: '25001' });
    await client.query('ROLLBACK');
  });

  test('real-time recency: what was committed before the question is in the answer', async () => {
    await client.query('SET real_time_recency = true');
    for (let i = 0; i < 20; i++) {
      await shop.upstream(`INSERT INTO orders VALUES (${600_000 + i}, 1, 10, 'new')`);
      expect(await textRows(client, `SELECT count(*) FROM orders WHERE id = ${600_000 + i}`)).toEqual([['1']]);
    }
    expect(await textRows(client, 'TABLE all_orders')).toEqual(await shop.oracle('SELECT count(*), sum(total) FROM orders'));
    await client.query('RESET real_time_recency');
  });

  test('COPY (…) TO STDOUT in the text format', async () => {
    await shop.upstream(`INSERT INTO notes VALUES (9001, E'tab\\there\\nnew \\\\ line'), (9002, NULL)`);
    await eventually(
      () => textRows(client, 'SELECT count(*) FROM notes WHERE id > 9000'),
      ([row]) => row?.[0] === '2',
    );
    const rows: (string | null)[][] = [];
    for await (const line of lines(client, 'SELECT * FROM notes WHERE id > 9000 ORDER BY id')) rows.push(line);
    expect(rows).toEqual([
      ['9001', 'tab\\there\\nnew \\\\ line'],
      ['9002', null],
    ]);
  });
});

describe('statements that are too much', () => {
  /** A subscriber sees each write soon while `heavy` runs. (A new SELECT waits: one Postgres analyses for everybody, one statement at a time.) */
  async function whileFresh<T>(id: number, heavy: () => Promise<T>, staleMsMax = 2_000): Promise<T> {
    const subscriber = await shop.connect();
    try {
      const changes = lines(subscriber, `SUBSCRIBE (SELECT id FROM orders WHERE id >= ${id} AND id < ${id + 5})`);
      const first = changes.next();
      await shop.upstream(`INSERT INTO orders VALUES (${id}, 1, 10, 'new')`);
      expect((await first).value).toMatchObject({ 2: String(id) });
      const running = heavy();
      running.catch(() => undefined);
      await pause(100);
      for (let next = id + 1; next < id + 5; next++) {
        await shop.upstream(`INSERT INTO orders VALUES (${next}, 1, 10, 'new')`);
        const written = performance.now();
        expect((await changes.next()).value).toMatchObject({ 2: String(next) });
        expect(performance.now() - written).toBeLessThan(staleMsMax);
      }
      return await running;
    } finally {
      void subscriber.end();
    }
  }

  const ENDLESS = 'SELECT count(*) FROM generate_series(1, 1000000000000)';

  test('an endless catalog query ends at its statement_timeout', async () => {
    const heavy = await shop.connect();
    await heavy.query(`SET statement_timeout = '2s'`);
    const started = performance.now();
    expect(await whileFresh(700_000, () => refusal(heavy.query(ENDLESS)))).toMatchObject({ code: '57014' });
    expect(performance.now() - started).toBeLessThan(10_000);
    expect(await textRows(heavy, 'SELECT 1')).toEqual([['1']]);
    await heavy.end();
  });

  test('and when it is cancelled', async () => {
    const heavy = await shop.connect();
    const ended = refusal(heavy.query(ENDLESS));
    await pause(300);
    await shop.cancel(heavy);
    expect(await ended).toMatchObject({ code: '57014' });
    expect(await textRows(heavy, `SELECT count(*) FROM pg_class WHERE relname = 'orders'`)).toEqual([['1']]);
    await heavy.end();
  });

  test('an expression that nests four thousand deep', async () => {
    const heavy = await shop.connect();
    const nested = `SELECT ${'1+'.repeat(4_000)}1`;
    const outcome = await whileFresh(710_000, () =>
      textRows(heavy, nested).then(
        (rows) => rows,
        (error: unknown) => error,
      ),
    );
    // Postgres may have the stack for it or say that it has not; either way the next statement is served.
    if (Array.isArray(outcome)) expect(outcome).toEqual([['4001']]);
    else expect(outcome).toMatchObject({ code: expect.stringMatching(/^54/) });
    const onRows = await refusal(
      heavy
        .query(`SELECT ${'('.repeat(4_000)}id${'+1)'.repeat(4_000)} FROM orders`)
        .then((result) => (result.rows.length > 0 ? Promise.reject(new Error('answered')) : result)),
    );
    expect(onRows).toBeDefined();
    expect(await textRows(heavy, 'SELECT 1')).toEqual([['1']]);
    expect(await textRows(heavy, `SELECT count(*) FROM customers WHERE id = 1`)).toEqual([['1']]);
    await heavy.end();
  });

  test("a fallback function past the evaluator's deadline", async () => {
    const heavy = await shop.connect();
    // Immutable, without a native form, and seconds for a row.
    const slow = `SELECT id, length(factorial(31000 + id)::text) AS digits FROM customers`;
    // The engine asks the evaluator and waits: for its deadline of a second, and until another one has started.
    const outcome = await whileFresh(720_000, () => refusal(heavy.query(slow)), 8_000);
    expect(outcome.code).toMatch(/^(57014|54\d\d\d)$/);
    expect(await textRows(heavy, 'SELECT md5(name) FROM customers WHERE id = 1')).toEqual(
      await shop.oracle('SELECT md5(name) FROM customers WHERE id = 1'),
    );
    await heavy.end();
  });

  test('a join without a condition stops at its time or at its size', async () => {
    const heavy = await shop.connect();
    await heavy.query(`SET statement_timeout = '1s'`);
    const outcome = await refusal(
      heavy.query('SELECT count(*) FROM orders a, orders b, orders c WHERE a.total + b.total + c.total = 0.001'),
    );
    expect(outcome.code).toMatch(/^(57014|5[34]\d\d\d)$/);
    expect(await textRows(heavy, 'SELECT n FROM all_orders')).toEqual(await shop.oracle('SELECT count(*) FROM orders'));
    await heavy.end();
  });
});

describe('a row that a view cannot be computed for', () => {
  test('the view says why, is back when the row goes, and others never noticed', async () => {
    expect(await textRows(client, 'SELECT * FROM quotients ORDER BY id')).toEqual([
      ['1', '5'],
      ['2', '3'],
    ]);
    await shop.upstream('INSERT INTO ratios VALUES (3, 1, 0)');
    await client.query('SET real_time_recency = true');
    expect(await refusal(client.query('SELECT * FROM quotients'))).toMatchObject({ code: '22012', message: 'division by zero' });
    expect(await textRows(client, `SELECT error_rows, error FROM millrace.views WHERE name = 'quotients'`)).toEqual([
      ['1', 'division by zero'],
    ]);
    expect(await textRows(client, `SELECT object_name, sqlstate FROM millrace.errors`)).toEqual([['quotients', '22012']]);
    expect(await textRows(client, 'SELECT n FROM all_orders')).toEqual(await shop.oracle('SELECT count(*) FROM orders'));
    await shop.upstream('UPDATE ratios SET whole = 1 WHERE id = 3');
    expect(await textRows(client, 'SELECT * FROM quotients WHERE id = 3')).toEqual([['3', '1']]);
    await shop.upstream('DELETE FROM ratios WHERE id = 3');
    expect(await textRows(client, 'SELECT count(*) FROM quotients')).toEqual([['2']]);
    expect(await textRows(client, `SELECT * FROM millrace.errors`)).toEqual([]);
    await client.query('RESET real_time_recency');
  });
});
