/**
 * The debug guard in front of operators with state (tests, soak): every delta is consolidated, and no multiplicity falls below zero.
 * It keeps a copy of all rows that passed, so it is never on in production.
 */
import { assert } from '../../base/assert.ts';
import type { RowLayout } from '../../values/layout.ts';
import { Arrangement } from '../arrangement/arrangement.ts';
import type { DeltaBlock } from '../arrangement/delta-block.ts';
import { compileSame } from '../expression/rows.ts';

/** Beyond this many rows a block's entries are no longer compared pair by pair. */
const COMPARED_ROWS_MAX = 500;

export class Validator {
  readonly #name: string;
  readonly #rows: Arrangement;
  readonly #same: ReturnType<typeof compileSame>;

  constructor(name: string, layout: RowLayout) {
    this.#name = name;
    this.#rows = Arrangement.counted(layout);
    this.#same = compileSame(
      layout,
      layout.columns.map((_, index) => index),
    );
  }

  check(delta: DeltaBlock): void {
    for (let i = 0; i < delta.length; i++) {
      assert(delta.weights[i] !== 0, `${this.#name}: a weight of 0`);
      for (let k = 0; k < Math.min(i, COMPARED_ROWS_MAX); k++) {
        assert(!this.#same(delta, delta.rowAddress(i), delta, delta.rowAddress(k)), `${this.#name}: two entries for one row`);
      }
    }
    this.#rows.apply(delta);
  }
}
