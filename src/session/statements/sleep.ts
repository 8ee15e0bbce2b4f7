/**
 * `SELECT pg_sleep(seconds)`, as tools and tests write it: answered by the session itself, which waits without holding a Postgres that others need. Anywhere else
 * in a query pg_sleep is refused by name (`pglite/refused-functions.ts`). Called by sessions.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { millraceError } from '../../base/errors.ts';
import type { Result } from '../../server/session.ts';
import { batchesOf, textRows } from '../results/literal-result.ts';

const SLEEP = /^select\s+(?:pg_catalog\s*\.\s*)?pg_sleep\s*\(\s*(\$1|\d+(?:\.\d*)?|\.\d+)\s*\)$/i;
/** As long as Node's timers go. */
const SLEEP_MS_MAX = 0x7fff_ffff;

/** Seconds, or `$1`; undefined: it is another statement. */
export function sleepOf(sql: string): string | undefined {
  return sql.length > 100 ? undefined : SLEEP.exec(sql.trim())?.[1];
}

export async function sleepResult(seconds: number, timeoutMs: number, signal: AbortSignal): Promise<Result> {
  const wantedMs = Math.min(Math.max(0, seconds * 1000), SLEEP_MS_MAX);
  try {
    await sleep(Math.min(wantedMs, timeoutMs), undefined, { signal });
  } catch (error) {
    throw millraceError('QUERY_CANCELLED', {}, error);
  }
  if (wantedMs > timeoutMs) throw millraceError('QUERY_TIMED_OUT', {});
  return { notices: [], body: { kind: 'rows', batches: batchesOf([textRows([['']])]) }, tag: (rows) => `SELECT ${rows}` };
}
