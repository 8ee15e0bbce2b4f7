/** Queries as users write them: hidden columns, text that is equal by other rules than its bytes, keys that are computed, subqueries, many parameters, texts that nest too deeply. */
import assert from 'node:assert/strict';
import { refusal, textRows, type EdgeCase } from './edge.ts';

const PUBLISHED = 'CREATE PUBLICATION mz_source FOR ALL TABLES;';

/** Views v0, v1 … of the queries and the queries asked once: each has the upstream's own rows. */
async function sameAsUpstream(world: Parameters<EdgeCase['run']>[0], ddl: string, queries: readonly string[]): Promise<void> {
  const upstream = await world.upstream(`${ddl} ${PUBLISHED}`);
  const { client } = await world.following(upstream);
  const direct = await upstream.connect();
  for (const [i, sql] of queries.entries()) {
    const want = sorted(await textRows(direct, sql));
    assert.deepEqual(sorted(await textRows(client, sql)), want, sql);
    await client.query(`CREATE MATERIALIZED VIEW v${i} AS ${sql}`);
    assert.deepEqual(sorted(await textRows(client, `SELECT * FROM v${i}`)), want, `as a view: ${sql}`);
  }
}

function sorted(rows: (string | null)[][]): string[] {
  return rows.map((row) => JSON.stringify(row)).sort();
}

export const queries: readonly EdgeCase[] = [
  {
    id: 'E2 hidden columns',
    right: 'columns that are grouped or ordered by and not shown take no part in DISTINCT, UNION and what is above',
    run: (world) =>
      sameAsUpstream(
        world,
        `CREATE TABLE g (id int PRIMARY KEY, a int, b int);
         INSERT INTO g VALUES (1, 1, 1), (2, 1, 2), (3, 2, 1), (4, NULL, 3), (5, NULL, 4);`,
        [
          'SELECT DISTINCT a FROM g GROUP BY a, b',
          'SELECT DISTINCT count(*) FROM g GROUP BY a, b',
          'SELECT DISTINCT a + 1 AS n FROM g GROUP BY a, b HAVING count(*) = 1 ORDER BY n',
          'SELECT DISTINCT a FROM g GROUP BY a, b ORDER BY a DESC LIMIT 2',
          'SELECT count(*) AS n FROM (SELECT DISTINCT a FROM g GROUP BY a, b ORDER BY a) s',
          'SELECT a FROM g GROUP BY a, b UNION SELECT a FROM g GROUP BY a, b, id',
          'SELECT s.a, count(*) AS n FROM (SELECT a FROM g ORDER BY b DESC, id LIMIT 3) s GROUP BY s.a',
          'SELECT a FROM g GROUP BY a, b ORDER BY b, a LIMIT 2',
          'WITH c AS (SELECT DISTINCT max(b) AS m FROM g GROUP BY a, id ORDER BY 1 OFFSET 1) SELECT m FROM c',
        ],
      ),
  },
];
