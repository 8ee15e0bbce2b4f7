/**
 * Views that are made while their tables change: rows updated, deleted, put back, moved to other keys, whole tables emptied, in transactions that go on all the time.
 * Each is right from its first row on, nobody else waits for it, and one that is given up leaves nothing behind.
 */
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, pause, refusal, Shop, textRows } from './shop.ts';

const ITEMS = 12_000;
const LOOSE = 2_500;

/** `loose` has no key; equal rows are usual there. A long `note` is stored out of line, and left out of updates that do not touch it. */
const SCHEMA = `
  CREATE TABLE items (id int PRIMARY KEY, kind int NOT NULL, price numeric(10,2) NOT NULL, note text);
  CREATE TABLE loose (kind int, word text);
  ALTER TABLE loose REPLICA IDENTITY FULL;
  ALTER TABLE items ALTER note SET STORAGE EXTERNAL;
  INSERT INTO items SELECT n, n % 400, n % 97, CASE WHEN n % 50 = 0 THEN repeat('note ' || n, 400) END FROM generate_series(1, ${ITEMS}) n;
  INSERT INTO loose SELECT n % 500, 'word ' || n % 7 FROM generate_series(1, ${LOOSE}) n;
  ALTER PUBLICATION mz_source ADD TABLE items, loose;
  GRANT SELECT ON ALL TABLES IN SCHEMA public TO millrace;
`;

let shop: Shop;
let client: pg.Client;

beforeAll(async () => {
  shop = await Shop.open();
  await shop.upstream(SCHEMA);
  client = await shop.connect();
  await shop.define(client, 'CREATE MATERIALIZED VIEW prices AS SELECT kind, count(*) AS n, sum(price) AS total FROM items GROUP BY kind');
});

afterAll(async () => {
  await client?.end();
  await shop?.close();
});

/** Transactions of every kind, one after another, until told to stop. */
function changing(): { readonly made: () => number; stop(): Promise<void> } {
  const state = { running: true, made: 0 };
  const below = (n: number): number => Math.floor(Math.random() * n);
  const some = `SELECT (1 + random() * ${ITEMS})::int FROM generate_series(1, 20)`;
  const done = (async () => {
    const upstream = await shop.postgres.connect('shop');
    for (; state.running; state.made++) {
      const n = state.made;
      const statements = [
        `UPDATE items SET price = price + 1, kind = (random() * 400)::int WHERE id IN (${some})`,
        `UPDATE items SET kind = kind + 1 WHERE id % 50 = 0 AND id % 7 = ${n % 7}`,
        `DELETE FROM items WHERE id = ${below(ITEMS)}`,
        `INSERT INTO items SELECT (random() * ${ITEMS})::int, 7, 7 FROM generate_series(1, 5) ON CONFLICT DO NOTHING`,
        `UPDATE items SET id = ${100_000 + n} WHERE id = ${below(ITEMS)}`,
        `DELETE FROM items WHERE id = (SELECT id FROM items WHERE id > 100000 LIMIT 1)`,
        `UPDATE loose SET word = 'word ' || (random() * 9)::int WHERE kind = ${below(500)}`,
        `INSERT INTO loose SELECT (random() * 500)::int, 'word 1' FROM generate_series(1, 3)`,
        `DELETE FROM loose WHERE ctid IN (SELECT ctid FROM loose ORDER BY random() LIMIT 3)`,
      ];
      if (n % 100 === 20)
        statements.push(
          'CREATE TEMP TABLE kept AS SELECT * FROM loose',
          'TRUNCATE loose',
          'INSERT INTO loose SELECT * FROM kept WHERE kind <> 3',
          'DROP TABLE kept',
        );
      await upstream.query(`BEGIN; ${statements.filter((_, i) => i >= 9 || (i + n) % 3 === 0).join('; ')}; COMMIT`);
      await pause(10);
    }
    await upstream.end();
  })();
  return {
    made: () => state.made,
    stop() {
      state.running = false;
      return done;
    },
  };
}

/** Every view against Postgres, at one upstream commit. */
async function audited(): Promise<{ state: string; differences: string; detail: string }[]> {
  return (await client.query<{ state: string; differences: string; detail: string }>('AUDIT')).rows;
}

async function arrangedBytes(): Promise<Record<string, string>> {
  const { rows } = await client.query<{ name: string; bytes: string }>(
    `SELECT object_name || ' ' || arrangement AS name, sum(bytes) AS bytes FROM millrace.arrangements GROUP BY 1`,
  );
  return Object.fromEntries(rows.map(({ name, bytes }) => [name, bytes]));
}

