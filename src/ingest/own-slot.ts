/** Drops the slot that we made (I-4). The walsender of a connection that is gone lets go of it within a moment, so a busy slot is tried a few times. */
import { setTimeout as sleep } from 'node:timers/promises';
import { MillraceError, millraceError, reasonOf } from '../base/errors.ts';
import { connectUpstream, type UpstreamConnection } from '../upstream/connection/connect.ts';
import type { ConnectionParameters } from '../upstream/connection/parameters.ts';
import { createSlot, dropSlot, dropTemporarySlot } from '../upstream/replication/slot.ts';

const TRIES = 20;
const PAUSE_MS = 100;
/** While the stream is held for a copy, making the slot may wait only this long for open transactions. */
const HELD_SLOT_TIMEOUT_MS = 10_000;

export async function dropOwnSlot(control: UpstreamConnection, name: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await dropSlot(control, name);
    } catch (error) {
      if (!(error instanceof MillraceError) || error.code !== 'SLOT_IN_USE' || attempt >= TRIES) throw error;
      await sleep(PAUSE_MS);
    }
  }
}

/** For a source that is dropped: what cannot be done now is left to the user, with the command (SLOT_LEFT_BEHIND). */
export async function leaveNoSlot(parameters: ConnectionParameters, name: string): Promise<void> {
  try {
    const control = await connectUpstream(parameters, { purpose: 'control' });
    try {
      await dropOwnSlot(control, name);
    } finally {
      await control.end();
    }
  } catch (error) {
    const facts = { slot: name, said: reasonOf(error) };
    throw millraceError('SLOT_LEFT_BEHIND', facts, error);
  }
}

/** Making a slot waits for transactions that are open upstream. The long ones are waited for here, before the stream is held for the slot that counts. */
export async function outwaitTransactions(making: UpstreamConnection, name: string): Promise<void> {
  await createSlot(making, name, 'temporary');
  await dropTemporarySlot(making, name);
  await making.query(`SELECT set_config('lock_timeout', '${HELD_SLOT_TIMEOUT_MS}', false)`);
}
