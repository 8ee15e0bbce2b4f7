/** The statements that take a stopped table, or a whole source, in again: errors and the log name them as they can be run. Pure. Used by the engine's stepper and by status. */
import type { PlainError } from '../base/errors.ts';
import { qualified } from '../base/ident.ts';
import type { Table } from './catalog.ts';

/** Its shape is another: no view on it can stay. */
const TAKEN_IN_AGAIN = new Set(['TABLE_CHANGED', 'TABLE_NOT_UTF8', 'TABLE_ROWS_INCONSISTENT']);
/** What the error itself names comes first. */
const MENDED_FIRST = new Set(['TABLE_NOT_PUBLISHED', 'TABLE_NOT_UTF8', 'REPLICA_IDENTITY_MISSING', 'PUBLICATION_FILTERS_ROWS']);

export function takeInAgain({ schema, name, createSql }: Table): string {
  return `DROP TABLE ${qualified(schema, name)} CASCADE; ${createSql};`;
}

/** The hint with the names that the table has here. */
export function withMend(error: PlainError, again: string): PlainError {
  if (MENDED_FIRST.has(error.code)) {
    const first = error.code === 'TABLE_NOT_UTF8' ? 'make it UTF-8 upstream' : `upstream: ${error.hint ?? ''}`;
    return { ...error, hint: `${first}   then here: ${again}` };
  }
  if (TAKEN_IN_AGAIN.has(error.code)) return { ...error, hint: again };
  return { ...error, hint: withSource(error.hint, /FROM SOURCE (\S+)/.exec(again)?.[1] ?? '') };
}

/** What takes the whole source in again, views and all, with its name: as it can be run. */
export function withSource(hint: string | undefined, source: string): string | undefined {
  return hint?.replaceAll('ALTER SOURCE <its name> REFRESH', `ALTER SOURCE ${source} REFRESH;`);
}
