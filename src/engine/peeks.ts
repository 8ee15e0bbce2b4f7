/** An ad hoc query's rows at one tick: computed synchronously, between ticks; bounded in time and bytes. Called by `reads.ts`. */
import { millraceError, MillraceError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import type { Dataflow, Hydrate } from '../dataflow/dataflow.ts';
import { DataflowFault } from '../dataflow/fault.ts';
import type { ViewError } from '../dataflow/graph/error-set.ts';
import type { Arrangement } from '../dataflow/arrangement/arrangement.ts';
import type { Plan } from '../dataflow/plan/plan.ts';

/** A query asked once, over a dataflow as it stands. `hydrate`: the rows of tables that nothing arranges there. */
export function evaluated(dataflow: Dataflow, plan: Plan, hydrate: Hydrate, interrupt: () => void): Arrangement {
  const bytesMax = limits.queryMemoryBytesMax;
  let result: ReturnType<Dataflow['evaluate']>;
  try {
    result = dataflow.evaluate(plan, hydrate, { interrupt, bytesMax });
  } catch (error) {
    if (error instanceof DataflowFault && error.code === 'MULTIPLICITY_EXHAUSTED') throw millraceError('MULTIPLICITY_TOO_LARGE', {}, error);
    if (error instanceof DataflowFault && error.code === 'MEMORY_EXHAUSTED') throw millraceError('QUERY_TOO_LARGE', { bytesMax }, error);
    throw error;
  }
  refuseErrors(result.errors);
  return result.rows;
}

/** A view with evaluation errors cannot be read: it has no value there, as in Postgres. */
export function refuseErrors(errors: readonly ViewError[]): void {
  const [first] = errors;
  if (first !== undefined) throw new MillraceError('EVALUATION_ERROR', first.sqlstate, first.message);
}

/** Called now and then by long work: throws when the statement's time is over or its client cancelled. */
export function interrupter(timeoutMs: number, cancelled: () => boolean): () => void {
  const deadline = performance.now() + timeoutMs;
  return () => {
    if (cancelled()) throw millraceError('QUERY_CANCELLED', {});
    if (performance.now() > deadline) throw millraceError('QUERY_TIMED_OUT', {});
  };
}
