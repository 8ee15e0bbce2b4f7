/**
 * The first copy of tables at one exported snapshot: rows in the very bytes that the stream would have had for them (TupleData). Keeps I-1: one transaction reads
 * all tables, by the columns that the publication sends, and a table that is not as expected is refused before a row is read. Memory: one chunk (I-6).
 */
import { assert } from '../../base/assert.ts';
import type { MillraceError } from '../../base/errors.ts';
import { millraceError } from '../../base/errors.ts';
import { ident, literal, qualified } from '../../base/ident.ts';
import { ByteWriter } from '../../wire/bytes.ts';
import { copyLineToTuple } from '../../wire/copy-text.ts';
import { readPublishedTables, refusalOf, type PublishedTable } from '../catalog/publication.ts';
import { connectUpstream, type UpstreamConnection } from '../connection/connect.ts';
import type { ConnectionParameters } from '../connection/parameters.ts';
import type { UpstreamTable } from '../table.ts';
import { CopyOut } from './copy-out.ts';

const CHUNK_BYTES = 1 << 20;
const LINE_FEED = 0x0a;

export interface CopyTarget {
  /** Whole rows; valid during the call. What it throws ends the copy, and the connection. */
  rows(tuples: Uint8Array, count: number): void;
}

export class Snapshot {
  readonly #connection: UpstreamConnection;

  private constructor(connection: UpstreamConnection) {
    this.#connection = connection;
  }

  /** Enters the snapshot. From now on the connection that exported it may go on. */
  static async open(parameters: ConnectionParameters, snapshotName: string, signal?: AbortSignal): Promise<Snapshot> {
    const connection = await connectUpstream(parameters, {
      purpose: 'snapshot',
      statementTimeoutMs: 0,
      ...(signal === undefined ? {} : { signal }),
    });
    try {
      await connection.query('BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY');
      await connection.query(`SET TRANSACTION SNAPSHOT ${literal(snapshotName)}`);
      return new Snapshot(connection);
    } catch (error) {
      const failure = connection.failure(error, { doing: 'entering the snapshot' });
      connection.destroy();
      throw failure;
    }
  }

  /** The table as it is in this snapshot must be the one that was planned for: its columns, its key, its name. */
  async verify(publication: string, table: UpstreamTable): Promise<PublishedTable> {
    let found: PublishedTable | undefined;
    try {
      [found] = await readPublishedTables(this.#connection, publication, [table.oid]);
    } catch (error) {
      throw this.#connection.failure(error, { doing: 'reading the catalog in the snapshot', publication });
    }
    const named = { schema: table.schema, table: table.name, publication };
    if (found === undefined) throw millraceError('TABLE_NOT_PUBLISHED', named);
    const refusal = refusalOf(found, publication, this.#connection.parameters.user);
    if (refusal !== undefined) throw refusal;
    if (shape(found.table) !== shape(table)) throw millraceError('UPSTREAM_TABLE_CHANGED', named);
    return found;
  }

  /** Returns the number of rows. */
  async copy(table: UpstreamTable, target: CopyTarget): Promise<number> {
    const out = new ByteWriter(CHUNK_BYTES * 2);
    const columnCount = table.columns.length;
    const columns = table.columns.map((column) => ident(column.name)).join(', ');
    let total = 0;
    let pending = 0;
    const flush = (): void => {
      if (pending > 0) target.rows(out.view(), pending);
      out.reset();
      pending = 0;
    };
    try {
      // A partitioned table's rows are in its parts; an ordinary parent's children are published, and copied, as tables of their own.
      const [row] = await this.#connection.query('SELECT relkind FROM pg_catalog.pg_class WHERE oid = $1', [table.oid]);
      const only = row?.['relkind'] === 'p' ? '' : 'ONLY ';
      const copy = new CopyOut(
        `COPY (SELECT ${columns} FROM ${only}${qualified(table.schema, table.name)}) TO STDOUT`,
        (bytes, start, end) => {
          assert(bytes[end] === LINE_FEED, 'a message holds no whole row');
          copyLineToTuple(bytes, start, end, columnCount, out);
          total++;
          pending++;
          if (out.length >= CHUNK_BYTES) flush();
        },
      );
      this.#connection.client.query(copy);
      const counted = await copy.finished;
      assert(counted === total, `the server copied ${counted} rows, ${total} came`);
      flush();
      return total;
    } catch (error) {
      throw this.#failure(error, table);
    }
  }

  /** Ends the transaction and the connection. */
  async close(): Promise<void> {
    await this.#connection.end();
  }

  destroy(): void {
    this.#connection.destroy();
  }

  #failure(error: unknown, table: UpstreamTable): MillraceError {
    return this.#connection.failure(error, { doing: `copying ${qualified(table.schema, table.name)}`, table });
  }
}

/** What must not differ between plan and snapshot. Comments may. */
function shape(table: UpstreamTable): string {
  return JSON.stringify([
    table.schema,
    table.name,
    table.replicaIdentity,
    table.key,
    table.columns.map((c) => [c.attnum, c.name, c.typeOid, c.typmod, c.collationOid]),
  ]);
}
