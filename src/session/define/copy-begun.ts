/**
 * What a statement that begins a copy waits for: until the copy runs, or it is known why it cannot. Not for its end, and not for open transactions upstream, which may
 * take any time: what comes later is told by `millrace.tables`, by readers and in the log.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Notice } from '../../server/session.ts';
import type { UpstreamTable } from '../../upstream/table.ts';
import type { RunningSource } from '../coordinator.ts';

const KNOWN_AT_ONCE_MS = 3_000;
const LOOK_MS = 10;

/** Throws why the table cannot be copied now. */
export async function copyBegun(source: RunningSource, table: UpstreamTable): Promise<void> {
  const deadline = performance.now() + KNOWN_AT_ONCE_MS;
  let isDone = false;
  const added = source.ingest.addTables([table]).then(() => void (isDone = true));
  // Later, the status tells.
  added.catch(() => undefined);
  const begun = async (): Promise<void> => {
    while (!isDone && performance.now() < deadline) {
      const copy = source.status?.tables.find(({ oid }) => oid === table.oid);
      if (copy?.state === 'copying') return;
      await sleep(LOOK_MS);
    }
  };
  await Promise.race([added, begun()]);
}

/** A source is made whatever its first attempt meets, since it is tried again; who made it is told. */
export async function firstTrouble(source: RunningSource): Promise<Notice[]> {
  const deadline = performance.now() + KNOWN_AT_ONCE_MS;
  while (performance.now() < deadline) {
    const { state, error } = source.status ?? { state: 'connecting', error: null };
    if (error !== null) {
      const message = `the source is there, and its first copy cannot begin yet: ${error.message}`;
      return [{ severity: 'WARNING', sqlstate: error.sqlstate, message, detail: 'It is tried again by itself.', hint: error.hint }];
    }
    if (state !== 'connecting') break;
    await sleep(LOOK_MS);
  }
  return [];
}
