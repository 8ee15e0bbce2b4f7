/** A timestamptz printed in a zone, against Postgres under the same TimeZone. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPostgres, type TestPostgres } from '../../test/postgres/postgres.ts';
import { parseTimestamp } from './datetime.ts';
import { sample, seeded } from './testing/samples.ts';
import { timestamptzFormatter, zoneOffset } from './zone.ts';

let pg: TestPostgres;
beforeAll(async () => {
  pg = await startPostgres();
});
afterAll(() => pg.stop());

test.each([
  'UTC',
  'Europe/Berlin',
  'America/New_York',
  'Asia/Kolkata',
  'Australia/Lord_Howe',
  'America/St_Johns',
  'Pacific/Apia',
  'Asia/Tehran',
])('%s', async (zone) => {
  const random = seeded(zone.length);
  const texts = Array.from({ length: 400 }, () => sample('timestamp with time zone', random));
  await pg.query(`SET TimeZone = '${zone}'`);
  const rows = await pg.query<{ t: string }>(
    'SELECT t::timestamptz::text AS t FROM unnest($1::text[]) WITH ORDINALITY AS u(t, i) ORDER BY i',
    [texts],
  );
  const format = timestamptzFormatter(zone)!;
  const differences = texts.flatMap((text, i) => {
    const printed = format(parseTimestamp(text));
    return printed === rows[i]!.t ? [] : [`${text}: ${printed}, Postgres ${rows[i]!.t}`];
  });
  expect(differences).toEqual([]);
});

test('an unknown zone is not guessed', () => {
  expect(zoneOffset('Nowhere/Else')).toBeUndefined();
});
