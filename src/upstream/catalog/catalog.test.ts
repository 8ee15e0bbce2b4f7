import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPostgres, type TestPostgres } from '../../../test/postgres/postgres.ts';
import { connectUpstream } from '../connection/connect.ts';
import { parseConnectionString } from '../connection/parameters.ts';
import { readUpstreamCatalog } from './catalog.ts';
import { readPublishedTables, refusalOf, requirePublication } from './publication.ts';

let pg: TestPostgres;
beforeAll(async () => {
  pg = await startPostgres();
});
afterAll(() => pg.stop());

async function database(name: string, sql: string): Promise<string> {
  await pg.createDatabase(name, { provider: 'icu' });
  await pg.query(sql, undefined, name);
  return pg.url(undefined, name);
}

test('tables are described as the stream will send them', async () => {
  const url = await database(
    'shapes',
    `CREATE TYPE mood AS ENUM ('sad', 'ok'); CREATE DOMAIN price AS numeric(10,2); CREATE TYPE spot AS (x float8, felt mood); CREATE TYPE span AS RANGE (subtype = price);
     CREATE COLLATION german (provider = icu, locale = 'de-DE');
     CREATE TABLE items (gone int, id bigint, tags text[] COLLATE "C", felt mood[], cost price NOT NULL, at spot, during span, spans span_multirange, twice int GENERATED ALWAYS AS (1) STORED, name varchar(20) COLLATE german, part int, PRIMARY KEY (part, id));
     ALTER TABLE items DROP COLUMN gone; COMMENT ON TABLE items IS 'what we sell'; COMMENT ON COLUMN items.cost IS 'in euro';
     CREATE TABLE loose (a int, "Odd ""name" text); ALTER TABLE loose REPLICA IDENTITY FULL;
     CREATE TABLE late (id int PRIMARY KEY DEFERRABLE); CREATE TABLE bare (a int); CREATE TABLE nothing ();
     CREATE TABLE indexed (id int PRIMARY KEY, code text NOT NULL); CREATE UNIQUE INDEX by_code ON indexed (code); ALTER TABLE indexed REPLICA IDENTITY USING INDEX by_code;
     CREATE TABLE narrow (id int PRIMARY KEY, shown text, hidden text);
     CREATE PUBLICATION mz_source FOR TABLE items, loose, late, bare, indexed, nothing, narrow (id, shown)`,
  );
  const catalog = await readUpstreamCatalog(parseConnectionString(url), 'mz_source');
  const table = (name: string) => catalog.tables.find((published) => published.table.name === name)!;
  expect(catalog.facts).toMatchObject({
    timeline: 1,
    database: 'shapes',
    encoding: 'UTF8',
    walLevel: 'logical',
    databaseCollation: { provider: 'icu', locale: 'en-US' },
  });
  expect(catalog.facts.systemId).toMatch(/^\d{15,}$/);
  expect(catalog.facts.timeZoneDataHash).toMatch(/^[0-9a-f]{32}$/);

  const items = table('items').table;
  expect(items).toMatchObject({ schema: 'public', replicaIdentity: 'd', comment: 'what we sell', primaryKeyName: 'items_pkey' });
  expect(items.columns.map((column) => [column.attnum, column.name, column.typeName, column.notNull])).toEqual([
    [2, 'id', 'bigint', true],
    [3, 'tags', 'text[]', false],
    [4, 'felt', 'public.mood[]', false],
    [5, 'cost', 'public.price', true],
    [6, 'at', 'public.spot', false],
    [7, 'during', 'public.span', false],
    [8, 'spans', 'public.span_multirange', false],
    [10, 'name', 'character varying(20)', false],
    [11, 'part', 'integer', true],
  ]);
  expect(items.key).toEqual([8, 0]);
  expect(items.columns[3]).toMatchObject({ comment: 'in euro', typmod: -1 });
  expect(table('loose').table).toMatchObject({ key: [], replicaIdentity: 'f', columns: [{ name: 'a' }, { name: 'Odd "name' }] });
  expect(table('indexed').table.key).toEqual([1]);
  expect(table('narrow').table.columns.map((column) => column.name)).toEqual(['id', 'shown']);
  expect(table('nothing').table.columns).toEqual([]);
  const refusals = catalog.tables.map((published) => [published.table.name, refusalOf(published, 'mz_source', 'postgres')?.code]);
  expect(refusals.filter(([, code]) => code !== undefined)).toEqual([
    ['bare', 'REPLICA_IDENTITY_MISSING'],
    ['late', 'REPLICA_IDENTITY_MISSING'],
    ['nothing', 'REPLICA_IDENTITY_MISSING'],
  ]);

  // Each type after those it is built from.
  const kinds = catalog.types.map((type) => `${type.kind} ${type.name}`);
  expect([...kinds].sort()).toEqual(['composite spot', 'domain price', 'enum mood', 'range span']);
  expect(kinds.indexOf('enum mood')).toBeLessThan(kinds.indexOf('composite spot'));
  expect(kinds.indexOf('domain price')).toBeLessThan(kinds.indexOf('range span'));
  expect(catalog.types.find((type) => type.kind === 'enum')).toMatchObject({ labels: ['sad', 'ok'] });
  expect(catalog.types.find((type) => type.kind === 'domain')).toMatchObject({ baseTypeName: 'numeric(10,2)' });
  expect(catalog.collations.map(({ name, provider, locale }) => [name, provider, locale])).toEqual([
    ['default', 'icu', 'en-US'],
    ['C', 'c', 'C'],
    ['german', 'icu', 'de-DE'],
  ]);
});

