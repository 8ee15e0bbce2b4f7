/**
 * sum and avg of interval.  state(A) = (Σ weight, Σ months, Σ days, Σ µs) of the finite ones, exactly; infinite ones are counted (Postgres 17).
 * Fields beyond their range, or both infinities, are an error (22008) until they recover. O(1) a change.
 */
import { divideInterval } from '../../../../values/datetime-arithmetic.ts';
import { fail } from '../../../../values/failure.ts';
import { INT64_MAX, INT64_MIN, readInt64, type Int } from '../../../../values/int64.ts';
import {
  INTERVAL_INFINITY,
  INTERVAL_MINUS_INFINITY,
  isInfiniteInterval,
  readInterval,
  writeInterval,
  type Interval,
} from '../../../../values/interval.ts';
import type { ColumnLayout } from '../../../../values/layout.ts';
import type { RowSpace } from '../../../../values/space.ts';
import { type Accumulator, type Additions, isNull, type Result, setNull } from './accumulator.ts';
import { addWide, readWide, WIDE_WORDS } from './wide.ts';

// Offsets in words; all are doubles.
const COUNT = 0;
const MICROS = 2;
const DAYS = MICROS + WIDE_WORDS;
const MONTHS = DAYS + 2;
const INFINITIES = MONTHS + 2;
const MINUS_INFINITIES = INFINITIES + 2;

export class IntervalSum implements Accumulator {
  static readonly words = MINUS_INFINITIES + 2;
  readonly #argument: ColumnLayout;
  readonly #at: number;

  constructor(argument: ColumnLayout, at: number) {
    this.#argument = argument;
    this.#at = at;
  }

  add({ space, rows, weights, n, states, groups }: Additions): void {
    const argument = this.#argument;
    const { words } = space;
    const { doubles } = states;
    for (let i = 0; i < n; i++) {
      const row = rows[i]!;
      if (isNull(space, row, argument)) continue;
      const state = groups[i]! + this.#at;
      const slot = row + argument.offset;
      const weight = weights[i]!;
      const months = words[slot + 3]!;
      if ((months === 0x7fffffff || months === -0x80000000) && isInfiniteInterval(readInterval(words, slot))) {
        doubles[(state + (months > 0 ? INFINITIES : MINUS_INFINITIES)) >> 1]! += weight;
        continue;
      }
      doubles[(state + COUNT) >> 1]! += weight;
      addWide(doubles, (state + MICROS) >> 1, readInt64(words, slot), weight);
      doubles[(state + DAYS) >> 1]! += words[slot + 2]! * weight;
      doubles[(state + MONTHS) >> 1]! += months * weight;
    }
  }

  stateBytes(): number {
    return 0;
  }
}

/** undefined: of no rows. */
function total(states: RowSpace, state: number): { sum: Interval; count: number } | undefined {
  const { doubles } = states;
  const plus = doubles[(state + INFINITIES) >> 1]! > 0;
  const minus = doubles[(state + MINUS_INFINITIES) >> 1]! > 0;
  if (plus && minus) return outOfRange();
  if (plus) return { sum: INTERVAL_INFINITY, count: 1 };
  if (minus) return { sum: INTERVAL_MINUS_INFINITY, count: 1 };
  const count = doubles[(state + COUNT) >> 1]!;
  if (count === 0) return undefined;
  const micros: Int = readWide(doubles, (state + MICROS) >> 1);
  const days = doubles[(state + DAYS) >> 1]!;
  const months = doubles[(state + MONTHS) >> 1]!;
  if (micros > INT64_MAX || micros < INT64_MIN) return outOfRange();
  const sum = { months: word(months), days: word(days), micros };
  return isInfiniteInterval(sum) ? outOfRange() : { sum, count };
}

export function sumOfInterval(at: number): Result {
  return (states, group, into, row, column) => {
    const found = total(states, group + at);
    if (found === undefined) setNull(into, row, column);
    else writeInterval(found.sum, into.words, row + column.offset);
  };
}

export function averageOfInterval(at: number): Result {
  return (states, group, into, row, column) => {
    const found = total(states, group + at);
    if (found === undefined) setNull(into, row, column);
    else writeInterval(divideInterval(found.sum, found.count), into.words, row + column.offset);
  };
}

function word(value: number): number {
  return value === (value | 0) ? value : outOfRange();
}

function outOfRange(): never {
  return fail('22008', 'interval out of range');
}
