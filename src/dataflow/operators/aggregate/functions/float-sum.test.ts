import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { rowLayout } from '../../../../values/layout.ts';
import { DeltaBlock } from '../../../arrangement/delta-block.ts';
import { WordPool } from '../../../arrangement/ordered-pool.ts';
import { RowMemory } from '../../../arrangement/row-memory.ts';
import { FloatSum } from './float-sum.ts';
import { type } from '../../../testing/harness.ts';
import { DOUBLE, nearest, SINGLE } from './rounding.ts';

/** One group over which float8s come and go. */
function floatSum() {
  const layout = rowLayout([type('double precision')]);
  const block = new DeltaBlock(layout);
  const states = new RowMemory(rowLayout([]), FloatSum.words);
  const group = states.header(states.allocate());
  states.words.fill(0, group, group + FloatSum.words);
  const pool = new WordPool();
  const sum = new FloatSum(layout.columns[0]!, 0, pool);
  return {
    pool,
    add(...values: readonly (readonly [number, number])[]): void {
      block.clear();
      for (const [value, weight] of values) block.doubles[block.push(weight) >> 1] = value;
      const n = block.length;
      const rows = Int32Array.from({ length: n }, (_, i) => i * block.stride);
      sum.add({
        space: block,
        rows,
        weights: block.weights,
        n,
        states,
        groups: new Int32Array(n).fill(group),
        ids: new Int32Array(n).fill(1),
      });
    },
    sum: () => sum.value(states, group, false, DOUBLE),
    single: () => sum.value(states, group, false, SINGLE),
    average: () => sum.value(states, group, true, DOUBLE),
  };
}

test.each<[string, [number, number][], number]>([
  [
    'nothing is lost',
    [
      [1e300, 1],
      [1, 1],
      [-1e300, 1],
    ],
    1,
  ],
  ['0.1 ten times is 1, rounded once', [[0.1, 10]], 1],
  [
    'weights count',
    [
      [0.5, 7],
      [0.25, -2],
    ],
    3,
  ],
  ['large weights count', [[1.5, 2_000_000_001]], 3_000_000_001.5],
  ['the smallest numbers', [[5e-324, 3]], 1.5e-323],
  [
    'the largest ones, over the edge and back',
    [
      [Number.MAX_VALUE, 3],
      [-Number.MAX_VALUE, 2],
    ],
    Number.MAX_VALUE,
  ],
  [
    'a tie goes to even',
    [
      [2 ** 53, 1],
      [1, 1],
    ],
    2 ** 53,
  ],
  [
    'a hair above a tie goes up',
    [
      [2 ** 53, 1],
      [1, 1],
      [5e-324, 1],
    ],
    2 ** 53 + 2,
  ],
  ['-0 only of -0', [[-0, 2]], -0],
  [
    '-0 and 0',
    [
      [-0, 1],
      [0, 1],
    ],
    0,
  ],
  [
    '1 and -1',
    [
      [1, 1],
      [-1, 1],
    ],
    0,
  ],
  [
    'NaN wins',
    [
      [NaN, 1],
      [Infinity, 1],
      [1, 1],
    ],
    NaN,
  ],
  [
    'infinity',
    [
      [Infinity, 2],
      [-1e308, 1],
    ],
    Infinity,
  ],
  [
    'both infinities',
    [
      [Infinity, 1],
      [-Infinity, 1],
    ],
    NaN,
  ],
])('%s', (_name, values, expected) => {
  const total = floatSum();
  total.add(...values);
  expect(total.sum()).toBe(expected);
});

test('finite numbers beyond the range are an error, as in Postgres', () => {
  const total = floatSum();
  total.add([Number.MAX_VALUE, 2]);
  expect(() => total.sum()).toThrow(expect.objectContaining({ sqlstate: '22003', message: 'value out of range: overflow' }));
  total.add([Number.MAX_VALUE, -1]);
  expect(total.sum()).toBe(Number.MAX_VALUE);
});

test('a float4 is rounded from the exact sum, not from a double', () => {
  const total = floatSum();
  // Just above the middle of 1 and the next float4; as a double it is the middle, and the tie would go down.
  total.add([1, 1], [2 ** -24, 1], [2 ** -80, 1]);
  expect(total.single()).toBe(1 + 2 ** -23);
});

/** value as an integer number of 2^−1074. */
function exact(value: number): bigint {
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, value);
  const raw = bits.getBigUint64(0);
  const exponent = (raw >> 52n) & 0x7ffn;
  const fraction = raw & 0xfffffffffffffn;
  const size = exponent === 0n ? fraction : (fraction | 0x10000000000000n) << (exponent - 1n);
  return raw >> 63n === 1n ? -size : size;
}

