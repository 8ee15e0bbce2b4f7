/**
 * One side of a join: where its rows are arranged by the join's keys, and whether that arrangement is the join's own or a table's that views share.
 * Called by `join.ts`, `left-join.ts` and `graph/build.ts`.
 */
import type { RowLayout } from '../../../values/layout.ts';
import type { Arrangement } from '../../arrangement/arrangement.ts';
import type { DeltaBlock } from '../../arrangement/delta-block.ts';
import type { RowIndex } from '../../arrangement/row-index.ts';
import { DataflowFault } from '../../fault.ts';
import type { Plan } from '../../../plan/plan.ts';
import type { PredicateFunction } from '../../expression/contract.ts';
import type { UnreadChanges } from './unread.ts';
import { rowAddresses } from '../row-addresses.ts';

export interface JoinSide {
  readonly arrangement: Arrangement;
  readonly index: RowIndex;
  readonly layout: RowLayout;
  /** The table's: whoever steps the table applies its deltas. Else the join does. */
  readonly shared: boolean;
  /** Shared sides: which rows belong to this join at all. Cannot fail. */
  readonly filter: PredicateFunction | null;
  /** As written, for its name. */
  readonly plan: Plan | undefined;
  /** Shared sides of which this join does not read all: changes of the rest. */
  readonly unread: UnreadChanges | null;
  /** Of a shared arrangement, rows with ids below have been brought to this join; the others count as not there. Infinity once it is hydrated. */
  limit: number;
}

/**
 * Which rows of a side's delta belong to the join; null = all. A condition is here because it was held to be unable to fail (`fuse.ts`). When it fails all the same there is
 * nobody to tell of the row, and without it the view would be wrong without a word: so the view stops.
 */
export class SideFilter {
  #pass = new Uint8Array(64);

  rows(side: JoinSide, delta: DeltaBlock): Uint8Array | null {
    if (side.filter === null) return null;
    const n = delta.length;
    if (n > this.#pass.length) this.#pass = new Uint8Array(2 * n);
    const rows = rowAddresses(delta.stride, n);
    side.filter(delta, rows, delta, rows, delta.weights, n, this.#pass, {
      add(sqlstate, message) {
        throw new DataflowFault(
          'WRONG_VERDICT',
          `an expression that was held to be unable to fail has failed (${sqlstate} ${message})`,
          side.plan,
        );
      },
    });
    return this.#pass;
  }
}
