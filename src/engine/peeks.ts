/**
 * Reads: the rows of a view or of an ad hoc query at one tick, ordered, cut and encoded. Synchronous, between ticks; bounded in time and bytes.
 * Called by the engine worker.
 */
import { millraceError, MillraceError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import type { Dataflow, Hydrate } from '../dataflow/dataflow.ts';
import { DataflowFault } from '../dataflow/fault.ts';
import type { ViewError } from '../dataflow/graph/error-set.ts';
import type { Arrangement } from '../dataflow/arrangement/arrangement.ts';
import { compileCompare } from '../dataflow/expression/rows.ts';
import type { Batch } from './encode.ts';
import { RowEncoder } from './encode.ts';
import type { Finish, PeekRequest, RowFormat } from './protocol.ts';

/** Rows that an arrangement holds, shown as the query wants them. Sort keys are columns by now (`sql/plan` maps what ORDER BY computes into junk columns). */
export function finished(rows: Arrangement, finish: Finish, format: RowFormat, interrupt: () => void): Batch[] {
  const encoder = new RowEncoder(rows.layout, finish.project, format);
  const { memory } = rows;
  let skip = finish.offset;
  let left = finish.limit ?? Infinity;
  const show = (row: number, weight: number): void => {
    let times = weight;
    if (skip > 0) {
      const skipped = Math.min(skip, times);
      skip -= skipped;
      times -= skipped;
    }
    times = Math.min(times, left);
    left -= times;
    if (times > 0) encoder.add(memory, row, times);
  };
  if (finish.order.length === 0) {
    let seen = 0;
    rows.forEach((_, row, weight) => {
      if ((++seen & 4095) === 0) interrupt();
      if (left > 0) show(row, weight);
    });
  } else {
    const ids: number[] = [];
    rows.forEach((id) => void ids.push(id));
    const compare = compileCompare(rows.layout, finish.order);
    ids.sort((a, b) => compare(memory, memory.address(a), memory, memory.address(b)));
    for (let i = 0; i < ids.length && left > 0; i++) {
      if ((i & 4095) === 0) interrupt();
      show(memory.address(ids[i]!), memory.weight(ids[i]!));
    }
  }
  encoder.flush();
  return encoder.batches;
}

/** A query asked once, over a dataflow as it stands. `hydrate`: the rows of tables that nothing arranges there. */
export function evaluated(dataflow: Dataflow, { plan, finish, format }: PeekRequest, hydrate: Hydrate, interrupt: () => void): Batch[] {
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
  return finished(result.rows, finish, format, interrupt);
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
