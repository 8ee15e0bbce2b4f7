/** What survives: kill -9, a torn log, a damaged one; and the audit that proves it, and finds a wrong row. */
import { open, readdir, stat, truncate } from 'node:fs/promises';
import { join } from 'node:path';
import type pg from 'pg';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, pause, runMillrace, Shop, textRows } from './shop.ts';

let shop: Shop;
let client: pg.Client;
let writtenId = 1_000_000;

const VIEWS = ['by_region', 'dear', 'top'];

beforeAll(async () => {
  shop = await Shop.open({ environment: { MILLRACE_TEST_FAULTS: '1' } });
  client = await shop.connect();
  await shop.define(
    client,
    `CREATE MATERIALIZED VIEW by_region AS SELECT c.region, count(*) AS n, sum(o.total) AS total FROM orders o JOIN customers c ON c.id = o.customer GROUP BY c.region`,
    `CREATE MATERIALIZED VIEW dear AS SELECT id, total, state FROM orders WHERE total > 90`,
    `CREATE MATERIALIZED VIEW top AS SELECT * FROM by_region ORDER BY total DESC LIMIT 2`,
    `CREATE VIEW plain AS SELECT id FROM dear`,
  );
});

afterAll(async () => {
  await client?.end();
  await shop?.close();
});

/** A few transactions of all kinds. */
async function writeSome(transactions = 20): Promise<void> {
  for (let i = 0; i < transactions; i++) {
    const id = writtenId++;
    await shop.upstream(
      `BEGIN; INSERT INTO orders VALUES (${id}, ${(id % 300) + 1}, ${id % 120}, 'new'); UPDATE orders SET total = total + 1 WHERE id = ${(id % 2000) + 1};
       DELETE FROM orders WHERE id = ${id - 15}; UPDATE customers SET region = 'west' WHERE id = ${(id % 10) + 1}; COMMIT`,
    );
  }
}

async function audit(
  ...more: string[]
): Promise<{ code: number | null; report: { lsn: string; views: { name: string; state: string; detail?: unknown }[] } }> {
  const ran = await runMillrace('audit', shop.millrace.url, ...more, '--json');
  return { code: ran.code, report: JSON.parse(ran.stdout.trim().split('\n').at(-1)!) };
}

async function expectEqual(): Promise<void> {
  const { code, report } = await audit();
  expect(report.views.map(({ name, state, detail }) => ({ name, state, detail }))).toEqual(
    VIEWS.map((name) => ({ name, state: 'equal', detail: undefined })),
  );
  expect(code).toBe(0);
}

async function snapshots(): Promise<string[][]> {
  return textRows(client, 'SELECT name, snapshot_lsn FROM millrace.tables ORDER BY name');
}

/** Newest last. */
async function segments(): Promise<string[]> {
  const folder = join(shop.dataDirectory, 'log');
  return (await readdir(folder))
    .filter((name) => /\d/.test(name))
    .sort()
    .map((name) => join(folder, name));
}

describe('audit', () => {
  test('every view equals the upstream at one LSN, also while it is written to', async () => {
    const writing = writeSome(60);
    await expectEqual();
    await writing;
    const ran = await runMillrace('audit', shop.millrace.url, 'by_region');
    expect(ran).toMatchObject({ code: 0, stdout: expect.stringMatching(/audited at upstream LSN .*\n +by_region +equal/) as unknown });
    expect(await textRows(client, `SELECT view, state FROM millrace.audits WHERE view = 'by_region'`)).toEqual([['by_region', 'equal']]);
  });

  test('a view that does not exist: could not run', async () => {
    expect((await runMillrace('audit', shop.millrace.url, 'nothing')).code).toBe(2);
  });

  test('leaves no slot behind', async () => {
    expect(await shop.upstream(`SELECT slot_name FROM pg_replication_slots WHERE temporary OR slot_name LIKE '%audit%'`)).toEqual([]);
  });
});

