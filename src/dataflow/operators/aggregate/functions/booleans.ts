/**
 * bool_and and bool_or.  state(A) = (Σ weight of the true ones, Σ weight of the false ones). O(1) a change.
 */
import type { ColumnLayout } from '../../../../values/layout.ts';
import { type Accumulator, type Additions, isNull, type Result, setNull } from './accumulator.ts';

const TRUE = 0;
const FALSE = 2;

export class Booleans implements Accumulator {
  static readonly words = 4;
  readonly #argument: ColumnLayout;
  readonly #at: number;

  constructor(argument: ColumnLayout, at: number) {
    this.#argument = argument;
    this.#at = at;
  }

  add({ space, rows, weights, n, states, groups }: Additions): void {
    const argument = this.#argument;
    for (let i = 0; i < n; i++) {
      const row = rows[i]!;
      if (isNull(space, row, argument)) continue;
      const side = space.words[row + argument.offset] === 0 ? FALSE : TRUE;
      states.doubles[(groups[i]! + this.#at + side) >> 1]! += weights[i]!;
    }
  }

  stateBytes(): number {
    return 0;
  }
}

export function allOrAny(which: 'bool_and' | 'bool_or', at: number): Result {
  return (states, group, into, row, column) => {
    const trues = states.doubles[(group + at + TRUE) >> 1]!;
    const falses = states.doubles[(group + at + FALSE) >> 1]!;
    if (trues === 0 && falses === 0) setNull(into, row, column);
    else into.words[row + column.offset] = (which === 'bool_and' ? falses === 0 : trues > 0) ? 1 : 0;
  };
}
