/**
 * GROUP BY: one row a group, from state that grows and shrinks with its input. Skeleton: the signature the graph calls.
 */
import type { RowLayout } from '../../values/layout.ts';
import type { ErrorSink } from '../../values/space.ts';
import { assert } from '../../base/assert.ts';
import type { DeltaBlock } from '../arrangement/delta-block.ts';
import type { Evaluator } from '../expression/contract.ts';
import type { Aggregate } from '../plan/plan.ts';
import type { Operator } from './operator.ts';

export class AggregateOperator implements Operator {
  readonly plan: Aggregate;
  readonly input: RowLayout;
  readonly evaluator: Evaluator;

  constructor(plan: Aggregate, input: RowLayout, evaluator: Evaluator) {
    this.plan = plan;
    this.input = input;
    this.evaluator = evaluator;
  }

  start(_output: DeltaBlock, _errors: ErrorSink): void {
    assert(false, 'not built yet');
  }

  step(_port: number, _input: DeltaBlock, _output: DeltaBlock, _errors: ErrorSink): void {
    assert(false, 'not built yet');
  }

  stateBytes(): number {
    return 0;
  }
}
