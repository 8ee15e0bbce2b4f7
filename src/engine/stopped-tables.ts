/**
 * What follows when a table stops: its error names the statements that take it in again, and whoever subscribes to something that reads it hears why nothing more comes.
 * Between ticks only: a subscription that ends takes its dataflow along. Used by the engine.
 */
import type { PlainError } from '../base/errors.ts';
import { qualified } from '../base/ident.ts';
import type { ObjectId, Table } from './catalog.ts';

export interface Stopped {
  readonly id: ObjectId;
  readonly fault: PlainError | undefined;
}

export class StoppedTables {
  readonly #waiting: Stopped[] = [];
  readonly #readersOf: (table: ObjectId) => readonly ObjectId[];
  readonly #close: (object: ObjectId, error: PlainError) => void;

  /** `readersOf`: the views on a table, directly or not. */
  constructor(readersOf: (table: ObjectId) => readonly ObjectId[], close: (object: ObjectId, error: PlainError) => void) {
    this.#readersOf = readersOf;
    this.#close = close;
  }

  /** Perhaps in the midst of a tick. */
  note(table: Stopped): void {
    if (table.fault !== undefined) this.#waiting.push(table);
  }

  /** After the tick. */
  tell(): void {
    for (const { id, fault } of this.#waiting.splice(0))
      if (fault !== undefined) for (const object of [id, ...this.#readersOf(id)]) this.#close(object, fault);
  }
}

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
