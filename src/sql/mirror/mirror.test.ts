import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { must } from '../../base/assert.ts';
import { textRows } from '../../pglite/messages.ts';
import type { UpstreamCollation, UpstreamColumn, UpstreamTable } from '../../upstream/table.ts';
import { Mirror, type StatusRows } from './mirror.ts';
import type { MirrorObject, MirrorSource, MirrorTable } from './objects.ts';
import { STATUS_RELATIONS, statusRelationsIn, type StatusName } from './status.ts';

const collation = (oid: number, name: string, provider: UpstreamCollation['provider'], schema = 'pg_catalog'): UpstreamCollation => ({
  oid,
  schema,
  name,
  provider,
  locale: name,
  deterministic: true,
  version: null,
});
const column = (attnum: number, name: string, typeName: string, more: Partial<UpstreamColumn> = {}): UpstreamColumn => ({
  attnum,
  name,
  notNull: false,
  typeOid: 0,
  typmod: -1,
  typeName,
  collationOid: 0,
  ...more,
});

const source: MirrorSource = {
  kind: 'source',
  id: 'u1',
  types: [
    { kind: 'enum', oid: 20_000, schema: 'shop', name: 'Mood', labels: ["it's", 'fine'] },
    { kind: 'opaque', oid: 20_001, schema: 'public', name: 'citext' },
    { kind: 'domain', oid: 20_002, schema: 'public', name: 'price', baseTypeName: 'numeric(10,2)' },
    {
      kind: 'composite',
      oid: 20_003,
      schema: 'public',
      name: 'pair',
      attributes: [
        { name: 'Left', typeName: 'shop."Mood"' },
        { name: 'right', typeName: 'public.citext' },
      ],
    },
    { kind: 'range', oid: 20_004, schema: 'public', name: 'prices', subtypeName: 'numeric' },
  ],
  collations: [collation(100, 'default', 'libc'), collation(30_000, 'german', 'icu', 'public'), collation(30_001, 'de_DE.utf8', 'libc')],
  databaseCollation: { ...collation(100, 'default', 'libc'), locale: 'en_US.UTF-8' },
};

const orders: UpstreamTable = {
  oid: 1,
  schema: 'sales',
  name: 'orders',
  replicaIdentity: 'd',
  // Attnum 2 was dropped: the numberings differ.
  columns: [
    column(1, 'id', 'bigint', { notNull: true }),
    column(3, 'mood', 'shop."Mood"'),
    column(4, 'email', 'public.citext', { typeOid: 20_001 }),
    column(5, 'price', 'public.price', { comment: 'with "tax"' }),
    column(6, 'german', 'character varying(20)', { collationOid: 30_000 }),
    column(7, 'local', 'text', { collationOid: 30_001 }),
    column(8, 'plain', 'text', { collationOid: 100 }),
    column(9, 'both', 'public.pair'),
    column(10, 'range', 'public.prices'),
    column(11, 'emails', 'public.citext[]'),
  ],
  key: [0],
  primaryKeyName: 'orders_pkey',
  comment: "the shop's",
};
const table: MirrorTable = { kind: 'table', id: 'u2', schema: 'public', name: 'orders', upstream: orders };
const settings = { search_path: 'public', TimeZone: 'Europe/Berlin' };
const objects: MirrorObject[] = [
  source,
  table,
  {
    kind: 'materializedView',
    id: 'u3',
    schema: 'public',
    name: 'by_mood',
    sql: 'SELECT mood, max(price) AS dearest FROM orders GROUP BY mood -- all',
    settings,
    dependsOn: ['u2'],
  },
  {
    kind: 'view',
    id: 'u4',
    schema: 'public',
    name: 'moods',
    sql: 'SELECT mood FROM by_mood',
    columnNames: ['Mood now'],
    settings,
    dependsOn: ['u3'],
  },
  { kind: 'index', id: 'u5', schema: 'public', name: 'by_mood_idx', onId: 'u3', columnNames: ['mood'] },
  { kind: 'index', id: 'u6', schema: 'public', name: 'price_idx', onId: 'u2', columnNames: ['price'] },
];

