/** VALUES: rows that are there from the start and never change, filtered and projected once. */
import { rowLayout, type RowLayout } from '../../../values/layout.ts';
import type { ErrorSink } from '../../../values/space.ts';
import { DeltaBlock } from '../../arrangement/delta-block.ts';
import { compileBlock } from '../../expression/compile-block.ts';
import type { Evaluator } from '../../expression/contract.ts';
import { mapColumns } from '../../../plan/columns.ts';
import type { Constant, Expression } from '../../../plan/expression.ts';
import type { Operator } from '../operator.ts';

export class ConstantRows implements Operator {
  readonly #rows: readonly (readonly Constant[])[];
  readonly #where: readonly Expression[];
  readonly #outputs: readonly Expression[];
  readonly #output: RowLayout;
  readonly #evaluator: Evaluator;

  constructor(
    rows: readonly (readonly Constant[])[],
    where: readonly Expression[],
    outputs: readonly Expression[],
    output: RowLayout,
    evaluator: Evaluator,
  ) {
    this.#rows = rows;
    this.#where = where;
    this.#outputs = outputs;
    this.#output = output;
    this.#evaluator = evaluator;
  }

  start(output: DeltaBlock, errors: ErrorSink): void {
    const nothing = rowLayout([]);
    const one = new DeltaBlock(nothing);
    one.push(1);
    const address = Int32Array.of(0);
    for (const row of this.#rows) {
      const constant = (expression: Expression): Expression => mapColumns(expression, (ref) => row[ref.index]!);
      const run = compileBlock(
        { inputs: [nothing], where: this.#where.map(constant), outputs: this.#outputs.map(constant), output: this.#output },
        this.#evaluator,
      );
      run(one, address, one, address, one.weights, 1, output, errors);
    }
  }

  step(): void {
    // Nothing below it ever changes.
  }

  stateBytes(): number {
    return 0;
  }
}
