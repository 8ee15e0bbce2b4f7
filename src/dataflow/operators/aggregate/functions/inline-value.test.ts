import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { rowLayout } from '../../../../values/layout.ts';
import { DeltaBlock } from '../../../arrangement/delta-block.ts';
import { prefixOf } from '../../../arrangement/ordered-prefix.ts';
import { compileFormat, compileParse } from '../../../expression/rows.ts';
import { type, type TypeName } from '../../../testing/harness.ts';
import { inlineForm } from './inline-value.ts';

/** The value, taken apart and put together again; undefined where it needs a row. */
function roundTrip(name: TypeName, text: string): string | null | undefined {
  const layout = rowLayout([type(name)]);
  const column = layout.columns[0]!;
  const block = new DeltaBlock(layout);
  compileParse(layout)([text], block, block.push(1));
  const prefix = prefixOf(column, { descending: false, nullsFirst: false })(block, 0);
  const form = inlineForm(column.type)!;
  const code = form.code(block, column.offset, prefix);
  if (code === 0) return undefined;
  const again = block.push(1);
  form.write(prefix, code, block, again + column.offset);
  expect(block.words.slice(again, again + layout.words)).toEqual(block.words.slice(0, layout.words));
  return compileFormat(layout)(block, again)[0];
}

test.each<[TypeName, string]>([
  ['integer', '-2147483648'],
  ['boolean', 't'],
  ['bigint', '-9007199254740991'],
  ['timestamp without time zone', '2024-02-29 12:34:56.789012'],
  ['double precision', '-0'],
  ['double precision', 'NaN'],
  ['double precision', 'Infinity'],
  ['numeric', '0.000'],
  ['numeric', '-0.10'],
  ['numeric', '9999999999999.99'],
])('%s %s', (name, text) => expect(roundTrip(name, text)).toBe(text));

test.each<[TypeName, string]>([
  ['bigint', '9223372036854775807'],
  ['numeric', 'NaN'],
  ['numeric', '1234567890123456'],
  ['numeric', '0.00000000000000000000001'],
])('%s %s needs a row', (name, text) => expect(roundTrip(name, text)).toBeUndefined());

test('every numeric of at most 15 digits and 22 decimals', () => {
  fc.assert(
    fc.property(fc.integer({ min: -1e15, max: 1e15 }), fc.integer({ min: 0, max: 22 }), (coefficient, scale) => {
      const digits = String(Math.abs(coefficient)).padStart(scale + 1, '0');
      const text = `${coefficient < 0 ? '-' : ''}${digits.slice(0, digits.length - scale)}${scale > 0 ? '.' : ''}${digits.slice(digits.length - scale)}`;
      expect(roundTrip('numeric', text)).toBe(text);
    }),
    { numRuns: 1000 },
  );
});
