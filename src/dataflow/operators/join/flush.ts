/**
 * A join's output on its way to the view before the step that makes it has ended, so that a piece of long work holds no more of it than this, however many rows one row meets.
 *
 *     f(S, δ1 + δ2) = f(S, δ1) then f(S + δ1, δ2)        where every prefix of the delta is a collection: all weights are positive
 *
 * Of rows that are shown by how they stand, what changes goes with the pairs that change it. Live pushes go whole: who reads the view reads their delta when all is there. Held by `join.ts`, made by `view-graph.ts`.
 */
import type { DeltaBlock } from '../../arrangement/delta-block.ts';

export interface Flush {
  /** Of the output: beyond them it goes. */
  readonly bytesMax: number;
  /** Hands on what the join's output block holds, and empties it. */
  now(): void;
}

/** Some ten thousand rows: enough for staged loops, little enough to be asked in between whether to go on. */
export const FLUSH_BYTES = 2 << 20;

/** A part of it is a collection, as all of it is. */
export function allPositive({ length, weights }: DeltaBlock): boolean {
  for (let i = 0; i < length; i++) if (weights[i]! < 0) return false;
  return true;
}
