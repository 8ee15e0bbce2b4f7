/** The lines of the guide that hold for every provider: the floor, the effect, and the replica identity that the guide names under DigitalOcean only. */
import type { CheckId, Requirement } from '../model.ts';

/** A line of the guide that is true as it stands, and the checks that find it broken. */
export function holds(id: string, checks: readonly CheckId[], guide: string, today: string): Requirement {
  return { id, guide, today, outdated: false, checks };
}

/** One that the years have passed by, or that is not the whole truth. */
export function outdated(id: string, checks: readonly CheckId[], guide: string, today: string): Requirement {
  return { id, guide, today, outdated: true, checks };
}

export const EVERYWHERE: readonly Requirement[] = [
  holds(
    'S0',
    ['C06'],
    'Postgres 10+',
    'Postgres 10 or later; the community supports 15 and later (14 ended in November 2026). Row filters and FOR TABLES IN SCHEMA need 15.',
  ),
  holds(
    'S1',
    ['C08', 'C18', 'C20'],
    'The instance must be configured for logical replication, which may affect performance.',
    'The same: more WAL, and a slot that nobody reads keeps WAL until the disk is full.',
  ),
];

/** DO5, which applies to every provider: the guide names it under DigitalOcean alone. */
const IDENTITY = outdated(
  'DO5',
  ['C16'],
  'A table without a primary key needs REPLICA IDENTITY FULL (said of DigitalOcean only).',
  'True of every provider, and it must come before the publication; an index over NOT NULL columns does as well as FULL and costs no WAL.',
);

/** What every consumer needs and the guide never says. */
export const UNSAID: readonly Requirement[] = [
  outdated('role', ['C10', 'C17'], '(not said)', 'A role of its own that may replicate and read the tables, instead of the administrator.'),
  outdated('room', ['C11', 'C12', 'C13'], '(not said)', 'A free slot, a free WAL sender and free connections.'),
  outdated('direct', ['C02', 'C03', 'C05', 'C07', 'C22'], '(not said)', 'A direct, encrypted connection to the primary; no pooler.'),
];

/** A provider's whole list, `own` in its place. */
export function requirements(...own: readonly Requirement[]): readonly Requirement[] {
  return [...EVERYWHERE, ...own, IDENTITY, ...UNSAID];
}
