/**
 * One side of a join: where its rows are arranged by the join's keys, where its deltas come from, and what the join knows of each row. Both sides are of equal rank.
 *
 * *Shared*: a table's or view's arrangement, whose owner applies its deltas before the join runs. *Own*: the join applies them, and nobody else reads it.
 * A side that *counts* shows its rows by how they stand towards the other side (`match-counts.ts`). Called by `join.ts` and `graph/build-join.ts`.
 */
import type { RowLayout } from '../../../values/layout.ts';
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

export interface JoinSideParts {
  readonly arrangement: Arrangement;
  readonly index: RowIndex;
  readonly inlet: Inlet;
  /** The same, of a shared side; null: the join's own. */
  readonly shared: SharedInlet | null;
  /** Shared sides: which rows belong to this join at all. Cannot fail. */
  readonly filter: PredicateFunction | null;
  /** As written, for its name. */
  readonly plan: Plan | undefined;
  /** Shared sides of which this join does not read all: changes of the rest. Not where it counts: it knows its rows by their ids. */
  readonly unread: UnreadChanges | null;
  readonly counts: MatchCounts | null;
}

export class JoinSide {
  readonly arrangement: Arrangement;
  readonly index: RowIndex;
  readonly counts: MatchCounts | null;
  readonly isShared: boolean;
  readonly unread: UnreadChanges | null;
  readonly #inlet: Inlet;
  readonly #shared: SharedInlet | null;
  readonly #filter: PredicateFunction | null;
  readonly #plan: Plan | undefined;
  #pass = new Uint8Array(64);

  constructor({ arrangement, index, inlet, shared, filter, plan, unread, counts }: JoinSideParts) {
    this.arrangement = arrangement;
    this.index = index;
    this.counts = counts;
    this.isShared = shared !== null;
    this.unread = unread;
    this.#inlet = inlet;
    this.#shared = shared;
    this.#filter = filter;
    this.#plan = plan;
  }

  get layout(): RowLayout {
    return this.arrangement.layout;
  }

  /** Rows with ids below are there for this join. */
  get limit(): number {
    return this.#shared === null ? Infinity : this.#shared.limit;
  }

  take(): DeltaBlock | null {
    return this.#inlet.take();
  }

  /**
   * Which rows of a delta belong to the join; null = all. A condition is here because it was held to be unable to fail (`fuse.ts`). When it fails all the same there is
   * nobody to tell of the row, and without it the view would be wrong without a word: so the view stops.
   */
  wanted(delta: DeltaBlock): Uint8Array | null {
    if (this.#filter === null) return null;
    const n = delta.length;
    if (n > this.#pass.length) this.#pass = new Uint8Array(2 * n);
    const rows = rowAddresses(delta.stride, n);
    const plan = this.#plan;
    this.#filter(delta, rows, delta, rows, delta.weights, n, this.#pass, {
      add(sqlstate, message) {
        throw new DataflowFault(
          'WRONG_VERDICT',
          `an expression that was held to be unable to fail has failed (${sqlstate} ${message})`,
          plan,
        );
      },
    });
    return this.#pass;
  }

  /** The delta under way has been applied: its rows have their ids. */
  settle(delta: DeltaBlock): void {
    this.counts?.settle(delta, this.#shared?.met ?? this.arrangement, this.arrangement.memory.idEnd);
  }

  stateBytes(): number {
    return (this.isShared ? 0 : this.arrangement.bytes()) + (this.counts?.stateBytes() ?? 0);
  }
}
