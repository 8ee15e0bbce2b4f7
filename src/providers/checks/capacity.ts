/** C11, C12, C13: a free slot, a free WAL sender, a free connection. */
import type { Observation } from '../model.ts';
import { isOwn, sizing } from '../sizing.ts';
import { finding, type Subject } from './check.ts';

/** Sessions of a consumer: the stream, a copy, the catalog watch. */
const CONNECTIONS_NEEDED = 3;
const IDLE_SLOT_SECONDS = 3_600;

export function* capacity({ observed }: Subject): Generator<Observation> {
  const facts = observed.server;
  if (facts === undefined) return;
  const { slot, identify } = observed.probes;

  for (const size of sizing(observed)) {
    const need = { kind: 'parameter', name: size.parameter, value: String(size.least), restarts: true } as const;
    if (size.parameter === 'max_replication_slots') {
      const full = slot.outcome === 'failed' && slot.failure.code === 'SLOTS_EXHAUSTED';
      if (!full && size.now >= size.least) continue;
      const idle = observed.slots.filter((one) => !one.active && !isOwn(one.name));
      yield finding(full || size.now - facts.slotsUsed < 1 ? 'error' : 'warning', 'C11', 'slots_exhausted', {
        seen: `max_replication_slots is ${size.now}: ${facts.slotsUsed} in use${idle.length === 0 ? '' : ` (idle: ${idle.map((one) => one.name).join(', ')})`}, ${observed.asked.slotsNeeded} needed`,
        why: 'A stream holds one slot, and a second for a while when a table is added or an audit runs.',
        need,
      });
    }
    if (size.parameter === 'max_wal_senders') {
      const full = identify.outcome === 'failed' && identify.failure.code === 'WALSENDERS_EXHAUSTED';
      if (!full && size.now >= size.least) continue;
      yield finding(full || size.now - facts.sendersUsed < 1 ? 'error' : 'warning', 'C12', 'walsenders_exhausted', {
        seen: `max_wal_senders is ${size.now}: ${facts.sendersUsed} in use, ${observed.asked.slotsNeeded} needed`,
        why: 'Each stream and each physical replica takes one.',
        need,
      });
    }
  }

  const number = (name: string): number => Number(facts.settings[name]?.value ?? 0);
  const room =
    number('max_connections') - number('superuser_reserved_connections') - number('reserved_connections') - facts.connectionsUsed;
  if (room < CONNECTIONS_NEEDED)
    yield finding(room < 1 ? 'error' : 'warning', 'C13', 'connections_scarce', {
      seen: `${facts.connectionsUsed} of ${number('max_connections')} connections are in use`,
      why: `Streaming needs two sessions, and one more while a table is copied.`,
      need: { kind: 'connections' },
    });
  const { role } = observed;
  if (role !== undefined && role.connectionLimit >= 0 && role.connectionLimit < CONNECTIONS_NEEDED)
    yield finding('warning', 'C13', 'role_connection_limit', {
      subject: role.name,
      seen: `"${role.name}" may hold ${role.connectionLimit} connections`,
      why: 'Streaming needs two sessions, and one more while a table is copied.',
      need: { kind: 'connections' },
    });

  for (const one of observed.slots) {
    if (one.active || one.temporary || !one.logical) continue;
    if ((one.inactiveSeconds ?? 0) < IDLE_SLOT_SECONDS && one.retainedBytes < 1024 ** 3) continue;
    yield finding('warning', 'C11', 'slot_idle', {
      subject: one.name,
      seen: `slot "${one.name}" is not in use and keeps ${Math.round(one.retainedBytes / 1024 ** 2)} MB of WAL`,
      why: 'While it exists, the server keeps every change for it, until its disk is full.',
      need: { kind: 'drop_slot', slot: one.name },
    });
  }
}