function neighbours(value: number): [number, number] {
  const bits = new DataView(new ArrayBuffer(8));
  bits.setFloat64(0, Math.abs(value));
  const raw = bits.getBigUint64(0);
  const at = (step: bigint): number => {
    bits.setBigUint64(0, raw + step);
    return Math.sign(value) * bits.getFloat64(0);
  };
  return [at(-1n), at(1n)];
}

/** Is no other double nearer to numerator ÷ divisor (in units of 2^−1074)? Ties: the even one. */
function isNearest(value: number, numerator: bigint, divisor: bigint): boolean {
  const distance = (to: number): bigint => {
    const difference = exact(to) * divisor - numerator;
    return difference < 0n ? -difference : difference;
  };
  const mine = distance(value);
  if (value === 0) return mine * 2n <= divisor;
  const isEven = exact(value) % 2n === 0n || (exact(value) & -exact(value)) > exact(value) >> 52n;
  return neighbours(value).every((other) => !Number.isFinite(other) || distance(other) > mine || (distance(other) === mine && isEven));
}

const finite = fc.oneof(
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.double({ min: -1000, max: 1000, noNaN: true }),
  fc.tuple(fc.integer({ min: -(2 ** 30), max: 2 ** 30 }), fc.integer({ min: -1074, max: 900 })).map(([m, e]) => m * 2 ** e),
);

test('sum and average are the doubles nearest to the exact ones; what is taken out leaves no trace', () => {
  const weight = fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 100_000 }));
  fc.assert(
    fc.property(
      fc.array(fc.tuple(finite, weight), { minLength: 1, maxLength: 20 }),
      fc.array(fc.tuple(finite, weight), { maxLength: 20 }),
      (kept, passing) => {
        const total = floatSum();
        total.add(...passing);
        total.add(...kept);
        total.add(...passing.map(([value, times]) => [value, -times] as const));
        const numerator = kept.reduce((sum, [value, times]) => sum + exact(value) * BigInt(times), 0n);
        const count = kept.reduce((sum, [, times]) => sum + times, 0);
        fc.pre((numerator < 0n ? -numerator : numerator) <= exact(Number.MAX_VALUE));
        expect(isNearest(total.sum(), numerator, 1n)).toBe(true);
        // In units of 2^−2148: a spread of 2^1024 a value is none that float8 has.
        const spread = BigInt(count) * kept.reduce((sum, [value, times]) => sum + exact(value) ** 2n * BigInt(times), 0n) - numerator ** 2n;
        if (spread > BigInt(count) << 3172n) expect(() => total.average()).toThrow('overflow');
        else expect(isNearest(total.average(), numerator, BigInt(count))).toBe(true);
        total.add(...kept.map(([value, times]) => [value, -times] as const));
        expect(total.pool.usedWords()).toBe(0);
      },
    ),
    { numRuns: 500 },
  );
});

test('nearest: the float4 nearest to a quotient is what rounding the exact digits gives', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: -(10n ** 30n), max: 10n ** 30n }), fc.integer({ min: -60, max: 20 }), (numerator, exponent) => {
      const single = nearest(numerator, exponent, 1n, SINGLE);
      const double = nearest(numerator, exponent, 1n, DOUBLE);
      expect(Math.fround(single)).toBe(single);
      expect(Math.abs(single - double)).toBeLessThanOrEqual(Math.abs(Math.fround(double) - double));
    }),
  );
});

test('an average whose squared deviations are beyond float8 is an error, as long as the values are there', () => {
  const group = floatSum();
  group.add([0.1, 1], [1.7e308, 1]);
  expect(group.sum()).toBe(1.7e308);
  expect(() => group.average()).toThrow('value out of range: overflow');
  group.add([0.1, -1]);
  expect(group.average()).toBe(1.7e308);
  group.add([1.7e308, -1], [2, 2]);
  expect(group.average()).toBe(2);
  group.add([2, -2], [-1.7e308, 1], [Infinity, 1]);
  expect(group.average()).toBe(Infinity);
});

test('squared deviations are those of the values, whatever comes and goes', () => {
  const large = fc.constantFrom(1e140, 1e153, 1e154, 1.5e154, -1.5e154, 2e154, 1e155, 1e200, 1.00001e200, -1e300, 3, 0);
  fc.assert(
    fc.property(fc.array(large, { minLength: 1, maxLength: 6 }), fc.array(large, { maxLength: 6 }), (kept, gone) => {
      const group = floatSum();
      group.add(...[...kept, ...gone].map((value) => [value, 1] as [number, number]));
      group.add(...gone.map((value) => [value, -1] as [number, number]));
      const values = kept.map(BigInt);
      const sum = values.reduce((a, b) => a + b);
      const spread = BigInt(values.length) * values.reduce((a, b) => a + b * b, 0n) - sum * sum;
      const isBeyond = spread > BigInt(values.length) << 1024n;
      let failed = false;
      try {
        group.average();
      } catch {
        failed = true;
      }
      expect(failed).toBe(isBeyond);
    }),
  );
});
