/**
 * sum and avg of numeric, and Σ v² for variances.  state(A) = for each display scale present: (Σ weight, Σ weight × coefficient), exactly; NaN and ±Infinity are counted as scales of their own.
 *
 *     sum = Σ over scales of (sum of coefficients) × 10^−scale, shown at the largest scale present; avg = that ÷ count, at Postgres's division scale
 *
 * A histogram of scales, because the sum must show fewer digits again when the last value with many goes.
 * State: the first scale lies in the group's header, others in a chain of records of the same form. Coefficients beyond 2^70 add up in BigInts aside. O(scales present) a change.
 */
import { must } from '../../../../base/assert.ts';
import { normalInt, type Int } from '../../../../values/int64.ts';
import type { ColumnLayout } from '../../../../values/layout.ts';
import { divideNumeric, multiplyNumeric } from '../../../../values/numeric-arithmetic.ts';
import {
  Numeric,
  NUMERIC_INFINITY,
  NUMERIC_MINUS_INFINITY,
  NUMERIC_NAN,
  readNumeric,
  shiftUp,
  writeNumeric,
} from '../../../../values/numeric.ts';
import type { RowSpace } from '../../../../values/space.ts';
import type { WordPool } from '../../../arrangement/ordered-pool.ts';
import { type Accumulator, type Additions, isNull, type Result, setNull } from './accumulator.ts';
import { addWide, readWide } from './wide.ts';

// A record: scale, next record, count (double), wide sum. Offsets in words.
const NEXT = 1;
const COUNT = 2;
const SUM = 4;
const RECORD_WORDS = 8;

/** In place of a scale. */
const NAN = -1;
const INFINITY = -2;
const MINUS_INFINITY = -3;
/** Added to the scale of a record whose sum is a BigInt in #huge, under the number that lies where the sum would. */
const HUGE = 1 << 20;
/** 2^31 rows of this size stay below what a wide sum holds. */
const WIDE_MAX = 1n << 70n;

interface Memory {
  words: Int32Array;
  doubles: Float64Array;
}

export class NumericSum implements Accumulator {
  static readonly words = RECORD_WORDS;
  readonly #argument: ColumnLayout;
  readonly #at: number;
  readonly #pool: WordPool;
  readonly #huge = new Map<number, bigint>();
  #nextHuge = 1;
  readonly #squares: boolean;

  /** `of`: what is added up, the values or their squares. */
  constructor(argument: ColumnLayout, at: number, pool: WordPool, of: 'values' | 'squares' = 'values') {
    this.#squares = of === 'squares';
    this.#argument = argument;
    this.#at = at;
    this.#pool = pool;
  }

  add({ space, rows, weights, n, states, groups }: Additions): void {
    const argument = this.#argument;
    const { words, doubles } = states;
    const squares = this.#squares;
    for (let i = 0; i < n; i++) {
      const row = rows[i]!;
      if (isNull(space, row, argument)) continue;
      const state = groups[i]! + this.#at;
      if (squares) {
        const value = readNumeric(space.words, space.heap, row + argument.offset);
        this.#add(states, state, multiplyNumeric(value, value), weights[i]!);
        continue;
      }
      const slot = row + argument.offset;
      const packed = space.words[slot + 1]!;
      const scale = (packed >>> 1) & 511;
      if ((packed & 1) === 0 && words[state] === scale && doubles[(state + COUNT) >> 1]! > 0) {
        const coefficient = (packed >> 10) * 4294967296 + (space.words[slot]! >>> 0);
        doubles[(state + COUNT) >> 1]! += weights[i]!;
        addWide(doubles, (state + SUM) >> 1, coefficient, weights[i]!);
      } else this.#add(states, state, readNumeric(space.words, space.heap, slot), weights[i]!);
    }
  }

