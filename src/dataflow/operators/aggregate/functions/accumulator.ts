/**
 * What an aggregate keeps of the rows of a group, so that rows can be taken out again.
 * State: some words in the header of the group's row (all zero = over no rows); what does not fit there lies in the operator's `WordPool`.
 * Law of each: state(A + δ) = state(A) + state(δ), whatever the order; so a row added and taken out again leaves no trace, and a group without rows holds nothing.
 * Called by `aggregate.ts`, a block of rows at a time.
 */
import type { ColumnLayout } from '../../../../values/layout.ts';
import type { RowSpace } from '../../../../values/space.ts';

/** n rows, each of a group. Reused from block to block: not kept past the call. */
export interface Additions {
  /** Row i is at word address rows[i] of `space` and counts weights[i] times (negative: is taken out). */
  space: RowSpace;
  rows: Int32Array;
  weights: Int32Array;
  n: number;
  /** Its group's header is at word address groups[i] of `states`, and the group's id is ids[i]. */
  states: RowSpace;
  groups: Int32Array;
  ids: Int32Array;
}

export interface Accumulator {
  /** Reads ahead what `add`, and showing these n groups, will come to: loads that overlap cost a tenth of loads one after another. */
  touch?(states: RowSpace, groups: Int32Array, n: number): void;
  /** Rows whose argument is NULL count for nothing. */
  add(additions: Additions): void;
  /** Bytes outside of headers and of the common pool. */
  stateBytes(): number;
}

/** Writes the aggregate's value over the group at header `group` into the slot of `column` of a row. Throws ValueFailure where Postgres would raise an error. */
export type Result = (states: RowSpace, group: number, into: RowSpace, row: number, column: ColumnLayout) => void;

export function isNull(space: RowSpace, row: number, column: ColumnLayout): boolean {
  return (space.words[row + column.nullWord]! & column.nullBit) !== 0;
}

export function setNull(space: RowSpace, row: number, column: ColumnLayout): void {
  space.words[row + column.nullWord]! |= column.nullBit;
}
