/** Values as a client receives them: of every length, from every road, beside other sessions. */
import assert from 'node:assert/strict';
import { textRows, type EdgeCase } from './edge.ts';

const LENGTHS = [0, 1, 1_023, 1_024, 1_025, 8_192, 70_000];

export const values: readonly EdgeCase[] = [
  {
    id: 'E1 text of every length',
    right: 'each value is the letters that the upstream holds',
    async run(world) {
      const upstream = await world.upstream(`
        CREATE TABLE t (id int PRIMARY KEY, body text);
        INSERT INTO t SELECT n, repeat('x', n) FROM unnest(ARRAY[${LENGTHS.join(', ')}]) n;
        CREATE PUBLICATION mz_source FOR ALL TABLES;
      `);
      const { client } = await world.following(upstream);
      const rows = await textRows(client, 'SELECT id, body FROM t ORDER BY id');
      assert.deepEqual(
        rows.map(([id, body]) => [id, body === 'x'.repeat(Number(id))]),
        LENGTHS.map((length) => [String(length), true]),
      );
    },
  },
];
