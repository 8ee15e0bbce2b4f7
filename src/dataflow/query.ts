/**
 * A query asked once: its graph is built, fed and read, and leaves nothing behind. It can be given up at each piece and at some thousand pairs within; what is thrown away
 * then is its own (indexes of others are only used where they are there, and given back). Called by `dataflow.ts`.
 */
import { DataflowFault } from './fault.ts';
import type { ViewError } from './graph/error-set.ts';
import { piecesOf, type Pieces } from './graph/pieces.ts';
import type { ViewGraph } from './graph/view-graph.ts';

/** What a query asked once may take. */
export interface QueryBounds {
  /** Asked now and then; throws to give up. */
  interrupt(): void;
  readonly bytesMax: number;
  /** For tests: how the work is divided. */
  readonly pieces?: Partial<Pieces>;
}

export const UNBOUNDED: QueryBounds = { interrupt: () => {}, bytesMax: Infinity };

/** Short, so that its time and its memory are looked at often. */
const PIECE_ROWS_MAX = 512;

export function runQuery(graph: ViewGraph, build: () => void, pieceRowsMax: number, bounds: QueryBounds): void {
  const interrupt = (): void => {
    bounds.interrupt();
    if (graph.stateBytes() > bounds.bytesMax)
      throw new DataflowFault('MEMORY_EXHAUSTED', `the query needs more than ${bounds.bytesMax} bytes`);
  };
  try {
    build();
    const pieces = piecesOf(Math.min(pieceRowsMax, PIECE_ROWS_MAX), { ...bounds.pieces, interrupt });
    for (const _ of graph.hydration(pieces)) interrupt();
  } finally {
    graph.dispose();
  }
}

/** Its errors, and those of the views below it. */
export function errorsOf(graph: ViewGraph): ViewError[] {
  const graphs = new Set<ViewGraph>();
  const visit = (one: ViewGraph): void => {
    if (graphs.has(one)) return;
    graphs.add(one);
    one.below.forEach(visit);
  };
  visit(graph);
  return [...graphs].flatMap(({ errors }) => errors.list());
}
