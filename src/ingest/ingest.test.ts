import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, Socket, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { startPostgres, type TestPostgres } from '../../test/postgres/postgres.ts';
import type { Lsn } from '../base/lsn.ts';
import { parseLsn } from '../base/lsn.ts';
import { SimulatedDisk } from '../store/simulated-disk.ts';
import { realDisk, type Disk } from '../store/disk.ts';
import { armFailpoint } from '../store/failpoints.ts';
import { LogBounds } from '../store/log/bounds.ts';
import { LogReader } from '../store/log/reader.ts';
import { walk } from '../store/log/transactions.ts';
import { readUpstreamCatalog } from '../upstream/catalog/catalog.ts';
import { parseConnectionString } from '../upstream/connection/parameters.ts';
import type { UpstreamTable } from '../upstream/table.ts';
import {
  DELETE,
  FIRST_TUPLE_OFFSET,
  INSERT,
  NEW_TUPLE,
  OLD_TUPLE,
  parseTruncate,
  parseTuple,
  relationOid,
  skipTuple,
  TRUNCATE,
  UPDATE,
} from '../wire/pgoutput.ts';
import { Ingest } from './ingest.ts';
import { IngestClient } from './ingest-client.ts';
import { IngestProgress } from './progress.ts';
import type { IngestStatus } from './protocol.ts';

let pg: TestPostgres;
beforeAll(async () => {
  pg = await startPostgres();
});
afterAll(() => pg.stop());
const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup();
});

/** A database with a publication of all given tables, and a Millrace source on it that can be stopped, killed and started again. */
class Source {
  readonly database: string;
  readonly directory = mkdtempSync(path.join(tmpdir(), 'millrace-ingest-'));
  readonly id = Math.random().toString(16).slice(2, 12);
  tables: UpstreamTable[] = [];
  url: string;
  disk: Disk = realDisk;
  progress = new IngestProgress();
  ingest: Ingest | undefined;
  statuses: IngestStatus[] = [];

  constructor(database: string) {
    this.database = database;
    this.url = pg.url(undefined, database);
  }

  static async on(database: string, schema: string): Promise<Source> {
    await pg.createDatabase(database);
    await pg.query(schema, undefined, database);
    await pg.query('CREATE PUBLICATION mz_source FOR ALL TABLES', undefined, database);
    const source = new Source(database);
    cleanups.push(() => source.discard());
    source.tables = await source.published();
    return source;
  }

  get slot(): string {
    return `millrace_${this.id}`;
  }

  async published(): Promise<UpstreamTable[]> {
    return (await readUpstreamCatalog(parseConnectionString(pg.url(undefined, this.database)), 'mz_source')).tables.map(
      ({ table }) => table,
    );
  }

  start(): Ingest {
    this.progress = new IngestProgress();
    this.statuses = [];
    return (this.ingest = new Ingest({
      logDirectory: this.directory,
      directoryId: this.id,
      progress: this.progress.buffer,
      bounds: new LogBounds().buffer,
      connection: parseConnectionString(this.url),
      publication: 'mz_source',
      tables: this.tables,
      disk: this.disk,
      onStatus: (status) => this.statuses.push(status),
      watchIntervalMs: 100,
    }));
  }

  async stop(dropSlot = false): Promise<void> {
    await this.ingest?.stop(dropSlot);
    this.ingest = undefined;
  }

  async discard(): Promise<void> {
    await this.stop();
    for (let i = 0; i < 50; i++) {
      try {
        await pg.query('SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1', [this.slot]);
        break;
      } catch {
        await new Promise((resolve) => void setTimeout(resolve, 50));
      }
    }
    rmSync(this.directory, { recursive: true, force: true });
  }

  sql<R extends Record<string, unknown> = Record<string, unknown>>(text: string): Promise<R[]> {
    return pg.query<R>(text, undefined, this.database);
  }

  async until(condition: (status: IngestStatus) => boolean): Promise<IngestStatus> {
    await expect.poll(() => condition(this.ingest!.status()), { interval: 10, timeout: 8_000 }).toBe(true);
    return this.ingest!.status();
  }

  async streaming(): Promise<void> {
    await this.until((status) => status.state === 'streaming');
  }

  /** Everything that is committed now is in the log. */
  async caughtUp(): Promise<void> {
    const [row] = await this.sql<{ lsn: string }>('SELECT pg_current_wal_flush_lsn()::text AS lsn');
    const lsn = parseLsn(row!.lsn);
    await expect.poll(() => this.progress.read().committedLsn >= lsn, { interval: 5, timeout: 8_000 }).toBe(true);
  }