  stateBytes(): number {
    let bytes = 0;
    for (const sum of this.#huge.values()) bytes += 64 + (sum.toString(16).length >> 1);
    return bytes;
  }

  /** The sum at Postgres's display scale, and how many values it is of. */
  total(states: RowSpace, group: number): { sum: Numeric; count: number } {
    let count = 0;
    let scale = 0;
    let sum: Int = 0;
    let specials = 0;
    let memory: Memory = states;
    let record = group + this.#at;
    do {
      const copies = memory.doubles[(record + COUNT) >> 1]!;
      if (copies !== 0) {
        count += copies;
        const kind = memory.words[record]!;
        if (kind < 0) specials |= 1 << -kind;
        else {
          const here = kind % HUGE;
          const part = kind < HUGE ? readWide(memory.doubles, (record + SUM) >> 1) : normalInt(this.#hugeOf(memory, record));
          sum = plus(here < scale ? shiftUp(part, scale - here) : part, here > scale ? shiftUp(sum, here - scale) : sum);
          scale = Math.max(scale, here);
        }
      }
      record = memory.words[record + NEXT]!;
      memory = this.#pool;
    } while (record !== 0);
    if (specials === 0) return { sum: new Numeric(sum, scale), count };
    if (specials === 1 << -INFINITY) return { sum: NUMERIC_INFINITY, count };
    return { sum: specials === 1 << -MINUS_INFINITY ? NUMERIC_MINUS_INFINITY : NUMERIC_NAN, count };
  }

  #add(states: RowSpace, state: number, value: Numeric, weight: number): void {
    let kind = value.scale;
    if (value.special !== '') kind = value.special === 'NaN' ? NAN : value.special === 'Infinity' ? INFINITY : MINUS_INFINITY;
    else if (typeof value.coefficient === 'bigint' && (value.coefficient > WIDE_MAX || value.coefficient < -WIDE_MAX)) kind += HUGE;
    const chained = this.#recordOf(states, state, kind);
    const memory: Memory = chained === 0 ? states : this.#pool;
    const record = chained || state;
    memory.doubles[(record + COUNT) >> 1]! += weight;
    if (kind >= HUGE) {
      const id = memory.doubles[(record + SUM) >> 1]!;
      this.#huge.set(id, this.#hugeOf(memory, record) + BigInt(value.coefficient) * BigInt(weight));
    } else if (kind >= 0) addWide(memory.doubles, (record + SUM) >> 1, value.coefficient, weight);
    if (memory.doubles[(record + COUNT) >> 1] === 0) {
      this.#forget(memory, record);
      if (chained !== 0) this.#unlink(states, state, chained);
    }
  }

  /** The record of a kind in the pool, or 0: the one in the header. Made where there is none. */
  #recordOf(states: RowSpace, state: number, kind: number): number {
    const used = states.doubles[(state + COUNT) >> 1] !== 0;
    if (used && states.words[state] === kind) return 0;
    for (let record = states.words[state + NEXT]!; record !== 0; record = this.#pool.words[record + NEXT]!) {
      if (this.#pool.words[record] === kind) return record;
    }
    if (!used) {
      this.#clear(states, state, kind);
      return 0;
    }
    const record = this.#pool.allocate(RECORD_WORDS);
    this.#clear(this.#pool, record, kind);
    this.#pool.words[record + NEXT] = states.words[state + NEXT]!;
    states.words[state + NEXT] = record;
    return record;
  }

  #clear(memory: Memory, record: number, kind: number): void {
    memory.words[record] = kind;
    memory.doubles[(record + COUNT) >> 1] = 0;
    memory.doubles[(record + SUM) >> 1] = 0;
    memory.doubles[(record + SUM + 2) >> 1] = 0;
    if (kind < HUGE) return;
    memory.doubles[(record + SUM) >> 1] = this.#nextHuge;
    this.#huge.set(this.#nextHuge++, 0n);
  }

  #hugeOf(memory: Memory, record: number): bigint {
    return must(this.#huge.get(memory.doubles[(record + SUM) >> 1]!), 'the sum of huge numerics');
  }

  #forget(memory: Memory, record: number): void {
    if (memory.words[record]! >= HUGE) this.#huge.delete(memory.doubles[(record + SUM) >> 1]!);
  }

  #unlink(states: RowSpace, state: number, record: number): void {
    const next = this.#pool.words[record + NEXT]!;
    if (states.words[state + NEXT] === record) states.words[state + NEXT] = next;
    else {
      let before = states.words[state + NEXT]!;
      while (this.#pool.words[before + NEXT] !== record) before = this.#pool.words[before + NEXT]!;
      this.#pool.words[before + NEXT] = next;
    }
    this.#pool.free(record, RECORD_WORDS);
  }
}

function plus(a: Int, b: Int): Int {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return normalInt(BigInt(a) + BigInt(b));
}

export function sumOfNumeric(accumulator: NumericSum): Result {
  return (states, group, into, row, column) => {
    const { sum, count } = accumulator.total(states, group);
    if (count === 0) setNull(into, row, column);
    else writeNumeric(sum, into, row + column.offset);
  };
}

export function averageOfNumeric(accumulator: NumericSum): Result {
  return (states, group, into, row, column) => {
    const { sum, count } = accumulator.total(states, group);
    if (count === 0) setNull(into, row, column);
    else writeNumeric(divideNumeric(sum, new Numeric(count, 0)), into, row + column.offset);
  };
}
