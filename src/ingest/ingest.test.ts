import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { startPostgres, type TestPostgres } from '../../test/postgres/postgres.ts';
import { parseLsn } from '../base/lsn.ts';
import { armFailpoint } from '../store/failpoints.ts';
import { SimulatedDisk } from '../store/testing/simulated-disk.ts';
import { parseConnectionString } from '../upstream/connection/parameters.ts';
import { IngestClient } from './ingest-client.ts';
import { Proxy, SHOP, Source } from './testing/source.ts';

let pg: TestPostgres;
beforeAll(async () => {
  pg = await startPostgres();
});
afterAll(() => pg.stop());
const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

async function sourceOn(database: string, schema: string): Promise<Source> {
  const source = await Source.on(pg, database, schema);
  cleanups.push(() => source.discard());
  return source;
}

test('the log holds the copies and the stream, and adds up to the upstream', async () => {
  const source = await sourceOn('plain', SHOP);
  source.start();
  // Written while the copy is being made.
  for (let i = 0; i < 20; i++)
    await source.sql(`UPDATE items SET name = 'early ${i}' WHERE id = ${i}; INSERT INTO visits VALUES ('bob ${i}', now())`);
  await source.streaming();
  await source.sql(
    `UPDATE items SET name = 'toast stays' WHERE id = 7; UPDATE items SET id = id + 1000 WHERE id < 5; DELETE FROM items WHERE id = 9`,
  );
  await source.sql(
    `BEGIN; INSERT INTO items VALUES (-1, 'a', NULL); SAVEPOINT s; INSERT INTO items VALUES (-2); ROLLBACK TO s; DELETE FROM visits WHERE who IS NULL; COMMIT`,
  );
  await source.expectEqual();
  await source.sql(`BEGIN; TRUNCATE visits; INSERT INTO visits VALUES ('only', 'infinity'); COMMIT`);
  await source.expectEqual();
  const status = source.ingest!.status();
  expect(status.tables.map(({ name, state }) => [name, state])).toEqual([
    ['items', 'live'],
    ['visits', 'live'],
  ]);
  expect(status.error).toBe(null);
});

test('what is acknowledged is what is synced, also when nothing but keepalives comes', async () => {
  const source = await sourceOn('acks', 'CREATE TABLE t (id int PRIMARY KEY); CREATE UNLOGGED TABLE other (id int)');
  source.start();
  await source.streaming();
  await source.sql('INSERT INTO t VALUES (1)');
  await source.caughtUp();
  await expect.poll(() => source.confirmed(), { timeout: 3_000 }).toBe(source.progress.read().committedLsn);
  // Nothing of ours, but the server's log goes on: the slot must follow (fault 32).
  await pg.query('CREATE TABLE elsewhere AS SELECT generate_series(1, 1000)');
  await source.caughtUp();
  const idle = source.progress.read().committedLsn;
  await expect.poll(async () => (await source.confirmed()) >= idle, { timeout: 4_000 }).toBe(true);
  const progress = source.progress.read();
  expect(progress.acknowledgedLsn).toBeLessThanOrEqual(progress.syncedLsn);
  // The highest acknowledgement is remembered.
  await source.stop();
  expect(source.start().writer.inForce.progressLsn).toBeGreaterThanOrEqual(idle);
});

test('a restart continues where it was; nothing is copied or counted twice', async () => {
  const source = await sourceOn('restarts', SHOP);
  source.start();
  await source.streaming();
  for (let round = 0; round < 3; round++) {
    await source.sql(
      `INSERT INTO visits VALUES ('round ${round}', NULL); UPDATE items SET note = 'changed ${round}' WHERE id = ${round + 1}`,
    );
    await source.caughtUp();
    await source.stop();
    await source.sql(`INSERT INTO visits VALUES ('while away ${round}', NULL)`);
    source.start();
    await source.expectEqual();
  }
  expect(source.ingest!.status().tables.every((table) => table.rowsCopied === 0)).toBe(true);
});

test('a cut connection is taken up again, a transaction that was half received is void', async () => {
  const source = await sourceOn('cuts', SHOP);
  const proxy = await Proxy.to(pg.port);
  cleanups.push(() => proxy.close());
  source.url = `postgres://postgres:postgres@127.0.0.1:${proxy.port}/cuts`;
  source.start();
  await source.streaming();
  for (let i = 0; i < 3; i++) {
    const writing = source.sql(
      `INSERT INTO items SELECT i, repeat('y', 500), NULL FROM generate_series(${10_000 * (i + 1)}, ${10_000 * (i + 1) + 9_000}) i`,
    );
    await new Promise((resolve) => void setTimeout(resolve, 20 + 15 * i));
    proxy.cut();
    await writing;
    await source.streaming();
  }
  await source.expectEqual();
  expect(source.ingest!.status().reconnects).toBeGreaterThanOrEqual(1);
  expect(source.statuses.filter(({ state }) => state === 'retrying').map(({ error }) => error!.code)).toContain('UPSTREAM_DISCONNECTED');
});

