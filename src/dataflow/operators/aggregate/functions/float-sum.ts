/**
 * sum and avg of float4 and float8: exact, whatever the order, and values can be taken out again: 1e300 + 1 − 1e300 = 1.
 *
 *     state(A) = Σ weight × value as a fixed-point number over all of float8's range; NaN, ±Infinity and −0 are counted beside it
 *
 * The result is rounded once (exactness `float_aggregate`: Postgres's own answer depends on the order of adding). Finite values whose sum is none are an error, 22003.
 * So is the average of finite values where the sum of their squared deviations is none, because Postgres's float8_accum keeps that, too, and looks (12 and later):
 *
 *     avg(A) is 22003  ⇔  Σ w·v is beyond float8, or N·Σ w·v² − (Σ w·v)² > N·2^1024        (exact; Postgres rounds at each step, so within a few places of the end of the range it may differ)
 *
 * Only values from 2^480 on can bring that about (fewer than 2^60 of smaller ones cannot), so only their squares are kept, in a second block; for a variance
 * (`deviations.ts`) those of all values are.
 * State: counts in the group's header; the number in a block of the pool: limbs of 32 bits, doubles that carry late, only as many as the values span (4 as a rule,
 * 68 at worst). O(1) a change.
 */
import { fail } from '../../../../values/failure.ts';
import type { ColumnLayout } from '../../../../values/layout.ts';
import type { RowSpace } from '../../../../values/space.ts';
import type { WordPool } from '../../../arrangement/ordered-pool.ts';
import { type Accumulator, type Additions, isNull, type Result, setNull } from './accumulator.ts';
import { DOUBLE, type FloatFormat, nearest } from './rounding.ts';

// The state in the header. Offsets in words.
const COUNT = 0;
const NEGATIVE_ZEROS = 2;
const NANS = 4;
const INFINITIES = 6;
const MINUS_INFINITIES = 8;
const BLOCK = 10;
/** Of the squares of large values, in units of the square of the last place. */
const SQUARES = 11;
const STATE_WORDS = 12;

/** A block: number of its first limb, number of limbs, limbs (doubles). Limb k is worth 2^(32k − 1074). */
const BLOCK_HEADER = 2;
/** A value touches three limbs; one more for carries. */
const LIMBS_MIN = 4;
const LIMB = 2 ** 32;
/** Above this a limb carries. Additions are below 2^47. */
const LIMB_MAX = 2 ** 50;
const WEIGHT_STEP_BITS = 15;
const WEIGHT_STEP = 1 << WEIGHT_STEP_BITS;
/** What the top limb is worth where all three limbs in use, and the result, are normal doubles. */
const QUICK_PLACE_MIN = -900;
const QUICK_PLACE_MAX = 900;
/** Biased exponent of 2^480. */
const LARGE_EXPONENT = 1023 + 480;
const FLOAT8_BITS = 1024;

/** What bit 0 of limb 0 is worth: the last place of the smallest subnormal. */
const LAST_PLACE = -1074;

export class FloatSum implements Accumulator {
  static readonly words = STATE_WORDS;
  readonly #argument: ColumnLayout;
  readonly #at: number;
  readonly #pool: WordPool;
  /** Biased exponent from which on squares are kept. */
  readonly #squaresFrom: number;

  /** `squares`: of all values, for variances, or of those alone that an average asks for. */
  constructor(argument: ColumnLayout, at: number, pool: WordPool, squares: 'all' | 'large' = 'large') {
    this.#argument = argument;
    this.#at = at;
    this.#pool = pool;
    this.#squaresFrom = squares === 'all' ? 0 : LARGE_EXPONENT;
  }