const VIEWS = {
  pairs: 'SELECT i.id, i.price, i.note, l.word FROM items i JOIN loose l ON l.kind = i.kind',
  alone: 'SELECT i.id, l.word FROM items i LEFT JOIN loose l ON l.kind = i.kind AND l.word <> i.price::text',
  mates: 'SELECT a.id, b.id AS mate, b.price FROM items a LEFT JOIN items b ON b.id = a.kind AND b.price > a.price',
  words:
    'SELECT l.word, count(*) AS n, sum(i.price) AS total, max(i.id) AS last FROM loose l JOIN items i ON i.kind = l.kind GROUP BY l.word',
  above: 'SELECT w.word, p.n, p.total FROM words w JOIN prices p ON p.kind = w.n % 400',
  dear: 'SELECT id, kind, price FROM items ORDER BY price DESC, id LIMIT 50',
} as const;

describe('while the upstream is written to', () => {
  test('each new view equals Postgres from its first row on, and the ones beside it do at every moment', { timeout: 120_000 }, async () => {
    const all = ['prices', ...Object.keys(VIEWS)].map(() => ({ state: 'equal', differences: '0' }));
    const writer = changing();
    try {
      for (const [name, query] of Object.entries(VIEWS)) {
        const before = writer.made();
        await client.query(`CREATE MATERIALIZED VIEW ${name} AS ${query}`);
        expect(writer.made(), `transactions while ${name} came in`).toBeGreaterThan(before);
      }
      await client.query('CREATE INDEX ON pairs (id)');
      // Into places that others have left, and beside what is already indexed.
      await client.query('DROP MATERIALIZED VIEW above');
      await client.query('DROP MATERIALIZED VIEW words');
      await client.query(`CREATE MATERIALIZED VIEW words AS ${VIEWS.words}`);
      await client.query(`CREATE MATERIALIZED VIEW above AS ${VIEWS.above}`);
      const seen = await audited();
      expect(seen, JSON.stringify(seen)).toMatchObject(all);
    } finally {
      await writer.stop();
    }
    expect(await audited()).toMatchObject(all);
    // By the index.
    for (const id of [1, 50, 77, ITEMS - 1]) {
      const sql = (from: string): string => `SELECT count(*), min(word), max(price) FROM ${from} AS p WHERE id = ${id}`;
      expect(await textRows(client, sql('pairs'))).toEqual(await shop.oracle(sql(`(${VIEWS.pairs})`)));
    }
    const { rows } = await client.query(`SELECT name FROM millrace.views WHERE hydration_slice_ms > hydration_ms`);
    expect(rows).toEqual([]);
  });
});

describe('one that takes long', () => {
  /** Thirty million pairs. */
  const HEAVY =
    'SELECT a.price, count(*) AS n, min(b.price) AS least FROM items a JOIN items b ON a.kind % 3 = b.kind % 3 GROUP BY a.price';

  test('lets others through, and ends at its statement_timeout or when it is cancelled, leaving nothing behind', async () => {
    const before = await arrangedBytes();
    const heavy = await shop.connect();
    await heavy.query(`SET statement_timeout = '500ms'`);
    expect((await refusal(heavy.query(`CREATE MATERIALIZED VIEW heavy AS ${HEAVY}`))).code).toBe('57014');

    await heavy.query(`RESET statement_timeout`);
    let isOver = false;
    const cancelled = refusal(heavy.query(`CREATE MATERIALIZED VIEW heavy AS ${HEAVY}`)).finally(() => (isOver = true));
    await pause(300);
    const fresh = 'SELECT n FROM prices WHERE kind = 5000';
    await shop.upstream(`INSERT INTO items SELECT max(id) + 1, 5000, 1 FROM items`);
    await eventually(
      () => textRows(client, fresh),
      (rows) => rows.length === 1,
    );
    expect(isOver).toBe(false);
    await shop.cancel(heavy);
    expect((await cancelled).code).toBe('57014');

    // The name is free, and what was arranged for it is gone.
    await eventually(arrangedBytes, (now) => Object.keys(now).length === Object.keys(before).length);
    expect(await textRows(client, `SELECT name FROM millrace.views WHERE name = 'heavy'`)).toEqual([]);
    await heavy.query('CREATE MATERIALIZED VIEW heavy AS SELECT count(*) AS n FROM items');
    await heavy.query('DROP MATERIALIZED VIEW heavy');
    await heavy.end();
  });

  test('of a subscription ends when what it reads is dropped; the next one waits its turn', async () => {
    await client.query('CREATE MATERIALIZED VIEW base AS SELECT id, kind, price FROM items');
    const subscriber = await shop.connect();
    const ended = refusal(
      subscriber.query(`SUBSCRIBE (SELECT a.price, count(*) FROM base a JOIN base b ON a.kind % 3 = b.kind % 3 GROUP BY a.price)`),
    );
    await pause(300);
    const second = await shop.connect();
    const waits = refusal(second.query(`SUBSCRIBE (SELECT count(*) FROM base WHERE price > 5)`));
    await pause(1_000);
    await client.query('DROP MATERIALIZED VIEW base');
    expect((await ended).code).toBe('42P01');
    expect((await waits).code).toBe('42P01');
    await subscriber.end();
    await second.end();
  });
});
