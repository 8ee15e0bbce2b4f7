/**
 * Copies in parts against what Postgres itself answers in the same snapshot: tables with dead rows, HOT chains, TOAST, empty pages, no rows; that grow, shrink and
 * change while they are copied.
 */
import * as fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startPostgres, type TestPostgres } from '../../test/postgres/postgres.ts';
import { findBinaries } from '../demo/embedded-postgres.ts';
import { LogReader } from '../store/log/reader.ts';
import { walk } from '../store/log/transactions.ts';
import { LogWriter } from '../store/log/writer.ts';
import { SimulatedDisk } from '../store/testing/simulated-disk.ts';
import { readUpstreamCatalog } from '../upstream/catalog/catalog.ts';
import { parseConnectionString } from '../upstream/connection/parameters.ts';
import { connectForSlot, createSlot } from '../upstream/replication/slot.ts';
import { skipTuple } from '../wire/pgoutput.ts';
import { parseTuple } from '../wire/testing/parse-tuple.ts';
import { copyTables } from './copy.ts';

const RUNS = Number(process.env['MILLRACE_RUNS'] ?? 8);
const majors: number[] = [];
for (let major = 10; major <= 18; major++) if ((await findBinaries(major)) !== undefined) majors.push(major);

type Row = (string | null | undefined)[];

interface Copied {
  readonly rows: Map<string, string[]>;
  readonly refused: Map<string, string>;
  readonly connections: number;
}

interface CopiedOptions {
  readonly user?: string;
  readonly logBytesMax?: number;
  readonly database?: string;
  /** A table that Postgres itself cannot read. */
  readonly unreadable?: string;
  /** Runs when the first rows have come. */
  readonly meanwhile?: () => void;
}

/** Copies every table of the publication and returns the rows that the log then holds. */
async function copied(
  pg: TestPostgres,
  partBlocks: number,
  { database = 'parts', unreadable, meanwhile, user, logBytesMax = Infinity }: CopiedOptions = {},
): Promise<Copied & { expected: Map<string, string[]> }> {
  const url = pg.url(user, database);
  const parameters = parseConnectionString(url);
  const tables = (await readUpstreamCatalog(parameters, 'mz_source')).tables.map(({ table: found }) => found);
  const disk = new SimulatedDisk();
  const writer = LogWriter.open(disk, '/log', {});
  for (const table of tables) writer.appendTable(table);
  disk.capacityBytes = logBytesMax;
  const making = await connectForSlot(parameters, 'bootstrap', undefined);
  const slot = await createSlot(making, 'millrace_parts', 'temporary');
  const expected = new Map<string, string[]>();
  await pg.query('BEGIN ISOLATION LEVEL REPEATABLE READ', undefined, database);
  await pg.query(`SET TRANSACTION SNAPSHOT '${slot.snapshotName}'`, undefined, database);
  for (const { name, columns } of tables) {
    if (name === unreadable) continue;
    const list = columns.map((column) => `${column.name}::text`).join(', ');
    const rows = await pg.query<{ row: string }>(`SELECT json_build_array(${list})::text AS row FROM ${name}`, undefined, database);
    expected.set(name, rows.map(({ row }) => JSON.stringify(JSON.parse(row))).sort());
  }
  await pg.query('COMMIT', undefined, database);
  const nameOf = new Map(tables.map(({ oid, name }) => [oid, name]));
  const refused = new Map<string, string>();
  let begun = false;
  let connections = 0;
  const done = new AbortController();
  const watching = (async () => {
    while (!done.signal.aborted) {
      connections = Math.max(connections, await snapshotConnections(pg));
    }
  })();
  try {
    await copyTables(
      writer,
      { parameters, publication: 'mz_source', tables, slot, signal: new AbortController().signal, partBlocks },
      {
        appended: () => {
          if (begun) return;
          begun = true;
          meanwhile?.();
        },
        copying: () => undefined,
        copied: () => undefined,
        refused: (oid, error) => refused.set(nameOf.get(oid)!, error.code),
      },
    );
  } finally {
    done.abort();
    await watching;
    await making.end();
  }
  const rows = new Map<string, string[]>();
  const reader = new LogReader(disk, '/log');
  walk(reader, 0, writer.end, {
    table: ({ name }) => void rows.set(name, []),
    copy: (oid, bytes, at, end) => {
      for (; at < end; at = skipTuple(bytes, at)) rows.get(nameOf.get(oid)!)!.push(JSON.stringify(parseTuple(bytes, at) as Row));
    },
    copied: ({ oid, rows: count }) => expect(rows.get(nameOf.get(oid)!)).toHaveLength(count),
    removed: (oid) => void rows.delete(nameOf.get(oid)!),
  });
  for (const list of rows.values()) list.sort();
  return { rows, refused, expected, connections };
}