test('the server is killed and comes back', async () => {
  const source = await sourceOn('crash', SHOP);
  source.start();
  await source.streaming();
  await source.sql(`UPDATE items SET name = 'before the crash'`);
  await source.caughtUp();
  await pg.restart('immediate');
  await source.sql(`UPDATE items SET name = 'after the crash' WHERE id < 100`);
  await source.expectEqual();
});

test('tables are added and removed while the stream goes on', async () => {
  const source = await sourceOn(
    'additions',
    `${SHOP}; CREATE TABLE later (id serial PRIMARY KEY, v text); INSERT INTO later (v) SELECT 'v' || i FROM generate_series(1, 2000) i`,
  );
  const all = source.tables;
  source.tables = all.filter(({ name }) => name !== 'later');
  source.start();
  await source.streaming();
  const writing = new AbortController();
  const load = (async () => {
    for (let i = 0; !writing.signal.aborted; i++)
      await source.sql(
        `BEGIN; INSERT INTO later (v) VALUES ('new ${i}'); UPDATE later SET v = v || '!' WHERE id = ${i + 1}; DELETE FROM later WHERE id = ${2 * i + 500}; UPDATE items SET name = '${i}' WHERE id = 1; COMMIT`,
      );
  })();
  const later = all.filter(({ name }) => name === 'later');
  const snapshotLsn = await source.ingest!.addTables(later);
  expect(parseLsn(snapshotLsn)).toBeGreaterThan(0n);
  writing.abort();
  await load;
  source.tables = all;
  await source.expectEqual();
  // Taken out again; a restart that wants it copies it again.
  await source.ingest!.removeTables(later.map(({ oid }) => oid));
  source.tables = all.filter(({ name }) => name !== 'later');
  await source.sql(`INSERT INTO later (v) VALUES ('unseen'); UPDATE items SET name = 'x'`);
  await source.expectEqual();
  await source.stop();
  source.tables = all;
  source.start();
  await source.until((status) => status.tables.every(({ state }) => state === 'live') && status.state === 'streaming');
  await source.expectEqual();
});

test('a table that cannot be added says why, the others go on', async () => {
  const source = await sourceOn('refused', SHOP);
  source.start();
  await source.streaming();
  await source.sql('CREATE TABLE bare (id int)');
  const bare = (await source.published()).filter(({ name }) => name === 'bare');
  await expect(source.ingest!.addTables(bare)).rejects.toMatchObject({
    code: 'REPLICA_IDENTITY_MISSING',
    hint: expect.stringContaining('ALTER TABLE public.bare') as string,
  });
  await source.sql('ALTER TABLE bare REPLICA IDENTITY FULL; DROP TABLE bare');
  await expect(source.ingest!.addTables(bare)).rejects.toMatchObject({ code: 'UPSTREAM_TABLE_MISSING' });
  await source.sql(`UPDATE items SET name = 'goes on'`);
  await source.expectEqual();
});

test('a connection that is cut while a table is added: the copy and the stream never mix', async () => {
  const source = await sourceOn(
    'mixing',
    `${SHOP}; CREATE TABLE later (id int PRIMARY KEY, v text); INSERT INTO later SELECT i, repeat('v', 1000) FROM generate_series(1, 20000) i`,
  );
  const all = source.tables;
  source.tables = all.filter(({ name }) => name !== 'later');
  source.start();
  await source.streaming();
  const ending = new AbortController();
  const load = (async () => {
    for (let i = 0; !ending.signal.aborted; i++)
      await source.sql(`INSERT INTO later VALUES (${30_000 + i}, 'new'); UPDATE later SET v = 'changed' WHERE id = ${i + 1}`);
  })();
  const added = source.ingest!.addTables(all.filter(({ name }) => name === 'later'));
  await source.until(({ tables }) => tables.some(({ name, state }) => name === 'later' && state === 'copying'));
  await pg.query('SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1', [source.slot]);
  await added;
  ending.abort();
  await load;
  source.tables = all;
  await source.expectEqual();
});

