import fc from 'fast-check';
import { expect, test } from 'vitest';
import { blockOf, int4, numeric, text, type, type Row } from '../../dataflow/testing/rows.ts';
import { rowLayout } from '../../values/layout.ts';
import { rowsIn } from '../../wire/data-row.ts';
import { RowEncoder, type Batch } from './encode.ts';
import type { RowFormat } from '../contract/protocol.ts';

const layout = rowLayout([text, int4, type(3802, 'jsonb'), numeric, text]);
const PROJECT = [0, 1, 2, 3, 4];
/** Around every buffer on the way: a slot's inline bytes, the first writer, a batch, and far beyond. */
const LENGTHS = [0, 1, 12, 13, 1_023, 1_024, 1_025, 4_096, 8_192, 65_536, 70_000, 1 << 20];

const length = fc.oneof({ weight: 8, arbitrary: fc.integer({ min: 0, max: 2_000 }) }, fc.constantFrom(...LENGTHS));
const letters = fc.tuple(length, fc.constantFrom('x', 'é', '漢', '🌊', '\t\\\n')).map(([count, letter]) => letter.repeat(count));
const nullable = fc.option(letters, { freq: 8 });
const digits = fc
  .tuple(fc.constantFrom(1, 4, 30, 1_025), fc.integer({ min: 1, max: 9 }))
  .map(([count, digit]) => String(digit).repeat(count));
const row = fc.tuple(nullable, fc.integer().map(String), nullable, digits, nullable);
const mark = (value: string | null, by: string): string | null => (value === null ? null : by + value);

function marked(rows: readonly Row[], by: string): Row[] {
  return rows.map(([a, ...others]) => [mark(a ?? null, by), ...others]);
}

function encoded(encoder: RowEncoder, rows: readonly Row[]): void {
  const block = blockOf(
    layout,
    rows.map((one) => [one, 1]),
  );
  for (let i = 0; i < block.length; i++) encoder.add(block, i * block.stride, 1);
}

function received(batches: readonly Batch[], format: RowFormat): unknown {
  if (format.kind === 'copyText') return batches.map(({ bytes }) => copyLines(bytes)).join('');
  return batches.flatMap(({ bytes }) => [...rowsIn(bytes)].map((fields) => fields.map((field) => field?.toString('utf8') ?? null)));
}

function copyLines(messages: Uint8Array): string {
  const bytes = Buffer.from(messages);
  let lines = '';
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + bytes.readInt32BE(at + 1);
    lines += bytes.toString('utf8', at + 5, end);
    at = end;
  }
  return lines;
}

function expected(rows: readonly Row[], format: RowFormat): unknown {
  if (format.kind === 'dataRow') return rows;
  const escaped = (value: string | null): string =>
    value === null ? '\\N' : value.replaceAll('\\', '\\\\').replaceAll('\t', '\\t').replaceAll('\n', '\\n');
  return rows.map((fields) => `${fields.map(escaped).join('\t')}\n`).join('');
}

test.each<RowFormat>([{ kind: 'dataRow', formats: [] }, { kind: 'dataRow', formats: [1, 0, 0, 0, 1] }, { kind: 'copyText' }])(
  'values of every length are what they were, from two encoders that take turns: %o',
  (format) => {
    fc.assert(
      fc.property(fc.array(fc.array(row, { maxLength: 6 }), { minLength: 1, maxLength: 4 }), (pieces) => {
        const one = new RowEncoder(layout, PROJECT, format);
        const other = new RowEncoder(layout, PROJECT, format);
        const taken: Batch[] = [];
        for (const rows of pieces) {
          encoded(one, marked(rows, '<one>'));
          encoded(other, marked(rows, '<other>'));
          if (rows.length % 2 === 1) taken.push(...one.take());
        }
        expect(received([...taken, ...one.take()], format)).toEqual(expected(marked(pieces.flat(), '<one>'), format));
        expect(received(other.take(), format)).toEqual(expected(marked(pieces.flat(), '<other>'), format));
      }),
      { numRuns: 20 },
    );
  },
);
