/**
 * The first copy of tables at one exported snapshot: rows in the very bytes that the stream would have had for them (TupleData). Keeps I-1: one transaction reads
 * all tables, by the columns that the publication sends, and a table that is not as expected is refused before a row is read. Memory: one chunk (I-6).
 */
import { isUtf8 } from 'node:buffer';
import { assert } from '../../base/assert.ts';
import type { MillraceError } from '../../base/errors.ts';
import { millraceError } from '../../base/errors.ts';
import { ident, literal, qualified } from '../../base/ident.ts';
import { ByteWriter } from '../../wire/bytes.ts';
import { copyLineToTuple } from '../../wire/copy-text.ts';
import { readPublishedTables, refusalOf } from '../catalog/publication.ts';
import { readShapes } from '../catalog/read-shapes.ts';
import { connectUpstream, type UpstreamConnection } from '../connection/connect.ts';
import type { ConnectionParameters } from '../connection/parameters.ts';
import { notUtf8 } from '../not-utf8.ts';
import type { TableShape } from '../shape.ts';
import type { UpstreamTable } from '../table.ts';
import { CopyOut } from './copy-out.ts';

const CHUNK_BYTES = 1 << 20;
const LINE_FEED = 0x0a;

export interface CopyTarget {
  /** Whole rows; valid during the call. What it throws ends the copy, and the connection. */
  rows(tuples: Uint8Array, count: number): void;
}

/** What one statement copies: the table, or its rows in blocks [from, to) of its file. */
export interface CopyPart {
  /** An ordinary parent's children are copied as tables of their own; a partitioned table's rows are in its parts. */
  readonly only: boolean;
  /** Absent: from the first, to the last and whatever was appended behind it. */
  readonly from?: number;
  readonly to?: number;
}

export interface CopyPlan {
  /** As of the snapshot. */
  readonly shape: TableShape;
  readonly parts: readonly CopyPart[];
}

/** Below Postgres 14 a range of blocks is no cheaper to read than the whole table. */
const TID_RANGE_VERSION = 140_000;
/** Catalog reads have every name with its schema; values are written as any session of the user writes them. */
const CATALOG_NAMES = 'SET LOCAL search_path = pg_catalog';
const LOCK_NOT_AVAILABLE = '55P03';

export class Snapshot {
  readonly #connection: UpstreamConnection;
  readonly #out = new ByteWriter(CHUNK_BYTES * 2);

  private constructor(connection: UpstreamConnection) {
    this.#connection = connection;
  }

  /** Enters the snapshot. From now on the connection that exported it may go on. */
  static async open(parameters: ConnectionParameters, snapshotName: string, signal?: AbortSignal): Promise<Snapshot> {
    const connection = await connectUpstream(parameters, {
      purpose: 'snapshot',
      statementTimeoutMs: 0,
      carriesRows: true,
      ...(signal === undefined ? {} : { signal }),
    });
    try {
      await connection.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      await connection.query(`SET TRANSACTION SNAPSHOT ${literal(snapshotName)}`);
      await connection.query(CATALOG_NAMES);
      return new Snapshot(connection);
    } catch (error) {
      const failure = connection.failure(error, { doing: 'entering the snapshot' });
      connection.destroy();
      throw failure;
    }
  }

