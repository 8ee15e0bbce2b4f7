/**
 * A real upstream database and a Millrace source on it, for tests: started, stopped, cut off, killed and started again; then what the log adds up to, read by a naive reader
 * of its own, is compared with what the upstream says.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, Socket, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect } from 'vitest';
import type { TestPostgres } from '../../../test/postgres/postgres.ts';
import { ident, qualified } from '../../base/ident.ts';
import { parseLsn, type Lsn } from '../../base/lsn.ts';
import { realDisk, type Disk } from '../../store/disk.ts';
import { LogBounds } from '../../store/log/bounds.ts';
import { LogReader } from '../../store/log/reader.ts';
import { walk } from '../../store/log/transactions.ts';
import { readUpstreamCatalog } from '../../upstream/catalog/catalog.ts';
import { parseConnectionString } from '../../upstream/connection/parameters.ts';
import type { UpstreamTable } from '../../upstream/table.ts';
import {
  DELETE,
  FIRST_TUPLE_OFFSET,
  INSERT,
  NEW_TUPLE,
  OLD_TUPLE,
  parseTruncate,
  relationOid,
  skipTuple,
  TRUNCATE,
  UPDATE,
} from '../../wire/pgoutput.ts';
import { parseTuple } from '../../wire/testing/parse-tuple.ts';
import { Ingest } from '../ingest.ts';
import { IngestProgress } from '../progress.ts';
import type { IngestOptions, IngestStatus } from '../protocol.ts';
import { readSourceNote } from '../source-note.ts';

/** A table with a key and TOAST values, and one without a key. */
export const SHOP = `CREATE TABLE items (id int PRIMARY KEY, name text, note text); ALTER TABLE items ALTER note SET STORAGE EXTERNAL;
  CREATE TABLE visits (who text, at timestamptz); ALTER TABLE visits REPLICA IDENTITY FULL;
  INSERT INTO items SELECT i, 'item ' || i, repeat('x', 2500) FROM generate_series(1, 300) i; INSERT INTO visits VALUES ('ann', now()), ('ann', now()), (NULL, NULL)`;

/** A database with a publication of all given tables, and a Millrace source on it that can be stopped, killed and started again. */
export class Source {
  pg: TestPostgres;
  readonly database: string;
  directory = mkdtempSync(path.join(tmpdir(), 'millrace-ingest-'));
  id = Math.random().toString(16).slice(2, 12);
  tables: UpstreamTable[] = [];
  url: string;
  disk: Disk = realDisk;
  progress = new IngestProgress();
  ingest: Ingest | undefined;
  statuses: IngestStatus[] = [];

  constructor(pg: TestPostgres, database: string) {
    this.pg = pg;
    this.database = database;
    this.url = pg.url(undefined, database);
  }

  static async on(pg: TestPostgres, database: string, schema: string): Promise<Source> {
    await pg.createDatabase(database);
    await pg.query(schema, undefined, database);
    await pg.query('CREATE PUBLICATION mz_source FOR ALL TABLES', undefined, database);
    const source = new Source(pg, database);
    source.tables = await source.published();
    return source;
  }

  get slot(): string {
    return `millrace_${this.id}`;
  }

  async published(): Promise<UpstreamTable[]> {
    return (await readUpstreamCatalog(parseConnectionString(this.pg.url(undefined, this.database)), 'mz_source')).tables.map(
      ({ table }) => table,
    );
  }

  options(): IngestOptions {
    return {
      logAtLeast: 0,
      logDirectory: this.directory,
      directoryId: this.id,
      progress: this.progress.buffer,
      bounds: new LogBounds().buffer,
      connection: parseConnectionString(this.url),
      publication: 'mz_source',
      tables: this.tables,
    };
  }

  start(): Ingest {
    this.progress = new IngestProgress();
    this.statuses = [];
    return (this.ingest = new Ingest({
      ...this.options(),
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
        await this.pg.query('SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = $1', [this.slot]);
        break;
      } catch {
        await new Promise((resolve) => void setTimeout(resolve, 50));
      }
    }
    rmSync(this.directory, { recursive: true, force: true });
  }

  sql<R extends Record<string, unknown> = Record<string, unknown>>(text: string): Promise<R[]> {
    return this.pg.query<R>(text, undefined, this.database);
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
    const replica = new Replica(
      this.directory,
      readSourceNote(this.directory)?.since ?? 0,
      this.progress.read().committedOffset,
      this.disk,
    );
    const session = await this.pg.connect(this.database);
    await session.query(`SET timezone = 'UTC'; SET search_path = pg_catalog`);
    for (const table of this.tables) {
      const columns = table.columns.map((column) => ident(column.name)).join(', ');
      // By the types' output functions: a cast to text writes booleans and others differently.
      const { rows } = await session.query<Row>({
        text: `SELECT ${columns} FROM ${qualified(table.schema, table.name)}`,
        rowMode: 'array',
        types: { getTypeParser: () => (value: string) => value },
      });
      expect(sorted(replica.rows(table.oid)), table.name).toEqual(sorted(rows));
    }
    await session.end();
  }

  async confirmed(): Promise<Lsn> {
    const [row] = await this.sql<{ lsn: string | null }>(
      `SELECT confirmed_flush_lsn::text AS lsn FROM pg_replication_slots WHERE slot_name = '${this.slot}'`,
    );
    return parseLsn(row?.lsn ?? '0/0');
  }
}

type Row = (string | null)[];

function sorted(rows: readonly Row[]): string[] {
  return rows.map((row) => JSON.stringify(row)).toSorted();
}

/** The naive reader of a log: maps of whole rows. Says what it finds contradictory. */
export class Replica {
  readonly #tables = new Map<number, { table: UpstreamTable; rows: Row[]; snapshotLsn?: Lsn }>();
  transactions = 0;

  constructor(directory: string, from: number, to: number, disk: Disk) {
    const reader = new LogReader(disk, directory);
    let commitLsn = 0n;
    walk(reader, from, to, {
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

/** A TCP proxy whose connections can be cut. */
export class Proxy {
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
    return proxy;
  }

  cut(): void {
    for (const socket of this.#pairs) socket.destroy();
    this.#pairs.clear();
  }

  close(): void {
    this.cut();
    this.#server.close();
  }
}