test('a long transaction upstream keeps a new table waiting, not the stream', async () => {
  const source = await sourceOn('waiting', `${SHOP}; CREATE TABLE later (id int PRIMARY KEY)`);
  const all = source.tables;
  source.tables = all.filter(({ name }) => name !== 'later');
  source.start();
  await source.streaming();
  const long = await pg.connect('waiting');
  cleanups.push(() => long.end());
  await long.query('BEGIN; INSERT INTO later VALUES (1)');
  const added = source.ingest!.addTables(all.filter(({ name }) => name === 'later'));
  await source.sql(`UPDATE items SET name = 'goes on'`);
  await source.expectEqual();
  await long.query('COMMIT');
  await added;
  source.tables = all;
  await source.expectEqual();
});

test('partitions by their root: rows that move between them, and whole transactions', async () => {
  const source = await sourceOn(
    'roots',
    `CREATE TABLE orders (id int, region text, v text, PRIMARY KEY (id, region)) PARTITION BY LIST (region);
     CREATE TABLE orders_eu PARTITION OF orders FOR VALUES IN ('eu'); CREATE TABLE orders_us PARTITION OF orders FOR VALUES IN ('us');
     INSERT INTO orders SELECT i, CASE WHEN i % 2 = 0 THEN 'eu' ELSE 'us' END, 'v' || i FROM generate_series(1, 100) i`,
  );
  await source.sql('ALTER PUBLICATION mz_source SET (publish_via_partition_root = true)');
  source.tables = await source.published();
  expect(source.tables.map(({ name }) => name)).toEqual(['orders']);
  source.start();
  await source.streaming();
  await source.sql(
    `UPDATE orders SET region = 'us' WHERE id = 2; DELETE FROM orders WHERE id = 3; INSERT INTO orders VALUES (1000, 'eu', NULL)`,
  );
  await source.expectEqual();
  await source.sql('TRUNCATE orders; INSERT INTO orders VALUES (1, $$us$$, $$x$$)');
  await source.expectEqual();
});

test('when the server has no slot to spare, the table is refused and the stream goes on', async () => {
  const source = await sourceOn('exhausted', `${SHOP}; CREATE TABLE later (id int PRIMARY KEY)`);
  const all = source.tables;
  source.tables = all.filter(({ name }) => name !== 'later');
  source.start();
  await source.streaming();
  await source.sql(
    `SELECT pg_create_physical_replication_slot('filler_' || i) FROM generate_series(1, 20 - (SELECT count(*) FROM pg_replication_slots)::int) i`,
  );
  cleanups.push(
    async () =>
      void (await pg.query(`SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name LIKE 'filler_%'`)),
  );
  const later = all.filter(({ name }) => name === 'later');
  await expect(source.ingest!.addTables(later)).rejects.toMatchObject({ code: 'SLOTS_EXHAUSTED' });
  await source.sql(`UPDATE items SET name = 'goes on'`);
  await source.expectEqual();
  expect(source.ingest!.status()).toMatchObject({ state: 'streaming', reconnects: 0 });
  await source.sql(`SELECT pg_drop_replication_slot('filler_1')`);
  await source.ingest!.addTables(later);
  source.tables = all;
  await source.sql('INSERT INTO later VALUES (1)');
  await source.expectEqual();
});

test('killed at any step of the first copy, it begins anew and leaves one slot', async () => {
  const source = await sourceOn('halves', SHOP);
  for (const [failpoint, nth] of [
    ['append', 1],
    ['append', 3],
    ['sync', 1],
    ['slot-creation', 1],
    ['copy', 1],
    ['copy', 2],
    ['append', 8],
  ] as const) {
    // What is thrown stands for death: nothing of this process may tidy up afterwards.
    const dead = new Promise<void>(
      (resolve) =>
        void armFailpoint(failpoint, nth, () => {
          resolve();
          throw new Error(`died at ${failpoint}`);
        }),
    );
    try {
      source.start();
    } catch {
      continue;
    }
    await Promise.race([dead, source.streaming()]);
    await source.stop();
  }
  source.start();
  await source.streaming();
  await source.sql(`UPDATE items SET name = 'at last'`);
  await source.expectEqual();
  expect(await source.sql(`SELECT count(*)::int AS n FROM pg_replication_slots WHERE slot_name LIKE 'millrace_${source.id}%'`)).toEqual([
    { n: 1 },
  ]);
});

