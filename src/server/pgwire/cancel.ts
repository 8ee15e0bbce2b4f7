/**
 * CancelRequest: a second connection names the first by its process id and secret key. The secret is as long as the protocol allows (4 bytes in 3.0, 32 in 3.2), compared in constant time;
 * a request that matches nothing is ignored in silence, as Postgres does. Called by `server.ts` (one registry a server) and `connection.ts`.
 */
import { randomBytes, randomInt, timingSafeEqual } from 'node:crypto';

export interface CancelKey {
  readonly processId: number;
  readonly secret: Buffer;
}

export class CancelRegistry {
  readonly #running = new Map<number, { secret: Buffer; cancel: () => void }>();

  register(secretBytes: 4 | 32, cancel: () => void): CancelKey {
    let processId = randomInt(1, 0x7fffffff);
    while (this.#running.has(processId)) processId = randomInt(1, 0x7fffffff);
    const secret = randomBytes(secretBytes);
    this.#running.set(processId, { secret, cancel });
    return { processId, secret };
  }

  remove(key: CancelKey): void {
    this.#running.delete(key.processId);
  }

  /** True when it reached a session. */
  request(processId: number, secret: Uint8Array): boolean {
    const entry = this.#running.get(processId);
    if (entry === undefined || entry.secret.length !== secret.length || !timingSafeEqual(entry.secret, secret)) return false;
    entry.cancel();
    return true;
  }
}
