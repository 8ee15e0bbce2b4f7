/**
 * I-4 by the shape of a table: whatever an application's tables are like, after `setup --yes` its INSERT, UPDATE, DELETE and TRUNCATE do exactly what they did before, or setup said why not and
 * left everything as it was. Run on 18 by src/providers/writes.test.ts and on every major that can be had by `npm run test:hosted -- majors`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { doctor } from '../../src/providers/doctor.ts';
import type { Consumer, TableName } from '../../src/providers/model.ts';
import { setup } from '../../src/providers/setup.ts';
import { parseConnectionString } from '../../src/upstream/connection/parameters.ts';
import type { TestPostgres } from '../postgres/postgres.ts';

export interface Shape {
  readonly name: string;
  /** The first major that has it. */
  readonly since?: number;
  readonly ddl: string;
  readonly tables: readonly string[];
  /** What the application does; each must end as it did before. */
  readonly writes: readonly string[];
  /** Whether setup does it, or says why not: in words that hold this. */
  readonly ends: 'done' | { readonly refused: string } | ((major: number) => 'done' | { readonly refused: string });
  readonly consumer?: Consumer;
  /** Refused with a mend: once that has been run, the next setup does it. */
  readonly mends?: true;
}

const WRITES = [
  `INSERT INTO t (a, b) VALUES (3, 'three')`,
  `UPDATE t SET b = 'other' WHERE a = 1`,
  'DELETE FROM t WHERE a = 2',
  'UPDATE t SET a = a + 10',
  'TRUNCATE t',
];
const ROWS = `INSERT INTO t (a, b) VALUES (1, 'one'), (2, 'two')`;
const plain = (name: string, columns: string, more = '', rest: Partial<Shape> = {}): Shape => ({
  name,
  ddl: `CREATE TABLE t (${columns}); ${more}; ${ROWS}`,
  tables: ['t'],
  writes: WRITES,
  ends: 'done',
  ...rest,
});

