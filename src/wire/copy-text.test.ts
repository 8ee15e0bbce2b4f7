import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { ByteWriter } from './bytes.ts';
import { copyLineToTuple } from './copy-text.ts';
import { CopyTextEncoder, dataRow } from './data-row.ts';
import { skipTuple } from './pgoutput.ts';
import { parseTuple } from './testing/parse-tuple.ts';

function tuples(text: string, columnCount: number): (string | null | undefined)[][] {
  const out = new ByteWriter(16);
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length;) {
    const end = bytes.indexOf('\n', at);
    copyLineToTuple(bytes, at, end, columnCount, out);
    at = end + 1;
  }
  const values: (string | null | undefined)[][] = [];
  for (let at = 0; at < out.length; at = skipTuple(out.bytes, at)) values.push(parseTuple(out.bytes, at));
  return values;
}

test('a line becomes a tuple', () => {
  expect(tuples('1\tbread\t\\N\n2\t\tx\\ty\\\\\\n\n', 3)).toEqual([
    ['1', 'bread', null],
    ['2', '', 'x\ty\\\n'],
  ]);
});

test('tables of no columns and of one empty column have empty lines', () => {
  expect(tuples('\n\n', 0)).toEqual([[], []]);
  expect(tuples('\n\\N\n', 1)).toEqual([[''], [null]]);
});

test('what our own COPY encoder writes, the decoder reads, for every value', () => {
  const value = fc.option(
    fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: fc.constantFrom('\\', '\t', 'b', 'c', 'd', 'e', 'f', 'g', 'h'), maxLength: 500, size: 'max' }),
      fc.string({ unit: fc.constantFrom('\\', 'N', '\t', '\n', '\r', '\b', '\f', '\v', 'a', 'é', '😀') }),
    ),
  );
  const table = fc.integer({ min: 1, max: 5 }).chain((columns) => fc.array(fc.array(value, { minLength: columns, maxLength: columns })));
  fc.assert(
    fc.property(table, (rows) => {
      const copy = new ByteWriter(16);
      const encoder = new CopyTextEncoder(copy);
      let text = '';
      for (const row of rows) {
        copy.reset();
        encoder.begin();
        for (const field of row) {
          if (field === null) encoder.null();
          else encoder.utf8(field);
        }
        encoder.end();
        expect(copy.bytes.readInt32BE(1)).toBe(copy.length - 1);
        text += copy.view().subarray(5).toString();
      }
      expect(tuples(text, rows[0]?.length ?? 1)).toEqual(
        rows.map((row) => row.map((field) => (field === null ? null : Buffer.from(field).toString()))),
      );
    }),
  );
});

test('DataRow: length, column count, values', () => {
  const out = new ByteWriter(4);
  dataRow(out, ['ab', null, Buffer.from('')]);
  expect(out.copy().toString('latin1')).toBe('D\0\0\0\x14\0\x03\0\0\0\x02ab\xff\xff\xff\xff\0\0\0\0');
});
