/**
 * What a native implementation of a Postgres function is: a way to write its call as JavaScript over argument names. One table by pg_proc OID
 * (`natives/table.ts`); whatever is not in it goes to the fallback. Every native is held against PGlite by a property test.
 */
import type { Call, Expression } from '../../plan/expression.ts';
import type { Collation, PgType } from '../../values/type.ts';
import type { Generator, Operand } from './generator.ts';

/** The part of a Call that a native may depend on (also made of nullIf, isDistinct, anyAll). */
export interface CallSite {
  readonly args: readonly Expression[];
  readonly type: PgType;
  readonly collation?: Collation | undefined;
}

export interface Native {
  /** Postgres's name, for readers. */
  readonly name: string;
  /** A JavaScript expression; every argument is a name or literal, none NULL. A NULL result only where `nullable`. */
  code(generator: Generator, args: readonly string[], site: CallSite): string;
  /** The same over unread slots, where that saves reading: undefined when it cannot. */
  readonly slots?: (generator: Generator, operands: readonly Operand[], site: CallSite) => string | undefined;
  /** Not strict: called always, with operands that may be NULL; gives the value and the NULL flag. */
  readonly withNulls?: (generator: Generator, operands: readonly Operand[], site: CallSite) => { value: string; isNull: string };
  /** May throw a ValueFailure. */
  readonly fails: boolean;
  readonly nullable?: boolean;
  /** The code may give undefined: this row's call is then asked of Postgres. */
  readonly partial?: boolean;
  /** Can it do this very call? (a pattern that is constant, a zone that is UTC). */
  readonly covers?: (site: CallSite) => boolean;
  /** Depends on the session's time zone: native in UTC only. */
  readonly zoned?: boolean;
}

export type NativeTable = readonly (readonly [oid: number, native: Native])[];

export interface NativeOptions {
  fails?: boolean;
  nullable?: boolean;
  partial?: boolean;
  slots?: NonNullable<Native['slots']>;
  covers?: NonNullable<Native['covers']>;
}

/** A call of a JavaScript function. */
export function calls(name: string, fn: (...args: never[]) => unknown, options: NativeOptions = {}): Native {
  return {
    name,
    fails: true,
    ...options,
    code: (generator, args) => `${generator.use(fn, fn.name === '' ? name : fn.name)}(${args.join(', ')})`,
  };
}

/** An expression written in place. */
export function inlines(name: string, code: (...args: string[]) => string, options: NativeOptions = {}): Native {
  return { name, fails: false, ...options, code: (_generator, args) => code(...args) };
}

export function constantText(expression: Expression | undefined): string | null | undefined {
  if (expression?.kind === 'relabel') return constantText(expression.arg);
  return expression?.kind === 'constant' ? expression.text : undefined;
}

export type { Call };

/** One native under several OIDs. */
export function each(oids: readonly number[], native: Native): NativeTable {
  return oids.map((oid) => [oid, native] as const);
}