test('what cannot be kept exactly is refused, each with its own reason', async () => {
  const url = await database(
    'refusals',
    `CREATE TABLE good (id int PRIMARY KEY); CREATE TABLE filtered (id int PRIMARY KEY); CREATE TABLE unpublished (id int); CREATE TABLE bare (id int);
     CREATE TABLE guarded (id int PRIMARY KEY); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY; CREATE TABLE closed (id int PRIMARY KEY);
     CREATE ROLE clerk LOGIN REPLICATION PASSWORD 'clerk'; GRANT SELECT ON good, filtered, guarded, bare TO clerk;
     CREATE PUBLICATION mz_source FOR TABLE good, filtered WHERE (id > 1), guarded, closed, bare;
     CREATE PUBLICATION partial FOR TABLE good WITH (publish = 'insert, update')`,
  );
  const connection = await connectUpstream(parseConnectionString(url.replace('postgres:postgres', 'clerk:clerk')), { purpose: 'test' });
  const outcome = async (publication: string, name: string): Promise<string> => {
    try {
      await requirePublication(connection, publication);
      const published = await readPublishedTables(connection, publication);
      return (
        refusalOf(
          published.find(({ table }) => table.name === name)!,
          publication,
          'clerk',
        )?.code ?? 'fine'
      );
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  expect(await outcome('mz_source', 'good')).toBe('fine');
  expect(await outcome('mz_source', 'filtered')).toBe('PUBLICATION_FILTERS_ROWS');
  expect(await outcome('mz_source', 'guarded')).toBe('ROW_SECURITY_FILTERS');
  expect(await outcome('mz_source', 'closed')).toBe('UPSTREAM_SELECT_NOT_PERMITTED');
  expect(await outcome('mz_source', 'bare')).toBe('REPLICA_IDENTITY_MISSING');
  expect(await outcome('absent', 'good')).toBe('PUBLICATION_MISSING');
  expect(await outcome('partial', 'good')).toBe('PUBLICATION_INCOMPLETE');
  await connection.end();
});

test('partitions are seen by leaf, or by their root where the publication says so', async () => {
  const url = await database(
    'partitions',
    `CREATE TABLE p (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10); CREATE TABLE p2 PARTITION OF p DEFAULT;
     CREATE PUBLICATION leaves FOR TABLE p; CREATE PUBLICATION root FOR TABLE p WITH (publish_via_partition_root)`,
  );
  const names = async (publication: string) =>
    (await readUpstreamCatalog(parseConnectionString(url), publication)).tables.map(({ table, relkind }) => `${table.name} ${relkind}`);
  expect(await names('leaves')).toEqual(['p1 r', 'p2 r']);
  expect(await names('root')).toEqual(['p p']);
});

test('wal_level and the replication right are looked at first', async () => {
  await pg.createDatabase('levels');
  await pg.query(
    "CREATE TABLE t (id int PRIMARY KEY); CREATE PUBLICATION mz_source FOR TABLE t; CREATE ROLE plain LOGIN PASSWORD 'plain'",
    undefined,
    'levels',
  );
  const code = async (user: string): Promise<string> =>
    readUpstreamCatalog(parseConnectionString(pg.url(user, 'levels')), 'mz_source').then(
      () => 'fine',
      (error: unknown) => (error as { code: string }).code,
    );
  expect(await code('plain')).toBe('REPLICATION_NOT_PERMITTED');
  await pg.restart('fast', { wal_level: 'replica' });
  expect(await code('postgres')).toBe('WAL_LEVEL_TOO_LOW');
  await pg.restart('fast', { wal_level: 'logical' });
  expect(await code('postgres')).toBe('fine');
});