let mirror: Mirror;
beforeAll(async () => {
  mirror = new Mirror({ version: 'v0.1.0 (Millrace)', environmentId: "o'brien" });
  expect(await mirror.open(objects)).toEqual([]);
});
afterAll(() => mirror.close());

const client = {};
const raw = (sql: string, status: ReadonlyMap<StatusName, StatusRows> = new Map()) =>
  mirror.run(client, { sql, parameterTypes: [], parameters: [], parameterFormats: [], resultFormats: [], searchPath: ['public'] }, status);
const ask = async (sql: string, status?: ReadonlyMap<StatusName, StatusRows>) => textRows((await raw(sql, status)).rows);
/** Every column of every relation of ours, as each of the two Postgreses has it. */
const SHAPE = `SELECT n.nspname, c.relname, c.relkind, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_attribute a ON a.attrelid = c.oid WHERE c.oid >= 16384 AND n.nspname !~ '^pg_' ORDER BY 1, 2, a.attnum`;
afterEach(async () => {
  expect(await ask(SHAPE)).toEqual((await mirror.catalog.query(SHAPE)).rows);
});

test('an analysed statement says which objects its OIDs are', async () => {
  const { relations, dependsOn } = await mirror.analyseView({
    sql: 'SELECT o.id FROM orders o JOIN by_mood m USING (mood)',
    searchPath: ['public'],
  });
  expect(dependsOn.filter(({ kind }) => kind !== 'type').map(({ oid, attnums }) => [relations.get(oid)?.id, attnums])).toEqual([
    ['u2', [1, 2]],
    ['u3', [1]],
  ]);
});

test('its columns have the types and collations of the upstream', async () => {
  const { columns, types } = await mirror.analyseView({ sql: 'SELECT * FROM orders', searchPath: ['public'] });
  const seen = columns.map(({ typeOid, typmod, collationOid }) => types.typeOf(typeOid, typmod, collationOid));
  expect(seen).toMatchObject([
    { name: 'bigint', storage: 'int64' },
    { name: 'shop."Mood"', kind: 'enum', storage: 'text', labels: ["it's", 'fine'] },
    { name: 'public.citext', kind: 'domain', storage: 'text', base: { name: 'text' }, foreign: 'public.citext' },
    { name: 'public.price', kind: 'domain', storage: 'numeric', base: { name: 'numeric', typmod: ((10 << 16) | 2) + 4 } },
    { name: 'character varying', typmod: 24, collation: { name: 'german', provider: 'icu' } },
    { name: 'text', collation: { name: 'de_DE.utf8', provider: 'libc' } },
    { name: 'text', collation: { name: 'default', provider: 'libc', locale: 'en_US.UTF-8' } },
    { name: 'public.pair', kind: 'composite', storage: 'text', foreign: 'public.citext' },
    { name: 'public.prices', kind: 'range', storage: 'text' },
    { name: 'public.citext[]', kind: 'array', element: { name: 'public.citext' }, foreign: 'public.citext' },
  ]);
});

test('the primary key decides what GROUP BY may leave out', async () => {
  await expect(mirror.analyseQuery({ sql: 'SELECT id, email FROM orders GROUP BY id', searchPath: ['public'] })).resolves.toBeDefined();
  await expect(mirror.analyseQuery({ sql: 'SELECT mood, email FROM orders GROUP BY mood', searchPath: ['public'] })).rejects.toMatchObject({
    sqlstate: '42803',
    position: 14,
  });
});

