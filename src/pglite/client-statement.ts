/**
 * A client's statement on the system catalog, as it is: one whole statement, alone in a read-only transaction that is rolled back, as the unprivileged role.
 * What it may not do: write (read-only), read files or run programs (the role is no superuser), change its role (only reading statements pass, they come
 * through Parse, which takes one), call what has effects beyond itself (refused-functions.ts). What a session could hold is let go after each all the same.
 * So nothing of one client is left for the next. Called by `catalog-worker.ts`.
 */
import { millraceError, type MillraceError } from '../base/errors.ts';
import type { RawResult, RawStatement } from './catalog-contract.ts';
import type { PostgresInstance } from './instance.ts';
import { postgresError } from './postgres-error.ts';
import { joined, request, type Complaint } from './messages.ts';
import { REFUSED_FUNCTIONS } from './refused-functions.ts';
import { localSettings } from './settings.ts';

/** A catalog of thousands of tables is some MB; no tool reads more at once. */
const RESULT_BYTES_MAX = 16 << 20;

const READING = new Set(['SELECT', 'WITH', 'VALUES', 'TABLE', 'SHOW', 'EXPLAIN']);

export function queryRaw(pg: PostgresInstance, statement: RawStatement): RawResult {
  const keyword = firstKeyword(statement.sql);
  // An empty statement is Postgres's to answer.
  if (keyword !== '' && !READING.has(keyword)) throw millraceError('CATALOG_STATEMENT_REFUSED', { keyword });
  const result = pg.inTransaction(`BEGIN READ ONLY${localSettings(statement)}`, 'ROLLBACK', () => {
    const reply = pg.exchange(
      joined(
        request.parse(statement.sql, statement.parameterTypes),
        request.bind(statement.parameters, statement.parameterFormats, statement.resultFormats),
        request.describePortal(),
        request.execute(),
        request.sync(),
      ),
      RESULT_BYTES_MAX,
    );
    if (reply.error !== undefined) throw refused(reply.error);
    const { columns, rows, rowCount, tag, notices } = reply;
    return { columns, rows, rowCount, tag, notices };
  });
  return { ...result, memoryBytes: pg.memoryBytes };
}

/**
 * DISCARD ALL, but for its SET SESSION AUTHORIZATION DEFAULT, which would make the session a superuser's, and advisory locks, which nobody can take. The
 * temporary schema itself stays.
 */
const RESET = 'RESET ALL; DEALLOCATE ALL; CLOSE ALL; UNLISTEN *; DISCARD SEQUENCES; DISCARD TEMP';

export function resetSession(pg: PostgresInstance): void {
  pg.run(RESET);
}

/** Rows of tables and views are not here, so the mirror's owner may not read them (sql/mirror/ddl.ts). */
function refused(complaint: Complaint): MillraceError {
  const called = complaint.sqlstate === '42501' ? /^permission denied for function (.*)$/.exec(complaint.message)?.[1] : undefined;
  if (called !== undefined && REFUSED_FUNCTIONS.includes(called)) return millraceError('CATALOG_FUNCTION_REFUSED', { function: called });
  const relation =
    complaint.sqlstate === '42501'
      ? /^permission denied for (?:table|view|materialized view) (.*)$/.exec(complaint.message)?.[1]
      : undefined;
  return relation === undefined || relation.startsWith('pg_') ? postgresError(complaint) : millraceError('CATALOG_AND_ROWS', { relation });
}

/** The first word behind white space, comments and opening parentheses, in capitals; '' when there is none. */
export function firstKeyword(sql: string): string {
  let rest = sql;
  for (;;) {
    rest = rest.replace(/^[\s(]+/, '');
    if (rest.startsWith('--')) rest = rest.replace(/^--[^\n]*/, '');
    else if (rest.startsWith('/*')) rest = rest.slice(commentEnd(rest));
    else return (/^[a-z]+/i.exec(rest)?.[0] ?? rest.slice(0, 1)).toUpperCase();
  }
}

/** Comments nest. */
function commentEnd(text: string): number {
  let depth = 0;
  for (const token of text.matchAll(/\/\*|\*\//g)) {
    depth += token[0] === '/*' ? 1 : -1;
    if (depth === 0) return token.index + 2;
  }
  return text.length;
}
