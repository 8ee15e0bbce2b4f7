/** A statement that a session has prepared, by Parse or by PREPARE: what executing it needs to know. */
import type { MillraceError } from '../base/errors.ts';
import type { Prepared, ResultColumn } from '../server/session.ts';
import type { Analysed } from '../sql/mirror/mirror.ts';
import type { Statement } from '../sql/statements/statement.ts';

export interface PreparedStatement extends Prepared {
  readonly statement: Statement;
  /** Of a query: what it is made of. */
  readonly analysis?: Analysed;
  /** Of a DECLARE: what FETCH will show. */
  readonly cursorColumns?: readonly ResultColumn[];
  /** In force when it was analysed. */
  readonly searchPath?: string;
  /** Of a query that only the catalog understood: why analysis did not. */
  readonly reason?: MillraceError;
}