  add({ space, rows, weights, n, states, groups }: Additions): void {
    const argument = this.#argument;
    const squaresFrom = this.#squaresFrom;
    const { doubles } = states;
    const { words } = space;
    for (let i = 0; i < n; i++) {
      const row = rows[i]!;
      if (isNull(space, row, argument)) continue;
      const state = groups[i]! + this.#at;
      const weight = weights[i]!;
      const count = (doubles[(state + COUNT) >> 1]! += weight);
      const low = words[row + argument.offset]!;
      const high = words[row + argument.offset + 1]!;
      const exponent = (high >>> 20) & 0x7ff;
      if (exponent === 0x7ff) {
        const kind = low !== 0 || (high & 0xfffff) !== 0 ? NANS : high > 0 ? INFINITIES : MINUS_INFINITIES;
        doubles[(state + kind) >> 1]! += weight;
      } else if (low !== 0 || (high & 0x7fffffff) !== 0) {
        const fraction = exponent === 0 ? high & 0xfffff : (high & 0xfffff) | 0x100000;
        this.#addFinite(states, state + BLOCK, low, fraction, Math.max(exponent, 1) - 1, high < 0 ? -weight : weight);
        if (exponent >= squaresFrom) this.#addSquare(states, state + SQUARES, low, fraction, Math.max(exponent, 1) - 1, weight);
      } else if (high < 0) doubles[(state + NEGATIVE_ZEROS) >> 1]! += weight;
      if (count === 0) {
        this.#freeBlock(states, state + BLOCK);
        this.#freeBlock(states, state + SQUARES);
      }
    }
  }

  stateBytes(): number {
    return 0;
  }

  /** The exact sum ÷ divisor, rounded to the format; −0 only where all values are. */
  value(states: RowSpace, group: number, average: boolean, format: FloatFormat): number {
    const { doubles } = states;
    const state = group + this.#at;
    const plus = doubles[(state + INFINITIES) >> 1]!;
    const minus = doubles[(state + MINUS_INFINITIES) >> 1]!;
    if (doubles[(state + NANS) >> 1]! > 0 || (plus > 0 && minus > 0)) return NaN;
    if (plus > 0) return Infinity;
    if (minus > 0) return -Infinity;
    const count = doubles[(state + COUNT) >> 1]!;
    // avg starts from 0, sum from its first value: as in Postgres.
    if (!average && doubles[(state + NEGATIVE_ZEROS) >> 1] === count) return -0;
    const block = states.words[state + BLOCK]!;
    if (block === 0) return 0;
    if (!average && format === DOUBLE) {
      const quick = this.#quick(block);
      if (quick !== undefined) return quick;
    }
    const { numerator, exponent } = this.#exact(block);
    const sum = nearest(numerator, exponent, 1n, format);
    if (!Number.isFinite(sum)) return fail('22003', 'value out of range: overflow');
    if (!average) return sum;
    const squares = states.words[state + SQUARES]!;
    if (squares !== 0) {
      const ofSquares = this.#exact(squares);
      // Its last place is that of a square.
      if (deviates(ofSquares.numerator, ofSquares.exponent + LAST_PLACE, numerator, exponent, BigInt(count)))
        return fail('22003', 'value out of range: overflow');
    }
    return nearest(numerator, exponent, BigInt(count), format);
  }

