/**
 * What the rest of the dataflow asks of expressions: whole loops over blocks of rows, generated once a view (`new Function`), never interpreted per row.
 * The engine hands in an `Evaluator` for what has no native implementation; nothing here knows PGlite.
 */
import type { RowLayout } from '../../values/layout.ts';
import type { ErrorSink, RowSink, RowSpace } from '../../values/space.ts';
import type { Expression } from '../../plan/expression.ts';

export interface BlockSpec {
  /** Column positions in expressions run over the first input's columns, then the second's. */
  readonly inputs: readonly [RowLayout] | readonly [RowLayout, RowLayout];
  /** A row survives if all are true, evaluated in order, short-circuit. */
  readonly where: readonly Expression[];
  readonly outputs: readonly Expression[];
  readonly output: RowLayout;
}

/**
 * Evaluates n input rows (or pairs of rows): row i is at word address rowsA[i] of `a` (and rowsB[i] of `b`). Survivors are appended to `out`, projected,
 * with weights[i]. A row whose evaluation fails is appended to `errors` with weights[i] instead, and the others go on. Without a second input pass a, rowsA again.
 * `out` must not share memory with `a` or `b`.
 */
export type BlockFunction = (
  a: RowSpace,
  rowsA: Int32Array,
  b: RowSpace,
  rowsB: Int32Array,
  weights: Int32Array,
  n: number,
  out: RowSink,
  errors: ErrorSink,
) => void;

/** The same, only deciding: pass[i] = 1 where the row survives `where`, else 0 (also where it failed: then it is in `errors` with weights[i]). */
export type PredicateFunction = (
  a: RowSpace,
  rowsA: Int32Array,
  b: RowSpace,
  rowsB: Int32Array,
  weights: Int32Array,
  n: number,
  pass: Uint8Array,
  errors: ErrorSink,
) => void;

/** hash32 of the given columns of the row at `row`: equal words (and heap bytes) give equal hashes. NULL hashes too. */
export type HashFunction = (space: RowSpace, row: number) => number;

/** Are the given columns (the i-th of A with the i-th of B, same storage) identical? NULL is identical to NULL here. */
export type SameFunction = (a: RowSpace, rowA: number, b: RowSpace, rowB: number) => boolean;

/** Copies a whole row (words and heap bytes) into a zeroed row of another space with the same layout. May replace the target's views. */
export type CopyFunction = (from: RowSpace, rowFrom: number, to: RowSpace, rowTo: number) => void;

/** < 0, 0, > 0 in the order of sort keys (NULLs, direction, collation included). */
export type CompareFunction = (a: RowSpace, rowA: number, b: RowSpace, rowB: number) => number;

/**
 * Reads one pgoutput TupleData (Int16 columns; each 'n' | 'u' | 't' Int32 length bytes) at `offset` of `bytes` into the zeroed row: the i-th picked wire
 * column goes to the i-th column of the layout. Returns the offset behind the tuple. Columns sent as 'u' (unchanged TOAST) are left zero, not NULL, and marked in `unchanged[i] = 1`.
 */
export type TupleDecoder = (bytes: Uint8Array, offset: number, into: RowSpace, row: number, unchanged: Uint8Array) => number;

export interface EvaluationFailure {
  readonly sqlstate: string;
  readonly message: string;
}

/** Postgres itself, in batches. Synchronous, with a deadline. */
export interface Evaluator {
  /**
   * The value of `sql` (over $1 … $n of `argumentTypes`) for every row of arguments, as text under the view's captured settings; a failed row gives an EvaluationFailure.
   * Throws MillraceError EVALUATION_TIMED_OUT when the deadline passes: the statement or view that asked fails, its neighbours are tried again.
   */
  evaluate(
    sql: string,
    argumentTypes: readonly string[],
    rows: readonly (readonly (string | null)[])[],
  ): (string | null | EvaluationFailure)[];
}
