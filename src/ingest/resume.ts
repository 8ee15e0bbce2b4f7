/**
 * What to do about the slot after a (re)connect. Pure; the caller does the I/O.
 * Keeps I-1 (never resume across a gap), I-3 (never before what is durable here) and I-4 (our own half-made slot is dropped and begun anew).
 * Faults 15, 16, 20, 21, 22, 23, 25, 26, 27 of docs/reference/faults.md.
 */
import { millraceError, type MillraceError } from '../base/errors.ts';
import { formatLsn, type Lsn } from '../base/lsn.ts';
import type { SlotFacts, TimelineHistory } from '../upstream/replication/slot.ts';

/** Where we are, from the log and the note beside it. */
export interface DurablePosition {
  /** Undefined: nothing was ever begun. */
  readonly systemId: string | undefined;
  readonly timeline: number;
  readonly slotName: string;
  readonly database: string;
  /** All copies are complete, and the stream may have begun. */
  readonly snapshotComplete: boolean;
  /** The highest position that the server may have heard as acknowledged. */
  readonly acknowledgedLsn: Lsn;
  /** The highest position that is in the log: what a server must contain. */
  readonly receivedLsn: Lsn;
}

export interface ServerFacts {
  readonly systemId: string;
  readonly timeline: number;
  readonly walEnd: Lsn;
  readonly history: TimelineHistory;
  readonly slot: SlotFacts | undefined;
}

export type Resume =
  /** Copy everything; `drop`: our own slot of an attempt that did not come to its end. */
  | { readonly kind: 'bootstrap'; readonly drop: string | undefined }
  | { readonly kind: 'continue'; readonly from: Lsn }
  | { readonly kind: 'refuse'; readonly error: MillraceError };

export function resume(ours: DurablePosition, server: ServerFacts): Resume {
  const { slot } = server;
  if (slot !== undefined && (slot.plugin !== 'pgoutput' || slot.database !== ours.database))
    return { kind: 'refuse', error: millraceError('SLOT_FOREIGN', { slot: slot.name, plugin: slot.plugin, database: slot.database }) };
  if (ours.systemId === undefined) return { kind: 'bootstrap', drop: slot?.name };
  if (server.systemId !== ours.systemId)
    return { kind: 'refuse', error: millraceError('OTHER_SERVER', { ours: ours.systemId, theirs: server.systemId }) };
  if (!ours.snapshotComplete) return { kind: 'bootstrap', drop: slot?.name };
  if (!contains(server, ours.timeline, ours.receivedLsn)) {
    return {
      kind: 'refuse',
      error: millraceError('TIMELINE_LEFT_BEHIND', {
        timeline: ours.timeline,
        lsn: formatLsn(ours.receivedLsn),
        serverTimeline: server.timeline,
        serverLsn: formatLsn(server.walEnd),
      }),
    };
  }
  if (slot === undefined) return { kind: 'refuse', error: millraceError('SLOT_DROPPED', { slot: ours.slotName }) };
  if (slot.lost !== undefined) return { kind: 'refuse', error: millraceError('SLOT_LOST', { slot: slot.name, reason: slot.lost }) };
  if (slot.confirmedFlushLsn > ours.acknowledgedLsn) {
    return {
      kind: 'refuse',
      error: millraceError('SLOT_ADVANCED', {
        slot: slot.name,
        confirmed: formatLsn(slot.confirmedFlushLsn),
        ours: formatLsn(ours.acknowledgedLsn),
      }),
    };
  }
  return { kind: 'continue', from: ours.acknowledgedLsn };
}

/** Whether a position on a timeline lies in the server's past: on its own timeline, or before the point where that one was left. */
function contains(server: ServerFacts, timeline: number, lsn: Lsn): boolean {
  if (timeline === server.timeline) return lsn <= server.walEnd;
  const left = server.history.switches.find((change) => change.timeline === timeline);
  return left !== undefined && lsn <= left.lsn;
}
