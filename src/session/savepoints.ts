/**
 * Savepoints of a transaction block. Nothing is ever written here, so all that ROLLBACK TO takes back is a failure and settings; drivers and ORMs need no more
 * (SQLAlchemy's inspector, a nested transaction of psycopg or asyncpg). As in Postgres a name may be used twice: the newer hides the older.
 */
import type { SessionMemory } from '../base/client-memory.ts';
import { millraceError } from '../base/errors.ts';
import type { SavedSettings, Settings } from './settings.ts';

const SAVEPOINTS_MAX = 1_000;

export class Savepoints {
  #open: { readonly name: string; readonly settings: SavedSettings; readonly heldBytes: number }[] = [];
  readonly #memory: SessionMemory;

  constructor(memory: SessionMemory) {
    this.#memory = memory;
  }

  set(name: string, settings: Settings): void {
    if (this.#open.length >= SAVEPOINTS_MAX) throw millraceError('SAVEPOINTS_EXHAUSTED', { savepointsMax: SAVEPOINTS_MAX });
    const { heldBytes } = settings;
    this.#memory.take('savepoints', heldBytes);
    this.#open.push({ name, settings: settings.save(), heldBytes });
  }

  /** It stays, what came after it goes. */
  rollBackTo(name: string, settings: Settings): void {
    const at = this.#at(name);
    settings.restore(this.#open[at]!.settings);
    this.#cut(at + 1);
  }

  release(name: string): void {
    this.#cut(this.#at(name));
  }

  clear(): void {
    this.#cut(0);
  }

  #cut(length: number): void {
    this.#open.length = length;
    this.#memory.set(
      'savepoints',
      this.#open.reduce((sum, { heldBytes }) => sum + heldBytes, 0),
    );
  }

  #at(name: string): number {
    const at = this.#open.findLastIndex((savepoint) => savepoint.name === name);
    if (at < 0) throw millraceError('SAVEPOINT_MISSING', { name });
    return at;
  }
}
