/**
 * One side of a join: where its rows are arranged by the join's keys, where its deltas come from, and what the join knows of each row. Both sides are of equal rank.
 *
 * *Shared*: a table's or view's arrangement, whose owner applies its deltas before the join runs. *Own*: the join applies them, and nobody else reads it.
 * A side that *counts* shows its rows by how they stand towards the other side (`match-counts.ts`). Called by `join.ts` and `graph/build-join.ts`.
 */
import type { ErrorSink } from '../../../values/space.ts';
import type { Arrangement } from '../../arrangement/arrangement.ts';
import type { DeltaBlock } from '../../arrangement/delta-block.ts';
import type { RowIndex } from '../../arrangement/row-index.ts';
import { DataflowFault } from '../../fault.ts';
import type { Plan } from '../../../plan/plan.ts';
import type { PredicateFunction } from '../../expression/contract.ts';
import { rowAddresses } from '../row-addresses.ts';
import type { MatchCounts } from './match-counts.ts';
import type { UnreadChanges } from './unread.ts';

/** Where the delta under way is. */
export interface Inlet {
  /** Consolidated; null where there is none. */
  take(): DeltaBlock | null;
}

/** Which row each of a delta's rows met in the arrangement that took it, and its weight before. */
export interface Met {
  readonly ids: Int32Array<ArrayBuffer>;
  readonly before: Int32Array<ArrayBuffer>;
}

/** The inlet of a shared side. */
export interface SharedInlet extends Inlet {
  /** Rows with ids below have been brought to this join; the others count as not there. Infinity once it is hydrated. */
  readonly limit: number;
  /** Of the delta under way, once it is applied. */
  readonly met: Met;
}

export interface JoinSide {
  readonly arrangement: Arrangement;
  readonly index: RowIndex;
  readonly inlet: Inlet;
  /** The same, of a shared side; null: the join's own. */
  readonly shared: SharedInlet | null;
  /** Shared sides: which rows belong to this join at all. */
  readonly filter: SideFilter | null;
  /** Shared sides of which this join does not read all: changes of the rest. Not where it counts: it knows its rows by their ids. */
  readonly unread: UnreadChanges | null;
  readonly counts: MatchCounts | null;
}

/**
 * Which rows of a delta belong to the join. A condition is here because it was held to be unable to fail (`fuse.ts`). When it fails all the same there is
 * nobody to tell of the row, and without it the view would be wrong without a word: so the view stops.
 */
export class SideFilter {
  readonly #asks: PredicateFunction;
  readonly #errors: ErrorSink;
  #pass = new Uint8Array(64);

  /** `side`: as written, for its name. */
  constructor(asks: PredicateFunction, side: Plan) {
    this.#asks = asks;
    this.#errors = {
      add(sqlstate, message) {
        throw new DataflowFault(
          'WRONG_VERDICT',
          `an expression that was held to be unable to fail has failed (${sqlstate} ${message})`,
          side,
        );
      },
    };
  }

  rows(delta: DeltaBlock): Uint8Array {
    const n = delta.length;
    if (n > this.#pass.length) this.#pass = new Uint8Array(2 * n);
    const rows = rowAddresses(delta.stride, n);
    this.#asks(delta, rows, delta, rows, delta.weights, n, this.#pass, this.#errors);
    return this.#pass;
  }
}
