/** Waiting for the first copies of tables: until they are complete, a table stops, or it is known that a copy cannot be made now (I-8). Made by the engine. */
import { millraceError, MillraceError, type PlainError } from '../../base/errors.ts';
import type { ObjectId } from '../../catalog/catalog.ts';
import type { SteppedTable } from './stepper.ts';
import type { Waiting } from '../ticks/waiting.ts';

export class FirstCopies {
  readonly #waiting: Waiting;
  readonly #table: (id: ObjectId) => SteppedTable | undefined;
  /** By OID. */
  #refusals: ReadonlyMap<number, PlainError> = new Map();

  constructor(waiting: Waiting, table: (id: ObjectId) => SteppedTable | undefined) {
    this.#waiting = waiting;
    this.#table = table;
  }

  /** Copies that cannot be made now: all that there are. */
  refuse(refusals: readonly { readonly oid: number; readonly error: PlainError }[]): void {
    this.#refusals = new Map(refusals.map(({ oid, error }) => [oid, error]));
    this.#waiting.wake();
  }

  /** Resolves when none of these is still to be copied; a table that has stopped is the caller's to tell. */
  async complete(ids: readonly ObjectId[], nameOf: (id: ObjectId) => string, timeoutMs: number, queryId?: number): Promise<void> {
    const copying = (): SteppedTable[] =>
      ids.flatMap((id) => this.#table(id) ?? []).filter(({ snapshotLsn, fault }) => snapshotLsn === undefined && fault === undefined);
    const refused = (): PlainError[] => copying().flatMap(({ upstream }) => this.#refusals.get(upstream.oid) ?? []);
    await this.#waiting.until(
      () => copying().length === 0 || refused().length > 0,
      timeoutMs,
      () => millraceError('STILL_COPYING', { tables: copying().map(({ id }) => nameOf(id)) }),
      queryId,
    );
    const [refusal] = refused();
    if (refusal !== undefined) throw MillraceError.fromPlain(refusal);
  }
}
