/**
 * What an operator is: a pure relation between the delta of its input and that of its output, with state of its own. (A join has two inputs: `join/join.ts`.)
 * Each file states the identity it implements, its contract, its state and its cost.
 *
 * A *push* brings the delta of one base relation and runs, in topological order, the operators that depend on it (`graph/view-graph.ts`), each once.
 * Inputs are consolidated (one entry a distinct row, weight ≠ 0); outputs need not be. An operator never keeps a reference into
 * `input` or `output` past the call, and never throws for bad *data*: such a row goes to `errors` with its weight, so that it can be retracted.
 */
import type { ErrorSink } from '../../values/space.ts';
import type { DeltaBlock } from '../arrangement/delta-block.ts';

export interface Operator {
  /** Rows that the output holds over empty inputs (a global aggregate's one row). Called once, before the first step. */
  start?(output: DeltaBlock, errors: ErrorSink): void;
  step(input: DeltaBlock, output: DeltaBlock, errors: ErrorSink): void;
  /** Bytes of state held (words and heap), for `millrace.arrangements` and the memory budget. */
  stateBytes(): number;
}
