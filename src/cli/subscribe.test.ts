import { expect, test } from 'vitest';
import { subscription } from './subscribe.ts';

test.each([
  ['v', 'SUBSCRIBE v'],
  ['public.v;', 'SUBSCRIBE public.v'],
  ['"Odd; one"', 'SUBSCRIBE "Odd; one"'],
  [' SELECT 1 ; ', 'SUBSCRIBE (SELECT 1)'],
  ["SELECT id FROM v WHERE b = ';'", "SUBSCRIBE (SELECT id FROM v WHERE b = ';')"],
  ['VALUES (1)', 'SUBSCRIBE (VALUES (1))'],
  ['subscribe v WITH (SNAPSHOT = false)', 'subscribe v WITH (SNAPSHOT = false)'],
])('%s', (query, statement) => expect(subscription(query)).toBe(statement));

test.each(['', '  ;', '-- nothing', 'a; b', 'SELECT 1; SELECT 2'])('"%s" is not one query', (query) => {
  expect(() => subscription(query)).toThrow('invalid value for query');
});