export const SHAPES: readonly Shape[] = [
  plain('a primary key', 'a int PRIMARY KEY, b text'),
  plain('a deferrable primary key', 'a int PRIMARY KEY DEFERRABLE INITIALLY DEFERRED, b text'),
  plain('a unique index over NOT NULL', 'a int NOT NULL UNIQUE, b text'),
  plain('a unique index over a nullable column', 'a int UNIQUE, b text'),
  plain('no key', 'a int, b text'),
  plain('no key, dropped columns', 'gone text, a int, b text, gone2 int', 'ALTER TABLE t DROP COLUMN gone, DROP COLUMN gone2'),
  plain(
    'a key, a dropped column',
    'gone int PRIMARY KEY, a int, b text',
    'ALTER TABLE t DROP COLUMN gone; ALTER TABLE t ADD PRIMARY KEY (a)',
  ),
  plain('REPLICA IDENTITY NOTHING', 'a int PRIMARY KEY, b text', 'ALTER TABLE t REPLICA IDENTITY NOTHING'),
  plain('no key, a stored generated column', 'a int, b text, c int GENERATED ALWAYS AS (a * 2) STORED', '', { since: 12 }),
  plain(
    'no key, FULL, a stored generated column',
    'a int, b text, c int GENERATED ALWAYS AS (a * 2) STORED',
    'ALTER TABLE t REPLICA IDENTITY FULL',
    {
      since: 12,
    },
  ),
  plain(
    'no key, a stored generated column, a publication that is there',
    'a int, b text, c int GENERATED ALWAYS AS (a * 2) STORED',
    'CREATE TABLE u (a int PRIMARY KEY); CREATE PUBLICATION mz_source FOR TABLE u',
    {
      since: 12,
    },
  ),
  plain('a key, a stored generated column', 'a int PRIMARY KEY, b text, c int GENERATED ALWAYS AS (a * 2) STORED', '', { since: 12 }),
  plain('a key on a stored generated column', 'a int, b text, c int GENERATED ALWAYS AS (a * 2) STORED PRIMARY KEY', '', { since: 12 }),
  plain('a unique index on a stored generated column', 'a int, b text, c int GENERATED ALWAYS AS (a * 2) STORED NOT NULL UNIQUE', '', {
    since: 12,
  }),
  plain('no key, a virtual generated column', 'a int, b text, c int GENERATED ALWAYS AS (a * 2)', '', {
    since: 18,
    ends: { refused: 'virtual generated column' },
    mends: true,
  }),
  plain(
    'FULL, a key, a virtual generated column',
    'a int PRIMARY KEY, b text, c int GENERATED ALWAYS AS (a * 2)',
    'ALTER TABLE t REPLICA IDENTITY FULL',
    {
      since: 18,
    },
  ),
  plain('a key, a virtual generated column', 'a int PRIMARY KEY, b text, c int GENERATED ALWAYS AS (a * 2)', '', { since: 18 }),
  plain('identity columns', 'a int PRIMARY KEY, b text, row_id int GENERATED ALWAYS AS IDENTITY'),
  plain(
    'triggers, on statements and rows',
    'a int PRIMARY KEY, b text',
    `
    CREATE TABLE seen (what text);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO public.seen VALUES (TG_OP || TG_LEVEL); RETURN NULL; END';
    CREATE TRIGGER s AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON t FOR EACH STATEMENT EXECUTE PROCEDURE note();
    CREATE TRIGGER r AFTER INSERT OR UPDATE OR DELETE ON t FOR EACH ROW EXECUTE PROCEDURE note()`,
  ),
  plain(
    'a foreign key, both sides',
    'a int PRIMARY KEY, b text',
    'CREATE TABLE u (a int REFERENCES t ON DELETE CASCADE ON UPDATE CASCADE, n int)',
    {
      tables: ['t', 'u'],
      writes: [...WRITES.slice(0, 4), 'INSERT INTO u VALUES (1, 1)', 'TRUNCATE t CASCADE'],
    },
  ),
  plain(
    'rules',
    'a int PRIMARY KEY, b text',
    'CREATE TABLE u (a int, b text); CREATE RULE r AS ON UPDATE TO t DO ALSO INSERT INTO u VALUES (NEW.a, NEW.b); CREATE RULE d AS ON DELETE TO t DO INSTEAD NOTHING',
  ),
  plain(
    'row-level security, forced',
    'a int PRIMARY KEY, b text',
    'ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY; CREATE POLICY p ON t USING (a < 100)',
  ),
  {
    name: 'a partitioned table with a key',
    since: 11,
    ddl: `CREATE TABLE t (a int PRIMARY KEY, b text) PARTITION BY RANGE (a); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (10); CREATE TABLE t2 PARTITION OF t FOR VALUES FROM (10) TO (100) PARTITION BY LIST (a); CREATE TABLE t21 PARTITION OF t2 DEFAULT; ${ROWS}`,
    tables: ['t'],
    writes: [
      ...WRITES,
      'CREATE TABLE t3 PARTITION OF t FOR VALUES FROM (100) TO (200); INSERT INTO t VALUES (150); UPDATE t SET b = 1 WHERE a = 150; DELETE FROM t',
    ],
    ends: (major) => (major >= 13 ? 'done' : { refused: 'partitioned' }),
  },
  {
    name: 'a partitioned table without a key',
    since: 13,
    ddl: `CREATE TABLE t (a int, b text) PARTITION BY RANGE (a); CREATE TABLE t1 PARTITION OF t FOR VALUES FROM (0) TO (100); ${ROWS}`,
    tables: ['t'],
    writes: [
      ...WRITES,
      'CREATE TABLE t3 PARTITION OF t FOR VALUES FROM (100) TO (200); INSERT INTO t VALUES (150); UPDATE t SET b = 1 WHERE a = 150',
    ],
    ends: { refused: 'partitioned and has no primary key' },
    mends: true,
  },
  {
    name: 'inheritance: a child without a key',
    ddl: `CREATE TABLE t (a int PRIMARY KEY, b text); CREATE TABLE u (c int) INHERITS (t); ${ROWS}; INSERT INTO u VALUES (1, 'child', 5)`,
    tables: ['t'],
    writes: [...WRITES, 'UPDATE u SET c = 6', 'DELETE FROM u'],
    ends: 'done',
  },
  {
    name: 'an unlogged table beside another',
    ddl: `CREATE UNLOGGED TABLE t (a int, b text); CREATE TABLE u (a int); ${ROWS}`,
    tables: ['t', 'u'],
    writes: [...WRITES, 'INSERT INTO u VALUES (1); UPDATE u SET a = 2; DELETE FROM u'],
    ends: { refused: 'unlogged' },
  },
  {
    name: 'a view over a table without a key',
    ddl: `CREATE TABLE u (a int, b text); CREATE VIEW t AS SELECT * FROM u; ${ROWS}`,
    tables: ['t', 'u'],
    writes: WRITES.slice(0, 4),
    ends: { refused: 'is a view' },
  },
  {
    name: 'a view over a published table',
    ddl: `CREATE TABLE u (a int, b text); CREATE VIEW t AS SELECT * FROM u; ${ROWS}`,
    tables: ['u'],
    writes: WRITES.slice(0, 4),
    ends: 'done',
  },
  {
    name: 'a materialized view',
    ddl: 'CREATE TABLE u (a int, b text); CREATE MATERIALIZED VIEW t AS SELECT * FROM u',
    tables: ['t'],
    writes: [`INSERT INTO u VALUES (1, 'x'); REFRESH MATERIALIZED VIEW t; UPDATE u SET b = 'y'`],
    ends: { refused: 'materialized view' },
  },
  {
    name: 'a table that is not there',
    ddl: 'CREATE TABLE t (a int, b text)',
    tables: ['t', 'nowhere'],
    writes: WRITES,
    ends: { refused: 'nowhere' },
  },
  {
    name: 'a foreign table',
    ddl: 'CREATE FOREIGN DATA WRAPPER w; CREATE SERVER s FOREIGN DATA WRAPPER w; CREATE FOREIGN TABLE t (a int, b text) SERVER s',
    tables: ['t'],
    writes: WRITES,
    ends: { refused: 'foreign table' },
  },
  {
    name: 'FULL for Materialize, and another publication of columns',
    since: 15,
    ddl: `CREATE TABLE t (a int PRIMARY KEY, b text, c int); CREATE PUBLICATION theirs FOR TABLE t (a, b); ${ROWS}`,
    tables: ['t'],
    consumer: 'materialize',
    writes: WRITES,
    ends: { refused: 'every UPDATE and DELETE of public.t would fail' },
  },
  {
    name: 'FULL for Materialize, its own publication of columns',
    since: 15,
    ddl: `CREATE TABLE t (a int PRIMARY KEY, b text, c int); CREATE PUBLICATION mz_source FOR TABLE t (a, b); ${ROWS}`,
    tables: ['t'],
    consumer: 'materialize',
    writes: WRITES,
    ends: 'done',
  },
  {
    name: 'another publication of columns',
    since: 15,
    ddl: `CREATE TABLE t (a int PRIMARY KEY, b text, c int); CREATE PUBLICATION theirs FOR TABLE t (a, b); ${ROWS}`,
    tables: ['t'],
    writes: WRITES,
    ends: 'done',
  },
];

