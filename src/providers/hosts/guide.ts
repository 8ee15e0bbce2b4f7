/** The lines of the guide that hold for every provider: the floor, the effect, and the replica identity that the guide names under DigitalOcean only. */
import type { CheckId, Requirement } from '../model.ts';

export const EVERYWHERE: readonly Requirement[] = [
  {
    id: 'S0',
    guide: 'Postgres 10+',
    today:
      'Postgres 10 or later; the community supports 15 and later (14 ended in November 2026). Row filters and FOR TABLES IN SCHEMA need 15.',
    outdated: false,
    checks: ['C06'],
  },
  {
    id: 'S1',
    guide: 'The instance must be configured for logical replication, which may affect performance.',
    today: 'The same: more WAL, and a slot that nobody reads keeps WAL until the disk is full.',
    outdated: false,
    checks: ['C08', 'C18', 'C20'],
  },
];

/** DO5, which applies to every provider: the guide names it under DigitalOcean alone. */
const IDENTITY: Requirement = {
  id: 'DO5',
  guide: 'A table without a primary key needs REPLICA IDENTITY FULL (said of DigitalOcean only).',
  today:
    'True of every provider, and it must come before the publication; an index over NOT NULL columns does as well as FULL and costs no WAL.',
  outdated: true,
  checks: ['C16'],
};

/** What every consumer needs and the guide never says. */
export const UNSAID: readonly Requirement[] = [
  {
    id: 'role',
    guide: '(not said)',
    today: 'A role of its own that may replicate and read the tables, instead of the administrator.',
    outdated: true,
    checks: ['C10', 'C17'],
  },
  {
    id: 'room',
    guide: '(not said)',
    today: 'A free slot, a free WAL sender and free connections.',
    outdated: true,
    checks: ['C11', 'C12', 'C13'],
  },
  {
    id: 'direct',
    guide: '(not said)',
    today: 'A direct, encrypted connection to the primary; no pooler.',
    outdated: true,
    checks: ['C02', 'C03', 'C05', 'C07', 'C22'],
  },
];

export function line(id: string, guide: string, today: string, outdated: boolean, ...checks: CheckId[]): Requirement {
  return { id, guide, today, outdated, checks };
}

/** A provider's whole list, `own` in its place. */
export function requirements(...own: readonly Requirement[]): readonly Requirement[] {
  return [...EVERYWHERE, ...own, IDENTITY, ...UNSAID];
}
