/** Queries of a session: planned ones are peeked at in the engine, the catalog's own run in Postgres. */
import { must } from '../../base/assert.ts';
import type { SessionMemory } from '../../base/client-memory.ts';
import { millraceError } from '../../base/errors.ts';
import type { CallOptions } from '../../pglite/catalog-client.ts';
import type { RawStatement } from '../../pglite/catalog-contract.ts';
import type { Notice, Result } from '../../server/session.ts';
import { statusRelationsIn } from '../../sql/mirror/status.ts';
import type { PlannedQuery } from '../../sql/plan-query.ts';
import type { Coordinator } from '../coordinator.ts';
import { heldBatches } from '../results/held-batches.ts';
import type { RowFormat } from '../../engine/contract/protocol.ts';
import { recentLsn } from '../recency.ts';
import { ResultStream } from '../results/result-stream.ts';
import type { SessionSettings } from '../settings.ts';
import { statusRows } from '../status/status-relations.ts';

/** `snapshot`: the tick of the transaction block, if there is one; asked for once the upstream's position is known. */
export async function peek(
  coordinator: Coordinator,
  planned: PlannedQuery,
  format: RowFormat,
  settings: SessionSettings,
  snapshot: () => Promise<number | undefined>,
  signal: AbortSignal,
): Promise<ResultStream> {
  const { engine } = coordinator;
  const queryId = coordinator.nextNumber();
  return engine.cancellable(queryId, signal, async () => {
    const isRecent = settings.get('real_time_recency') === 'on';
    const atLeastLsn = isRecent ? await recentLsn(coordinator, settings.durationMs('real_time_recency_timeout'), signal) : undefined;
    const snapshotId = await snapshot();
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
    return new ResultStream(engine.rpc, result, settings.hydrationTimeoutMs, signal);
  });
}

/** An OID of the mirror's own types is the planner's; elsewhere the type is inferred again. */
function builtIn(typeOid: number): number {
  return typeOid >= FIRST_OWN_OID ? 0 : typeOid;
}

const FIRST_OWN_OID = 16_384;

export async function catalogQuery(
  coordinator: Coordinator,
  { session, trivial }: { readonly session: { readonly memory: SessionMemory }; readonly trivial: boolean },
  statement: Omit<RawStatement, 'resultFormats'>,
  format: RowFormat,
  call: CallOptions,
): Promise<Result> {
  if (format.kind === 'copyText') throw millraceError('STATEMENT_UNSUPPORTED', { statement: 'COPY of a catalog query' });
  const status = await statusRows(coordinator, statusRelationsIn(statement.sql));
  const resultFormats = format.kind === 'dataRow' ? format.formats : [];
  const { mirror } = coordinator;
  // What costs nothing (a pool's SELECT 1) waits for nobody's long statement.
  const raw = trivial
    ? await mirror.catalog.queryRaw({ ...statement, resultFormats }, call)
    : await mirror.run(session, { ...statement, parameterTypes: statement.parameterTypes.map(builtIn), resultFormats }, status, call);
  return {
    notices: raw.notices.map(({ sqlstate, message, detail, hint }): Notice => ({ severity: 'NOTICE', sqlstate, message, detail, hint })),
    body:
      raw.columns === null
        ? { kind: 'none' }
        : { kind: 'rows', batches: heldBatches(session.memory, [{ bytes: raw.rows, rows: raw.rowCount }]) },
    tag: () => raw.tag,
  };
}