describe('what tools ask of the catalog', () => {
  test('the relations there are', async () => {
    expect(
      await ask(
        `SELECT n.nspname, c.relname, c.relkind, pg_get_userbyid(c.relowner) FROM pg_class c LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f') AND n.nspname !~ '^pg_toast' AND n.nspname = 'public' AND pg_table_is_visible(c.oid) ORDER BY 2`,
      ),
    ).toEqual([
      ['public', 'by_mood', 'm', 'millrace'],
      ['public', 'moods', 'v', 'millrace'],
      ['public', 'orders', 'r', 'millrace'],
    ]);
  });

  test.each([
    [
      'orders',
      [
        ['id', 'bigint', 't'],
        ['mood', 'shop."Mood"', 'f'],
        ['email', 'citext', 'f'],
        ['price', 'price', 'f'],
      ],
    ],
    [
      'by_mood',
      [
        ['mood', 'shop."Mood"', 'f'],
        ['dearest', 'numeric', 'f'],
      ],
    ],
    ['moods', [['Mood now', 'shop."Mood"', 'f']]],
  ])('the columns of %s', async (relation, columns) => {
    const rows = await ask(
      `SELECT a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull FROM pg_catalog.pg_attribute a
       WHERE a.attrelid = '${relation}'::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum LIMIT 4`,
    );
    expect(rows).toEqual(columns);
  });

  test('keys, indexes, definitions and comments', async () => {
    expect(
      await ask(
        `SELECT c2.relname, i.indisprimary, pg_get_indexdef(i.indexrelid, 0, true), pg_get_constraintdef(con.oid, true)
         FROM pg_class c JOIN pg_index i ON c.oid = i.indrelid JOIN pg_class c2 ON i.indexrelid = c2.oid
         LEFT JOIN pg_constraint con ON con.conrelid = i.indrelid AND con.conindid = i.indexrelid
         WHERE c.relname IN ('orders', 'by_mood') ORDER BY 1`,
      ),
    ).toEqual([
      ['by_mood_idx', 'f', 'CREATE INDEX by_mood_idx ON by_mood USING btree (mood)', null],
      ['orders_pkey', 't', 'CREATE UNIQUE INDEX orders_pkey ON orders USING btree (id)', 'PRIMARY KEY (id)'],
      ['price_idx', 'f', 'CREATE INDEX price_idx ON orders USING btree (price)', null],
    ]);
    expect((await ask(`SELECT pg_get_viewdef('moods'::regclass, true)`))[0]![0]).toMatch(/SELECT mood AS "Mood now"\s+FROM by_mood;/);
    expect(await ask(`SELECT obj_description('orders'::regclass), col_description('orders'::regclass, 4)`)).toEqual([
      ["the shop's", 'with "tax"'],
    ]);
    expect(
      await ask(
        `SELECT table_name, column_name, udt_schema, udt_name, is_nullable FROM information_schema.columns WHERE table_name = 'moods'`,
      ),
    ).toEqual([['moods', 'Mood now', 'shop', 'Mood', 'YES']]);
  });

  test('a statement that also reads rows fails, instead of finding none', async () => {
    for (const relation of ['orders', 'by_mood', 'moods']) {
      await expect(raw(`SELECT (SELECT count(*) FROM ${relation}), relname FROM pg_class`)).rejects.toMatchObject({
        code: 'CATALOG_AND_ROWS',
      });
    }
  });

  test('the names of Materialize', async () => {
    expect(await ask('SELECT mz_version(), mz_environment_id()')).toEqual([['v0.1.0 (Millrace)', "o'brien"]]);
  });
});

