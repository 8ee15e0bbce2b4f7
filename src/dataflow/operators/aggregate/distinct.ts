/**
 * DISTINCT: each row once, while its multiplicity is positive.
 *
 *     δ(distinct A) = { +row where its weight rises from 0, −row where it falls to 0 }  =  δ(γ of all columns, without aggregates)
 *
 * Input: deltas consolidated by identity. Output: weights of ±1. Errors pass by.
 * A class of equal rows (1.0, 1.00) shows one representative, the one that came first while the class lives, and retracts that very one.
 * State and cost: a grouping by all columns, that is one row a class and one probe a changed row (I-7).
 */
import type { RowLayout } from '../../../values/layout.ts';
import type { ErrorSink } from '../../../values/space.ts';
import type { DeltaBlock } from '../../arrangement/delta-block.ts';
import type { Distinct } from '../../../plan/plan.ts';
import { AggregateOperator } from './aggregate.ts';
import type { Operator } from '../operator.ts';

export class DistinctOperator implements Operator {
  readonly #groups: AggregateOperator;

  constructor(plan: Distinct, input: RowLayout) {
    const keys = input.columns.map(({ type }, index) => ({ kind: 'column', index, type }) as const);
    this.#groups = new AggregateOperator(
      { op: 'aggregate', input: plan.input, keys, aggregates: [], columns: plan.columns },
      input,
      undefined,
      false,
    );
  }

  step(input: DeltaBlock, output: DeltaBlock, errors: ErrorSink): void {
    this.#groups.step(input, output, errors);
  }

  stateBytes(): number {
    return this.#groups.stateBytes();
  }
}
