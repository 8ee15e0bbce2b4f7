/** Loops over packed rows: what the wire brings is what comes out; sameness and hash see words, never where a long value lies. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { rowLayout } from '../../values/layout.ts';
import { pgType } from '../../values/testing/postgres.ts';
import { DeltaBlock } from '../arrangement/delta-block.ts';
import { compileCompare, compileCopy, compileFormat, compileHash, compileParse, compileSame, compileTupleDecoder } from './rows.ts';

const TYPES = [
  'integer',
  'text',
  'numeric',
  'boolean',
  'bigint',
  'double precision',
  'uuid',
  'interval',
  'date',
  'timestamp with time zone',
].map(pgType);
const layout = rowLayout(TYPES);
const everyColumn = TYPES.map((_, i) => i);
const format = compileFormat(layout);
const parse = compileParse(layout);

const value = [
  fc.integer().map(String),
  fc.string({ unit: 'grapheme', maxLength: 30 }).map((text) => text.replaceAll('\0', '')),
  fc.oneof(
    fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }).map((n) => `${n}`),
    fc.tuple(fc.integer(), fc.integer({ min: 0, max: 999_999 })).map(([a, b]) => `${a}.${String(b).padStart(6, '0')}`),
    fc.constantFrom('NaN', 'Infinity', '0.00', '0'),
  ),
  fc.constantFrom('t', 'f'),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String),
  fc.constantFrom('0', '-0', 'NaN', '1.5', '1e+300', '-Infinity'),
  fc.uuid(),
  fc.constantFrom('00:00:00', '1 mon', '30 days', '1 year 2 mons 3 days 04:05:06.789', '-infinity'),
  fc.constantFrom('2000-01-01', 'infinity', '0044-03-15 BC', '2024-02-29'),
  fc.constantFrom('2000-01-01 00:00:00+00', '2024-02-29 12:34:56.7+00', '294276-12-31 23:59:59.999999+00', '-infinity'),
].map((arbitrary) => fc.option(arbitrary, { freq: 4 }));
const row = fc.tuple(...value) as fc.Arbitrary<(string | null)[]>;

/** A pgoutput TupleData. */
function tuple(values: readonly (string | null | undefined)[]): Uint8Array {
  const parts: Buffer[] = [Buffer.from([values.length >> 8, values.length & 255])];
  for (const text of values) {
    if (text === undefined) parts.push(Buffer.from('u'));
    else if (text === null) parts.push(Buffer.from('n'));
    else {
      const bytes = Buffer.from(text);
      const length = Buffer.alloc(4);
      length.writeInt32BE(bytes.length);
      parts.push(Buffer.from('t'), length, bytes);
    }
  }
  return Buffer.concat(parts);
}

function parsed(rows: readonly (readonly (string | null)[])[]): DeltaBlock {
  const block = new DeltaBlock(layout);
  for (const values of rows) parse(values, block, block.push(1));
  return block;
}

test('a tuple of the wire becomes the row that its text says', () => {
  const decode = compileTupleDecoder(layout, everyColumn);
  fc.assert(
    fc.property(row, (values) => {
      const block = new DeltaBlock(layout);
      const bytes = tuple(values);
      const at = block.push(1);
      const unchanged = new Uint8Array(TYPES.length);
      expect(decode(Buffer.concat([Buffer.from('..'), bytes]), 2, block, at, unchanged)).toBe(bytes.length + 2);
      expect(format(block, at)).toEqual(values);
      expect(compileSame(layout, everyColumn)(block, at, parsed([values]), 0)).toBe(true);
    }),
  );
});

test('columns are picked by their place on the wire; an unchanged one is marked and left empty', () => {
  const picked = rowLayout([TYPES[1]!, TYPES[0]!]);
  const block = new DeltaBlock(picked);
  const unchanged = new Uint8Array(2);
  const at = block.push(1);
  compileTupleDecoder(picked, [2, 0])(tuple(['7', 'skipped', undefined]), 0, block, at, unchanged);
  expect([...unchanged]).toEqual([1, 0]);
  expect(compileFormat(picked)(block, at)).toEqual(['', '7']);
});

test('identical rows are the same and hash alike, wherever their long values lie; others are not the same', () => {
  const same = compileSame(layout, everyColumn);
  const hash = compileHash(layout, everyColumn);
  fc.assert(
    fc.property(row, row, (a, b) => {
      const first = parsed([b, a]);
      const second = parsed([a]);
      expect(same(first, layout.words, second, 0)).toBe(true);
      expect(hash(first, layout.words)).toBe(hash(second, 0));
      expect(same(first, 0, second, 0)).toBe(JSON.stringify(a) === JSON.stringify(b));
    }),
  );
});

test('a changed column makes another row', () => {
  const same = compileSame(layout, everyColumn);
  fc.assert(
    fc.property(row, row, fc.nat(TYPES.length - 1), (a, b, i) => {
      const changed = a.with(i, b[i]!);
      expect(same(parsed([a]), 0, parsed([changed]), 0)).toBe(a[i] === b[i]);
    }),
  );
});

test('columns of two layouts are compared pairwise', () => {
  const narrow = rowLayout([TYPES[1]!]);
  const block = new DeltaBlock(narrow);
  compileParse(narrow)(['a text beyond twelve bytes'], block, block.push(1));
  const wide = parsed([[null, 'a text beyond twelve bytes', null, null, null, null, null, null, null, null]]);
  expect(compileSame(layout, [1], narrow, [0])(wide, 0, block, 0)).toBe(true);
  expect(compileHash(layout, [1])(wide, 0)).toBe(compileHash(narrow, [0])(block, 0));
});

test('a copy is the same row in other memory', () => {
  const copy = compileCopy(layout);
  fc.assert(
    fc.property(row, row, (a, b) => {
      const from = parsed([a]);
      const to = parsed([b]);
      const at = to.push(1);
      copy(from, 0, to, at);
      expect(format(to, at)).toEqual(a);
    }),
  );
});

test('keys compare in order, direction and place of NULLs', () => {
  const rows = [
    [null, 'b'],
    ['2', null],
    ['1', 'a'],
    ['2', 'c'],
    ['-5', 'b'],
  ].map(([i, t]) => [i!, t!, null, null, null, null, null, null, null, null]);
  const block = parsed(rows);
  const compare = compileCompare(layout, [
    { column: 0, descending: true, nullsFirst: false },
    { column: 1, descending: false, nullsFirst: true },
  ]);
  const sorted = rows.map((_, i) => i).toSorted((a, b) => compare(block, block.rowAddress(a), block, block.rowAddress(b)));
  expect(sorted.map((i) => rows[i]!.slice(0, 2))).toEqual([
    ['2', null],
    ['2', 'c'],
    ['1', 'a'],
    ['-5', 'b'],
    [null, 'b'],
  ]);
});
