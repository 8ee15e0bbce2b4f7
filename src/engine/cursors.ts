/**
 * Cursors of a session: DECLARE, FETCH, MOVE, CLOSE, forwards. The rows are read at DECLARE (at the block's tick, bounded as any result) and kept here as text until they are
 * fetched. WITH HOLD outlives its block, the others end with it. Used by psql's FETCH_COUNT, named cursors of psycopg, stream_results of SQLAlchemy.
 */
import { millraceError } from '../base/errors.ts';
import type { Result, ResultColumn, RowBatch } from '../server/session.ts';

/** A session's open cursors. */
const CURSORS_MAX = 16;

interface Cursor {
  readonly columns: readonly ResultColumn[];
  readonly hold: boolean;
  readonly rows: readonly Uint8Array[];
  at: number;
}

export class Cursors {
  readonly #open = new Map<string, Cursor>();

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
    const rows: Uint8Array[] = [];
    if (body.kind === 'rows') for await (const batch of body.batches) rows.push(...messagesOf(batch.bytes));
    this.#open.set(name, { columns, hold, rows, at: 0 });
  }

  /** The next `count` rows as one batch, and past them. */
  fetch(name: string, count: number): RowBatch & { readonly columns: readonly ResultColumn[] } {
    const cursor = this.#open.get(name);
    if (cursor === undefined) throw millraceError('CURSOR_MISSING', { name });
    const taken = cursor.rows.slice(cursor.at, cursor.at + count);
    cursor.at += taken.length;
    return { bytes: Buffer.concat(taken), rows: taken.length, columns: cursor.columns };
  }

  /** All of them when no name is given. */
  close(name: string | undefined): void {
    if (name === undefined) this.#open.clear();
    else if (!this.#open.delete(name)) throw millraceError('CURSOR_MISSING', { name });
  }

  endBlock(committed: boolean): void {
    for (const [name, { hold }] of this.#open) if (!hold || !committed) this.#open.delete(name);
  }
}

function* messagesOf(bytes: Uint8Array): Generator<Uint8Array, void> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length;) {
    const end = at + 1 + view.getInt32(at + 1);
    yield bytes.subarray(at, end);
    at = end;
  }
}
