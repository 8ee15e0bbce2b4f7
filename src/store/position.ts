/**
 * Where in an upstream's history something is. LSNs alone are not unique (fault 22: a restored server runs over the same ones again), so a position names the
 * server, its timeline and the slot too; `ordinal` counts the messages inside a transaction and is 0 between transactions.
 * Compared by `ingest` before it resumes; kept in every segment's header.
 */
import { formatLsn, parseLsn, type Lsn } from '../base/lsn.ts';

export interface Position {
  readonly systemId: string;
  readonly timeline: number;
  readonly slotName: string;
  /** End LSN of the last whole transaction. */
  readonly lsn: Lsn;
  readonly ordinal: number;
}

export interface PositionJson {
  readonly systemId: string;
  readonly timeline: number;
  readonly slotName: string;
  readonly lsn: string;
  readonly ordinal: number;
}

/** Before anything is known of the upstream. */
export const nowhere: Position = { systemId: '', timeline: 0, slotName: '', lsn: 0n, ordinal: 0 };

export function positionToJson(position: Position): PositionJson {
  return { ...position, lsn: formatLsn(position.lsn) };
}

export function positionFromJson(json: PositionJson): Position {
  return { ...json, lsn: parseLsn(json.lsn) };
}
