/** C19: whether a slot would survive a failover. A hosted standby shares the storage or it does not: the host's own trap says which; here is what SQL shows. */
import type { Observation } from '../model.ts';
import { finding, type Subject } from './check.ts';

export function* failover({ observed, provider }: Subject): Generator<Observation> {
  const facts = observed.server;
  if (facts === undefined || facts.standby || provider.sharedStorage === true) return;
  const value = (name: string): string | undefined => facts.settings[name]?.value;
  const standbys =
    observed.slots.some((slot) => !slot.logical) || facts.sendersUsed > observed.slots.filter((slot) => slot.logical && slot.active).length;
  if (!standbys) return;
  if (facts.versionNum < 170_000)
    yield finding('note', 'C19', 'failover_loses_slot', {
      seen: `a standby follows this server, and Postgres ${Math.floor(facts.versionNum / 10_000)} does not carry slots over to it`,
      why: 'After a failover to it the slot is gone, and every table is copied again. Millrace notices and says so.',
    });
  else if ((value('synchronized_standby_slots') ?? '') === '')
    yield finding('note', 'C19', 'failover_unsynchronised', {
      seen: 'a standby follows this server, and synchronized_standby_slots is not set',
      why: 'A failover could go back behind what was already streamed. Set it to the standby’s slot, and sync_replication_slots and hot_standby_feedback on the standby.',
    });
}
