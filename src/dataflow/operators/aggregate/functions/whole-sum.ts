/**
 * sum and avg of int2, int4, int8.  state(A) = (Σ weight, Σ weight × value), exactly.
 * sum(int2, int4) is int8: out of its range it is an error (22003) until it recovers; sum(int8) and every avg are numeric. O(1) a change, no allocation.
 */
import { checkedInt64, readInt64, writeInt64 } from '../../../../values/int64.ts';
import type { ColumnLayout } from '../../../../values/layout.ts';
import { divideNumeric } from '../../../../values/numeric-arithmetic.ts';
import { Numeric, writeNumeric } from '../../../../values/numeric.ts';
import { type Accumulator, type Additions, isNull, type Result, setNull } from './accumulator.ts';
import { addWide, readWide, WIDE_WORDS } from './wide.ts';

/** Where in the state. */
const COUNT = 0;
const SUM = 2;

export class WholeSum implements Accumulator {
  static readonly words = 2 + WIDE_WORDS;
  readonly #argument: ColumnLayout;
  readonly #at: number;

  constructor(argument: ColumnLayout, at: number) {
    this.#argument = argument;
    this.#at = at;
  }

  add({ space, rows, weights, n, states, groups }: Additions): void {
    const argument = this.#argument;
    const { doubles } = states;
    const { words } = space;
    const long = argument.storage === 'int64';
    for (let i = 0; i < n; i++) {
      const row = rows[i]!;
      if (isNull(space, row, argument)) continue;
      const at = (groups[i]! + this.#at) >> 1;
      const weight = weights[i]!;
      doubles[at]! += weight;
      const slot = row + argument.offset;
      addWide(doubles, at + 1, long ? readInt64(words, slot) : words[slot]!, weight);
    }
  }

  stateBytes(): number {
    return 0;
  }
}

/** sum of int2 and int4. */
export function sumAsInt8(at: number): Result {
  return (states, group, into, row, column) => {
    if (states.doubles[(group + at + COUNT) >> 1] === 0) return setNull(into, row, column);
    const sum = readWide(states.doubles, (group + at + SUM) >> 1);
    writeInt64(into.words, row + column.offset, typeof sum === 'number' ? sum : checkedInt64(sum));
  };
}

/** sum of int8. */
export function sumAsNumeric(at: number): Result {
  return (states, group, into, row, column) => {
    if (states.doubles[(group + at + COUNT) >> 1] === 0) return setNull(into, row, column);
    writeNumeric(new Numeric(readWide(states.doubles, (group + at + SUM) >> 1), 0), into, row + column.offset);
  };
}

export function averageOfWhole(at: number): Result {
  return (states, group, into, row, column) => {
    const count = states.doubles[(group + at + COUNT) >> 1]!;
    if (count === 0) return setNull(into, row, column);
    const sum = new Numeric(readWide(states.doubles, (group + at + SUM) >> 1), 0);
    writeNumeric(divideNumeric(sum, new Numeric(count, 0)), into, row + column.offset);
  };
}