/** What went wrong, in lines; nothing is good. */
export async function tryShape(pg: TestPostgres, major: number, shape: Shape, number: number): Promise<string[]> {
  const missed: string[] = [];
  const database = `shape_${number}`;
  const role = `reader_of_${number}`;
  await pg.createDatabase(database);
  const folder = await mkdtemp(path.join(tmpdir(), 'millrace-shape-'));
  const tables: TableName[] = shape.tables.map((name) => ({ schema: 'public', name }));
  const url = parseConnectionString(pg.url(undefined, database));
  const run = (undo = false): ReturnType<typeof setup> =>
    setup(url, {
      consumer: shape.consumer ?? 'millrace',
      publication: 'mz_source',
      tables,
      role,
      initFile: path.join(folder, 'init.sql'),
      allow: [],
      closeFirewall: false,
      undo,
      yes: true,
      yesRestart: false,
    });
  try {
    await pg.query(shape.ddl, undefined, database);
    const writesBefore = await outcomes(pg, database, shape.writes);
    const stateBefore = await state(pg, database, role);
    const result = await run();
    const expected = typeof shape.ends === 'function' ? shape.ends(major) : shape.ends;
    const told = [...result.refusals, ...(result.after?.findings ?? [])].map(({ seen }) => seen).join('; ');
    if (expected === 'done' ? result.verdict !== 'done' : result.verdict !== 'not' || !told.includes(expected.refused))
      missed.push(`ended ${result.verdict}: ${told} ${JSON.stringify(result.applied)}`);
    const writesAfter = await outcomes(pg, database, shape.writes);
    if (writesAfter !== writesBefore) missed.push(`the application's writes: before ${writesBefore}, after ${writesAfter}`);
    if (result.verdict === 'not') {
      const stateAfter = await state(pg, database, role);
      if (stateAfter !== stateBefore) missed.push(`not done, and not as it was: before ${stateBefore}, after ${stateAfter}`);
    }
    if (shape.mends === true) {
      await pg.query(result.refusals[0]?.mend.sql?.split('   -- ')[0] ?? 'there is no mend', undefined, database);
      const again = await run();
      if (again.verdict !== 'done') missed.push(`mended, and ${again.verdict}: ${again.refusals.map(({ seen }) => seen).join('; ')}`);
    }
    if (expected === 'done' || shape.mends === true) {
      const seen = await doctor(url, { publication: 'mz_source', tables, consumer: shape.consumer ?? 'millrace' });
      if (seen.verdict !== 'ready') missed.push(`doctor: ${seen.findings.map((one) => one.seen).join('; ')}`);
    }
    await pg
      .query(`DROP PUBLICATION IF EXISTS mz_source; DROP OWNED BY ${role}; DROP ROLE ${role}`, undefined, database)
      .catch(() => undefined);
  } catch (error) {
    missed.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
  return missed.map((line) => `${shape.name}: ${line}`);
}

/** Each write alone, in a transaction that is rolled back: how it ended, how many rows it met, what the tables then held. */
async function outcomes(pg: TestPostgres, database: string, writes: readonly string[]): Promise<string> {
  const client = await pg.connect(database);
  const seen: unknown[] = [];
  try {
    for (const write of writes) {
      await client.query('BEGIN');
      try {
        const result = (await client.query(write)) as unknown as { rowCount: number } | { rowCount: number }[];
        seen.push(Array.isArray(result) ? result.map((one) => one.rowCount) : result.rowCount);
        const names = await client.query<{ name: string }>(
          `SELECT oid::regclass::text AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p') ORDER BY 1`,
        );
        for (const { name } of names.rows)
          seen.push((await client.query(`SELECT (row_to_json(x)::jsonb - 'row_id')::text AS row FROM ${name} x ORDER BY 1`)).rows);
      } catch (error) {
        seen.push((error as { code?: string }).code);
      }
      await client.query('ROLLBACK');
    }
  } finally {
    await client.end();
  }
  return JSON.stringify(seen);
}

/** Everything that setup could have changed. */
async function state(pg: TestPostgres, database: string, role: string): Promise<string> {
  const rows = await pg.query(
    `SELECT (SELECT json_agg(p ORDER BY pubname) FROM pg_publication p) AS publications, (SELECT json_agg(json_build_object('pub', prpubid, 'rel', prrelid)) FROM pg_publication_rel) AS published,
       (SELECT json_agg(json_build_array(relname, relreplident, relacl) ORDER BY relname) FROM pg_class WHERE relnamespace = 'public'::regnamespace) AS identities,
       (SELECT nspacl FROM pg_namespace WHERE nspname = 'public') AS schema, (SELECT count(*) FROM pg_roles WHERE rolname = '${role}') AS role, (SELECT count(*) FROM pg_replication_slots) AS slots`,
    undefined,
    database,
  );
  return JSON.stringify(rows);
}