  /**
   * How to copy the table: in parts of so many blocks where that is cheap. The table as it is in this snapshot must be the one that was planned for: its columns,
   * its key, its name. Parts may be read in any order, by any connection on the snapshot that has joined, as long as this one stays open: it holds the lock that
   * keeps rows where they are. (Where only columns may be read, `ctid` may not: then there is one part.)
   */
  async plan(publication: string, table: UpstreamTable, partBlocks: number): Promise<CopyPlan> {
    const shape = await this.#verify(publication, table);
    try {
      await this.#hold(table, shape);
      const [facts] = await this.#connection.query(
        `SELECT c.relkind, CASE WHEN c.relkind = 'r' AND a.amname = 'heap' AND has_table_privilege(c.oid, 'SELECT') THEN pg_catalog.pg_relation_size(c.oid) / current_setting('block_size')::bigint END AS blocks
           FROM pg_catalog.pg_class c LEFT JOIN pg_catalog.pg_am a ON a.oid = c.relam WHERE c.oid = $1`,
        [table.oid],
      );
      const only = facts?.['relkind'] !== 'p';
      const blocks = this.#connection.versionNum < TID_RANGE_VERSION ? 0 : Number(facts?.['blocks'] ?? 0);
      if (blocks <= partBlocks) return { shape, parts: [{ only }] };
      const parts: CopyPart[] = [{ only, to: partBlocks }];
      for (let from = partBlocks; from < blocks; from += partBlocks)
        parts.push(from + partBlocks < blocks ? { only, from, to: from + partBlocks } : { only, from });
      return { shape, parts };
    } catch (error) {
      throw this.#failure(error, table);
    }
  }

  /** Locks a table that another connection of the snapshot has planned. False when somebody waits for it to be let go: he would wait for us, and we for him. */
  async join(table: UpstreamTable, timeoutMs: number): Promise<boolean> {
    try {
      await this.guarded(async () => {
        await this.#statement(`SET LOCAL lock_timeout = ${timeoutMs}`);
        await this.#lock(table);
        await this.#statement('SET LOCAL lock_timeout = 0');
      });
      return true;
    } catch (error) {
      if (error instanceof Error && 'code' in error && error.code === LOCK_NOT_AVAILABLE) return false;
      throw this.#failure(error, table);
    }
  }

  /** Connections that the server would still grant us, were nobody else to come. */
  async spareConnections(): Promise<number> {
    try {
      const [row] = await this.#connection.query(
        `SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
           - coalesce(current_setting('reserved_connections', true), '0')::int
           - (SELECT count(*) FROM pg_catalog.pg_stat_activity) AS spare`,
      );
      return Number(row?.['spare'] ?? 0);
    } catch (error) {
      throw this.#connection.failure(error, { doing: 'reading the settings in the snapshot' });
    }
  }

  /** Runs `read`; when it fails for a reason of its own, the transaction and its locks go on as before. */
  async guarded<T>(read: () => Promise<T>): Promise<T> {
    await this.#statement('SAVEPOINT millrace');
    try {
      return await read();
    } catch (error) {
      if (this.#connection.lost === undefined) await this.#statement('ROLLBACK TO SAVEPOINT millrace').catch(() => undefined);
      throw error;
    } finally {
      if (this.#connection.lost === undefined) await this.#statement('RELEASE SAVEPOINT millrace').catch(() => undefined);
    }
  }

  /** Returns the number of rows. */
  async copy(table: UpstreamTable, part: CopyPart, target: CopyTarget): Promise<number> {
    const out = this.#out;
    out.reset();
    const columnCount = table.columns.length;
    let total = 0;
    let pending = 0;
    let bad: Buffer | undefined;
    const flush = (): void => {
      if (pending > 0) target.rows(out.view(), pending);
      out.reset();
      pending = 0;
    };
    const from = `${part.only ? 'ONLY ' : ''}${qualified(table.schema, table.name)}`;
    const copy = new CopyOut(`COPY (SELECT ${columnsOf(table)} FROM ${from}${blockRange(part)}) TO STDOUT`, (bytes, start, end) => {
      assert(bytes[end] === LINE_FEED, 'a message holds no whole row');
      if (this.#connection.takesAnyBytes && !isUtf8(bytes.subarray(start, end))) bad ??= Buffer.from(bytes.subarray(start, end));
      copyLineToTuple(bytes, start, end, columnCount, out);
      total++;
      pending++;
      if (out.length >= CHUNK_BYTES) flush();
    });
    try {
      await this.#connection.query('SET LOCAL search_path TO DEFAULT');
      this.#connection.client.query(copy);
      const counted = await copy.finished;
      await this.#connection.query(CATALOG_NAMES);
      if (bad !== undefined) throw lineNotUtf8(table, bad);
      assert(counted === total, `the server copied ${counted} rows, ${total} came`);
      flush();
      return total;
    } catch (error) {
      const failure = this.#failure(error, table);
      // Only now: a connection that is lost is taken for the reason of whatever fails on it.
      if (copy.isAbandoned) this.destroy();
      throw failure;
    }
  }

  /** Ends the transaction and the connection. */
  async close(): Promise<void> {
    await this.#connection.end();
  }

  destroy(): void {
    this.#connection.destroy();
  }

  async #lock(table: UpstreamTable): Promise<void> {
    await this.#connection.query(`LOCK TABLE ONLY ${qualified(table.schema, table.name)} IN ACCESS SHARE MODE`);
  }

  async #statement(text: string): Promise<void> {
    try {
      await this.#connection.query(text);
    } catch (error) {
      throw this.#connection.failure(error, { doing: 'reading the snapshot' });
    }
  }

  /**
   * Locks the table, and makes sure that it still is what the snapshot's catalog says: rows are read from today's file by today's names. A rewrite since then leaves nothing
   * for the snapshot (Postgres's documentation, "Caveats" of concurrency control), and two columns may have exchanged their names.
   */
  async #hold(table: UpstreamTable, shape: TableShape): Promise<void> {
    const only = shape.kind === 'p' ? '' : 'ONLY ';
    const { fields } = await this.#connection.client.query(
      `SELECT ${columnsOf(table)} FROM ${only}${qualified(table.schema, table.name)} LIMIT 0`,
    );
    const isOther = fields.some(({ tableID, columnID }, i) => tableID !== table.oid || columnID !== table.columns[i]!.attnum);
    const files = [shape, ...shape.children].filter(({ file }) => file !== 0);
    const rewritten = await this.#connection.query(
      `SELECT 1 AS yes FROM unnest($1::oid[], $2::oid[]) AS was(oid, file) WHERE pg_catalog.pg_relation_filenode(was.oid) IS DISTINCT FROM was.file LIMIT 1`,
      [`{${files.map(({ oid }) => oid).join(',')}}`, `{${files.map(({ file }) => file).join(',')}}`],
    );
    if (isOther || rewritten.length > 0) throw millraceError('TABLE_REWRITTEN', { schema: table.schema, table: table.name });
  }

  async #verify(publication: string, table: UpstreamTable): Promise<TableShape> {
    let found;
    let shape: TableShape | undefined;
    try {
      [found] = await readPublishedTables(this.#connection, publication, [table.oid]);
      shape = (await readShapes(this.#connection, publication, [table])).shapes.get(table.oid);
    } catch (error) {
      throw this.#connection.failure(error, { doing: 'reading the catalog in the snapshot', publication });
    }
    const named = { schema: table.schema, table: table.name, publication };
    if (found === undefined || shape === undefined) throw millraceError('TABLE_NOT_PUBLISHED', named);
    const refusal = refusalOf(found, publication, this.#connection.parameters.user);
    if (refusal !== undefined) throw refusal;
    if (planned(found.table) !== planned(table)) throw millraceError('UPSTREAM_TABLE_CHANGED', named);
    return shape;
  }

  #failure(error: unknown, table: UpstreamTable): MillraceError {
    return this.#connection.failure(error, { doing: `copying ${qualified(table.schema, table.name)}`, table });
  }
}

function columnsOf(table: UpstreamTable): string {
  return table.columns.map((column) => ident(column.name)).join(', ');
}

/** A line of COPY: values between tabs. */
function lineNotUtf8({ schema, name, columns, key }: UpstreamTable, line: Buffer): MillraceError {
  const values: Buffer[] = [];
  for (let from = 0; from <= line.length;) {
    const tab = line.indexOf(0x09, from);
    const end = tab < 0 ? line.length : tab;
    values.push(line.subarray(from, end));
    from = end + 1;
  }
  return notUtf8({ schema, name, columns, key }, values);
}

function blockRange({ from, to }: CopyPart): string {
  const bounds: string[] = [];
  if (from !== undefined) bounds.push(`ctid OPERATOR(pg_catalog.>=) '(${from},0)'::pg_catalog.tid`);
  if (to !== undefined) bounds.push(`ctid OPERATOR(pg_catalog.<) '(${to},0)'::pg_catalog.tid`);
  return bounds.length === 0 ? '' : ` WHERE ${bounds.join(' AND ')}`;
}

/** What must not differ between plan and snapshot. Comments may. */
function planned(table: UpstreamTable): string {
  return JSON.stringify([
    table.schema,
    table.name,
    table.replicaIdentity,
    table.key,
    table.columns.map((c) => [c.attnum, c.name, c.typeOid, c.typmod, c.collationOid]),
  ]);
}
