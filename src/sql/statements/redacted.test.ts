import { expect, test } from 'vitest';
import { redacted } from './redacted.ts';

test.each([
  [`CREATE SECRET s AS 'open sesame'`, `CREATE SECRET s AS '********'`],
  [`create secret if not exists s as $$open\nsesame$$;`, `create secret if not exists s as '********'`],
  [`ALTER SECRET s AS E'open\\' sesame'`, `ALTER SECRET s AS '********'`],
  [`SELECT secret AS s FROM safes`, `SELECT secret AS s FROM safes`],
  [`CREATE CONNECTION c TO POSTGRES (HOST 'h', PASSWORD SECRET s)`, `CREATE CONNECTION c TO POSTGRES (HOST 'h', PASSWORD SECRET s)`],
])('%s', (statement, shown) => {
  expect(redacted(statement)).toBe(shown);
});
