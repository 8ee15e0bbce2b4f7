/** What areas of edges share that hold answers against the upstream's own. */
import assert from 'node:assert/strict';
import type pg from 'pg';
import { textRows, type World } from './edge.ts';

export const PUBLISHED = 'CREATE PUBLICATION mz_source FOR ALL TABLES;';

/** Views v0, v1 … of the queries and the queries asked once: each has the upstream's own rows. */
export async function sameAsUpstream(world: World, ddl: string, queries: readonly string[]): Promise<pg.Client> {
  const upstream = await world.upstream(`${ddl} ${PUBLISHED}`);
  const { client } = await world.following(upstream);
  const direct = await upstream.connect();
  for (const [i, sql] of queries.entries()) {
    const want = sorted(await textRows(direct, sql));
    assert.deepEqual(
      sorted(
        await textRows(client, sql).catch((e) => {
          throw new Error(sql + e.message);
        }),
      ),
      want,
      sql,
    );
    await client.query(`CREATE MATERIALIZED VIEW v${i} AS ${sql}`);
    assert.deepEqual(sorted(await textRows(client, `SELECT * FROM v${i}`)), want, `as a view: ${sql}`);
  }
  return client;
}

export function sorted(rows: (string | null)[][]): string[] {
  return rows.map((row) => JSON.stringify(row)).sort();
}
