/** How much a turn of long work takes on: of a new view's rows that are pushed, of an index that is made. Asked by `hydration.ts` and `view-graph.ts`. */
export interface Pieces {
  readonly rowsMax: number;
  /** Rows that may be moved in memory in one turn. */
  readonly movedRowsMax: number;
  /** Other work begins: what a row of it costs is not known yet. */
  begin(): void;
}

export function piecesOf(rowsMax: number, movedRowsMax = Infinity): Pieces {
  return { rowsMax, movedRowsMax, begin: () => {} };
}
