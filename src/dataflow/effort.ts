/**
 * What the joins of one view may put together in one piece of work, told in pairs of rows, a list of up to 1,024 at a time: nothing is counted or asked a pair.
 *
 *     a live push      ≤ PUSH_PAIRS_MAX pairs, never interrupted: beyond them the view stops, alone (I-8)
 *     a piece of long work (a hydration, a query asked once): asked every INTERRUPT_PAIRS whether to go on; no more pairs than its `Pieces` allow
 *
 * Whoever throws here abandons the view's or query's own state whole; shared arrangements are only read by a probe. One a view. Called by `probe.ts` and `view-graph.ts`.
 */
import { DataflowFault } from './fault.ts';
import type { Pieces } from './graph/pieces.ts';
import type { Plan } from '../plan/plan.ts';

/** Two seconds of pairs that are thrown away, ten times what a block of results holds: a change that meets so many rows is not kept up to date, it is computed anew. */
export const PUSH_PAIRS_MAX = 100_000_000;
/** A fraction of a millisecond. */
const INTERRUPT_PAIRS = 8_192;

export class Effort {
  /** Pairs of all pieces so far. */
  pairs = 0;
  readonly #asked = new Map<Plan, number>();
  #left = PUSH_PAIRS_MAX;
  #granted = 0;
  #pairsMax = PUSH_PAIRS_MAX;
  #rows = 0;
  #step = INTERRUPT_PAIRS;
  #pieces: Pieces | null = null;

  /** So many pairs go from a probe to its join. */
  spend(pairs: number, operator: Plan | undefined): void {
    if ((this.#left -= pairs) < 0) this.#look(operator);
  }

  /** A piece of long work of so many rows begins. */
  begin(pieces: Pieces, rows: number): void {
    this.#pieces = pieces;
    this.#rows = rows;
    this.#pairsMax = rows === 1 ? pieces.rowPairsMax : pieces.pairsMax;
    this.#step = pieces.interruptPairs ?? INTERRUPT_PAIRS;
    this.#granted = this.#left = this.#step;
  }

  /** What follows is live pushes, until a piece begins. */
  live(): void {
    if (this.#pieces !== null) this.pairs += this.#granted - this.#left;
    this.#pieces = null;
    this.#left = PUSH_PAIRS_MAX;
  }

  /** The join that put the most together. */
  most(): Plan | undefined {
    const [most] = [...this.#asked].sort(([, a], [, b]) => b - a);
    return most?.[0];
  }

  #look(operator: Plan | undefined): void {
    const pieces = this.#pieces;
    if (pieces === null)
      throw new DataflowFault('PUSH_TOO_LARGE', `a change met more than ${PUSH_PAIRS_MAX.toLocaleString('en')} pairs of rows`, operator);
    if (operator !== undefined) this.#asked.set(operator, (this.#asked.get(operator) ?? 0) + 1);
    pieces.interrupt();
    if (this.#granted >= this.#pairsMax) {
      if (this.#rows > 1) throw new DataflowFault('PIECE_TOO_LARGE', `${this.#rows} rows met more than ${this.#pairsMax} pairs`, operator);
      throw new DataflowFault('ROW_MEETS_TOO_MANY', `one row met more than ${this.#pairsMax.toLocaleString('en')} pairs of rows`, operator);
    }
    while (this.#left < 0) {
      this.#left += this.#step;
      this.#granted += this.#step;
    }
  }
}
