import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CatalogClient } from './catalog-client.ts';
import { firstKeyword } from './client-statement.ts';
import { textRows } from './messages.ts';

const MIRROR = [
  { id: 'table', ddl: ['CREATE TABLE orders (id int8 PRIMARY KEY, note text, REVERSED int4[])'] },
  { id: 'view', ddl: ['CREATE MATERIALIZED VIEW notes AS SELECT note, count(*) FROM orders GROUP BY note WITH NO DATA'] },
];

let catalog: CatalogClient;
beforeAll(() => {
  catalog = new CatalogClient({ rebuild: () => MIRROR });
});
afterAll(() => catalog.close());

const raw = (
  sql: string,
  more: { parameters?: (string | null)[]; resultFormats?: number[]; timeoutMs?: number; signal?: AbortSignal } = {},
) =>
  catalog.queryRaw(
    {
      sql,
      parameterTypes: [],
      parameters: (more.parameters ?? []).map((value) => (value === null ? null : Buffer.from(value))),
      parameterFormats: [],
      resultFormats: more.resultFormats ?? [],
      searchPath: ['public'],
    },
    more,
  );

describe('analysis', () => {
  test('a view becomes its query tree, its columns and what it stands on', async () => {
    const analysis = await catalog.analyseView({
      sql: 'SELECT id, upper(note) AS loud FROM orders WHERE id > 3 -- all',
      searchPath: ['public'],
    });
    expect(analysis.tree).toMatch(/^\(\{QUERY :commandType 1 /);
    expect(analysis.columns).toEqual([
      { name: 'id', typeOid: 20, typmod: -1, collationOid: 0 },
      { name: 'loud', typeOid: 25, typmod: -1, collationOid: 100 },
    ]);
    expect(analysis.dependsOn).toMatchObject([{ kind: 'table', schema: 'public', name: 'orders', attnums: [1, 2] }]);
  });

  test('columns can be renamed', async () => {
    const { columns } = await catalog.analyseView({ sql: 'SELECT 1, 2', columnNames: ['a', 'B c'] });
    expect(columns.map(({ name }) => name)).toEqual(['a', 'B c']);
  });

  test('an ad hoc statement may repeat names, have parameters and no columns', async () => {
    const analysis = await catalog.analyseQuery({
      sql: 'SELECT note, note, $1 + id, n.* FROM orders JOIN notes n USING (note) WHERE note = $2',
      searchPath: ['public'],
    });
    expect(analysis.tree).toMatch(/^\(\(\{QUERY /);
    expect(analysis.parameterTypes).toEqual([20, 25]);
    expect(analysis.columns.map(({ name }) => name)).toEqual(['note', 'note', '?column?', 'note', 'count']);
    expect(analysis.dependsOn.map(({ kind, name }) => [kind, name])).toEqual([
      ['table', 'orders'],
      ['materializedView', 'notes'],
    ]);
    expect((await catalog.analyseQuery({ sql: 'VALUES (1), ($1)' })).parameterTypes).toEqual([23]);
    expect((await catalog.analyseQuery({ sql: 'SELECT FROM orders', searchPath: ['public'] })).columns).toEqual([]);
  });

  test('the search path decides what a name means', async () => {
    await expect(catalog.analyseQuery({ sql: 'SELECT * FROM orders', searchPath: ['elsewhere'] })).rejects.toMatchObject({
      sqlstate: '42P01',
    });
  });

  test.each([
    ['SELECT nope FROM orders', '42703', 8],
    ["SELECT 'ünïcode', nope FROM orders", '42703', 19],
    ['SELECT 1 +', '42601', 11],
    ['SELECT 1; DROP TABLE orders', '42601', undefined],
    ['SELECT 1 AS a WHERE false) OR (true', '42601', 26],
  ])('an error is where it is in the text that was given: %s', async (sql, sqlstate, position) => {
    await expect(catalog.analyseView({ sql, searchPath: ['public'] })).rejects.toMatchObject({ sqlstate, position });
    await expect(catalog.analyseQuery({ sql, searchPath: ['public'] })).rejects.toMatchObject({ sqlstate, position });
  });

  test('nothing is left behind', async () => {
    await catalog.analyseView({ sql: 'SELECT 1' });
    const { rows } = await catalog.query(
      `SELECT count(*) FROM pg_class WHERE relname LIKE 'millrace%' UNION ALL SELECT count(*) FROM pg_proc WHERE proname LIKE 'millrace%'`,
    );
    expect(rows).toEqual([['0'], ['0']]);
  });

  test('rows after some DDL that is rolled back', async () => {
    const before = [
      'CREATE TABLE brief (a int)',
      'INSERT INTO brief VALUES (7)',
      { privileged: 'CREATE FUNCTION pg_catalog.brief() RETURNS int LANGUAGE sql RETURN 8' },
    ];
    expect((await catalog.rolledBack(before, 'SELECT a, brief(), session_user FROM brief')).rows).toEqual([['7', '8', 'millrace']]);
    await expect(catalog.query('SELECT * FROM brief')).rejects.toMatchObject({ sqlstate: '42P01' });
    await expect(catalog.rolledBack([{ privileged: 'nonsense' }], 'SELECT 1')).rejects.toMatchObject({ sqlstate: '42601' });
    expect((await catalog.query('SELECT session_user')).rows).toEqual([['millrace']]);
  });

  test('a statement is described without being run', async () => {
    const { parameterTypes, columns } = await catalog.describe({ sql: 'SELECT pg_sleep($1), id FROM orders', searchPath: ['public'] });
    expect(parameterTypes).toEqual([701]);
    expect(columns).toMatchObject([
      { name: 'pg_sleep', typeOid: 2278 },
      { name: 'id', typeOid: 20, typeSize: 8 },
    ]);
  });
});

describe("a client's catalog statement", () => {
  test('comes back as rows that are ready for the socket', async () => {
    const result = await raw('SELECT relname, relkind FROM pg_class WHERE oid = $1::regclass', { parameters: ['orders'] });
    expect(result.columns?.map(({ name, typeOid }) => [name, typeOid])).toEqual([
      ['relname', 19],
      ['relkind', 18],
    ]);
    expect(textRows(result.rows)).toEqual([['orders', 'r']]);
    expect(result.tag).toBe('SELECT 1');
  });

  test('in binary where that is asked for', async () => {
    const { rows } = await raw('SELECT 258::int4', { resultFormats: [1] });
    expect([...rows.subarray(11)]).toEqual([0, 0, 1, 2]);
  });

  test('who, where and what it is', async () => {
    const { rows } = await raw('SELECT current_user, session_user, current_database()');
    expect(textRows(rows)).toEqual([['millrace', 'millrace', 'millrace']]);
    expect(textRows((await raw('SHOW server_version')).rows)[0]![0]).toMatch(/^18/);
  });

  test.each([
    ['RESET ROLE', '0A000'],
    ['SET SESSION AUTHORIZATION postgres', '0A000'],
    ['/* a /* nested */ comment */ DELETE FROM pg_class', '0A000'],
    ['SELECT 1; SELECT 2', '42601'],
    ["SELECT set_config('session_authorization', 'postgres', false)", '42501'],
    ["SELECT query_to_xml('RESET ROLE', true, true, '')", '0A000'],
    ["SELECT query_to_xml($$SELECT set_config('session_authorization', 'postgres', false)$$, true, true, '')", '42501'],
    ["SELECT pg_read_file('/etc/passwd')", '42501'],
    ['SELECT * FROM pg_authid', '42501'],
    ['WITH gone AS (DELETE FROM orders RETURNING *) SELECT * FROM gone', '25006'],
    ["WITH x AS (UPDATE pg_settings SET setting = 'postgres' WHERE name = 'session_authorization' RETURNING *) SELECT * FROM x", undefined],
    ['SELECT 1 AS a INTO stolen', '25006'],
    ["COPY (SELECT 1) TO PROGRAM 'true'", '0A000'],
    ['SELECT lo_create(0)', '42501'],
  ])('cannot do harm: %s', async (sql, sqlstate) => {
    await expect(raw(sql)).rejects.toMatchObject(sqlstate === undefined ? { code: 'POSTGRES_REFUSES' } : { sqlstate });
    expect(textRows((await raw('SELECT session_user, current_user')).rows)).toEqual([['millrace', 'millrace']]);
  });

  test('leaves nothing behind, even what Postgres lets through in a read-only transaction', async () => {
    await raw('EXPLAIN ANALYZE CREATE TABLE left_behind AS SELECT 1');
    expect(textRows((await raw("SELECT to_regclass('left_behind')")).rows)).toEqual([[null]]);
  });

  test.each([
    ['  select 1', 'SELECT'],
    ['-- hm\n/* a /* b */ c */ ((VALUES (1)))', 'VALUES'],
    ['', ''],
    ['-- only a comment', ''],
    ['"x"', '"'],
  ])('its first keyword: %j', (sql, keyword) => expect(firstKeyword(sql)).toBe(keyword));
});

describe('when a statement costs the worker', () => {
  test('an endless one is ended at its deadline, and its neighbours run on a new worker with the same mirror', async () => {
    const endless = raw('SELECT count(*) FROM generate_series(1, 1000000000000)', { timeoutMs: 200 });
    const neighbours = [raw("SELECT 'orders'::regclass::text"), raw('SELECT 2')];
    await expect(endless).rejects.toMatchObject({ code: 'QUERY_TIMED_OUT', sqlstate: '57014' });
    expect(textRows((await neighbours[0]!).rows)).toEqual([['orders']]);
    expect(textRows((await neighbours[1]!).rows)).toEqual([['2']]);
  });

  test('a cancelled one ends at once, running or waiting', async () => {
    const running = new AbortController();
    const waiting = new AbortController();
    const first = raw('SELECT count(*) FROM pg_class a, pg_class b, pg_class c, pg_class d', { signal: running.signal });
    const second = raw('SELECT 1', { signal: waiting.signal });
    waiting.abort();
    await expect(second).rejects.toMatchObject({ code: 'QUERY_CANCELLED' });
    setTimeout(() => running.abort(), 50);
    await expect(first).rejects.toMatchObject({ code: 'QUERY_CANCELLED', sqlstate: '57014' });
    expect((await raw('SELECT * FROM pg_class')).rowCount).toBeGreaterThan(400);
  });

  test('deep nesting is answered by Postgres itself, and the worker lives', async () => {
    const { generation } = catalog;
    expect((await catalog.analyseView({ sql: `SELECT ${'1+'.repeat(4_000)}1` })).tree.length).toBeGreaterThan(100_000);
    await expect(raw(`SELECT ${'1+'.repeat(40_000)}1`)).rejects.toMatchObject({ sqlstate: '54001' });
    await catalog.exec(`CREATE FUNCTION deeper(i int) RETURNS int LANGUAGE plpgsql AS 'BEGIN RETURN deeper(i + 1); END'`);
    await expect(raw('SELECT deeper(1)')).rejects.toMatchObject({ sqlstate: '54001' });
    expect(textRows((await raw('SELECT 1')).rows)).toEqual([['1']]);
    expect(catalog.generation).toBe(generation);
  });

  test('when Postgres dies without an answer, only the statement that ran has an error', async () => {
    const { generation } = catalog;
    const dying = catalog.exec([{ privileged: "COPY (SELECT 1) TO PROGRAM 'true'" }]);
    const neighbour = raw("SELECT 'orders'::regclass::text");
    await expect(dying).rejects.toMatchObject({ code: 'STATEMENT_TOO_COMPLEX', sqlstate: '54001' });
    expect(textRows((await neighbour).rows)).toEqual([['orders']]);
    expect(catalog.generation).toBe(generation + 1);
  });

  test('a result that is too large is an error, and the worker lives', async () => {
    await expect(raw("SELECT repeat('x', 1000) FROM generate_series(1, 100000)")).rejects.toMatchObject({
      code: 'QUERY_TOO_LARGE',
      sqlstate: '54000',
    });
    expect(textRows((await raw('SELECT 1')).rows)).toEqual([['1']]);
  });

  test('a step of the mirror that Postgres refuses is reported, and the others are there', async () => {
    const reported: unknown[] = [];
    const other = new CatalogClient({
      rebuild: () => [
        { id: 'good', ddl: ['CREATE TABLE good ()'] },
        { id: 'bad', ddl: ['CREATE TABLE half ()', 'CREATE VIEW bad AS SELECT * FROM absent'] },
        ...MIRROR,
      ],
      onOpened: (failures) => reported.push(...failures),
    });
    const { rows } = await other.query(
      "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'm') ORDER BY 1",
    );
    expect(rows.flat()).toEqual(['good', 'notes', 'orders']);
    expect(reported).toMatchObject([{ id: 'bad', error: { sqlstate: '42P01' } }]);
    await other.close();
  });
});
