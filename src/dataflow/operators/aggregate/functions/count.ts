/**
 * count(x): rows whose x is not NULL.  state(A) = Σ weight.
 * count(*) reads the group's own row count instead. O(1) a change.
 */
import { writeInt64 } from '../../../../values/int64.ts';
import type { ColumnLayout } from '../../../../values/layout.ts';
import { type Accumulator, type Additions, isNull, type Result } from './accumulator.ts';

export class Count implements Accumulator {
  static readonly words = 2;
  readonly #argument: ColumnLayout;
  readonly #at: number;

  constructor(argument: ColumnLayout, at: number) {
    this.#argument = argument;
    this.#at = at;
  }

  add({ space, rows, weights, n, states, groups }: Additions): void {
    const argument = this.#argument;
    const { doubles } = states;
    for (let i = 0; i < n; i++) {
      if (!isNull(space, rows[i]!, argument)) doubles[(groups[i]! + this.#at) >> 1]! += weights[i]!;
    }
  }

  stateBytes(): number {
    return 0;
  }
}

/** The count kept at `at` of the header. */
export function countResult(at: number): Result {
  return (states, group, into, row, column) => writeInt64(into.words, row + column.offset, states.doubles[(group + at) >> 1]!);
}
