/**
 * Exact sums of integers in two doubles: value = high × 2^48 + low, |low| ≤ 2^52, so that the common case is one addition of doubles and no BigInt.
 * Holds |value| < 2^100. Called by the sums of this folder.
 */
import { assert } from '../../../../base/assert.ts';
import { normalInt, type Int } from '../../../../values/int64.ts';

const UNIT = 2 ** 48;
const UNIT_BITS = 48n;
const LOW_MASK = (1n << UNIT_BITS) - 1n;
/** Two of these add up to at most 2^53: exact. */
const SMALL_MAX = 2 ** 52;
/** Words of a wide sum. */
export const WIDE_WORDS = 4;

/** doubles[at] is low, doubles[at + 1] high. */
export function addWide(doubles: Float64Array, at: number, value: Int, weight: number): void {
  if (typeof value === 'number') {
    const product = value * weight;
    if (product <= SMALL_MAX && product >= -SMALL_MAX) {
      const low = doubles[at]! + product;
      if (low <= SMALL_MAX && low >= -SMALL_MAX) doubles[at] = low;
      else carry(doubles, at, low);
      return;
    }
  }
  const product = BigInt(value) * BigInt(weight);
  doubles[at + 1]! += Number(product >> UNIT_BITS);
  const low = doubles[at]! + Number(product & LOW_MASK);
  if (low <= SMALL_MAX && low >= -SMALL_MAX) doubles[at] = low;
  else carry(doubles, at, low);
  assert(Math.abs(doubles[at + 1]!) < SMALL_MAX, 'a sum of integers beyond 2^100');
}

function carry(doubles: Float64Array, at: number, low: number): void {
  const units = Math.trunc(low / UNIT);
  doubles[at] = low - units * UNIT;
  doubles[at + 1]! += units;
}

export function readWide(doubles: Float64Array, at: number): Int {
  const low = doubles[at]!;
  const high = doubles[at + 1]!;
  if (high <= 16 && high >= -16) {
    const value = high * UNIT + low;
    if (value <= SMALL_MAX && value >= -SMALL_MAX) return value;
  }
  return normalInt((BigInt(high) << UNIT_BITS) + BigInt(low));
}
