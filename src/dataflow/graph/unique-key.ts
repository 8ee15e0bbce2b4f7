/**
 * Columns of a plan's result that tell its rows apart at any time: a GROUP BY's keys, as far as they are shown. A view with one is arranged by it (keyed), so that a group's row
 * is replaced in its place instead of taken out and put in anew, found by all of its columns twice.
 *
 *     uniqueKey(P) = K  ⇒  no two rows of P have identical columns K, and each row is there once
 *
 * Pure. Called by `dataflow.ts` when a view is made.
 */
import type { Expression } from '../../plan/expression.ts';
import type { Fused } from './fuse.ts';

/** Positions among the result's columns; undefined where none is known. */
export function uniqueKey(fused: Fused): readonly number[] | undefined {
  switch (fused.kind) {
    case 'stateful': {
      const { plan } = fused;
      // Groups are told apart by equality, which is coarser than identity. Without keys there is one row, which no column needs to find.
      if (plan.op !== 'aggregate' || plan.keys.length === 0) return undefined;
      return shownAt(fused.outputs, [...plan.keys.keys()]);
    }
    case 'map': {
      const key = uniqueKey(fused.input);
      return key === undefined ? undefined : shownAt(fused.outputs, key);
    }
    case 'let':
      return uniqueKey(fused.body);
    case 'scan':
    case 'ref':
    case 'values':
    case 'union':
    case 'join':
      return undefined;
  }
}

/** Where the columns of the key come out as they are; undefined when one does not. */
function shownAt(outputs: readonly Expression[], key: readonly number[]): readonly number[] | undefined {
  const places = key.map((position) => outputs.findIndex((output) => output.kind === 'column' && output.index === position));
  return places.includes(-1) ? undefined : places;
}
