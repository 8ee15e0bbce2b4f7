import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { WordPool } from './ordered-pool.ts';
import { Ordered } from './ordered.ts';

/** Numbers alone: the prefix is the whole value. */
function numbers() {
  const pool = new WordPool();
  const ordered = new Ordered(pool);
  let root = 0;
  return {
    pool,
    change: (value: number, weight: number) => void (root = ordered.change(root, value, undefined, 0, weight)),
    first: () => (root === 0 ? undefined : ordered.prefixAt(ordered.first(root))),
    last: () => (root === 0 ? undefined : ordered.prefixAt(ordered.last(root))),
    rank: (value: number) => ordered.rank(root, value, undefined, 0),
  };
}

test('keeps numbers in order, with multiplicities', () => {
  const sequence = numbers();
  sequence.change(30, 1);
  sequence.change(10, 2);
  sequence.change(20, 1);
  expect([sequence.first(), sequence.last(), sequence.rank(20), sequence.rank(99)]).toEqual([10, 30, 2, 4]);
  sequence.change(10, -1);
  expect([sequence.first(), sequence.rank(20)]).toEqual([10, 1]);
  sequence.change(10, -1);
  expect([sequence.first(), sequence.rank(20)]).toEqual([20, 0]);
});

test('refuses to take out what is not there', () => {
  const sequence = numbers();
  sequence.change(1, 1);
  expect(() => sequence.change(2, -1)).toThrow('not there');
  expect(() => sequence.change(1, -2)).toThrow('more often than it is there');
});

/** Rows: a value and an identity, kept in a plain list; only the value is in the prefix, and coarsely, so that `compare` decides often. */
function rowsOf() {
  const live: ({ value: number; id: number } | undefined)[] = [];
  const probe = { value: 0, id: 0 };
  const space = { words: new Int32Array(0), doubles: new Float64Array(0), heap: new Uint8Array(0), allocateHeap: () => 0 };
  const at = (row: number) => (row < 0 ? probe : live[row]!);
  const pool = new WordPool();
  const ordered = new Ordered(pool, {
    space,
    compare: (_a, a, _b, b) => at(a).value - at(b).value || at(a).id - at(b).id,
    store: () => live.push({ ...probe }) - 1,
    release: (row) => void (live[row] = undefined),
  });
  return {
    pool,
    ordered,
    at,
    kept: () => live.filter((row) => row !== undefined).length,
    change: (root: number, value: number, id: number, weight: number) => {
      Object.assign(probe, { value, id });
      return ordered.change(root, Math.floor(value / 4), space, -1, weight);
    },
    rank: (root: number, value: number, id: number) => {
      Object.assign(probe, { value, id });
      return ordered.rank(root, Math.floor(value / 4), space, -1);
    },
  };
}

