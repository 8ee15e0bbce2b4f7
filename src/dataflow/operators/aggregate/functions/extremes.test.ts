import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { rowLayout } from '../../../../values/layout.ts';
import { AggregateOperator } from '../aggregate.ts';
import { call, column, columns, Harness, layoutOf, type Row, scan, type TypeName } from '../../../testing/harness.ts';

function extremes(name: TypeName): Harness {
  const input = scan('integer', name);
  const aggregates = [call('min', 1, name), call('max', 1, name)];
  const plan = { op: 'aggregate', input, keys: [column(0, 'integer')], aggregates, columns: columns('integer', name, name) } as const;
  return new Harness(
    new AggregateOperator(plan, layoutOf(input), undefined),
    layoutOf(input),
    rowLayout(plan.columns.map(({ type }) => type)),
  );
}

// Bags that fill, turn into trees and shrink again; forms that no bag holds together; values that need a row of their own.
const VALUES: readonly [TypeName, readonly string[]][] = [
  ['integer', ['-3', '0', '1', '2147483647']],
  ['numeric', ['1', '1.0', '1.00', '-2.50', '2.5', '3', 'NaN', 'Infinity', '123456789012345678901234567890.5']],
  ['double precision', ['0', '-0', '1.5', 'NaN', '-Infinity', '2.5']],
  ['bigint', ['9223372036854775807', '9223372036854775806', '-1', '1', '2']],
  ['text', ['', 'a', 'abcdefgh', 'abcdefgi', 'a long text that lies in the heap', 'b']],
];

test.each(VALUES)('%s: a function of the rows, however they came', (name, values) => {
  const change = fc.record({ value: fc.constantFrom(...values), copies: fc.integer({ min: 1, max: 40 }), comes: fc.boolean() });
  fc.assert(
    fc.property(fc.array(fc.array(change, { maxLength: 4 }), { maxLength: 12 }), (steps) => {
      const groups = extremes(name);
      const present = new Map<string, number>();
      for (const step of steps) {
        const delta: [number, Row][] = [];
        for (const { value, copies, comes } of step) {
          const held = present.get(value) ?? 0;
          const weight = comes ? copies : -Math.min(held, copies);
          if (weight === 0) continue;
          present.set(value, held + weight);
          delta.push([weight, ['1', value]]);
        }
        groups.step(delta);
        const fresh = extremes(name);
        fresh.step([...present].filter(([, copies]) => copies > 0).map(([value]) => [1, ['1', value]]));
        expect([...groups.outputs]).toEqual([...fresh.outputs]);
      }
      groups.step([...present].filter(([, copies]) => copies > 0).map(([value, copies]) => [-copies, ['1', value]]));
      expect(groups.outputs.size).toBe(0);
    }),
    { numRuns: 60 },
  );
});
