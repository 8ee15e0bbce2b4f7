/** How much a turn of long work takes on: of a new view's rows that are pushed, of an index that is made; and whether it goes on. Asked by `hydration.ts`, `view-graph.ts` and `effort.ts`. */
export interface Pieces {
  readonly rowsMax: number;
  /** Rows that may be moved in memory in one turn. */
  readonly movedRowsMax: number;
  /** Pairs that the joins may put together in one turn of several rows: PIECE_TOO_LARGE beyond, and the work begins anew with smaller ones. */
  readonly pairsMax: number;
  /** The same for a turn of one row, which nothing divides: ROW_MEETS_TOO_MANY beyond. */
  readonly rowPairsMax: number;
  /** For tests: a join's output goes in parts of this size, and `interrupt` is asked after so many pairs. */
  readonly flushBytes?: number;
  readonly interruptPairs?: number;
  /** Other work begins: what a row of it costs is not known yet. */
  begin(): void;
  /** Asked now and then within a turn: throws to give the work up. */
  interrupt(): void;
}

export function piecesOf(rowsMax: number, given: Partial<Pieces> = {}): Pieces {
  return {
    rowsMax,
    movedRowsMax: Infinity,
    pairsMax: Infinity,
    rowPairsMax: Infinity,
    begin: () => {},
    interrupt: () => {},
    ...given,
  };
}
