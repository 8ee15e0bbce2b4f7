/**
 * A view's evaluation errors: a multiset of (SQLSTATE, message), retractable like rows. While it is not empty the view cannot be read without an error.
 * A sum may pass below zero within a push (an error's retraction may come first) and must not stay there. Called by generated code, and by whoever reads a view.
 */
import { DataflowFault } from '../fault.ts';
import type { ErrorSink } from '../../values/space.ts';

export interface ViewError {
  readonly sqlstate: string;
  readonly message: string;
  readonly count: number;
}

/** Distinct errors that one view may hold: a million of bad rows with a message of their own each must not take the process. */
const DISTINCT_MAX = 1_000_000;

export class ErrorSet implements ErrorSink {
  readonly #counts = new Map<string, number>();

  add(sqlstate: string, message: string, weight: number): void {
    const key = sqlstate + message;
    const sum = (this.#counts.get(key) ?? 0) + weight;
    if (sum === 0) this.#counts.delete(key);
    else this.#counts.set(key, sum);
    if (this.#counts.size > DISTINCT_MAX) throw new DataflowFault('MEMORY_EXHAUSTED', `more than ${DISTINCT_MAX} distinct errors`);
  }

  get empty(): boolean {
    return this.#counts.size === 0;
  }

  list(): ViewError[] {
    return [...this.#counts].map(([key, count]) => ({ sqlstate: key.slice(0, 5), message: key.slice(5), count }));
  }

  bytes(): number {
    return this.#counts.size * 128;
  }
}
