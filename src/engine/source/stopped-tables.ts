/**
 * What follows when a table stops: whoever subscribes to something that reads it hears why nothing more comes. Between ticks only: a subscription that ends takes its
 * dataflow along. Used by the engine.
 */
import type { PlainError } from '../../base/errors.ts';
import type { ObjectId } from '../../catalog/catalog.ts';

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
