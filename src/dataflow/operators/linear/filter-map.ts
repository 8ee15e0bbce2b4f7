/**
 * Filter and projection in one generated loop.
 *
 *     δ(π σ A) = π σ δA        (linear: no state)
 *
 * A row whose condition or projection fails goes to the errors with its weight. Cost: one pass.
 */
import type { RowLayout } from '../../../values/layout.ts';
import type { ErrorSink } from '../../../values/space.ts';
import type { DeltaBlock } from '../../arrangement/delta-block.ts';
import { compileBlock } from '../../expression/compile-block.ts';
import type { BlockFunction, Evaluator } from '../../expression/contract.ts';
import type { Expression } from '../../../plan/expression.ts';
import type { Operator } from '../operator.ts';
import { rowAddresses } from '../row-addresses.ts';

export class FilterMap implements Operator {
  readonly #run: BlockFunction;

  constructor(input: RowLayout, where: readonly Expression[], outputs: readonly Expression[], output: RowLayout, evaluator: Evaluator) {
    this.#run = compileBlock({ inputs: [input], where, outputs, output }, evaluator);
  }

  step(input: DeltaBlock, output: DeltaBlock, errors: ErrorSink): void {
    const rows = rowAddresses(input.stride, input.length);
    this.#run(input, rows, input, rows, input.weights, input.length, output, errors);
  }

  stateBytes(): number {
    return 0;
  }
}
