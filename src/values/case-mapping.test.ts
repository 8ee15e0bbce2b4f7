/** upper, lower and initcap against Postgres under each provider: every letter by itself, and words. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startPostgres, type TestPostgres } from '../../test/postgres/postgres.ts';
import { capsNatively, initcapFor, lowerFor, upperFor } from './case-mapping.ts';
import { seeded } from './testing/samples.ts';
import type { Collation } from './type.ts';

let pg: TestPostgres;
beforeAll(async () => {
  pg = await startPostgres();
  await pg.createDatabase('builtin', { provider: 'builtin', locale: 'C.UTF-8' });
  await pg.createDatabase('fast', { provider: 'builtin', locale: 'PG_UNICODE_FAST' });
  await pg.createDatabase('icu', { provider: 'icu', locale: 'en-US' });
  await pg.createDatabase('c', { provider: 'c' });
});
afterAll(() => pg.stop());

const provider = (name: Collation['provider'], locale: string): Collation => ({
  name: 'default',
  provider: name,
  locale,
  deterministic: true,
});

/** All letters with a case, as single characters; Postgres's Unicode and ours may be a version apart, so without the newest. */
function letters(): string[] {
  const all: string[] = [];
  for (let point = 1; point < 0x1e944; point++) {
    if (point >= 0xd800 && point < 0xe000) continue;
    const character = String.fromCodePoint(point);
    if (character.toUpperCase() !== character || character.toLowerCase() !== character) all.push(character);
  }
  return all.filter((character) => !/[\ua7c2-\ua7ff\u{16ea0}-\u{16eff}]/u.test(character));
}

function words(): string[] {
  const random = seeded(3);
  const alphabet = [..."abcXYZ09 -_'éÉßœÆøÅåžŽłαΩσςдדמ語ǆ"];
  return Array.from({ length: 400 }, () => Array.from({ length: 8 }, () => alphabet[Math.floor(random() * alphabet.length)]!).join(''));
}

test.each([
  ['C', 'c', provider('c', 'C')],
  ['builtin C.UTF-8', 'builtin', provider('builtin', 'C.UTF-8')],
  ['builtin PG_UNICODE_FAST', 'fast', provider('builtin', 'PG_UNICODE_FAST')],
  ['ICU en-US', 'icu', provider('icu', 'en-US')],
] as const)('%s', async (_, database, collation) => {
  // ICU's Unicode is as old as the upstream's library: the scripts whose cases have long been settled.
  const settled = (text: string): boolean => collation.provider !== 'icu' || /^[\0-\u019a\u0370-\u0525\u1e00-\u1fff]+$/.test(text);
  const texts = [...letters().filter(settled), ...words()];
  const rows = await pg.query<{ upper: string; lower: string; initcap: string }>(
    'SELECT upper(t), lower(t), initcap(t) FROM unnest($1::text[]) WITH ORDINALITY AS u(t, i) ORDER BY i',
    [texts],
    database,
  );
  const upper = upperFor(collation);
  const lower = lowerFor(collation);
  const initcap = initcapFor(collation);
  const differences = texts.flatMap((text, i) => [
    ...(upper(text) === rows[i]!.upper ? [] : [`upper(${text}): ${upper(text)}, Postgres ${rows[i]!.upper}`]),
    ...(lower(text) === rows[i]!.lower ? [] : [`lower(${text}): ${lower(text)}, Postgres ${rows[i]!.lower}`]),
    ...(!capsNatively(collation) || initcap(text) === rows[i]!.initcap
      ? []
      : [`initcap(${text}): ${initcap(text)}, Postgres ${rows[i]!.initcap}`]),
  ]);
  expect(differences.slice(0, 40), `${differences.length} differences`).toEqual([]);
});