test('dropping the source leaves no slot, and another source may follow in the same directory', async () => {
  const source = await sourceOn('drops', SHOP);
  source.start();
  await source.streaming();
  await source.sql('DELETE FROM items WHERE id < 50');
  await source.caughtUp();
  await source.stop(true);
  expect(await source.sql(`SELECT count(*)::int AS n FROM pg_replication_slots WHERE slot_name = '${source.slot}'`)).toEqual([{ n: 0 }]);
  await source.sql('DELETE FROM items WHERE id < 100');
  source.start();
  await source.streaming();
  await source.expectEqual();
  await source.stop();
  source.start();
  await source.sql(`UPDATE items SET name = 'second life'`);
  await source.expectEqual();
});

test('a source on another server may follow in the same directory, whose log positions are lower', async () => {
  const source = await sourceOn('first', SHOP);
  source.start();
  await source.streaming();
  await source.sql(`UPDATE items SET name = 'on the first server'`);
  await source.caughtUp();
  const before = source.progress.read().committedLsn;
  await source.stop(true);
  const other = await startPostgres({ initdb: { provider: 'icu' } });
  cleanups.push(() => other.stop());
  const second = await Source.on(other, 'second', SHOP);
  cleanups.push(() => second.discard());
  second.directory = source.directory;
  second.id = source.id;
  for (let round = 0; round < 3; round++) {
    second.start();
    await second.streaming();
    await second.sql(`UPDATE items SET name = 'on the second ${round}'; INSERT INTO visits VALUES ('round ${round}', NULL)`);
    await second.expectEqual();
    expect(second.progress.read().committedLsn).toBeLessThan(before);
    await second.stop();
  }
});

test('pointed at another server, it refuses; pointed back, it goes on', async () => {
  const source = await sourceOn('pointed', SHOP);
  source.start();
  await source.streaming();
  // Servers of the same template have the same system identifier.
  const other = await startPostgres({ initdb: { provider: 'icu' }, settings: { wal_level: 'replica' } });
  cleanups.push(() => other.stop());
  await other.createDatabase('pointed');
  source.ingest!.setConnection(parseConnectionString(other.url(undefined, 'pointed')));
  await pg.query('SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = $1', [source.slot]);
  expect((await source.until(({ state }) => state === 'stopped')).error!.code).toBe('OTHER_SERVER');
  source.ingest!.setConnection(parseConnectionString(source.url));
  await source.sql(`UPDATE items SET name = 'back again'`);
  await source.expectEqual();
  // A first copy from a server that cannot do it.
  await source.stop(true);
  await other.query('CREATE TABLE items (id int PRIMARY KEY); CREATE PUBLICATION mz_source FOR ALL TABLES', undefined, 'pointed');
  source.url = other.url(undefined, 'pointed');
  source.start();
  expect((await source.until(({ state }) => state === 'stopped')).error).toMatchObject({
    code: 'WAL_LEVEL_TOO_LOW',
    hint: expect.stringContaining('wal_level = logical') as string,
  });
  expect(await other.query('SELECT count(*)::int AS n FROM pg_replication_slots')).toEqual([{ n: 0 }]);
});

test('refusals: the worker stays, keeps everything, and says what to do', async () => {
  const source = await sourceOn('refusals', SHOP);
  source.start();
  await source.streaming();
  await source.sql('DELETE FROM visits');
  await source.caughtUp();
  await expect.poll(async () => source.progress.read().acknowledgedLsn).toBe(source.progress.read().committedLsn);
  await source.stop();
  // Somebody else reads from the slot.
  await source.sql(`INSERT INTO visits VALUES ('lost', NULL)`);
  await source.sql(
    `SELECT count(*) FROM pg_logical_slot_get_binary_changes('${source.slot}', NULL, NULL, 'proto_version', '1', 'publication_names', 'mz_source')`,
  );
  source.start();
  expect((await source.until(({ state }) => state === 'stopped')).error).toMatchObject({
    code: 'SLOT_ADVANCED',
    hint: expect.stringContaining('ALTER SOURCE <its name> REFRESH') as string,
  });
  expect(source.progress.read().committedOffset).toBeGreaterThan(0);
  await source.stop();
  await source.sql(`SELECT pg_drop_replication_slot('${source.slot}')`);
  source.start();
  expect((await source.until(({ state }) => state === 'stopped')).error).toMatchObject({ code: 'SLOT_DROPPED' });
});

