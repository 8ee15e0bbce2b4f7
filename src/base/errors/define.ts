/**
 * How an error for a user is declared: a stable code, a SQLSTATE, what it says, why, and the exact command that mends it (I-8).
 * The lists are `base/errors/*.ts`; nothing else builds an error text for a user. docs/reference/errors.md is held against them by a test.
 */
export type Facts = Readonly<Record<string, unknown>>;

export interface ErrorDefinition<F extends Facts = Facts> {
  /** Five characters, https://www.postgresql.org/docs/current/errcodes-appendix.html */
  readonly sqlstate: string;
  /** The primary message: lower case, no full stop, as Postgres writes. */
  says(facts: F): string;
  /** Why Millrace refuses or stops. One sentence for the reference page. */
  readonly because: string;
  /** The exact command or step that mends it; shown as HINT. */
  mend?(facts: F): string;
  /** More about this very case; shown as DETAIL. */
  detail?(facts: F): string | undefined;
}

// oxlint-disable-next-line typescript/no-explicit-any -- each definition has its own facts; the list erases them.
export type AnyDefinition = ErrorDefinition<any>;

export class MillraceError extends Error {
  override readonly name = 'MillraceError';
  readonly code: string;
  readonly sqlstate: string;
  readonly detail: string | undefined;
  readonly hint: string | undefined;
  /** 1-based character position in the statement, where known. */
  position: number | undefined;
  readonly facts: Facts;

  constructor(
    code: string,
    sqlstate: string,
    message: string,
    more: { detail?: string | undefined; hint?: string | undefined; position?: number | undefined; facts?: Facts; cause?: unknown } = {},
  ) {
    super(message, more.cause === undefined ? undefined : { cause: more.cause });
    this.code = code;
    this.sqlstate = sqlstate;
    this.detail = more.detail;
    this.hint = more.hint;
    this.position = more.position;
    this.facts = more.facts ?? {};
  }

  /** Survives structured clone between workers. */
  toPlain(): PlainError {
    const { code, sqlstate, message, detail, hint, position } = this;
    return { code, sqlstate, message, detail, hint, position };
  }

  static fromPlain(plain: PlainError): MillraceError {
    return new MillraceError(plain.code, plain.sqlstate, plain.message, plain);
  }
}

export interface PlainError {
  code: string;
  sqlstate: string;
  message: string;
  detail?: string | undefined;
  hint?: string | undefined;
  position?: number | undefined;
}

type FactsOf<D> = D extends ErrorDefinition<infer F> ? F : never;

/** Types one error whose texts are made of facts. */
export function of<F extends Facts>(definition: ErrorDefinition<F>): ErrorDefinition<F> {
  return definition;
}

/** Types one list; the code is the key. */
export function defineErrors<L extends Record<string, AnyDefinition>>(list: L): L {
  return list;
}

export function raiserFor<L extends Record<string, AnyDefinition>>(list: L) {
  return function millraceError<K extends keyof L & string>(code: K, facts: FactsOf<L[K]>, cause?: unknown): MillraceError {
    const definition = list[code]!;
    return new MillraceError(code, definition.sqlstate, definition.says(facts), {
      detail: definition.detail?.(facts),
      hint: definition.mend?.(facts),
      facts,
      cause,
    });
  };
}