  /** What the log adds up to, by its own rules, against what the upstream says. */
  async expectEqual(): Promise<void> {
    await this.caughtUp();
    const replica = new Replica(this.directory, this.progress.read().committedOffset, this.disk);
    for (const table of this.tables) {
      const columns = table.columns.map((column) => `"${column.name.replaceAll('"', '""')}"::text`).join(', ');
      const rows = await this.sql<{ row: (string | null)[] }>(
        `SET timezone = 'UTC'; SELECT array_to_json(ARRAY[${columns}]) AS row FROM "${table.schema}"."${table.name}"`,
      );
      const expected = rows.map(({ row }) => JSON.stringify(row)).toSorted();
      expect(
        replica
          .rows(table.oid)
          .map((row) => JSON.stringify(row))
          .toSorted(),
        table.name,
      ).toEqual(expected);
    }
  }

  async confirmed(): Promise<Lsn> {
    const [row] = await this.sql<{ lsn: string | null }>(
      `SELECT confirmed_flush_lsn::text AS lsn FROM pg_replication_slots WHERE slot_name = '${this.slot}'`,
    );
    return parseLsn(row?.lsn ?? '0/0');
  }
}

type Row = (string | null)[];

/** The naive reader of a log: maps of whole rows. Says what it finds contradictory. */
class Replica {
  readonly #tables = new Map<number, { table: UpstreamTable; rows: Row[]; snapshotLsn?: Lsn }>();
  transactions = 0;

  constructor(directory: string, to: number, disk: Disk) {
    const reader = new LogReader(disk, directory);
    let commitLsn = 0n;
    walk(reader, 0, to, {
      begin: (lsn) => {
        expect(lsn, 'commit LSNs only go forward').toBeGreaterThan(commitLsn);
        commitLsn = lsn;
      },
      commit: () => void this.transactions++,
      table: (table) => void this.#tables.set(table.oid, { table, rows: [] }),
      removed: (oid) => void this.#tables.delete(oid),
      copied: ({ oid, snapshotLsn, rows }) => {
        const entry = this.#tables.get(oid)!;
        entry.snapshotLsn = snapshotLsn;
        expect(entry.rows).toHaveLength(rows);
      },
      copy: (oid, bytes, at, end) => {
        for (; at < end; at = skipTuple(bytes, at)) this.#tables.get(oid)!.rows.push(parseTuple(bytes, at) as Row);
      },
      message: (kind, bytes, at) => this.#message(kind, bytes, at, commitLsn),
    });
    reader.close();
  }

  rows(oid: number): Row[] {
    const entry = this.#tables.get(oid);
    expect(entry?.snapshotLsn, `the copy of ${oid} is complete`).toBeDefined();
    return entry!.rows;
  }

  #message(kind: number, bytes: Buffer, at: number, commitLsn: Lsn): void {
    if (kind === TRUNCATE) {
      for (const oid of parseTruncate(bytes, at).oids) {
        const entry = this.#tables.get(oid);
        if (entry?.snapshotLsn !== undefined && commitLsn >= entry.snapshotLsn) entry.rows = [];
      }
      return;
    }
    if (kind !== INSERT && kind !== UPDATE && kind !== DELETE) return;
    const entry = this.#tables.get(relationOid(bytes, at));
    if (entry?.snapshotLsn === undefined || commitLsn < entry.snapshotLsn) return;
    const first = bytes[at + FIRST_TUPLE_OFFSET]!;
    const tuple = at + FIRST_TUPLE_OFFSET + 1;
    const old = first === NEW_TUPLE ? undefined : parseTuple(bytes, tuple);
    const fresh =
      first === NEW_TUPLE ? parseTuple(bytes, tuple) : kind === UPDATE ? parseTuple(bytes, skipTuple(bytes, tuple) + 1) : undefined;
    let before: Row | undefined;
    if (kind !== INSERT) {
      const { key } = entry.table;
      const wanted = old ?? fresh!;
      const compared = first === OLD_TUPLE || key.length === 0 ? wanted.map((_, i) => i) : key;
      const index = entry.rows.findIndex((row) => compared.every((i) => row[i] === wanted[i]));
      expect(index, 'the row that is changed is there').toBeGreaterThanOrEqual(0);
      [before] = entry.rows.splice(index, 1);
    }
    // An unchanged TOAST value is not sent.
    if (fresh !== undefined) entry.rows.push(fresh.map((value, i) => (value === undefined ? before![i]! : value)));
  }
}

const SHOP = `CREATE TABLE items (id int PRIMARY KEY, name text, note text); ALTER TABLE items ALTER note SET STORAGE EXTERNAL;
  CREATE TABLE visits (who text, at timestamptz); ALTER TABLE visits REPLICA IDENTITY FULL;
  INSERT INTO items SELECT i, 'item ' || i, repeat('x', 2500) FROM generate_series(1, 300) i; INSERT INTO visits VALUES ('ann', now()), ('ann', now()), (NULL, NULL)`;