test('errors that pass: tried again until they do', async () => {
  const source = await sourceOn('passing', SHOP);
  await pg.query(`CREATE ROLE worker LOGIN REPLICATION PASSWORD 'right'`);
  await source.sql('GRANT SELECT ON ALL TABLES IN SCHEMA public TO worker');
  source.url = pg.url('worker', 'passing', 'wrong');
  source.start();
  await source.until(({ state, error }) => state === 'retrying' && error?.code === 'UPSTREAM_AUTHENTICATION_FAILED');
  source.ingest!.setConnection(parseConnectionString(`postgres://worker:right@127.0.0.1:1/passing`));
  await source.until(({ error }) => error?.code === 'UPSTREAM_UNREACHABLE');
  source.ingest!.setConnection(parseConnectionString(pg.url('worker', 'passing', 'right')));
  await source.streaming();
  await source.expectEqual();
});

test('a publication that goes away is noticed; its tables have a gap from then on', async () => {
  const source = await sourceOn('publications', SHOP);
  source.start();
  await source.streaming();
  await source.sql('DROP PUBLICATION mz_source');
  const missing = await source.until(({ error }) => error?.code === 'PUBLICATION_MISSING');
  expect(missing.error!.hint).toBe('CREATE PUBLICATION mz_source FOR TABLE public.items, public.visits;');
  await source.sql(`INSERT INTO visits VALUES ('in the gap', NULL)`);
  await source.sql('CREATE PUBLICATION mz_source FOR TABLE items, visits');
  const back = await source.until(({ tables }) => tables.every(({ state }) => state === 'faulty'));
  expect(back.tables[0]!.error!.code).toBe('TABLE_REPUBLISHED');
});

test('a table that leaves the publication is faulty, its neighbour is not', async () => {
  const source = await sourceOn('leaves', SHOP);
  await source.sql('DROP PUBLICATION mz_source; CREATE PUBLICATION mz_source FOR TABLE items, visits');
  source.start();
  await source.streaming();
  await source.sql('ALTER PUBLICATION mz_source DROP TABLE visits');
  const status = await source.until(({ tables }) => tables.some(({ state }) => state === 'faulty'));
  expect(status.tables.map(({ name, state, error }) => [name, state, error?.code])).toEqual([
    ['items', 'live', undefined],
    ['visits', 'faulty', 'TABLE_NOT_PUBLISHED'],
  ]);
  source.tables = source.tables.filter(({ name }) => name === 'items');
  await source.sql(`UPDATE items SET name = 'still here'`);
  await source.expectEqual();
});

test('a full disk stops reading and acknowledges nothing; space makes it go on', async () => {
  const source = await sourceOn('full', SHOP);
  const disk = new SimulatedDisk();
  source.disk = disk;
  source.start();
  await source.streaming();
  await source.sql(`INSERT INTO visits VALUES ('fits', NULL)`);
  await source.caughtUp();
  await expect.poll(() => source.progress.read().acknowledgedLsn).toBe(source.progress.read().committedLsn);
  disk.capacityBytes = disk.usedBytes + 10;
  await source.sql(`INSERT INTO visits VALUES ('does not', NULL)`);
  await source.until(({ error }) => error?.code === 'LOG_DISK_FULL');
  const before = await source.confirmed();
  disk.capacityBytes = Infinity;
  await source.expectEqual();
  await expect.poll(async () => (await source.confirmed()) > before, { timeout: 4_000 }).toBe(true);
});

test('a failed sync is final: nothing is acknowledged after it', async () => {
  const source = await sourceOn('sync', SHOP);
  const disk = new SimulatedDisk();
  source.disk = disk;
  source.start();
  await source.streaming();
  await source.caughtUp();
  disk.syncsToFail = 1;
  await source.sql(`INSERT INTO visits VALUES ('unsure', NULL)`);
  const status = await source.until(({ state }) => state === 'stopped');
  expect(status.error!.code).toBe('LOG_SYNC_FAILED');
  const { acknowledgedLsn, syncedLsn } = source.progress.read();
  expect(acknowledgedLsn).toBeLessThanOrEqual(syncedLsn);
  await source.ingest!.stop(false).catch(() => undefined);
  source.ingest = undefined;
});

test('in its own thread, through the client', async () => {
  const source = await sourceOn('threads', SHOP);
  const states: string[] = [];
  const client = new IngestClient({ status: (status) => states.push(status.state) });
  await client.start(source.options());
  await expect.poll(() => states.at(-1), { timeout: 8_000 }).toBe('streaming');
  await source.sql(`UPDATE items SET name = 'through a thread'`);
  await source.expectEqual();
  expect((await client.status()).transactions).toBeGreaterThan(0);
  await client.stop({ dropSlot: true });
  expect(states.at(-1)).toBe('ended');
  expect(await source.sql(`SELECT count(*)::int AS n FROM pg_replication_slots WHERE slot_name = '${source.slot}'`)).toEqual([{ n: 0 }]);
});
