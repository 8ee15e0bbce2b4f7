/**
 * Cursors of a session: DECLARE, FETCH, MOVE, CLOSE, forwards. A cursor is a result that is read on as its rows are fetched (of the tick at which it was declared); what
 * waits here is at most one batch of it, within what a session may hold. WITH HOLD outlives its block, the others end with it. Used by psql's FETCH_COUNT, named
 * cursors of psycopg, stream_results of SQLAlchemy.
 */
import type { SessionMemory } from '../base/client-memory.ts';
import { millraceError } from '../base/errors.ts';
import type { Result, ResultColumn, MessageBatch } from '../server/session.ts';
import { bytesOfRows } from '../wire/data-row.ts';

/** A session's open cursors. */
const CURSORS_MAX = 16;

interface Cursor {
  readonly columns: readonly ResultColumn[];
  readonly hold: boolean;
  readonly batches: AsyncIterator<MessageBatch> | undefined;
  readonly result: Result;
  /** What a FETCH has left of a batch. */
  rest: MessageBatch | undefined;
  isOpen: boolean;
}

export class Cursors {
  readonly #open = new Map<string, Cursor>();
  readonly #memory: SessionMemory;

  constructor(memory: SessionMemory) {
    this.#memory = memory;
  }

  columns(name: string): readonly ResultColumn[] | undefined {
    return this.#open.get(name)?.columns;
  }

  async declare(
    name: string,
    hold: boolean,
    inBlock: boolean,
    columns: readonly ResultColumn[],
    read: () => Promise<Result>,
  ): Promise<void> {
    if (!hold && !inBlock) throw millraceError('CURSOR_NEEDS_BLOCK', {});
    if (this.#open.has(name)) throw millraceError('CURSOR_EXISTS', { name });
    if (this.#open.size >= CURSORS_MAX) throw millraceError('CURSORS_EXHAUSTED', { cursorsMax: CURSORS_MAX });
    const result = await read();
    const batches = result.body.kind === 'rows' ? result.body.batches[Symbol.asyncIterator]() : undefined;
    const cursor: Cursor = { columns, hold, result, batches, rest: undefined, isOpen: true };
    result.suspended?.(true);
    this.#open.set(name, cursor);
  }

  /** The next `count` rows, and past them, as they are asked for. `interrupt` throws when the FETCH is to end. */
  fetch(name: string, count: number, interrupt: () => void): { columns: readonly ResultColumn[]; batches: AsyncIterable<MessageBatch> } {
    const cursor = this.#open.get(name);
    if (cursor === undefined) throw millraceError('CURSOR_MISSING', { name });
    return { columns: cursor.columns, batches: this.#next(cursor, count, interrupt) };
  }

  /** As fetch, without the rows; how many they were. */
  async move(name: string, count: number, interrupt: () => void): Promise<number> {
    let rows = 0;
    for await (const batch of this.fetch(name, count, interrupt).batches) rows += batch.rows;
    return rows;
  }

  async *#next(cursor: Cursor, count: number, interrupt: () => void): AsyncGenerator<MessageBatch, void> {
    cursor.result.suspended?.(false);
    try {
      for (let left = count; left > 0;) {
        interrupt();
        const batch = this.#takeRest(cursor) ?? (cursor.isOpen ? await this.#pull(cursor) : undefined);
        if (batch === undefined) return;
        const wanted = Math.min(batch.rows, left);
        const cut = wanted === batch.rows ? batch.bytes.length : bytesOfRows(batch.bytes, wanted);
        if (cut < batch.bytes.length) this.#keepRest(cursor, { bytes: batch.bytes.subarray(cut), rows: batch.rows - wanted });
        left -= wanted;
        yield { bytes: batch.bytes.subarray(0, cut), rows: wanted };
      }
    } finally {
      cursor.result.suspended?.(true);
    }
  }

  async #pull(cursor: Cursor): Promise<MessageBatch | undefined> {
    const next = await cursor.batches?.next();
    return next === undefined || next.done === true ? undefined : next.value;
  }

  #keepRest(cursor: Cursor, rest: MessageBatch): void {
    if (!cursor.isOpen) return;
    this.#memory.take('cursors', rest.bytes.length);
    cursor.rest = rest;
  }

  #takeRest(cursor: Cursor): MessageBatch | undefined {
    const { rest } = cursor;
    cursor.rest = undefined;
    if (rest !== undefined) this.#memory.give('cursors', rest.bytes.length);
    return rest;
  }

  /** All of them when no name is given. */
  close(name: string | undefined): void {
    if (name === undefined) for (const each of this.#open.keys()) this.close(each);
    else {
      const cursor = this.#open.get(name);
      if (cursor === undefined) throw millraceError('CURSOR_MISSING', { name });
      this.#open.delete(name);
      cursor.isOpen = false;
      this.#takeRest(cursor);
      void cursor.batches?.return?.();
    }
  }

  endBlock(committed: boolean): void {
    for (const [name, { hold }] of this.#open) if (!hold || !committed) this.close(name);
  }
}
