/** C18, C20 and C21: how much WAL is kept for a slow reader, what holds the stream back, and how long a silent one is borne. */
import type { Observed, ServerFacts } from '../facts.ts';
import type { Observation } from '../model.ts';
import { amount, bytesText, durationText, finding, type Subject } from './check.ts';

const HEADROOM_DAYS_MIN = 1;
/** A prepared transaction that nobody will ever commit. */
const PREPARED_SECONDS = 3_600;
const KEEP_BYTES_MIN = 1024 ** 3;
const IDLE_TIMEOUT_MS_MIN = 24 * 3_600_000;
const SENDER_TIMEOUT_MS_MIN = 10_000;

export function* retention({ observed }: Subject): Generator<Observation> {
  const facts = observed.server;
  if (facts === undefined) return;
  yield* kept(observed, facts);
  yield* heldBack(observed, facts);
  yield* senderTimeout(facts);
}

function* kept(observed: Observed, facts: ServerFacts): Generator<Observation> {
  const keep = amount(facts.settings['max_slot_wal_keep_size']?.value, 'bytes');
  const rate = facts.walBytesPerDay;
  const rateText = rate === undefined ? '' : `; it writes about ${bytesText(rate)} of WAL a day`;
  if (keep !== undefined && keep >= 0) {
    const days = rate === undefined || rate === 0 ? undefined : keep / rate;
    if (keep < KEEP_BYTES_MIN || (days !== undefined && days < HEADROOM_DAYS_MIN))
      yield finding('warning', 'C18', 'retention_short', {
        seen: `max_slot_wal_keep_size is ${facts.settings['max_slot_wal_keep_size']!.value}${days === undefined ? '' : `, ${durationText(days * 86_400)} at the present write rate`}`,
        why: 'A reader that is away for longer loses its slot, and every table must be copied again.',
        need: { kind: 'parameter', name: 'max_slot_wal_keep_size', value: wantedKeep(rate), restarts: false },
      });
  } else
    yield finding('note', 'C18', 'retention_unlimited', {
      seen: `max_slot_wal_keep_size is ${keep === undefined ? 'not there (Postgres 12 and older)' : '-1'}: WAL is kept for a slow reader without limit${rateText}`,
      why: 'An abandoned slot fills the disk. Millrace drops its slot with the source, and shows in millrace.lag what it keeps.',
    });
  const idle = amount(facts.settings['idle_replication_slot_timeout']?.value, 'ms');
  if (idle !== undefined && idle > 0 && idle < IDLE_TIMEOUT_MS_MIN)
    yield finding('warning', 'C18', 'idle_timeout_short', {
      seen: `idle_replication_slot_timeout is ${facts.settings['idle_replication_slot_timeout']!.value}`,
      why: 'A reader that is down for longer loses its slot, and every table must be copied again.',
      need: { kind: 'parameter', name: 'idle_replication_slot_timeout', value: '1d', restarts: false },
    });
  for (const slot of observed.slots)
    if (slot.lost !== undefined)
      yield finding('warning', 'C18', 'slot_lost', {
        subject: slot.name,
        seen: `slot "${slot.name}" is invalid (${slot.lost})`,
        why: 'It can never be read again and still takes a place.',
        need: { kind: 'drop_slot', slot: slot.name },
      });
}

function* heldBack(observed: Observed, facts: ServerFacts): Generator<Observation> {
  const { slot } = observed.probes;
  const waited = slot.outcome === 'failed' && (slot.failure.sqlstate === '55P03' || slot.failure.sqlstate === '57014');
  const pids = facts.oldTransactions.map((transaction) => transaction.pid);
  const oldest = facts.oldTransactions[0];
  if (waited && facts.standby)
    yield finding('unknown', 'C20', 'standby_waits', {
      seen: 'a temporary slot could not be made within 5 s on this standby',
      why: 'It waits for a record that an idle primary does not write; run SELECT pg_log_standby_snapshot() on the primary.',
    });
  else if (waited)
    yield finding('error', 'C20', 'slot_blocked', {
      seen: `a temporary slot could not be made within 1.5 s: ${oldest === undefined ? 'a transaction is open' : `a transaction is open for ${durationText(oldest.ageSeconds)} (pid ${oldest.pid}, ${oldest.state})`}`,
      why: 'Making a slot waits for every transaction that is open at that moment.',
      need: { kind: 'transactions', pids, prepared: facts.prepared.map(({ gid }) => gid) },
    });
  else if (oldest !== undefined)
    yield finding('warning', 'C20', 'old_transaction', {
      subject: `pid ${oldest.pid}`,
      seen: `a transaction of "${oldest.user}" is open for ${durationText(oldest.ageSeconds)} (pid ${oldest.pid}, ${oldest.state})`,
      why: 'A slot made now may wait for it, and WAL is kept from its start on.',
      need: { kind: 'transactions', pids, prepared: [] },
    });
  const prepared = facts.prepared.filter((one) => one.ageSeconds > PREPARED_SECONDS);
  if (prepared.length > 0 && !waited)
    yield finding('warning', 'C20', 'prepared_transaction', {
      subject: prepared[0]!.gid,
      seen: `prepared transaction "${prepared[0]!.gid}" is ${durationText(prepared[0]!.ageSeconds)} old`,
      why: 'Forgotten, it keeps WAL and dead rows for ever.',
      need: { kind: 'transactions', pids: [], prepared: prepared.map(({ gid }) => gid) },
    });
}

function* senderTimeout(facts: ServerFacts): Generator<Observation> {
  const timeout = amount(facts.settings['wal_sender_timeout']?.value, 'ms');
  if (timeout !== undefined && timeout > 0 && timeout < SENDER_TIMEOUT_MS_MIN)
    yield finding('warning', 'C21', 'sender_timeout_short', {
      seen: `wal_sender_timeout is ${facts.settings['wal_sender_timeout']!.value}`,
      why: 'A network hiccup of that length ends the stream each time.',
      need: { kind: 'parameter', name: 'wal_sender_timeout', value: '60s', restarts: false },
    });
  if (timeout === 0)
    yield finding('note', 'C21', 'sender_timeout_off', {
      seen: 'wal_sender_timeout is 0',
      why: 'After a broken connection the server may take the old session for alive, and the slot for busy, until TCP gives up.',
    });
}

/** Two days of writing, at least 10 GB. */
function wantedKeep(bytesPerDay: number | undefined): string {
  const bytes = Math.max(10 * 1024 ** 3, 2 * (bytesPerDay ?? 0));
  return `${Math.ceil(bytes / 1024 ** 3)}GB`;
}