test('the log holds the copies and the stream, and adds up to the upstream', async () => {
  const source = await Source.on('plain', SHOP);
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
  const source = await Source.on('acks', 'CREATE TABLE t (id int PRIMARY KEY); CREATE UNLOGGED TABLE other (id int)');
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
  const source = await Source.on('restarts', SHOP);
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
  const source = await Source.on('cuts', SHOP);
  const proxy = await Proxy.to(pg.port);
  source.url = `postgres://postgres:postgres@127.0.0.1:${proxy.port}/cuts`;
  source.start();
  await source.streaming();
  for (let i = 0; i < 5; i++) {
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
  const source = await Source.on('crash', SHOP);
  source.start();
  await source.streaming();
  await source.sql(`UPDATE items SET name = 'before the crash'`);
  await source.caughtUp();
  await pg.restart('immediate');
  await source.sql(`UPDATE items SET name = 'after the crash' WHERE id < 100`);
  await source.expectEqual();
});

test('tables are added and removed while the stream goes on', async () => {
  const source = await Source.on(
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
  const source = await Source.on('refused', SHOP);
  source.start();
  await source.streaming();
  await source.sql('CREATE TABLE bare (id int)');
  const bare = (await source.published()).filter(({ name }) => name === 'bare');
  await expect(source.ingest!.addTables(bare)).rejects.toMatchObject({
    code: 'REPLICA_IDENTITY_MISSING',
    hint: expect.stringContaining('ALTER TABLE public.bare') as string,
  });
  await source.sql('ALTER TABLE bare REPLICA IDENTITY FULL; DROP TABLE bare');
  await expect(source.ingest!.addTables(bare)).rejects.toMatchObject({ code: 'TABLE_NOT_PUBLISHED' });
  await source.sql(`UPDATE items SET name = 'goes on'`);
  await source.expectEqual();
});

test('killed at any step of the first copy, it begins anew and leaves one slot', async () => {
  const source = await Source.on('halves', SHOP);
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
  const source = await Source.on('drops', SHOP);
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

test('refusals: the worker stays, keeps everything, and says what to do', async () => {
  const source = await Source.on('refusals', SHOP);
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
    hint: expect.stringContaining('CREATE SOURCE') as string,
  });
  expect(source.progress.read().committedOffset).toBeGreaterThan(0);
  await source.stop();
  await source.sql(`SELECT pg_drop_replication_slot('${source.slot}')`);
  source.start();
  expect((await source.until(({ state }) => state === 'stopped')).error).toMatchObject({ code: 'SLOT_DROPPED' });
});

test('errors that pass: tried again until they do', async () => {
  const source = await Source.on('passing', SHOP);
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
  const source = await Source.on('publications', SHOP);
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
  const source = await Source.on('leaves', SHOP);
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
  const source = await Source.on('full', SHOP);
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
  const source = await Source.on('sync', SHOP);
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
  const source = await Source.on('threads', SHOP);
  const states: string[] = [];
  const client = new IngestClient({ status: (status) => states.push(status.state) });
  await client.start({
    logDirectory: source.directory,
    directoryId: source.id,
    progress: source.progress.buffer,
    bounds: new LogBounds().buffer,
    connection: parseConnectionString(source.url),
    publication: 'mz_source',
    tables: source.tables,
  });
  await expect.poll(() => states.at(-1), { timeout: 8_000 }).toBe('streaming');
  await source.sql(`UPDATE items SET name = 'through a thread'`);
  await source.expectEqual();
  expect((await client.status()).transactions).toBeGreaterThan(0);
  await client.stop({ dropSlot: true });
  expect(states.at(-1)).toBe('ended');
  expect(await source.sql(`SELECT count(*)::int AS n FROM pg_replication_slots WHERE slot_name = '${source.slot}'`)).toEqual([{ n: 0 }]);
});

/** A TCP proxy whose connections can be cut. */
class Proxy {
  readonly #server: Server;
  readonly #pairs = new Set<Socket>();

  private constructor(server: Server) {
    this.#server = server;
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port;
  }

  static async to(port: number): Promise<Proxy> {
    const proxy: Proxy = new Proxy(
      createServer((socket) => {
        const upstream = new Socket().connect(port, '127.0.0.1');
        for (const end of [socket, upstream]) {
          proxy.#pairs.add(end);
          end.on('error', () => undefined);
          end.on('close', () => {
            socket.destroy();
            upstream.destroy();
          });
        }
        socket.pipe(upstream);
        upstream.pipe(socket);
      }),
    );
    await new Promise<void>((resolve) => void proxy.#server.listen(0, '127.0.0.1', resolve));
    cleanups.push(() => {
      proxy.cut();
      proxy.#server.close();
    });
    return proxy;
  }

  cut(): void {
    for (const socket of this.#pairs) socket.destroy();
    this.#pairs.clear();
  }
}
