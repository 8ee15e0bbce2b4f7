import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MillraceError } from '../../base/errors.ts';
import { Arrangement } from '../../dataflow/arrangement/arrangement.ts';
import { compileFormat } from '../../dataflow/expression/rows.ts';
import { add, bagOf, blockOf, int4, sorted, text, type Bag, type Row } from '../../dataflow/testing/rows.ts';
import { rowLayout } from '../../values/layout.ts';
import { ViewCursor } from './view-cursor.ts';

const layout = rowLayout([int4, text]);
const format = compileFormat(layout);
const long = 'a long text that lies in the heap, ';

/** Reads a piece of `rowsMax` rows into the bag; whether it was the last. */
function readPiece(cursor: ViewCursor, rowsMax: number, shown: Bag): boolean {
  let rows = 0;
  return cursor.read((space, row, weight) => {
    add(shown, format(space, row), weight);
    return ++rows < rowsMax;
  });
}

/** Keys are few, so that places are left and taken again; steps are longer than a stage of 128 rows, too. */
const KEYS = 300;
const change = fc.record({ key: fc.nat(KEYS - 1), value: fc.nat(3), weight: fc.integer({ min: 0, max: 3 }) });
const step = fc.record({ changes: fc.array(change, { maxLength: 400 }), shuffled: fc.boolean(), piece: fc.integer({ min: 1, max: 150 }) });
const steps = fc.array(step, { minLength: 1, maxLength: 12 });
const rowOf = ({ key, value }: { key: number; value: number }): Row => [String(key), value === 0 ? null : value === 1 ? 'a' : long + value];

type Change = typeof change extends fc.Arbitrary<infer C> ? C : never;
interface World {
  readonly arrangement: Arrangement;
  readonly step: (changes: readonly Change[], shuffled: boolean) => [Row, number][];
}

/** A multiset: a change sets the weight of its row. */
function counted(): World {
  const arrangement = Arrangement.counted(layout);
  const weights = new Map<string, number>();
  return {
    arrangement,
    step(changes) {
      const wanted = new Map(changes.map((one) => [JSON.stringify(rowOf(one)), one.weight]));
      return [...wanted].flatMap(([row, weight]): [Row, number][] => {
        const difference = weight - (weights.get(row) ?? 0);
        weights.set(row, weight);
        return difference === 0 ? [] : [[JSON.parse(row) as Row, difference]];
      });
    },
  };
}

/** Rows under a key: a change sets its key's row, or takes it away. */
function keyed(): World {
  const arrangement = Arrangement.keyed(layout, [0]);
  const rows = new Map<number, Row>();
  return {
    arrangement,
    step(changes, shuffled) {
      const wanted = new Map(changes.map((one) => [one.key, one.weight === 0 ? undefined : rowOf(one)]));
      const delta = [...wanted].flatMap(([key, row]): [Row, number][] => {
        const old = rows.get(key);
        if (JSON.stringify(old) === JSON.stringify(row)) return [];
        if (row === undefined) rows.delete(key);
        else rows.set(key, row);
        return [...(old === undefined ? [] : [[old, -1] as [Row, number]]), ...(row === undefined ? [] : [[row, 1] as [Row, number]])];
      });
      return shuffled ? delta.toReversed() : delta;
    },
  };
}

describe.each([
  ['a multiset', counted],
  ['rows under a key', keyed],
])('a cursor over %s', (_, world) => {
  test('shows the rows of the tick at which it began, whatever changes between its pieces', () => {
    fc.assert(
      fc.property(steps, steps, (before, during) => {
        const { arrangement, step: deltaOf } = world();
        for (const { changes, shuffled } of before) arrangement.apply(blockOf(layout, deltaOf(changes, shuffled)));
        const expected = bagOf(arrangement);
        const cursor = new ViewCursor('v', arrangement, 1 << 20);
        const shown: Bag = new Map();
        let done = false;
        for (const { changes, shuffled, piece } of during) {
          done = done || readPiece(cursor, piece, shown);
          const delta = blockOf(layout, deltaOf(changes, shuffled));
          arrangement.apply(delta);
          cursor.changed(delta, arrangement);
        }
        while (!done) done = readPiece(cursor, 100, shown);
        expect(sorted(shown)).toEqual(sorted(expected));
      }),
      { numRuns: 200 },
    );
  });
});

test('a reader whose rows change faster than it reads ends with a reason', () => {
  const arrangement = Arrangement.keyed(layout, [0]);
  const rows = Array.from({ length: 2_000 }, (_, i): Row => [String(i), long]);
  arrangement.apply(
    blockOf(
      layout,
      rows.map((row) => [row, 1]),
    ),
  );
  const cursor = new ViewCursor('v', arrangement, 20_000);
  const delta = blockOf(
    layout,
    rows.map((row) => [row, -1]),
  );
  arrangement.apply(delta);
  cursor.changed(delta, arrangement);
  expect(() => cursor.read(() => true)).toThrow(MillraceError);
  expect(cursor.keptBytes).toBe(0);
});
