/**
 * bit_and, bit_or and bit_xor of int2, int4, int8.  state(A) = (Σ weight, and for each bit: Σ weight of the values that have it): bits count alone, so a value can be taken out.
 * bit k of the result: every value has it (and), one has it (or), an odd number of them (xor). O(width) a change.
 */
import type { ColumnLayout } from '../../../../values/layout.ts';
import { type Accumulator, type Additions, isNull, type Result, setNull } from './accumulator.ts';

const WIDTH = 32;
/** A double, then one for each bit. */
const BITS = 2;

export class Bits implements Accumulator {
  /** int8 is twice as wide. */
  static readonly narrow = { name: 'Bits', words: BITS + 2 * WIDTH } as const;
  static readonly wide = { name: 'Bits', words: BITS + 4 * WIDTH } as const;
  readonly #argument: ColumnLayout;
  readonly #at: number;

  constructor(argument: ColumnLayout, at: number) {
    this.#argument = argument;
    this.#at = at;
  }

  add({ space, rows, weights, n, states, groups }: Additions): void {
    const { doubles } = states;
    const { offset } = this.#argument;
    const isWide = this.#argument.storage === 'int64';
    for (let i = 0; i < n; i++) {
      const row = rows[i]!;
      if (isNull(space, row, this.#argument)) continue;
      const at = (groups[i]! + this.#at) >> 1;
      const weight = weights[i]!;
      doubles[at]! += weight;
      addBits(doubles, at + 1, space.words[row + offset]!, weight);
      if (isWide) addBits(doubles, at + 1 + WIDTH, space.words[row + offset + 1]!, weight);
    }
  }

  stateBytes(): number {
    return 0;
  }
}

function addBits(doubles: Float64Array, at: number, word: number, weight: number): void {
  // Its ones, from the lowest.
  for (let rest = word; rest !== 0; rest &= rest - 1) doubles[at + 31 - Math.clz32(rest & -rest)]! += weight;
}

export function bitsOf(which: 'bit_and' | 'bit_or' | 'bit_xor', at: number): Result {
  return ({ doubles }, group, into, row, column) => {
    const first = (group + at) >> 1;
    const count = doubles[first]!;
    if (count === 0) return setNull(into, row, column);
    const hasBit = (ones: number): boolean => (which === 'bit_and' ? ones === count : which === 'bit_or' ? ones > 0 : ones % 2 === 1);
    const words = column.storage === 'int64' ? 2 : 1;
    for (let word = 0; word < words; word++) {
      let bits = 0;
      for (let bit = 0; bit < WIDTH; bit++) if (hasBit(doubles[first + 1 + word * WIDTH + bit]!)) bits |= 1 << bit;
      // The sign of an int2 is the highest bit here, too: values are kept sign-extended.
      into.words[row + column.offset + word] = bits;
    }
  };
}