describe('kill -9', () => {
  test('the same rows, no new snapshot, and time goes on', async () => {
    await writeSome();
    await client.query('SET real_time_recency = true');
    const rows = await textRows(client, 'SELECT * FROM by_region ORDER BY region');
    const copied = await snapshots();
    const before = await lastTimestamp();
    client = await shop.startAgain();
    expect(await textRows(client, 'SELECT * FROM by_region ORDER BY region')).toEqual(rows);
    expect(await snapshots()).toEqual(copied);
    expect(await lastTimestamp()).toBeGreaterThan(before);
    await expectEqual();
  });

  test('in the middle of writes, again and again', async () => {
    const copied = await snapshots();
    let before = await lastTimestamp();
    for (let i = 0; i < 3; i++) {
      const writing = writeSome(80);
      await pause(40 * i);
      client = await shop.startAgain();
      await writing;
      const now = await lastTimestamp();
      expect(now).toBeGreaterThan(before);
      before = now;
    }
    expect(await snapshots()).toEqual(copied);
    await expectEqual();
    expect(await textRows(client, 'SELECT count(*) FROM plain')).toEqual(await textRows(client, 'SELECT count(*) FROM dear'));
  });
});

/** Of the newest tick: a subscription's first mark. */
async function lastTimestamp(): Promise<number> {
  const { to } = await import('pg-copy-streams');
  const subscriber = await shop.connect();
  try {
    for await (const chunk of subscriber.query(
      to('COPY (SUBSCRIBE by_region WITH (SNAPSHOT = false, PROGRESS)) TO STDOUT'),
    ) as AsyncIterable<Buffer>)
      return Number(chunk.toString().split('\t')[0]);
    throw new Error('no mark');
  } finally {
    void subscriber.end();
  }
}

describe('a torn log', () => {
  /** Stops, damages, starts; the views must be those of the upstream all the same: what was cut off was never acknowledged, or is sent again. */
  test('half a record at the end is cut off', async () => {
    await writeSome(5);
    await shop.millrace.kill();
    const last = (await segments()).at(-1)!;
    const file = await open(last, 'a');
    await file.write(Buffer.from(Array.from({ length: 777 }, (_, i) => (i * 31) % 256)));
    await file.close();
    client = await shop.startAgain();
    await expectEqual();
  });

  test('a tail of zeros is cut off', async () => {
    await shop.millrace.kill();
    const last = (await segments()).at(-1)!;
    await truncate(last, (await stat(last)).size + 4096);
    client = await shop.startAgain();
    await writeSome(3);
    await expectEqual();
  });
});

describe('a wrong row', () => {
  test('is found by the audit, shown, and told by the exit code', async () => {
    await client.query(`SET millrace_test.plant_wrong_row = 'dear'`);
    const { code, report } = await audit();
    expect(code).toBe(1);
    expect(report.views.map(({ name, state }) => `${name} ${state}`)).toEqual(['by_region equal', 'dear different', 'top equal']);
    const { onlyMillrace } = report.views[1]!.detail as { onlyMillrace: string[][] };
    expect(onlyMillrace).toHaveLength(1);
    expect(onlyMillrace[0]).toHaveLength(3);
    const ran = await runMillrace('audit', shop.millrace.url, 'dear');
    expect(ran.code).toBe(1);
    expect(ran.stdout).toContain(`+ Millrace only:  ${JSON.stringify(onlyMillrace[0])}`);
    expect(await shop.upstream(`SELECT slot_name FROM pg_replication_slots WHERE temporary`)).toEqual([]);
  });
});

/** Last, because this data directory is of no more use then. */
describe('a damaged log', () => {
  test('damage in front of what was acknowledged is refused by name, with what mends it; nothing is served from it', async () => {
    await writeSome(30);
    await eventually(
      () => textRows(client, 'SELECT acknowledged_lsn = received_lsn FROM millrace.sources'),
      ([row]) => row?.[0] === 't',
    );
    await shop.millrace.kill();
    const last = (await segments()).at(-1)!;
    const { size } = await stat(last);
    const file = await open(last, 'r+');
    await file.write(Buffer.from('damage!'), 0, 7, Math.floor(size / 2));
    await file.close();
    const ran = await runMillrace('serve', '--data', shop.dataDirectory, '--listen', '127.0.0.1:0', '--auth', 'trust');
    expect(ran.code).toBe(1);
    expect(ran.stderr).toMatch(/LOG_DAMAGED/);
    expect(ran.stderr).toMatch(/to mend it/);
  }, 20_000);
});
