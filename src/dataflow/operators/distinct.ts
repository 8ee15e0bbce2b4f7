/**
 * DISTINCT: each row once, while its multiplicity is positive. Skeleton: the signature the graph calls.
 */
import type { RowLayout } from '../../values/layout.ts';
import type { ErrorSink } from '../../values/space.ts';
import { assert } from '../../base/assert.ts';
import type { DeltaBlock } from '../arrangement/delta-block.ts';
import type { Evaluator } from '../expression/contract.ts';
import type { Distinct } from '../plan/plan.ts';
import type { Operator } from './operator.ts';

export class DistinctOperator implements Operator {
  readonly plan: Distinct;
  readonly input: RowLayout;
  readonly evaluator: Evaluator;

  constructor(plan: Distinct, input: RowLayout, evaluator: Evaluator) {
    this.plan = plan;
    this.input = input;
    this.evaluator = evaluator;
  }

  step(_port: number, _input: DeltaBlock, _output: DeltaBlock, _errors: ErrorSink): void {
    assert(false, 'not built yet');
  }

  stateBytes(): number {
    return 0;
  }
}
