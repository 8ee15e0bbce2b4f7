/**
 * Results that their clients have not read to the end, by number: each goes on when its client asks for more, a piece a turn, and ends by itself when its client goes,
 * cancels or runs out of time. What fails ends that one result alone (I-8). Held by the engine for `reads.ts`.
 */
import { millraceError, type MillraceError } from '../../base/errors.ts';
import type { Batch } from '../feeds/encode.ts';
import type { ResultRows } from './result-rows.ts';
import type { Turns } from '../ticks/turns.ts';

export interface OpenResult {
  readonly rows: ResultRows;
  /** Gives back what it holds of others. */
  readonly release: () => void;
}

export interface NextBatches {
  readonly batches: Batch[];
  /** Nothing follows; the result is closed. */
  readonly isDone: boolean;
}

export class OpenResults {
  readonly #turns: Turns;
  readonly #open = new Map<number, OpenResult>();

  constructor(turns: Turns) {
    this.#turns = turns;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Its first rows, at once where they are few: of the tick that is now. `interrupt` throws to give up. */
  async begin(id: number, result: OpenResult, interrupt: () => void): Promise<NextBatches> {
    this.#open.set(id, result);
    try {
      result.rows.run(this.#turns.piece());
    } catch (error) {
      this.close(id);
      throw error;
    }
    return this.#taken(id, result, interrupt);
  }

  async next(id: number, interrupt: () => void): Promise<NextBatches> {
    const result = this.#open.get(id);
    if (result === undefined) throw millraceError('QUERY_CANCELLED', {});
    return this.#taken(id, result, interrupt);
  }

  close(id: number): void {
    const result = this.#open.get(id);
    this.#open.delete(id);
    result?.release();
  }

  closeAll(): void {
    for (const id of this.#open.keys()) this.close(id);
  }

  async #taken(id: number, result: OpenResult, interrupt: () => void): Promise<NextBatches> {
    const { rows } = result;
    try {
      while (!rows.isDone && !rows.isAhead) {
        await this.#turns.next();
        if (this.#open.get(id) !== result) throw closed();
        interrupt();
        rows.run(this.#turns.piece());
      }
    } catch (error) {
      this.close(id);
      throw error;
    }
    if (rows.isDone) this.close(id);
    return { batches: rows.take(), isDone: rows.isDone };
  }
}

function closed(): MillraceError {
  return millraceError('QUERY_CANCELLED', {});
}
