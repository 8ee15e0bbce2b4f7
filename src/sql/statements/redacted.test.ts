import fc from 'fast-check';
import { expect, test } from 'vitest';
import { literal } from '../../base/ident.ts';
import { redacted } from './redacted.ts';

test.each([
  [`CREATE SECRET s AS 'open sesame'`, `CREATE SECRET s AS '********'`],
  [`create secret if not exists s as $$open\nsesame$$;`, `create secret if not exists s as '********';`],
  [`ALTER SECRET s AS E'open\\' sesame'`, `ALTER SECRET s AS '********'`],
  [`CREATE SECRET s AS 'it''s'; SELECT 'shown'`, `CREATE SECRET s AS '********'; SELECT 'shown'`],
  [`CREATE SECRET "it's" AS 'x'`, `CREATE SECRET "it's" AS '********'`],
  [`SELECT 1; /* ; */ CREATE /* it's */ SECRET s AS 'x' -- 'y'`, `SELECT 1; /* ; */ CREATE /* it's */ SECRET s AS '********' -- 'y'`],
  [`CREATE SECRET s AS 'never closed`, `CREATE SECRET s AS '********'`],
  [`SELECT secret AS s FROM safes`, `SELECT secret AS s FROM safes`],
  [`CREATE CONNECTION c TO POSTGRES (HOST 'h', PASSWORD SECRET s)`, `CREATE CONNECTION c TO POSTGRES (HOST 'h', PASSWORD SECRET s)`],
  [
    `CREATE CONNECTION c TO POSTGRES (HOST 'h', PASSWORD = 'open', SSL KEY 'sesame')`,
    `CREATE CONNECTION c TO POSTGRES (HOST 'h', PASSWORD = '********', SSL KEY '********')`,
  ],
])('%s', (statement, shown) => {
  expect(redacted(statement)).toBe(shown);
});

/** Every way in which Postgres lets a text be written. */
const spellings: readonly ((secret: string) => string)[] = [
  literal,
  (secret) => `E'${secret.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`,
  (secret) => `N'${secret.replaceAll("'", "''")}'`,
  (secret) => `$s3$${secret}$s3$`,
];

test('no secret of any characters is told, however it is written', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: fc.constantFrom("'", '"', '$', '\\', ';', '-', '/', '*', '\n', ' ', 'é', '𝄞', 'A', 'S') }),
      fc.constantFrom(...spellings),
      fc.constantFrom(
        'CREATE SECRET s AS ',
        'create or replace secret "o;k" as\n',
        "ALTER SECRET s AS /* ' */ ",
        'CREATE CONNECTION c TO POSTGRES (PASSWORD ',
      ),
      fc.constantFrom('', ';', '; SELECT 1', ' -- end'),
      (noise, spelling, before, after) => {
        const secret = `Zz7${noise}Qq9`;
        const shown = redacted(`${before}${spelling(secret)}${after}`);
        expect(shown).not.toMatch(/Zz7|Qq9/);
        expect(shown).toContain('********');
      },
    ),
    { numRuns: 1_000 },
  );
});
