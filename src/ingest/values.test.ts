import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { startPostgres, type TestPostgres } from '../../test/postgres/postgres.ts';
import { literal } from '../base/ident.ts';
import { Source } from './testing/source.ts';

let pg: TestPostgres;
beforeAll(async () => {
  pg = await startPostgres();
});
afterAll(() => pg.stop());

/** One column a type, one row a remarkable value (faults 61–78). */
const VALUES: Readonly<Record<string, readonly string[]>> = {
  float8: ['NaN', 'Infinity', '-Infinity', '-0', '0.1', '1e308', '4.9e-324', '123456789.123456789'],
  float4: ['NaN', '-0', '0.1', '3.4e38', '1e-45'],
  numeric: ['NaN', 'Infinity', '-Infinity', '0', '1.0', '1.00', `1${'0'.repeat(500)}.5`],
  date: ['infinity', '-infinity', '0044-03-15 BC', '5874897-12-31'],
  time: ['24:00:00', '00:00:00.000001'],
  timetz: ['24:00:00+15:59', '04:05:06.789-08:30:15'],
  timestamp: ['infinity', '294276-12-31 23:59:59.999999', '4714-11-24 00:00:00 BC'],
  timestamptz: ['-infinity', '2024-03-31 02:30:00+02', '0001-01-01 00:00:00+00'],
  interval: ['1 mon -1 day +01:00:00', '-178000000 years', '0', 'infinity', '30 days', '1 month'],
  bytea: ['\\x', '\\x00ff5c27', '\\xdeadbeef'],
  text: ['', '\\N', 'tab\there', 'line\nbreak\r', '\\', 'ünïcode 😀', `quote ' and "`],
  json: ['{"a":1,"a":2, "big": 123456789012345678901234567890.10}', '"\\u00e9"', 'null'],
  jsonb: ['{"b":1,"a":[1e3, null]}', 'null'],
  'int[]': ['{}', '{1,NULL,3}', '[0:1]={5,6}', '{{1,2},{3,4}}'],
  'text[]': ['{"a,b","q\\"x",NULL,"NULL",""}'],
  bool: ['true', 'false'],
  uuid: ['a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'],
  inet: ['::ffff:1.2.3.4/128', '192.168.0.1/24'],
  'bit(3)': ['101'],
  'char(5)': ['ab   ', ''],
  int4range: ['empty', '[1,5)', '(,)'],
  nummultirange: ['{[1.0,2.50),[3,4]}'],
  tsvector: [`'quoted':1A word:2,3`],
  xml: ['<a b="c">d</a>'],
  money: ['-12.34'],
  point: ['(1.5,-0)'],
  regclass: ['pg_class', 'things'],
  pg_lsn: ['16/B374D848'],
};

const columns = Object.keys(VALUES);
const rows = Math.max(...Object.values(VALUES).map((values) => values.length));

/** Before the copy and after it, so that both ways write every value. */
function insert(firstId: number): string {
  const value = (type: string, i: number): string => (VALUES[type]![i] === undefined ? 'NULL' : literal(VALUES[type]![i]));
  const lines = Array.from({ length: rows }, (_, i) => `(${firstId + i}, ${columns.map((type) => value(type, i)).join(', ')})`);
  return `INSERT INTO things VALUES ${lines.join(', ')}`;
}

const CREATE = `CREATE TABLE things (id int PRIMARY KEY, ${columns.map((type, i) => `c${i} ${type}`).join(', ')})`;

test('every value has one text, in the copy, in the stream and as Postgres writes it, whatever the role prefers', async () => {
  await pg.query(`CREATE ROLE odd LOGIN SUPERUSER PASSWORD 'odd'; ALTER ROLE odd SET datestyle = 'German'; ALTER ROLE odd SET intervalstyle = 'sql_standard'; ALTER ROLE odd SET timezone = 'America/St_Johns';
    ALTER ROLE odd SET bytea_output = 'escape'; ALTER ROLE odd SET extra_float_digits = -5; ALTER ROLE odd SET search_path = 'public, pg_catalog'; ALTER ROLE odd SET client_encoding = 'LATIN1'; ALTER ROLE odd SET xmlbinary = 'hex'`);
  const source = await Source.on(pg, 'values', CREATE);
  onTestFinished(() => source.discard());
  source.url = pg.url('odd', 'values');
  await source.sql(insert(0));
  source.start();
  await source.streaming();
  await source.sql(insert(1000));
  await source.expectEqual();
});

test('a database in another encoding is read in UTF-8', async () => {
  await pg.query(`CREATE DATABASE latin TEMPLATE template0 ENCODING 'LATIN1' LOCALE_PROVIDER libc LOCALE 'C'`);
  await pg.query(
    `CREATE TABLE t (id int PRIMARY KEY, v text, "größe" text); INSERT INTO t VALUES (1, 'übergröße ß', NULL); CREATE PUBLICATION mz_source FOR ALL TABLES`,
    undefined,
    'latin',
  );
  const source = new Source(pg, 'latin');
  onTestFinished(() => source.discard());
  source.tables = await source.published();
  expect(source.tables[0]!.columns[2]!.name).toBe('größe');
  source.start();
  await source.streaming();
  await source.sql(`INSERT INTO t VALUES (2, 'Ärger', 'é')`);
  await source.expectEqual();
});
