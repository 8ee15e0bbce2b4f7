/**
 * What the stream does not say: whether the publication and its tables are still what they were, and how much WAL the slot holds back. Asked every 15 s on the control
 * connection. Keeps I-1: a publication that is gone streams nothing (18) and says nothing, a table that leaves it and comes back has a gap.
 * Faults 35, 38, 40, 41, 44, 59.
 */
import { AssertionError } from '../base/assert.ts';
import { millraceError, type MillraceError } from '../base/errors.ts';
import { readPublishedTables, refusalOf, requirePublication } from '../upstream/catalog/publication.ts';
import type { UpstreamConnection } from '../upstream/connection/connect.ts';
import { readSlot } from '../upstream/replication/slot.ts';
import type { UpstreamTable } from '../upstream/table.ts';
import type { IngestStatus } from './protocol.ts';

const WATCH_INTERVAL_MS = 15_000;

export interface Watched {
  readonly publication: string;
  readonly slotName: string;
  tables(): readonly UpstreamTable[];
  /** As noted when the table was copied. */
  membership(oid: number): string | undefined;
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
  intervalMs: number = WATCH_INTERVAL_MS,
): { stop(): void } {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  const look = async (): Promise<void> => {
    try {
      const tables = watched.tables();
      const found = await readPublishedTables(
        control,
        watched.publication,
        tables.map((table) => table.oid),
      );
      // After its tables: a publication that is dropped just now is missing as such, not table by table.
      await requirePublication(control, watched.publication, tables);
      for (const table of tables) {
        const named = { schema: table.schema, table: table.name, publication: watched.publication };
        const match = found.find((published) => published.table.oid === table.oid);
        const noted = watched.membership(table.oid);
        const problem =
          match === undefined
            ? millraceError('TABLE_NOT_PUBLISHED', named)
            : noted !== undefined && noted !== match.membership
              ? millraceError('TABLE_REPUBLISHED', named)
              : refusalOf(match, watched.publication, control.parameters.user);
        if (problem !== undefined) events.tableFaulty(table.oid, problem);
      }
      const slot = await readSlot(control, watched.slotName);
      if (slot !== undefined)
        events.slotSize({ retainedBytes: slot.retainedBytes, safeBytes: slot.safeBytes ?? null, slotMeasuredAtMs: Date.now() });
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
