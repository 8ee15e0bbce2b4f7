/** An ad hoc query's rows at one tick: computed synchronously, between ticks; bounded in time and bytes. Called by `reads.ts`. */
import { millraceError, MillraceError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import type { Dataflow, Hydrate } from '../../dataflow/dataflow.ts';
import { DataflowFault } from '../../dataflow/fault.ts';
import type { ViewError } from '../../dataflow/graph/error-set.ts';
import type { Arrangement } from '../../dataflow/arrangement/arrangement.ts';
import type { Plan } from '../../plan/plan.ts';
import type { OpenResult } from './open-results.ts';
import type { PeekRequest } from '../contract/protocol.ts';
import { ResultRows } from './result-rows.ts';
import { ViewCursor } from './view-cursor.ts';

/** A query asked once, over a dataflow as it stands. `hydrate`: the rows of tables that nothing arranges there. */
export function evaluated(
  dataflow: Dataflow,
  plan: Plan,
  hydrate: Hydrate,
  interrupt: () => void,
  bytesMax: number = limits.queryMemoryBytesMax,
): Arrangement {
  let result: ReturnType<Dataflow['evaluate']>;
  try {
    result = dataflow.evaluate(plan, hydrate, { interrupt, bytesMax });
  } catch (error) {
    if (error instanceof DataflowFault && error.code === 'MULTIPLICITY_EXHAUSTED') throw millraceError('MULTIPLICITY_TOO_LARGE', {}, error);
    if (error instanceof DataflowFault && error.code === 'MEMORY_EXHAUSTED') throw millraceError('QUERY_TOO_LARGE', { bytesMax }, error);
    if (error instanceof DataflowFault) throw millraceError('ENGINE_FAULT', { reason: error.message }, error);
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

/** The rows of a query, made for it alone. */
export function computed(output: Arrangement, { finish, format }: Pick<PeekRequest, 'finish' | 'format'>): OpenResult {
  return { rows: new ResultRows(new ViewCursor('query', output, 0), output.layout, finish, format), release: () => {} };
}

/** What every session and view has, until a session may choose otherwise (settings.ts): the evaluator prints as the stream does. */
export const PINNED = { TimeZone: 'UTC', DateStyle: 'ISO, MDY', IntervalStyle: 'postgres', extra_float_digits: '1', bytea_output: 'hex' };