  count(states: RowSpace, group: number): number {
    return states.doubles[(group + this.#at + COUNT) >> 1]!;
  }

  /** (N·Σ v² − (Σ v)²) ÷ divisor, rounded once; squares of all values are kept. */
  variance(states: RowSpace, group: number, divisor: bigint): number {
    const { doubles, words } = states;
    const state = group + this.#at;
    for (const kind of [NANS, INFINITIES, MINUS_INFINITIES]) if (doubles[(state + kind) >> 1]! > 0) return NaN;
    const [sums, squares] = [words[state + BLOCK]!, words[state + SQUARES]!];
    // All are zeros.
    if (sums === 0 || squares === 0) return 0;
    const sum = this.#exact(sums);
    const ofSquares = this.#exact(squares);
    const squaresAt = ofSquares.exponent + LAST_PLACE;
    const count = BigInt(doubles[(state + COUNT) >> 1]!);
    if (
      !Number.isFinite(nearest(sum.numerator, sum.exponent, 1n, DOUBLE)) ||
      deviates(ofSquares.numerator, squaresAt, sum.numerator, sum.exponent, count)
    )
      return fail('22003', 'value out of range: overflow');
    const place = Math.min(squaresAt, 2 * sum.exponent);
    const spread =
      ((count * ofSquares.numerator) << BigInt(squaresAt - place)) - ((sum.numerator * sum.numerator) << BigInt(2 * sum.exponent - place));
    return nearest(spread, place, divisor, DOUBLE);
  }

  /** The sum rounded once, without BigInt: undefined near the ends of the range, where scaling would round again. */
  #quick(block: number): number | undefined {
    const { words, doubles } = this.#pool;
    const limbs = (block + BLOCK_HEADER) >> 1;
    const count = words[block + 1]!;
    let negative = false;
    if (carried(doubles, limbs, count, 1) < 0) {
      negative = true;
      carried(doubles, limbs, count, -1);
    }
    let top = count;
    while (top >= 0 && digits[top] === 0) top--;
    if (top < 0) return 0;
    const place = (words[block]! + top) * 32 + LAST_PLACE;
    if (place < QUICK_PLACE_MIN || place > QUICK_PLACE_MAX) return undefined;
    // One addition of two exact doubles rounds once; what lies below them only says that they are not all.
    const first = digits[top]!;
    const second = top > 0 ? digits[top - 1]! : 0;
    const third = top > 1 ? digits[top - 2]! : 0;
    let rest = 0;
    for (let i = top - 3; i >= 0; i--) if (digits[i] !== 0) rest = 0.5;
    const size =
      first < 2 ** 21
        ? (first * LIMB + second) * LIMB + (third + rest)
        : (first * LIMB + (second + (third !== 0 || rest !== 0 ? 0.5 : 0))) * LIMB;
    const value = size * 2 ** (place - 64);
    return negative ? -value : value;
  }

  #exact(block: number): { numerator: bigint; exponent: number } {
    const { words, doubles } = this.#pool;
    let numerator = 0n;
    for (let i = words[block + 1]! - 1; i >= 0; i--) numerator = (numerator << 32n) + BigInt(doubles[((block + BLOCK_HEADER) >> 1) + i]!);
    return { numerator, exponent: words[block]! * 32 + LAST_PLACE };
  }