describe("the engine's state", () => {
  test('each relation takes its rows, again and again', async () => {
    for (const { name, columns } of STATUS_RELATIONS) {
      const row = Object.keys(columns).map(() => null);
      for (const rows of [[row, row], [row], []])
        expect(await ask(`SELECT count(*) FROM millrace.${name}`, new Map([[name, rows]]))).toEqual([[String(rows.length)]]);
    }
  });

  test('and shows under the names of Materialize', async () => {
    const status = new Map<StatusName, StatusRows>();
    status.set('objects', [
      ['u2', 'table', 'public', 'orders', 'CREATE TABLE orders …', '{u1}'],
      ['u3', 'materialized view', 'public', 'by_mood', 'CREATE …', '{u2}'],
    ]);
    status.set('views', [
      [
        'u3',
        'public',
        'by_mood',
        'materialized view',
        'exact',
        '{}',
        'running',
        null,
        null,
        '2',
        '0',
        null,
        null,
        null,
        '1000',
        'SELECT 1',
      ],
    ]);
    expect(await ask('SELECT id, name, type FROM mz_catalog.mz_objects ORDER BY 1', status)).toEqual([
      ['u2', 'orders', 'table'],
      ['u3', 'by_mood', 'materialized-view'],
    ]);
    expect(await ask("SELECT name, type FROM mz_catalog.mz_columns WHERE id = 'u3' ORDER BY position")).toEqual([
      ['mood', 'shop."Mood"'],
      ['dearest', 'numeric'],
    ]);
    expect(await ask('SELECT * FROM mz_internal.mz_hydration_statuses')).toEqual([['u3', 'u1', 't']]);
    const { rows } = await mirror.catalog.query(
      `SELECT n.nspname || '.' || c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname ~ '^mz_'`,
    );
    for (const [view] of rows) await expect(raw(`SELECT * FROM ${view}`)).resolves.toBeDefined();
  });

  test.each([
    ['SELECT * FROM millrace.sources s JOIN millrace.lag USING (source)', ['sources', 'lag']],
    ['SELECT relname FROM pg_class', []],
    ['SELECT * FROM mz_tables', ['objects', 'sources', 'tables', 'views', 'arrangements', 'lag']],
  ])('which relations a statement may read: %s', (sql, names) => {
    expect(statusRelationsIn(sql)).toEqual(names);
  });
});

describe('change', () => {
  test('an object that Postgres refuses is not in the mirror', async () => {
    const broken = {
      kind: 'view',
      id: 'u90',
      schema: 'other',
      name: 'broken',
      sql: 'SELECT nope FROM orders',
      settings,
      dependsOn: ['u2'],
    } as const;
    await expect(mirror.add(broken)).rejects.toMatchObject({ sqlstate: '42703' });
    expect(mirror.get('u90')).toBeUndefined();
    await mirror.add({ ...broken, sql: 'SELECT id FROM orders' });
    await mirror.remove(['u90']);
    expect(await ask(`SELECT to_regclass('other.broken')`)).toEqual([[null]]);
  });

  test('what is in use is not dropped', async () => {
    await expect(mirror.remove(['u2'])).rejects.toMatchObject({ sqlstate: '2BP01' });
    expect(mirror.get('u2')).toBe(table);
  });

  test('a new type, then a new label', async () => {
    const mood = source.types[0]!;
    expect(mood.kind).toBe('enum');
    const added: MirrorSource = {
      ...source,
      types: [...source.types, { kind: 'enum', oid: 20_009, schema: 'public', name: 'size', labels: ['s', 'm'] }],
    };
    const { generation } = mirror.catalog;
    expect(await mirror.changeSource(added)).toEqual([]);
    expect(mirror.catalog.generation).toBe(generation);
    expect(
      await mirror.changeSource({
        ...added,
        types: [{ ...mood, labels: ["it's", 'so so', 'fine'] } as typeof mood, ...added.types.slice(1)],
      }),
    ).toEqual([]);
    expect(mirror.catalog.generation).toBe(generation + 1);
    const types = await mirror.types();
    expect(types.typeOf(must(types.oidOf('shop."Mood"'), 'Mood')).labels).toEqual(["it's", 'so so', 'fine']);
    expect(types.typeOf(must(types.oidOf('public.size'), 'size')).labels).toEqual(['s', 'm']);
    expect(mirror.evaluatorTypes()).toContain(`CREATE TYPE public.size AS ENUM ('s', 'm')`);
  });
});
