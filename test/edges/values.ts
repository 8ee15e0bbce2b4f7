/** Values as a client receives them: of every length, from every road, beside other sessions. */
import assert from 'node:assert/strict';
import type pg from 'pg';
import { textRows, type EdgeCase, type Upstream, type World } from './edge.ts';
import { copyOut, subscribed } from './roads.ts';

/** Around the buffers on the way to a client, and far beyond. */
const LENGTHS = [0, 1, 12, 13, 1_023, 1_024, 1_025, 8_192, 70_000, 1 << 20];
const LENGTH_LIST = LENGTHS.join(', ');
/** Numerics have 131,072 digits in front of the point at most. */
const DIGITS = LENGTHS.filter((length) => length > 0 && length <= 100_000);

/** A column of each type whose values have any length. Its letter is the table's: nobody may ever see another one's. */
function table(name: string, letter: string): string {
  return `
    CREATE TABLE ${name} (id int PRIMARY KEY, body text, doc jsonb, page xml, raw bytea, list text[], wide text);
    INSERT INTO ${name}
      SELECT n, repeat('${letter}', n), to_jsonb(repeat('${letter}', n)), ('<p>' || repeat('${letter}', n) || '</p>')::xml,
             decode(repeat('${Buffer.from(letter).toString('hex')}', n), 'hex'), ARRAY[repeat('${letter}', n), NULL, ''], repeat('${letter}é漢🌊', n / 10)
      FROM unnest(ARRAY[${LENGTH_LIST}]) n;`;
}

const COLUMNS = 'id, body, doc, page, raw, list, wide';

/** Two tables of nothing but a letter each, and a view of each; numbers of every length. */
async function world(
  edge: World,
): Promise<{ upstream: Upstream; client: pg.Client; millrace: Awaited<ReturnType<World['following']>>['millrace'] }> {
  const upstream = await edge.upstream(`
    ${table('a', 'a')} ${table('b', 'b')}
    CREATE TABLE num (id int PRIMARY KEY, n numeric);
    INSERT INTO num SELECT d, repeat('7', d)::numeric FROM unnest(ARRAY[${DIGITS.join(', ')}]) d;
    CREATE PUBLICATION mz_source FOR ALL TABLES;
  `);
  const { millrace, client } = await edge.following(upstream);
  for (const name of ['a', 'b']) await client.query(`CREATE MATERIALIZED VIEW v_${name} AS SELECT * FROM ${name}`);
  await client.query('CREATE MATERIALIZED VIEW v_num AS SELECT * FROM num');
  return { upstream, client, millrace };
}

function sorted(rows: readonly (readonly (string | null)[])[]): (string | null)[][] {
  return rows.map((row) => [...row]).sort((x, y) => Number(x[0]) - Number(y[0]));
}

/** As the upstream itself prints them. */
async function expected(upstream: Upstream, name: string): Promise<(string | null)[][]> {
  const client = await upstream.connect();
  return sorted(await textRows(client, `SELECT ${COLUMNS} FROM ${name}`));
}

/** assert.deepEqual prints a megabyte: this says which value, and where it begins to differ. */
function assertSame(got: readonly (readonly (string | null)[])[], wanted: readonly (readonly (string | null)[])[], road: string): void {
  assert.equal(got.length, wanted.length, `${road}: rows`);
  wanted.forEach((row, i) =>
    row.forEach((value, column) => {
      const seen = got[i]![column];
      if (seen === value) return;
      const at = [...(value ?? '')].findIndex((_, place) => seen?.[place] !== value![place]);
      assert.fail(`${road}: row ${row[0]}, column ${column}: ${seen?.length} characters for ${value?.length}, differing from ${at} on`);
    }),
  );
}

