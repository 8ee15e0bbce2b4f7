/**
 * Real-time recency: the upstream's WAL end at the moment of asking, so that a read can wait until all that was committed by then is applied. Nothing need be
 * written upstream: the walsender is asked how far it has sent until it has passed that point. Called by sessions, and by audits of an idle upstream.
 */
import { bounded } from '../base/bounded.ts';
import { millraceError, MillraceError } from '../base/errors.ts';
import type { Lsn } from '../base/lsn.ts';
import { readWalEnd } from '../upstream/replication/wal-end.ts';
import type { Coordinator, RunningSource } from './coordinator.ts';

const ASK_INTERVAL_MS = 10;

export async function recentLsn(coordinator: Coordinator, timeoutMs: number, signal: AbortSignal): Promise<Lsn> {
  const [source] = coordinator.catalog.all('source');
  if (source === undefined || coordinator.source === undefined) throw millraceError('NO_SOURCE', { what: 'real_time_recency' });
  const lsn = await coordinator.questions.ask(coordinator.connectionOf(source), readWalEnd, signal);
  // Behind the WAL end: a change of a table that is committed by then is seen.
  const looked = look(coordinator);
  looked.catch(() => undefined);
  const deadline = performance.now() + timeoutMs;
  await received(coordinator.source, lsn, timeoutMs, signal);
  // The upstream may answer late, or never.
  const leftMs = Math.max(0, deadline - performance.now());
  await bounded(looked, signal, { timeoutMs: leftMs, error: () => millraceError('RECENCY_TIMED_OUT', { timeoutMs }) });
  return lsn;
}

/** Compares all tables with what they are upstream now; those that are others have stopped when it resolves. */
export async function look({ source, engine }: Coordinator): Promise<void> {
  const faults = (await source?.ingest.look()) ?? [];
  if (faults.length > 0) await engine.rpc.call('stopTables', { faults });
}

/** Resolves when everything committed upstream before `lsn` is in the log. */
export async function received(source: RunningSource, lsn: Lsn, timeoutMs: number, signal?: AbortSignal): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    // Before looking: what is published from now on wakes.
    const { sequence } = source.progress;
    if (source.progress.read().committedLsn >= lsn) return;
    if (signal?.aborted === true) throw millraceError('QUERY_CANCELLED', {});
    refuseStopped(source);
    if (performance.now() > deadline) throw millraceError('RECENCY_TIMED_OUT', { timeoutMs });
    await source.ingest.askPosition();
    await source.progress.changed(sequence, ASK_INTERVAL_MS);
  }
}

/** Nothing more will come until somebody decides: no use to wait for it. */
export function refuseStopped({ status }: RunningSource): void {
  if (status?.state === 'stopped' && status.error !== null) throw MillraceError.fromPlain(status.error);
}
