/** What a reader is told with rows that may be old: that the source is not followed now, why, and as of when they are (I-8). */
import { spoken } from '../../base/state-log.ts';
import { formatLsn } from '../../base/lsn.ts';
import type { Notice } from '../../server/session.ts';
import type { Coordinator } from '../coordinator.ts';
import { sourceFare } from './fares.ts';

export function staleness(coordinator: Coordinator): Notice[] {
  const { source } = coordinator;
  if (source === undefined) return [];
  const { error } = sourceFare(source.status);
  if (error === null) return [];
  const { heardAtMs, committedLsn } = source.progress.read();
  const heard = heardAtMs === 0 ? 'not heard from since Millrace started' : `last heard from ${spoken(Date.now() - heardAtMs)} ago`;
  return [
    {
      severity: 'NOTICE',
      sqlstate: '01000',
      message: `the rows may be old: the upstream was ${heard}`,
      detail: `They are as of ${formatLsn(committedLsn)}. Why it is not followed: ${error.message} (${error.code}).`,
      hint: error.hint,
    },
  ];
}
