import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import type { SortKey } from '../../../plan/plan.ts';
import { column, columns, Harness, layoutOf, type Row, scan, type TypeName } from '../../testing/harness.ts';
import { TopKOperator } from './topk.ts';

type Key = Omit<SortKey, 'expression'> & { readonly column: number };

interface Window {
  readonly partition?: readonly number[];
  readonly order: readonly Key[];
  readonly limit: number | null;
  readonly offset?: number;
}

function topk(types: readonly TypeName[], window: Window): Harness {
  const input = scan(...types);
  const layout = layoutOf(input);
  const plan = {
    op: 'topk',
    input,
    partition: (window.partition ?? []).map((index) => column(index, types[index]!)),
    order: window.order.map(({ column: index, ...key }) => ({ ...key, expression: column(index, types[index]!) })),
    limit: window.limit,
    offset: window.offset ?? 0,
    columns: columns(...types),
  } as const;
  return new Harness(new TopKOperator(plan, layout, undefined), layout, layout);
}

const ascending = (index: number) => ({ column: index, descending: false, nullsFirst: false });
const descending = (index: number) => ({ column: index, descending: true, nullsFirst: true });

test('shows the first rows of each partition', () => {
  const best = topk(['text', 'integer'], { partition: [0], order: [descending(1)], limit: 2 });
  expect(
    best.step([
      [1, ['a', '10']],
      [1, ['a', '20']],
      [1, ['a', '5']],
      [1, ['b', '1']],
    ]),
  ).toEqual(['+1 a 10', '+1 a 20', '+1 b 1']);
  expect(best.step([[1, ['a', '15']]])).toEqual(['-1 a 10', '+1 a 15']);
  expect(best.step([[-1, ['a', '20']]])).toEqual(['+1 a 10', '-1 a 20']);
  expect(best.step([[-1, ['a', '5']]])).toEqual([]);
  expect(best.step([[-1, ['b', '1']]])).toEqual(['-1 b 1']);
});

test('offset without limit, rows that are there twice', () => {
  const rest = topk(['integer'], { order: [ascending(0)], limit: null, offset: 2 });
  expect(
    rest.step([
      [3, ['1']],
      [2, ['5']],
    ]),
  ).toEqual(['+1 1', '+2 5']);
  expect(rest.step([[-2, ['1']]])).toEqual(['-1 1', '-1 5']);
});

test('ties are broken by all columns, ascending, NULLs last, text by bytes', () => {
  const first = topk(['integer', 'text'], { order: [ascending(0)], limit: 1 });
  expect(first.step([[1, ['1', null]]])).toEqual(['+1 1 ∅']);
  expect(first.step([[1, ['1', 'a']]])).toEqual(['+1 1 a', '-1 1 ∅']);
  expect(first.step([[1, ['1', 'B']]])).toEqual(['+1 1 B', '-1 1 a']);
});

test('large steps', () => {
  const window = { partition: [0], order: [descending(1)], limit: 40, offset: 300 };
  const shown = topk(TYPES, window);
  const rows = Array.from({ length: 2_000 }, (_, i): Row => [String(i % 3), String((i * 7_919) % 1_009), `row ${i % 11}`]);
  shown.step(rows.map((row) => [1, row]));
  const sorted = (): string[] =>
    Harness.rows(shown.outputs)
      .map((row) => JSON.stringify(row))
      .sort();
  expect(sorted()).toEqual(expected(Harness.rows(shown.inputs), window).sort());
  shown.step(rows.filter((_, i) => i % 4 === 0).map((row) => [-1, row]));
  expect(sorted()).toEqual(expected(Harness.rows(shown.inputs), window).sort());
});

test('partitions and rows that went leave no memory behind', () => {
  const first = topk(['integer', 'text'], { partition: [0], order: [ascending(1)], limit: 1 });
  const come = (step: number): [number, Row][] =>
    Array.from({ length: 20 }, (_, i) => [1, [String(step * 20 + i), `a text of more than twelve bytes ${i}`]]);
  const pass = (from: number, to: number): void => {
    for (let step = from; step < to; step++) {
      first.step(come(step));
      first.step(come(step).map(([, row]) => [-1, row]));
    }
  };
  pass(0, 20);
  const bytes = first.stateBytes();
  pass(20, 120);
  expect(first.stateBytes()).toBe(bytes);
});

function compare(a: string | null, b: string | null, numeric: boolean, key: { descending: boolean; nullsFirst: boolean }): number {
  if (a === null || b === null) return a === b ? 0 : (a === null) === key.nullsFirst ? -1 : 1;
  const order = numeric ? Number(a) - Number(b) : Buffer.compare(Buffer.from(a), Buffer.from(b));
  return key.descending ? -order : order;
}

const TYPES = ['integer', 'numeric', 'text'] as const;

function expected(rows: readonly Row[], window: Required<Window>): string[] {
  const partitions = new Map<string, Row[]>();
  for (const row of rows) {
    const key = JSON.stringify(window.partition.map((index) => row[index]));
    partitions.set(key, [...(partitions.get(key) ?? []), row]);
  }
  const keys = [...window.order, ...TYPES.keys().map(ascending)];
  return [...partitions.values()].flatMap((partition) => {
    partition.sort((a, b) => {
      for (const key of keys) {
        const order = compare(a[key.column]!, b[key.column]!, TYPES[key.column] !== 'text', key);
        if (order !== 0) return order;
      }
      return 0;
    });
    const end = window.limit === null ? undefined : window.offset + window.limit;
    return partition.slice(window.offset, end).map((row) => JSON.stringify(row));
  });
}

test('equals a recomputation after every step', () => {
  const row = fc.tuple(
    fc.constantFrom('1', '2', null),
    fc.constantFrom('0', '1', '1.5', '-7', '20', '123456789012345678901', null),
    fc.constantFrom('', 'a', 'b', 'a text beyond twelve bytes', 'ä', null),
  );
  const change = fc.tuple(fc.integer({ min: -3, max: 3 }), row);
  const order = fc.array(fc.record({ column: fc.nat(2), descending: fc.boolean(), nullsFirst: fc.boolean() }), { maxLength: 2 });
  const window = fc.record({
    partition: fc.constantFrom([], [0], [0, 2]),
    order,
    limit: fc.constantFrom(null, 0, 1, 2, 3, 7),
    offset: fc.constantFrom(0, 1, 2, 5),
  });
  fc.assert(
    fc.property(window, fc.array(fc.array(change, { maxLength: 8 }), { maxLength: 10, size: 'max' }), (spec, steps) => {
      const shown = topk(TYPES, spec);
      for (const step of steps) {
        const held = new Map(shown.inputs);
        const possible = step.flatMap(([weight, values]) => {
          const key = JSON.stringify(values);
          const applied = Math.max(weight, -(held.get(key) ?? 0));
          held.set(key, (held.get(key) ?? 0) + applied);
          return applied === 0 ? [] : [[applied, values] as const];
        });
        shown.step(possible);
        expect(
          Harness.rows(shown.outputs)
            .map((values) => JSON.stringify(values))
            .sort(),
        ).toEqual(expected(Harness.rows(shown.inputs), spec).sort());
      }
    }),
    { numRuns: 150 },
  );
});
