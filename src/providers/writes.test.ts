/** I-4, table by table: after setup the application writes as before, or nothing was changed. Every shape on 18; on the other majors: `npm run test:hosted -- majors`. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SHAPES, tryShape } from '../../test/hosted/shapes.ts';
import { startPostgres, type TestPostgres } from '../../test/postgres/postgres.ts';

let pg: TestPostgres;
beforeAll(async () => {
  pg = await startPostgres();
});
afterAll(() => pg.stop());

describe('setup harms no table', () => {
  test.each(SHAPES.map((shape, i) => [shape.name, i] as const))('%s', async (_name, i) => {
    expect(await tryShape(pg, 18, SHAPES[i]!, i)).toEqual([]);
  });
});
