/**
 * How large four parameters should be: the guide's table (AUR5), computed from what the server has and what it is used for now. Pure. `capacity` reports the two that a stream
 * needs as faults; the two that only subscribers need are advice.
 */
import type { Observed } from './facts.ts';

export interface Size {
  readonly parameter: string;
  readonly now: number;
  /** The least that suffices. */
  readonly least: number;
  readonly because: string;
  /** A stream like ours does not start without it. */
  readonly needed: boolean;
}

export function sizing(observed: Observed): Size[] {
  const { server, asked, slots } = observed;
  if (server === undefined) return [];
  const setting = (name: string): number | undefined => {
    const value = server.settings[name]?.value;
    return value === undefined || !/^-?\d+$/.test(value) ? undefined : Number(value);
  };
  const sizes: Size[] = [];
  const add = (parameter: string, least: number, because: string, needed: boolean): void => {
    const now = setting(parameter);
    if (now !== undefined) sizes.push({ parameter, now, least, because, needed });
  };

  const slotsElse = server.slotsUsed - (asked.consumer === 'millrace' ? slots.filter((slot) => isOwn(slot.name)).length : 0);
  const reason = (elsewhere: number): string => `${elsewhere} in use by others, ${asked.slotsNeeded} for ${asked.consumer}`;
  add('max_replication_slots', slotsElse + asked.slotsNeeded, reason(slotsElse), true);
  const sendersElse = Math.max(0, server.sendersUsed - slots.filter((slot) => slot.active && isOwn(slot.name)).length);
  add('max_wal_senders', sendersElse + asked.slotsNeeded, reason(sendersElse), true);

  const logical = slots.filter((slot) => slot.logical).length + asked.slotsNeeded;
  add(
    'max_logical_replication_workers',
    logical,
    `the guide asks for one a logical slot (${logical}); only a server that subscribes starts them`,
    false,
  );
  const workers =
    (setting('max_logical_replication_workers') ?? 4) + (setting('autovacuum_max_workers') ?? 3) + (setting('max_parallel_workers') ?? 8);
  add(
    'max_worker_processes',
    workers,
    'the guide asks for max_logical_replication_workers + autovacuum_max_workers + max_parallel_workers',
    false,
  );
  return sizes;
}

/** A slot of Millrace's own needs no further room: it is there already. */
export function isOwn(slot: string): boolean {
  return slot.startsWith('millrace_');
}
