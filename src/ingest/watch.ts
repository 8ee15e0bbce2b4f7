/**
 * What the stream does not say: whether the tables are still what they were (every 5 s), whether it still brings all of their changes, and how much WAL the slot holds back
 * (every 15 s). Asked on the control connection. Whether they may still be read is not asked: the stream needs no SELECT, and a table that stopped for it would miss nothing.
 * Keeps I-1: a publication that is gone streams nothing (18) and says nothing, a table that leaves it and comes back has a gap, and a column that is dropped and made again
 * looks the same. Faults 35, 38, 40, 41, 44, 46, 59.
 */
import { AssertionError } from '../base/assert.ts';
import type { MillraceError } from '../base/errors.ts';
import { readPublishedTables, streamRefusalOf } from '../upstream/catalog/publication.ts';
import type { UpstreamConnection } from '../upstream/connection/connect.ts';
import { readSlot } from '../upstream/replication/slot.ts';
import type { UpstreamTable } from '../upstream/table.ts';
import type { IngestStatus } from './protocol.ts';

/** How long a change of a table's shape that the stream does not tell goes unnoticed, at most: a promise (docs/internals/change.md). */
export const LOOK_INTERVAL_MS = 5_000;
/** The rest is asked with every third look. */
const LOOKS_A_WATCH = 3;

export interface Watched {
  readonly publication: string;
  readonly slotName: string;
  tables(): readonly UpstreamTable[];
  /** Compares the tables with the catalog, and stops those that are others now. */
  look(): Promise<void>;
}

export type SlotSize = Pick<IngestStatus, 'retainedBytes' | 'safeBytes' | 'slotMeasuredAtMs'>;

export const NO_SLOT_SIZE: SlotSize = { retainedBytes: null, safeBytes: null, slotMeasuredAtMs: null };

export interface WatchEvents {
  /** The whole source is concerned: the session ends with this error. */
  failed(error: Error): void;
  tableFaulty(oid: number, error: MillraceError): void;
  slotSize(size: SlotSize): void;
}

export function watchUpstream(
  control: UpstreamConnection,
  watched: Watched,
  events: WatchEvents,
  intervalMs: number = LOOK_INTERVAL_MS,
): { stop(): void } {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let looks = 0;
  const watch = async (): Promise<void> => {
    const tables = watched.tables();
    const oids = tables.map((table) => table.oid);
    for (const found of await readPublishedTables(control, watched.publication, oids)) {
      const problem = streamRefusalOf(found, watched.publication);
      if (problem !== undefined) events.tableFaulty(found.table.oid, problem);
    }
    const slot = await readSlot(control, watched.slotName);
    if (slot !== undefined)
      events.slotSize({ retainedBytes: slot.retainedBytes, safeBytes: slot.safeBytes ?? null, slotMeasuredAtMs: Date.now() });
  };
  const look = async (): Promise<void> => {
    try {
      await watched.look();
      if (looks++ % LOOKS_A_WATCH === 0) await watch();
    } catch (error) {
      if (!stopped)
        events.failed(
          error instanceof Error
            ? control.failure(error, { doing: 'watching the publication', publication: watched.publication })
            : new AssertionError(String(error)),
        );
      return;
    }
    if (!stopped) timer = setTimeout(() => void look(), intervalMs);
  };
  void look();
  return {
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
