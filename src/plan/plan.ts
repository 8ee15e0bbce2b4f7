/**
 * The relational plan: what a view computes, as a tree of operators over collections (multisets of rows).
 * Plain data: crosses threads, is kept in the catalog as JSON, can be printed. `sql/plan` makes it; `dataflow/graph` runs it.
 * Every node states its output columns; expressions refer to input columns by position.
 */
import type { Collation, Column, PgType } from '../values/type.ts';
import type { AggregateName } from './aggregates.ts';
import type { Constant, Expression } from './expression.ts';

/** Raised when the form of plans or expressions changes, or what has been done to them: plans that are kept are then made again from the views' SQL. */
export const PLAN_VERSION = 2;

export type Plan = Scan | Values | Filter | MapRows | Join | UnionAll | Distinct | Aggregate | TopK | Let | Ref | Apply;

/** A replicated table, or another view's output, by catalog object id. Columns are picked by position in that object. */
export interface Scan {
  readonly op: 'scan';
  readonly object: string;
  readonly pick: readonly number[];
  readonly columns: readonly Column[];
}

export interface Values {
  readonly op: 'values';
  readonly rows: readonly (readonly Constant[])[];
  readonly columns: readonly Column[];
}

/** Keeps the rows for which every predicate is true. Predicates are evaluated in order; a later one only where the earlier ones hold. */
export interface Filter {
  readonly op: 'filter';
  readonly input: Plan;
  readonly predicates: readonly Expression[];
  readonly columns: readonly Column[];
}

export interface MapRows {
  readonly op: 'map';
  readonly input: Plan;
  readonly expressions: readonly Expression[];
  readonly columns: readonly Column[];
}

/**
 * `leftKeys[i] = rightKeys[i]` by equality of their (common) type, NULL matches nothing; no keys = cross join. `on` are further conditions, over the left columns, then the
 * right ones. Columns: left, then right (left and full joins pad rows that nothing matches with NULLs); of a semi (anti) join the left ones, a row if something (nothing)
 * matches it; of a mark join those, then a boolean: of the right rows with equal keys, ON of one is true: true; else ON of one is NULL: NULL; else false.
 */
export interface Join {
  readonly op: 'join';
  readonly kind: 'inner' | 'left' | 'full' | 'semi' | 'anti' | 'mark';
  readonly left: Plan;
  readonly right: Plan;
  readonly leftKeys: readonly Expression[];
  readonly rightKeys: readonly Expression[];
  readonly on: readonly Expression[];
  readonly columns: readonly Column[];
}

export interface UnionAll {
  readonly op: 'union';
  readonly inputs: readonly Plan[];
  readonly columns: readonly Column[];
}

export interface Distinct {
  readonly op: 'distinct';
  readonly input: Plan;
  readonly columns: readonly Column[];
}

/** Columns: keys, then aggregates. Without keys there is always exactly one row (also over no input). */
export interface Aggregate {
  readonly op: 'aggregate';
  readonly input: Plan;
  readonly keys: readonly Expression[];
  readonly aggregates: readonly AggregateCall[];
  readonly columns: readonly Column[];
}

export interface AggregateCall {
  readonly fn: AggregateName;
  /** pg_proc OID of the very aggregate (int4 sum, numeric sum …). */
  readonly proc: number;
  /** Absent for count(*). */
  readonly arg?: Expression;
  /** Further arguments, in front of them those in brackets before WITHIN GROUP. */
  readonly more?: readonly Expression[];
  readonly distinct: boolean;
  /** Of a sequence: ORDER BY, of one that is DISTINCT each argument. Ties are broken by the arguments ascending, NULLs last, text by bytes; then by their text. */
  readonly order?: readonly SortKey[];
  readonly filter?: Expression;
  readonly collation?: Collation;
  readonly type: PgType;
}

/**
 * Per partition (equality of the partition expressions), the rows offset … offset + limit in the order of `order`; ties are broken by all columns
 * ascending, NULLs last, text by bytes: deterministic, and audit prints the same tie-break upstream.
 */
export interface TopK {
  readonly op: 'topk';
  readonly input: Plan;
  readonly partition: readonly Expression[];
  readonly order: readonly SortKey[];
  readonly limit: number | null;
  readonly offset: number;
  readonly columns: readonly Column[];
}

export interface SortKey {
  readonly expression: Expression;
  readonly descending: boolean;
  readonly nullsFirst: boolean;
  readonly collation?: Collation;
}

/** `value` is computed once, for every Ref to it in `body` (of two lets of one id the inner one counts). */
export interface Let {
  readonly op: 'let';
  readonly id: number;
  /** For readers. */
  readonly name: string;
  readonly value: Plan;
  readonly body: Plan;
  readonly columns: readonly Column[];
}

/** The rows of the Let of that id around it, columns picked by position. */
export interface Ref {
  readonly op: 'ref';
  readonly id: number;
  readonly name: string;
  readonly pick: readonly number[];
  readonly columns: readonly Column[];
}

/**
 * A subquery in an expression, which only rewriting sees: `decorrelate` leaves none. For each row of `outer` the rows of `inner`, in which `outer` expressions count the
 * values of `correlated` (over the outer columns). `on` is over the outer columns, then the inner ones. A *semi* (*anti*) apply keeps the outer rows for which ON of an (no)
 * inner row is true; a *mark* adds that as a column (NULL: of none true, of one NULL); a *scalar* adds the inner's one column of its one row, NULL of none, an error of more.
 */
export interface Apply {
  readonly op: 'apply';
  readonly kind: 'semi' | 'anti' | 'mark' | 'scalar';
  readonly outer: Plan;
  readonly inner: Plan;
  readonly correlated: readonly Expression[];
  readonly on: readonly Expression[];
  readonly columns: readonly Column[];
}