  /** weight × ((fraction × 2^32 + low) × 2^place)², in two parts of 53 bits. */
  #addSquare(states: RowSpace, state: number, low: number, fraction: number, place: number, weight: number): void {
    const value = (BigInt(fraction) << 32n) + BigInt(low >>> 0);
    const square = value * value;
    for (const [part, at] of [
      [square & PART_MASK, 2 * place],
      [square >> PART_BITS, 2 * place + Number(PART_BITS)],
    ] as const) {
      if (part !== 0n) this.#addFinite(states, state, Number(part & 0xffff_ffffn), Number(part >> 32n), at, weight);
    }
  }

  /** weight × (fraction × 2^32 + low) × 2^place, in units of the last place, to the number whose block is in word `state`. */
  #addFinite(states: RowSpace, state: number, low: number, fraction: number, place: number, weight: number): void {
    for (let rest = weight, at = place; rest !== 0; rest = Math.trunc(rest / WEIGHT_STEP), at += WEIGHT_STEP_BITS) {
      const times = rest % WEIGHT_STEP;
      if (times === 0) continue;
      const limb = at >> 5;
      const shift = at & 31;
      const block = this.#blockFor(states, state, limb);
      const { words, doubles } = this.#pool;
      const slot = ((block + BLOCK_HEADER) >> 1) + limb - words[block]!;
      if (shift === 0) {
        doubles[slot]! += (low >>> 0) * times;
        doubles[slot + 1]! += fraction * times;
      } else {
        doubles[slot]! += ((low << shift) >>> 0) * times;
        doubles[slot + 1]! += (low >>> (32 - shift)) * times + ((fraction << shift) >>> 0) * times;
        doubles[slot + 2]! += (fraction >>> (32 - shift)) * times;
      }
      for (let i = 0; i < 3; i++) {
        const filled = doubles[slot + i]!;
        if (filled >= LIMB_MAX || filled <= -LIMB_MAX) this.#carry(states, state, limb + i);
      }
    }
  }

  #carry(states: RowSpace, state: number, limb: number): void {
    for (let from = limb; ; from++) {
      const block = this.#blockFor(states, state, from);
      const { words, doubles } = this.#pool;
      const slot = ((block + BLOCK_HEADER) >> 1) + from - words[block]!;
      const filled = doubles[slot]!;
      if (filled < LIMB_MAX && filled > -LIMB_MAX) return;
      const units = Math.trunc(filled / LIMB);
      doubles[slot] = filled - units * LIMB;
      doubles[slot + 1]! += units;
    }
  }

  /** The state's block, made or widened so that it holds the limb and the ones a value may touch above it. */
  #blockFor(states: RowSpace, state: number, limb: number): number {
    const old = states.words[state]!;
    let first = limb;
    let end = limb + LIMBS_MIN;
    if (old !== 0) {
      const oldFirst = this.#pool.words[old]!;
      const oldEnd = oldFirst + this.#pool.words[old + 1]!;
      if (first >= oldFirst && end <= oldEnd) return old;
      first = Math.min(first, oldFirst);
      end = Math.max(end, oldEnd);
    }
    const block = this.#pool.allocate(BLOCK_HEADER + 2 * (end - first));
    const { words, doubles } = this.#pool;
    const limbs = (block + BLOCK_HEADER) >> 1;
    words[block] = first;
    words[block + 1] = end - first;
    doubles.fill(0, limbs, limbs + end - first);
    if (old !== 0) {
      const oldLimbs = (old + BLOCK_HEADER) >> 1;
      doubles.copyWithin(limbs + words[old]! - first, oldLimbs, oldLimbs + words[old + 1]!);
      this.#pool.free(old, BLOCK_HEADER + 2 * words[old + 1]!);
    }
    states.words[state] = block;
    return block;
  }

  #freeBlock(states: RowSpace, state: number): void {
    const block = states.words[state]!;
    if (block === 0) return;
    this.#pool.free(block, BLOCK_HEADER + 2 * this.#pool.words[block + 1]!);
    states.words[state] = 0;
  }
}

const PART_BITS = 53n;
const PART_MASK = (1n << PART_BITS) - 1n;

/** Is the sum of squared deviations, Σ v² − (Σ v)² / N, beyond float8? Squares and sum as numerator × 2^place. */
function deviates(squares: bigint, squaresAt: number, sum: bigint, sumAt: number, count: bigint): boolean {
  const place = Math.min(squaresAt, 2 * sumAt);
  const spread = ((count * squares) << BigInt(squaresAt - place)) - ((sum * sum) << BigInt(2 * sumAt - place));
  const limit = FLOAT8_BITS - place;
  return limit < 0 ? spread > 0n : spread > count << BigInt(limit);
}

/** Limbs of 32 bits, none negative, of sign × the number; returns what remains above them (< 0: the number is negative). */
function carried(doubles: Float64Array, limbs: number, count: number, sign: 1 | -1): number {
  let carry = 0;
  for (let i = 0; i < count; i++) {
    const filled = sign * doubles[limbs + i]! + carry;
    carry = Math.floor(filled / LIMB);
    digits[i] = filled - carry * LIMB;
  }
  digits[count] = carry;
  return carry;
}

/** The limbs that `carried` made: all there can be, and one above. */
const digits = new Float64Array(72);

export function sumOfFloat(accumulator: FloatSum, at: number, format: FloatFormat): Result {
  return (states, group, into, row, column) => {
    if (states.doubles[(group + at + COUNT) >> 1] === 0) setNull(into, row, column);
    else into.doubles[(row + column.offset) >> 1] = accumulator.value(states, group, false, format);
  };
}

/** avg is float8 for both. */
export function averageOfFloat(accumulator: FloatSum, at: number): Result {
  return (states, group, into, row, column) => {
    if (states.doubles[(group + at + COUNT) >> 1] === 0) setNull(into, row, column);
    else into.doubles[(row + column.offset) >> 1] = accumulator.value(states, group, true, DOUBLE);
  };
}
