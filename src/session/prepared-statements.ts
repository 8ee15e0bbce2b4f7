/**
 * What PREPARE made, by name: within a number, and within what the session may hold. Those of Parse live in the protocol server (`pgwire/extended.ts`), which
 * has the same limits. Owned by `session.ts`.
 */
import type { SessionMemory } from '../base/client-memory.ts';
import { millraceError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import type { Prepared } from '../server/session.ts';

/** Its text and its query tree not counted. */
export const PREPARED_BYTES = 1_000;

export class PreparedStatements<S extends Prepared> {
  readonly #memory: SessionMemory;
  readonly #statements = new Map<string, S>();

  constructor(memory: SessionMemory) {
    this.#memory = memory;
  }

  has(name: string): boolean {
    return this.#statements.has(name);
  }

  named(name: string): S {
    const known = this.#statements.get(name);
    if (known === undefined) throw millraceError('PREPARED_STATEMENT_MISSING', { name });
    return known;
  }

  keep(name: string, statement: S): void {
    const { preparedStatementsMax: statementsMax } = limits;
    if (this.#statements.size >= statementsMax) throw millraceError('PREPARED_STATEMENTS_EXHAUSTED', { statementsMax });
    this.#memory.take('prepared statements', heldBytes(statement));
    this.#statements.set(name, statement);
  }

  /** Whether there was one; all of them when no name is given. */
  drop(name: string | undefined): boolean {
    const gone = name === undefined ? [...this.#statements.keys()] : this.#statements.has(name) ? [name] : [];
    for (const each of gone) {
      this.#memory.give('prepared statements', heldBytes(this.named(each)));
      this.#statements.delete(each);
    }
    return gone.length > 0;
  }
}

function heldBytes(statement: Prepared): number {
  return statement.heldBytes ?? PREPARED_BYTES;
}
