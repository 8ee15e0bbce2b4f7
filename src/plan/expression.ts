/**
 * Scalar expressions of the relational plan: Postgres's own analysed tree (functions, operators and casts by OID), made plain.
 * Plain data: crosses threads, is kept in the catalog as JSON. `sql/plan` makes it; `dataflow/expression` compiles it.
 */
import type { Collation, PgType } from '../values/type.ts';
import type { Exactness } from './facts/exactness.ts';

export type Expression =
  | ColumnRef
  | Constant
  | Call
  | { readonly kind: 'and' | 'or'; readonly args: readonly Expression[]; readonly type: PgType }
  | { readonly kind: 'not'; readonly arg: Expression; readonly type: PgType }
  | { readonly kind: 'isNull'; readonly arg: Expression; readonly negated: boolean; readonly type: PgType }
  /** IS [NOT] TRUE | FALSE | UNKNOWN. */
  | {
      readonly kind: 'booleanTest';
      readonly test: 'true' | 'notTrue' | 'false' | 'notFalse' | 'unknown' | 'notUnknown';
      readonly arg: Expression;
      readonly type: PgType;
    }
  /** The simple form `CASE x WHEN v` arrives already as searched: `when` is boolean. */
  | {
      readonly kind: 'case';
      readonly whens: readonly { readonly when: Expression; readonly then: Expression }[];
      readonly otherwise: Expression;
      readonly type: PgType;
    }
  | { readonly kind: 'coalesce'; readonly args: readonly Expression[]; readonly type: PgType }
  /** NULLIF(a, b): `equal` is the `=` function. */
  | {
      readonly kind: 'nullIf';
      readonly equal: number;
      readonly args: readonly [Expression, Expression];
      readonly collation?: Collation;
      readonly type: PgType;
    }
  /** a IS DISTINCT FROM b. */
  | {
      readonly kind: 'isDistinct';
      readonly equal: number;
      readonly args: readonly [Expression, Expression];
      readonly collation?: Collation;
      readonly type: PgType;
    }
  | {
      readonly kind: 'minMax';
      readonly which: 'greatest' | 'least';
      readonly args: readonly Expression[];
      readonly collation?: Collation;
      readonly type: PgType;
    }
  /** left op ANY|ALL (elements): Postgres's ScalarArrayOpExpr over a list of element expressions (IN lists). */
  | {
      readonly kind: 'anyAll';
      readonly quantifier: 'any' | 'all';
      readonly proc: number;
      readonly procName: string;
      readonly left: Expression;
      readonly elements: readonly Expression[];
      readonly collation?: Collation;
      readonly type: PgType;
    }
  /** A binary-compatible change of type: no work, another name (varchar → text). */
  | { readonly kind: 'relabel'; readonly arg: Expression; readonly type: PgType }
  /** A cast through the text form (CoerceViaIO). */
  | { readonly kind: 'ioCast'; readonly arg: Expression; readonly type: PgType }
  /** The canonical form of a value: identity of canonical values = equality of the values (1.00 → 1, -0 → 0). Same storage; what hash keys are made of. */
  | { readonly kind: 'canonical'; readonly arg: Expression; readonly type: PgType }
  /** Of the rows of the apply around, the value of that number of `correlated`. Rewriting leaves none. */
  | { readonly kind: 'outer'; readonly index: number; readonly type: PgType }
  /** Fails wherever it is evaluated. */
  | { readonly kind: 'raise'; readonly sqlstate: string; readonly message: string; readonly type: PgType }
  | Fallback;

export interface ColumnRef {
  readonly kind: 'column';
  /** Position in the input's columns; over a join: left columns, then right columns. */
  readonly index: number;
  readonly type: PgType;
}

export interface Constant {
  readonly kind: 'constant';
  /** Postgres's text form under the pinned session settings; null = NULL. */
  readonly text: string | null;
  readonly type: PgType;
}

/** A function, operator or cast-function call, by pg_proc OID. */
export interface Call {
  readonly kind: 'call';
  readonly proc: number;
  /** `pg_catalog.int4pl`: for messages, and for the fallback's SQL. */
  readonly procName: string;
  /** `+`, when written as an operator: how audit prints it. */
  readonly operator?: string;
  readonly args: readonly Expression[];
  /** Strict: NULL in, NULL out, not called. */
  readonly strict: boolean;
  readonly collation?: Collation;
  readonly type: PgType;
}

/** Anything else that Postgres can evaluate: SQL over $1 … $n, run by the evaluator (PGlite) in batches. */
export interface Fallback {
  readonly kind: 'fallback';
  /** e.g. `pg_catalog.to_char($1::timestamp, $2::text)`. */
  readonly sql: string;
  readonly args: readonly Expression[];
  readonly strict: boolean;
  readonly type: PgType;
  /** What its maker knows of it (a STABLE function: `settings`); exact when absent. */
  readonly exactness?: Exactness;
}