export const values: readonly EdgeCase[] = [
  {
    id: 'E1 values of every length, from every road',
    right: 'each value is what the upstream prints: simple and extended, view and table, COPY, SUBSCRIBE, FETCH',
    async run(edge) {
      const { upstream, client, millrace } = await world(edge);
      const wanted = await expected(upstream, 'a');
      for (const relation of ['a', 'v_a']) {
        assertSame(sorted(await textRows(client, `SELECT ${COLUMNS} FROM ${relation}`)), wanted, `simple, ${relation}`);
        assertSame(await textRows(client, `SELECT ${COLUMNS} FROM ${relation} ORDER BY id`), wanted, `ordered, ${relation}`);
        assertSame(
          sorted(await textRows(client, `SELECT ${COLUMNS} FROM ${relation} WHERE id >= $1`, [0])),
          wanted,
          `extended, ${relation}`,
        );
        assertSame(sorted(await copyOut(millrace.url, `COPY (SELECT ${COLUMNS} FROM ${relation}) TO STDOUT`)), wanted, `COPY, ${relation}`);
      }
      for (const copied of [false, true]) {
        const rows = await subscribed(millrace.url, 'v_a', wanted.length, copied);
        // Behind mz_timestamp and mz_diff.
        assertSame(sorted(rows.map((row) => row.slice(2))), wanted, copied ? 'COPY (SUBSCRIBE)' : 'SUBSCRIBE');
      }
      await client.query('BEGIN');
      await client.query(`DECLARE c CURSOR FOR SELECT ${COLUMNS} FROM v_a`);
      assertSame(sorted(await textRows(client, 'FETCH ALL FROM c')), wanted, 'FETCH');
      await client.query('COMMIT');
      const numbers = await textRows(client, 'SELECT id, n FROM v_num ORDER BY id');
      assertSame(
        numbers,
        DIGITS.map((digits) => [String(digits), '7'.repeat(digits)]),
        'numeric',
      );
    },
  },
  {
    id: 'E1 values of every length, in binary',
    right: 'each value has the bytes that the upstream sends',
    async run(edge) {
      const { upstream, client } = await world(edge);
      const direct = await upstream.connect();
      const binary = async (from: pg.Client, sql: string): Promise<string[][]> => {
        const result = await from.query<unknown[]>({
          text: sql,
          rowMode: 'array',
          binary: true,
          values: [0],
          types: { getTypeParser: () => (value: Buffer) => value },
        } as never);
        return (result.rows as (Buffer | null)[][]).map((row) =>
          row.map((value) => (value === null ? 'null' : Buffer.from(value).toString('latin1'))),
        );
      };
      for (const [relation, table] of [
        ['v_a', 'a'],
        ['b', 'b'],
      ] as const) {
        const wanted = await binary(direct, `SELECT ${COLUMNS} FROM ${table} WHERE id >= $1 ORDER BY id`);
        assertSame(await binary(client, `SELECT ${COLUMNS} FROM ${relation} WHERE id >= $1 ORDER BY id`), wanted, relation);
      }
      assertSame(
        await binary(client, 'SELECT id, n FROM v_num WHERE id >= $1 ORDER BY id'),
        await binary(direct, 'SELECT id, n FROM num WHERE id >= $1 ORDER BY id'),
        'numeric',
      );
    },
  },
  {
    id: 'E1 two sessions and their canaries',
    right: 'a session that asks for one table never receives a byte of the other',
    async run(edge) {
      const { upstream, millrace } = await world(edge);
      const wanted = { a: await expected(upstream, 'a'), b: await expected(upstream, 'b') };
      await Promise.all(
        (['a', 'b'] as const).map(async (name) => {
          const client = await edge.connect(millrace);
          for (let round = 0; round < 3; round++) {
            assertSame(sorted(await textRows(client, `SELECT ${COLUMNS} FROM v_${name}`)), wanted[name], `view of ${name}`);
            assertSame(sorted(await textRows(client, `SELECT ${COLUMNS} FROM ${name} WHERE id >= 0`)), wanted[name], `table ${name}`);
            assertSame(
              sorted(await copyOut(millrace.url, `COPY (SELECT ${COLUMNS} FROM v_${name}) TO STDOUT`)),
              wanted[name],
              `COPY of ${name}`,
            );
            const rows = await subscribed(millrace.url, `v_${name}`, wanted[name].length, round % 2 === 0);
            assertSame(sorted(rows.map((row) => row.slice(2))), wanted[name], `SUBSCRIBE to ${name}`);
          }
        }),
      );
    },
  },
];
