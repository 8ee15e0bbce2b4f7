/** A planned query's rows, from the engine. */
import { must } from '../../base/assert.ts';
import type { RowFormat } from '../../engine/contract/protocol.ts';
import type { PlannedQuery } from '../../sql/plan-query.ts';
import { recentLsn } from '../recency.ts';
import { ResultStream } from '../results/result-stream.ts';
import type { StatementContext } from './statement.ts';

export async function peek(
  planned: PlannedQuery,
  { coordinator, settings, block, call }: StatementContext,
  format: RowFormat,
): Promise<ResultStream> {
  const { engine } = coordinator;
  const queryId = coordinator.nextNumber();
  return engine.cancellable(queryId, call.signal, async () => {
    const isRecent = settings.get('real_time_recency') === 'on';
    const atLeastLsn = isRecent ? await recentLsn(coordinator, settings.durationMs('real_time_recency_timeout'), call.signal) : undefined;
    // Once the upstream's position is known.
    const snapshotId = await block.snapshot();
    const order = planned.finish.order.map(({ expression, descending, nullsFirst, collation }) => ({
      column: must(expression.kind === 'column' ? expression.index : undefined, 'a sort column'),
      descending,
      nullsFirst,
      ...(collation === undefined ? {} : { collation }),
    }));
    const result = await engine.rpc.call('peek', {
      queryId,
      plan: planned.plan,
      finish: { ...planned.finish, order },
      format,
      timeoutMs: settings.statementTimeoutMs,
      ...(atLeastLsn === undefined ? {} : { atLeastLsn }),
      ...(snapshotId === undefined ? {} : { snapshotId }),
    });
    return new ResultStream(engine.rpc, result, settings.hydrationTimeoutMs, call.signal);
  });
}
