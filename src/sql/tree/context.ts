/**
 * What planning asks of the world around it: types and built-in functions (of one generation of the mirror), relations by mirror OID, and Postgres itself
 * for constants and for what only it can print. `catalog-context.ts` answers from the catalog worker; tests answer from a PGlite of their own.
 */
import type { FunctionFacts } from '../../plan/facts/function.ts';
import type { Collation, Column, PgType } from '../../values/type.ts';

export interface PlanContext {
  typeOf(oid: number, typmod?: number, collationOid?: number): PgType;
  collation(oid: number): Collation | undefined;
  /** A type as the session writes it: without the schema where its search_path finds it. */
  shownName(type: PgType): string;
  /** Functions that come with Postgres; undefined: a user's or an extension's. */
  functionOf(oid: number): FunctionFacts | undefined;
  operatorOf(oid: number): OperatorFacts | undefined;
  /** Between these very types. */
  operatorNamed(name: string, left: number, right: number): OperatorFacts | undefined;
  /** The implicit cast between two built-in types. */
  implicitCast(from: number, to: number): ImplicitCast | undefined;
  /** A relation of the mirror by its OID; undefined: none of Millrace's (a system catalog). */
  relation(oid: number): RelationFacts | undefined | Promise<RelationFacts | undefined>;
  /**
   * Values of expressions without column references, as text: given as node trees, whose PARAMs stand for `parameters`. undefined: Postgres refuses to evaluate it (1/0).
   * All in one round trip, or two.
   */
  evaluate(trees: readonly string[], parameters: readonly (string | null)[]): Promise<readonly (string | null | undefined)[]>;
  /** Node trees whose only leaves are constants and PARAMs, as SQL over $1 … $n. */
  deparse(trees: readonly string[]): Promise<readonly string[]>;
}

export interface OperatorFacts {
  readonly name: string;
  readonly proc: number;
  readonly left: number;
  readonly right: number;
}

export type ImplicitCast = { readonly method: 'relabel' } | { readonly method: 'function'; readonly proc: number };

/** Columns by mirror attnum − 1. */
export type RelationFacts =
  | {
      readonly kind: 'table' | 'materializedView';
      readonly objectId: string;
      readonly name: string;
      readonly columns: readonly Column[];
    }
  /** Has no rows of its own: planned in place. `tree`: its ev_action. */
  | {
      readonly kind: 'view';
      readonly objectId: string;
      readonly name: string;
      readonly columns: readonly Column[];
      readonly tree: string;
    };