async function snapshotConnections(pg: TestPostgres): Promise<number> {
  const [row] = await pg.query<{ n: number }>(
    `SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = 'millrace snapshot'`,
  );
  return row!.n;
}

const table = fc.record({
  rows: fc.constantFrom(0, 1, 50, 2_000),
  deleted: fc.constantFrom('false', 'id % 3 = 0', 'id < 1500', 'id > 40', 'true'),
  updates: fc.nat(2),
  fillfactor: fc.constantFrom(20, 100),
  vacuumed: fc.boolean(),
  long: fc.boolean(),
});

describe.each(majors)('Postgres %i', (major) => {
  let pg: TestPostgres;
  beforeAll(async () => {
    pg = await startPostgres({ major });
    await pg.query('CREATE DATABASE parts');
    await pg.query('CREATE PUBLICATION mz_source FOR ALL TABLES', undefined, 'parts');
  });
  afterAll(() => pg.stop());

  test('in parts of any size, by two connections, the log holds the rows of the snapshot', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(table, { minLength: 1, maxLength: 4 }), fc.integer({ min: 1, max: 40 }), async (shapes, partBlocks) => {
        const sql = (text: string): Promise<unknown> => pg.query(text, undefined, 'parts');
        try {
          for (const [i, { rows, deleted, updates, fillfactor, vacuumed, long }] of shapes.entries()) {
            await sql(`CREATE TABLE t${i} (id int PRIMARY KEY, n int, note text, long text) WITH (fillfactor = ${fillfactor});
              ALTER TABLE t${i} ALTER long SET STORAGE EXTERNAL;
              INSERT INTO t${i} SELECT i, 0, nullif(repeat(E'a\\tb\\\\', i % 9), ''), ${long ? 'repeat(md5(i::text), CASE WHEN i % 100 = 0 THEN 200 END)' : 'NULL'} FROM generate_series(1, ${rows}) i`);
            for (let n = 0; n < updates; n++) await sql(`UPDATE t${i} SET n = n + 1 WHERE id % 2 = ${n}`);
            await sql(`DELETE FROM t${i} WHERE ${deleted}`);
            if (vacuumed) await pg.query(`VACUUM t${i}`, undefined, 'parts');
          }
          let changing: Promise<unknown> | undefined;
          const change = shapes.map(
            (_, i) =>
              `UPDATE t${i} SET n = -1; INSERT INTO t${i} SELECT i, 1, 'later', NULL FROM generate_series(10000, 12000) i; DELETE FROM t${i} WHERE id % 5 = 0`,
          );
          const { rows, refused, expected } = await copied(pg, partBlocks, {
            meanwhile: () => {
              changing = sql(change.join('; '));
            },
          });
          await changing;
          expect([...refused]).toEqual([]);
          expect(rows).toEqual(expected);
        } finally {
          for (const i of shapes.keys()) await sql(`DROP TABLE IF EXISTS t${i}`);
        }
      }),
      { numRuns: RUNS },
    );
  }, 120_000);
});

