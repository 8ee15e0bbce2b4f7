import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { columns, Harness, layoutOf, scan, type TypeName } from '../../testing/harness.ts';
import { DistinctOperator } from './distinct.ts';

function distinct(...types: TypeName[]): Harness {
  const input = scan(...types);
  const layout = layoutOf(input);
  return new Harness(new DistinctOperator({ op: 'distinct', input, columns: columns(...types) }, layout), layout, layout);
}

test('shows each row once, while it is there', () => {
  const rows = distinct('integer', 'text');
  expect(
    rows.step([
      [2, ['1', 'a']],
      [1, ['2', 'b']],
    ]),
  ).toEqual(['+1 1 a', '+1 2 b']);
  expect(
    rows.step([
      [-1, ['1', 'a']],
      [1, ['2', 'b']],
    ]),
  ).toEqual([]);
  expect(rows.step([[-1, ['1', 'a']]])).toEqual(['-1 1 a']);
});

test('a class of equal rows shows the one that came first, and retracts that very one', () => {
  const rows = distinct('numeric', 'double precision');
  expect(rows.step([[1, ['1.0', '-0']]])).toEqual(['+1 1.0 -0']);
  expect(rows.step([[1, ['1.00', '0']]])).toEqual([]);
  expect(rows.step([[-1, ['1.0', '-0']]])).toEqual([]);
  expect(
    rows.step([
      [-1, ['1.00', '0']],
      [1, ['1', '0']],
    ]),
  ).toEqual([]);
  expect(rows.step([[-1, ['1', '0']]])).toEqual(['-1 1.0 -0']);
});

test('NULLs are equal, NaNs are equal, intervals of equal span are equal, blanks behind a character(n) do not count', () => {
  const rows = distinct('double precision', 'interval', 'character');
  expect(rows.step([[1, [null, null, null]]])).toEqual(['+1 ∅ ∅ ∅']);
  expect(rows.step([[1, [null, null, null]]])).toEqual([]);
  expect(rows.step([[1, ['NaN', '1 mon', 'a ']]])).toEqual(['+1 NaN 1 mon a ']);
  expect(rows.step([[1, ['NaN', '30 days', 'a']]])).toEqual([]);
});

test('over no columns: one row while there is any', () => {
  const rows = distinct();
  expect(rows.step([[3, []]])).toEqual(['+1 ']);
  expect(rows.step([[-2, []]])).toEqual([]);
  expect(rows.step([[-1, []]])).toEqual(['-1 ']);
});

const value = fc.constantFrom('1', '1.0', '1.00', '2', '0', '-3.5', 'NaN', null);
const word = fc.constantFrom('', 'a', 'b', 'a text beyond twelve bytes', 'a text beyond twelve bytez', null);

test('equals a recomputation after every step, each class shown once by a member of it', () => {
  const change = fc.tuple(fc.integer({ min: -2, max: 2 }), fc.tuple(value, word));
  fc.assert(
    fc.property(fc.array(fc.array(change, { maxLength: 12 }), { maxLength: 12 }), (steps) => {
      const rows = distinct('numeric', 'text');
      for (const step of steps) {
        const held = new Map(rows.inputs);
        const possible = step.flatMap(([weight, row]) => {
          const key = JSON.stringify(row);
          const applied = Math.max(weight, -(held.get(key) ?? 0));
          held.set(key, (held.get(key) ?? 0) + applied);
          return applied === 0 ? [] : [[applied, row] as const];
        });
        rows.step(possible);
        const classOf = (key: string): string => {
          const [number, text] = JSON.parse(key) as (string | null)[];
          return JSON.stringify([number === null ? null : String(Number(number)), text]);
        };
        expect([...rows.outputs.keys()].map(classOf).sort()).toEqual([...new Set([...rows.inputs.keys()].map(classOf))].sort());
        expect([...rows.outputs.values()].every((weight) => weight === 1)).toBe(true);
      }
    }),
  );
});
