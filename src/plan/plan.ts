/**
 * The relational plan: what a view computes, as a tree of operators over collections (multisets of rows).
 * Plain data: crosses threads, is kept in the catalog as JSON, can be printed. `sql/plan` makes it; `dataflow/graph` runs it.
 * Every node states its output columns; expressions refer to input columns by position.
 */
import type { Collation, Column, PgType } from '../values/type.ts';
import type { Constant, Expression } from './expression.ts';

/** Raised when the form of plans or expressions changes: plans that are kept are then made again from the views' SQL. */
export const PLAN_VERSION = 2;

export type Plan = Scan | Values | Filter | MapRows | Join | UnionAll | Distinct | Aggregate | TopK;

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
  readonly fn: 'count' | 'sum' | 'avg' | 'min' | 'max' | 'bool_and' | 'bool_or';
  /** pg_proc OID of the very aggregate (int4 sum, numeric sum …). */
  readonly proc: number;
  /** Absent for count(*). */
  readonly arg?: Expression;
  readonly distinct: boolean;
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
