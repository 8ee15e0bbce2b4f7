/**
 * Cursors of a session: DECLARE, FETCH, MOVE, CLOSE, forwards. The rows are read at DECLARE (at the block's tick) and kept here as text until they are fetched or
 * the cursor is closed, within what a session may hold. WITH HOLD outlives its block, the others end with it. Used by psql's FETCH_COUNT, named cursors of
 * psycopg, stream_results of SQLAlchemy.
 */
import type { SessionMemory } from '../base/client-memory.ts';
import { millraceError } from '../base/errors.ts';
import type { Result, ResultColumn, RowBatch } from '../server/session.ts';

/** A session's open cursors. */
const CURSORS_MAX = 16;

interface Cursor {
  readonly columns: readonly ResultColumn[];
  readonly hold: boolean;
  /** What is not fetched yet. */
  readonly rest: RowBatch[];
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
    const { body } = await read();
    const rest: RowBatch[] = [];
    try {
      if (body.kind === 'rows')
        for await (const batch of body.batches) {
          this.#memory.take('cursors', batch.bytes.length);
          rest.push(batch);
        }
    } catch (error) {
      this.#give(rest);
      throw error;
    }
    this.#open.set(name, { columns, hold, rest });
  }

  /** The next `count` rows as one batch, and past them. */
  fetch(name: string, count: number): RowBatch & { readonly columns: readonly ResultColumn[] } {
    const cursor = this.#open.get(name);
    if (cursor === undefined) throw millraceError('CURSOR_MISSING', { name });
    const { rest, columns } = cursor;
    const taken: Uint8Array[] = [];
    let rows = 0;
    while (rows < count && rest.length > 0) {
      const [batch] = rest;
      const wanted = Math.min(batch!.rows, count - rows);
      const cut = wanted === batch!.rows ? batch!.bytes.length : bytesOfRows(batch!.bytes, wanted);
      taken.push(batch!.bytes.subarray(0, cut));
      rows += wanted;
      this.#memory.give('cursors', cut);
      if (cut === batch!.bytes.length) rest.shift();
      else rest[0] = { bytes: batch!.bytes.subarray(cut), rows: batch!.rows - wanted };
    }
    return { bytes: taken.length === 1 ? taken[0]! : Buffer.concat(taken), rows, columns };
  }

  /** All of them when no name is given. */
  close(name: string | undefined): void {
    if (name === undefined) for (const each of this.#open.keys()) this.close(each);
    else {
      const cursor = this.#open.get(name);
      if (cursor === undefined) throw millraceError('CURSOR_MISSING', { name });
      this.#open.delete(name);
      this.#give(cursor.rest);
    }
  }

  endBlock(committed: boolean): void {
    for (const [name, { hold }] of this.#open) if (!hold || !committed) this.close(name);
  }

  #give(batches: readonly RowBatch[]): void {
    for (const { bytes } of batches) this.#memory.give('cursors', bytes.length);
  }
}

/** How many bytes the first `rows` messages of a run of whole messages take. */
function bytesOfRows(messages: Uint8Array, rows: number): number {
  const view = new DataView(messages.buffer, messages.byteOffset, messages.byteLength);
  let at = 0;
  for (let row = 0; row < rows; row++) at += 1 + view.getInt32(at + 1);
  return at;
}