describe('what may go wrong', () => {
  let pg: TestPostgres;
  const sql = (text: string): Promise<unknown> => pg.query(text, undefined, 'parts');
  beforeAll(async () => {
    pg = await startPostgres({ settings: { max_connections: 30, superuser_reserved_connections: 1 } });
    await pg.query('CREATE DATABASE parts');
    await sql(`CREATE PUBLICATION mz_source FOR ALL TABLES;
      CREATE TABLE a (id int PRIMARY KEY, t text); INSERT INTO a SELECT i, repeat('x', 300) FROM generate_series(1, 20000) i;
      CREATE TABLE b (id int PRIMARY KEY, t text); INSERT INTO b SELECT i, 'b' FROM generate_series(1, 100) i`);
  });
  afterAll(() => pg.stop());

  test('a large table takes a second connection, and no third', async () => {
    const { rows, expected, connections } = await copied(pg, 16);
    expect(rows).toEqual(expected);
    expect(connections).toBe(2);
  });

  test('where the source has none to spare, one connection copies all', async () => {
    const clients: Awaited<ReturnType<TestPostgres['connect']>>[] = [];
    try {
      for (let i = 0; i < 17; i++) {
        clients.push(await pg.connect('parts'));
      }
      const { rows, expected, connections } = await copied(pg, 16);
      expect(rows).toEqual(expected);
      expect(connections).toBe(1);
    } finally {
      for (const client of clients) await client.end();
    }
  });

  test('a role that may read the published columns alone copies in parts, too', async () => {
    await pg.query('CREATE DATABASE columns');
    await pg.query(
      `CREATE TABLE part (id int PRIMARY KEY, t text, hidden text); INSERT INTO part SELECT i, repeat('x', 300), 'h' FROM generate_series(1, 2000) i;
       CREATE PUBLICATION mz_source FOR TABLE part (id, t); CREATE ROLE reader LOGIN REPLICATION PASSWORD 'reader'; GRANT SELECT (id, t) ON part TO reader`,
      undefined,
      'columns',
    );
    const { rows, refused, expected } = await copied(pg, 16, { database: 'columns', user: 'reader' });
    expect([...refused]).toEqual([]);
    expect(rows).toEqual(expected);
    expect(rows.get('part')).toHaveLength(2000);
  });

  test('while parts are read, nobody moves the rows', async () => {
    const rewriting = await pg.connect('parts');
    try {
      let rewritten: Promise<unknown> | undefined;
      const { rows, expected } = await copied(pg, 16, {
        meanwhile: () => {
          rewritten = rewriting.query('VACUUM FULL a');
        },
      });
      await rewritten;
      expect(rows).toEqual(expected);
    } finally {
      await rewriting.end();
    }
  });

  test('whoever waits for one table, and holds another that we wait for, ends the wait or is ended by Postgres', async () => {
    await pg.query('CREATE DATABASE locks');
    const run = (text: string): Promise<unknown> => pg.query(text, undefined, 'locks');
    await run(`CREATE PUBLICATION mz_source FOR ALL TABLES;
      CREATE TABLE a (id int PRIMARY KEY, t text); INSERT INTO a SELECT i, repeat('x', 1900) FROM generate_series(1, 20000) i;
      CREATE TABLE b (id int PRIMARY KEY, t text); INSERT INTO b SELECT i, repeat('x', 1900) FROM generate_series(1, 24000) i`);
    const other = await pg.connect('locks');
    try {
      let locked: Promise<unknown> | undefined;
      const { rows, refused, expected } = await copied(pg, 5_500, {
        database: 'locks',
        meanwhile: () => {
          // While the first connection copies a, the second plans b.
          locked = other.query('BEGIN; LOCK TABLE b IN ACCESS EXCLUSIVE MODE; LOCK TABLE a IN ACCESS EXCLUSIVE MODE; COMMIT').then(
            () => 'granted',
            (error: { code?: string }) => error.code,
          );
        },
      });
      // Postgres sees a deadlock when one connection of ours is in it with both tables.
      expect(['granted', '40P01']).toContain(await locked);
      expect([...rows.keys(), ...refused.keys()].sort()).toEqual(['a', 'b']);
      for (const [name, list] of rows) expect(list).toEqual(expected.get(name));
    } finally {
      await other.end();
    }
  }, 120_000);

  test('a disk that fills up ends the attempt, with that reason', async () => {
    await expect(copied(pg, 16, { logBytesMax: 3_000_000 })).rejects.toMatchObject({ code: 'LOG_DISK_FULL' });
    await expect.poll(() => snapshotConnections(pg)).toBe(0);
  });

  test('a part that fails takes its table, and nothing else', async () => {
    await pg.query(`CREATE DATABASE bytes ENCODING SQL_ASCII LOCALE 'C' TEMPLATE template0`);
    const run = (text: string): Promise<unknown> => pg.query(text, undefined, 'bytes');
    await run(`CREATE PUBLICATION mz_source FOR ALL TABLES;
      CREATE TABLE a (id int PRIMARY KEY, t text); INSERT INTO a SELECT i, 'a' FROM generate_series(1, 5000) i;
      CREATE TABLE spoilt (id int PRIMARY KEY, t text);
      INSERT INTO spoilt SELECT i, CASE WHEN i = 15000 THEN convert_from('\\xff', 'SQL_ASCII') ELSE repeat('y', 300) END FROM generate_series(1, 20000) i;
      CREATE TABLE z (id int PRIMARY KEY, t text); INSERT INTO z SELECT i, 'z' FROM generate_series(1, 5000) i`);
    const { rows, refused, expected } = await copied(pg, 16, { database: 'bytes', unreadable: 'spoilt' });
    expect([...refused]).toEqual([['spoilt', 'TABLE_NOT_UTF8']]);
    expect(rows).toEqual(expected);
    expect([...rows.keys()].sort()).toEqual(['a', 'z']);
  });
});