test.each([
  ['few', 8, 60],
  ['many', 2_000, 1_500],
])('equals a sorted list after every change (%s values)', (_name, valuesMax, changesMax) => {
  const change = fc.record({ group: fc.nat(1), value: fc.nat(valuesMax), id: fc.nat(1), weight: fc.integer({ min: -2, max: 3 }) });
  const order = fc.constantFrom('as drawn', 'ascending', 'descending');
  fc.assert(
    fc.property(fc.array(change, { maxLength: changesMax, size: 'max' }), order, fc.nat(40), fc.nat(40), (changes, arrival, from, span) => {
      const sequence = rowsOf();
      const roots = [0, 0];
      const expected: Map<string, { value: number; id: number; weight: number }>[] = [new Map(), new Map()];
      if (arrival !== 'as drawn') changes.sort((a, b) => (arrival === 'ascending' ? a.value - b.value : b.value - a.value));
      changes.push(...changes.slice(0, changes.length >> 1).map((c) => ({ ...c, weight: -3 })));
      for (const [step, { group, value, id, weight }] of changes.entries()) {
        const key = `${value}/${id}`;
        const had = expected[group]!.get(key)?.weight ?? 0;
        const applied = Math.max(weight, -had);
        if (applied === 0) continue;
        roots[group] = sequence.change(roots[group]!, value, id, applied);
        if (had + applied === 0) expected[group]!.delete(key);
        else expected[group]!.set(key, { value, id, weight: had + applied });
        if (step % 50 !== 0) continue;
        const sorted = [...expected[group]!.values()].sort((a, b) => a.value - b.value || a.id - b.id);
        const before = sorted.filter((e) => e.value < value || (e.value === value && e.id < id));
        expect(sequence.rank(roots[group]!, value, id)).toBe(before.reduce((sum, e) => sum + e.weight, 0));
      }
      for (const group of [0, 1]) {
        const sorted = [...expected[group]!.values()].sort((a, b) => a.value - b.value || a.id - b.id);
        const root = roots[group]!;
        const seen: number[] = [];
        sequence.ordered.range(root, 0, Infinity, (row, copies) => seen.push(sequence.at(row).value, copies));
        expect(seen).toEqual(sorted.flatMap((e) => [e.value, e.weight]));
        const window: string[] = [];
        sequence.ordered.range(root, from, from + span, (row, copies) => {
          for (let i = 0; i < copies; i++) window.push(`${sequence.at(row).value}/${sequence.at(row).id}`);
        });
        const flat = sorted.flatMap((e) => Array.from({ length: e.weight }, () => `${e.value}/${e.id}`));
        expect(window).toEqual(flat.slice(from, from + span));
        if (root !== 0) {
          expect(sequence.at(sequence.ordered.rowAt(sequence.ordered.first(root)))).toMatchObject({ value: sorted[0]!.value });
          expect(sequence.at(sequence.ordered.rowAt(sequence.ordered.last(root)))).toMatchObject({ value: sorted.at(-1)!.value });
        }
      }
      expect(sequence.kept()).toBe(expected[0]!.size + expected[1]!.size);
      for (const group of [0, 1]) {
        for (const { value, id, weight } of expected[group]!.values()) roots[group] = sequence.change(roots[group]!, value, id, -weight);
      }
      expect(roots).toEqual([0, 0]);
      expect([sequence.kept(), sequence.pool.usedWords()]).toEqual([0, 0]);
    }),
    { numRuns: 40 },
  );
});

test('a sequence of many entries empties down to nothing, in any order', () => {
  const sequence = numbers();
  const values = Array.from({ length: 50_000 }, (_, i) => (i * 7_919) % 50_000);
  for (const value of values) sequence.change(value, 1);
  expect([sequence.first(), sequence.last(), sequence.rank(25_000)]).toEqual([0, 49_999, 25_000]);
  expect(sequence.pool.stateBytes() / values.length).toBeLessThan(40);
  for (const value of values.toReversed()) sequence.change(value, -1);
  expect([sequence.first(), sequence.pool.usedWords()]).toEqual([undefined, 0]);
});

test('what few entries remain of many take little', () => {
  const sequence = numbers();
  for (let value = 0; value < 50_000; value++) sequence.change(value, 1);
  for (let value = 0; value < 50_000; value++) if (value % 100 !== 0) sequence.change(value, -1);
  expect(sequence.pool.usedWords() / 500).toBeLessThan(14);
});

test('rank and range over three levels, while entries come and go', () => {
  const sequence = rowsOf();
  const random = generator(7);
  let root = 0;
  const held = new Map<number, number>();
  for (let step = 0; step < 40_000; step++) {
    // Grows, shrinks, grows again.
    const shrinking = step > 20_000 && step < 32_000;
    const value = random(30_000);
    const has = held.get(value) ?? 0;
    if (shrinking ? has > 0 : has < 3) {
      const weight = shrinking ? -has : 1;
      root = sequence.change(root, value, 0, weight);
      if (has + weight === 0) held.delete(value);
      else held.set(value, has + weight);
    }
    if (step % 8_000 !== 7_999) continue;
    const flat = [...held].sort(([a], [b]) => a - b).flatMap(([key, copies]) => Array.from({ length: copies }, () => key));
    for (let probe = 0; probe < 50; probe++) {
      const at = random(flat.length);
      expect(sequence.rank(root, flat[at]!, 0)).toBe(flat.indexOf(flat[at]!));
      const seen: number[] = [];
      sequence.ordered.range(root, at, at + 70, (row, copies) =>
        seen.push(...Array.from({ length: copies }, () => sequence.at(row).value)),
      );
      expect(seen).toEqual(flat.slice(at, at + 70));
    }
  }
  for (const [value, copies] of held) root = sequence.change(root, value, 0, -copies);
  expect([root, sequence.kept(), sequence.pool.usedWords()]).toEqual([0, 0, 0]);
});

function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fffffff;
    return (state >>> 8) % below;
  };
}
