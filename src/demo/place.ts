/**
 * Where the demo's shop stands in somebody's database: a schema and a publication of its own, both marked, and the slot of its Millrace. What is not marked is never touched; everything marked goes
 * at the end, and what a killed demo left goes at the next start. The mark names the slot, and is there before the slot is (I-4).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { millraceError, reasonOf } from '../base/errors.ts';
import { literal } from '../base/ident.ts';
import { connectUpstream, type UpstreamConnection } from '../upstream/connection/connect.ts';
import type { ConnectionParameters } from '../upstream/connection/parameters.ts';
import { SHOP_TABLES } from './shop.ts';

/** Of the schema and of the publication. */
export const PLACE = 'millrace_demo';
const MARK = 'made by millrace demo';
const SLOT_IN_MARK = /; its slot: (millrace_[0-9a-f]+)$/;

/** The shop is made in seconds; a busy machine may take longer. */
const STATEMENT_TIMEOUT_MS = 120_000;
const LOCK_TIMEOUT_MS = 5_000;
const CLEAR_STATEMENT_TIMEOUT_MS = 20_000;
/** The server notices that a reader is gone when it next writes to it; we end it ourselves. */
const SLOT_FREE_MS = 10_000;
const SLOT_POLL_MS = 100;

/** A session in the demo's schema. */
export async function connectToPlace(parameters: ConnectionParameters): Promise<UpstreamConnection> {
  const connection = await connectUpstream(parameters, {
    purpose: 'demo',
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    lockTimeoutMs: LOCK_TIMEOUT_MS,
  });
  await connection.query(`SET search_path = ${PLACE}, pg_catalog`);
  return connection;
}

/** Takes the place for as long as the connection lives; what an earlier demo left in it is taken away first. `onTaken`: from here on it must be left again. */
export async function takePlace(connection: UpstreamConnection, onTaken: () => void): Promise<void> {
  if (await locked(connection)) onTaken();
  else throw millraceError('DEMO_RUNNING', { database: connection.parameters.database });
  const there = await marks(connection);
  for (const [kind, mark] of [
    ['schema', there.schema],
    ['publication', there.publication],
  ] as const)
    if (mark !== undefined && !mark.startsWith(MARK))
      throw millraceError('DEMO_NAME_TAKEN', { kind, name: PLACE, database: connection.parameters.database });
  await clear(connection, there);
  await connection.query(`BEGIN`);
  await connection.query(`CREATE SCHEMA ${PLACE}`);
  await connection.query(`COMMENT ON SCHEMA ${PLACE} IS ${literal(MARK)}`);
  await connection.query('COMMIT');
}

export async function markSlot(connection: UpstreamConnection, slot: string): Promise<void> {
  await connection.query(`COMMENT ON SCHEMA ${PLACE} IS ${literal(`${MARK}; its slot: ${slot}`)}`);
}

export async function publishShop(connection: UpstreamConnection): Promise<void> {
  await connection.query('BEGIN');
  await connection.query(`CREATE PUBLICATION ${PLACE} FOR TABLE ${SHOP_TABLES.map((table) => `${PLACE}.${table}`).join(', ')}`);
  await connection.query(`COMMENT ON PUBLICATION ${PLACE} IS ${literal(MARK)}`);
  await connection.query('COMMIT');
}

/** At the end, over a connection of its own: the others may be in the middle of something. */
export async function leavePlace(parameters: ConnectionParameters): Promise<void> {
  let connection: UpstreamConnection | undefined;
  try {
    connection = await connectUpstream(parameters, {
      purpose: 'demo',
      statementTimeoutMs: CLEAR_STATEMENT_TIMEOUT_MS,
      lockTimeoutMs: LOCK_TIMEOUT_MS,
    });
    // Who has taken it since has taken away what we made.
    if (await lockedSoon(connection)) await clear(connection, await marks(connection));
  } catch (error) {
    throw millraceError('DEMO_LEFT_BEHIND', { database: parameters.database, reason: reasonOf(error) }, error);
  } finally {
    await connection?.end();
  }
}

async function locked(connection: UpstreamConnection): Promise<boolean> {
  const [lock] = await connection.query(`SELECT pg_try_advisory_lock(hashtext(${literal(MARK)})) AS taken`);
  return lock?.['taken'] === 't';
}

/** Our other session gives it back when the server has noticed its end. */
async function lockedSoon(connection: UpstreamConnection): Promise<boolean> {
  const deadline = performance.now() + SLOT_FREE_MS;
  while (!(await locked(connection))) {
    if (performance.now() > deadline) return false;
    await sleep(SLOT_POLL_MS);
  }
  return true;
}

/** The comments; an empty one is none. Undefined: there is no such thing. */
interface Marks {
  readonly schema: string | undefined;
  readonly publication: string | undefined;
}

async function marks(connection: UpstreamConnection): Promise<Marks> {
  const [row] = await connection.query(
    `SELECT (SELECT coalesce(obj_description(oid, 'pg_namespace'), '') FROM pg_catalog.pg_namespace WHERE nspname = ${literal(PLACE)}) AS schema,
       (SELECT coalesce(obj_description(oid, 'pg_publication'), '') FROM pg_catalog.pg_publication WHERE pubname = ${literal(PLACE)}) AS publication`,
  );
  return { schema: row?.['schema'] ?? undefined, publication: row?.['publication'] ?? undefined };
}

/** The slot first: while it is there the server keeps its log. What others have put into the schema, or built upon it, stays, and is named by the server. */
async function clear(connection: UpstreamConnection, there: Marks): Promise<void> {
  const slot = SLOT_IN_MARK.exec(there.schema ?? '')?.[1];
  if (slot !== undefined) await dropSlots(connection, slot);
  if (there.publication?.startsWith(MARK) === true) await connection.query(`DROP PUBLICATION ${PLACE}`);
  if (there.schema?.startsWith(MARK) !== true) return;
  await connection.query('BEGIN');
  await connection.query(`DROP TABLE IF EXISTS ${SHOP_TABLES.map((table) => `${PLACE}.${table}`).join(', ')}`);
  await connection.query(`DROP TYPE IF EXISTS ${PLACE}.order_status`);
  await connection.query(`DROP SCHEMA ${PLACE}`);
  await connection.query('COMMIT');
}

async function dropSlots(connection: UpstreamConnection, name: string): Promise<void> {
  const deadline = performance.now() + SLOT_FREE_MS;
  for (;;) {
    const slots = await connection.query(
      `SELECT slot_name, active_pid FROM pg_catalog.pg_replication_slots WHERE database = current_database() AND (slot_name = ${literal(name)} OR left(slot_name, ${name.length + 1}) = ${literal(`${name}_`)})`,
    );
    if (slots.length === 0) return;
    for (const { slot_name: slot, active_pid: pid } of slots) {
      try {
        if (pid !== null) await connection.query('SELECT pg_terminate_backend($1)', [pid!]);
        await connection.query('SELECT pg_drop_replication_slot($1)', [slot!]);
      } catch (error) {
        if (performance.now() > deadline) throw error;
      }
    }
    await sleep(SLOT_POLL_MS);
  }
}
