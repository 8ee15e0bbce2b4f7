/**
 * Savepoints of a transaction block. Nothing is ever written here, so all that ROLLBACK TO takes back is a failure and settings; drivers and ORMs need no more
 * (SQLAlchemy's inspector, a nested transaction of psycopg or asyncpg). As in Postgres a name may be used twice: the newer hides the older.
 */
import { millraceError } from '../base/errors.ts';
import type { SavedSettings, SessionSettings } from './settings.ts';

const SAVEPOINTS_MAX = 1_000;

export class Savepoints {
  #open: { readonly name: string; readonly settings: SavedSettings }[] = [];

  set(name: string, settings: SessionSettings): void {
    if (this.#open.length >= SAVEPOINTS_MAX) throw millraceError('SAVEPOINTS_EXHAUSTED', { savepointsMax: SAVEPOINTS_MAX });
    this.#open.push({ name, settings: settings.save() });
  }

  /** It stays, what came after it goes. */
  rollBackTo(name: string, settings: SessionSettings): void {
    const at = this.#at(name);
    settings.restore(this.#open[at]!.settings);
    this.#open.length = at + 1;
  }

  release(name: string): void {
    this.#open.length = this.#at(name);
  }

  clear(): void {
    this.#open = [];
  }

  #at(name: string): number {
    const at = this.#open.findLastIndex((savepoint) => savepoint.name === name);
    if (at < 0) throw millraceError('SAVEPOINT_MISSING', { name });
    return at;
  }
}
