import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPostgres, type TestPostgres } from '../../test/postgres/postgres.ts';
import { readUpstreamCatalog } from './catalog/catalog.ts';
import { parseConnectionString } from './connection/parameters.ts';
import { connectForSlot, createSlot } from './replication/slot.ts';
import { Snapshot } from './snapshot/snapshot.ts';

let pg: TestPostgres;
beforeAll(async () => {
  pg = await startPostgres();
});
afterAll(() => pg.stop());

test('a table that is another one than in the snapshot is not read: rewritten, emptied, its columns exchanged', async () => {
  await pg.query(`CREATE TABLE plain (id int PRIMARY KEY, a text, b text); CREATE TABLE rewritten (LIKE plain INCLUDING ALL); CREATE TABLE emptied (LIKE plain INCLUDING ALL);
    CREATE TABLE exchanged (LIKE plain INCLUDING ALL); CREATE TABLE parted (id int PRIMARY KEY, a text, b text) PARTITION BY RANGE (id); CREATE TABLE parted_1 PARTITION OF parted DEFAULT;
    CREATE PUBLICATION mz_source FOR ALL TABLES WITH (publish_via_partition_root)`);
  const parameters = parseConnectionString(pg.url());
  const { tables } = await readUpstreamCatalog(parameters, 'mz_source');
  const making = await connectForSlot(parameters, 'test');
  const slot = await createSlot(making, 'a_snapshot', 'temporary');
  const snapshot = await Snapshot.open(parameters, slot.snapshotName);
  await pg.query(`ALTER TABLE rewritten ALTER a TYPE text USING upper(a)`);
  await pg.query(`TRUNCATE emptied`);
  await pg.query(`TRUNCATE parted_1`);
  for (const [from, to] of ['ax', 'ba', 'xb']) await pg.query(`ALTER TABLE exchanged RENAME ${from} TO ${to}`);
  const outcome = async (name: string): Promise<string> => {
    const { table } = tables.find((one) => one.table.name === name)!;
    return snapshot
      .guarded(() => snapshot.plan('mz_source', table, 8))
      .then(
        ({ shape }) => `${shape.schema}.${shape.name} ${shape.columns.map((column) => column.name).join()}`,
        (error: unknown) => (error as { code: string }).code,
      );
  };
  expect(await outcome('plain')).toBe('public.plain id,a,b');
  for (const name of ['rewritten', 'emptied', 'exchanged', 'parted']) expect(await outcome(name), name).toBe('TABLE_REWRITTEN');
  await snapshot.close();
  await making.end();
});
