/**
 * What clients may hold in this process's memory: one budget for all, one a session (I-6). Whoever keeps something of a client's between two messages takes
 * its bytes here and gives them back; what is over a limit is refused with the names of what is held, so that the client knows what to let go.
 * Made by the coordinator; used by sessions and by the protocol server.
 */
import { assert } from './assert.ts';
import { millraceError, type MillraceError } from './errors.ts';
import { limits } from './limits.ts';

/** What is held, in the words of the error. */
export type Held = 'settings' | 'prepared statements' | 'portals' | 'cursors' | 'results' | 'messages' | 'subscriptions' | 'savepoints';

/** The statement that lets go of it. */
const LETS_GO: Readonly<Record<Held, string>> = {
  settings: 'RESET ALL;',
  'prepared statements': 'DEALLOCATE ALL;',
  portals: 'close portals, or COMMIT;',
  cursors: 'CLOSE ALL;',
  results: 'read the results that are open',
  messages: 'send less in one message',
  subscriptions: 'read the subscription faster',
  savepoints: 'RELEASE savepoints, or COMMIT;',
};

export class ClientsMemory {
  readonly bytesMax: number;
  readonly sessionBytesMax: number;
  #bytes = 0;

  constructor(bytesMax: number = limits.clientsMemoryBytesMax, sessionBytesMax: number = limits.sessionMemoryBytesMax) {
    this.bytesMax = bytesMax;
    this.sessionBytesMax = sessionBytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  session(): SessionMemory {
    return new SessionMemory(this, (bytes) => (this.#bytes += bytes));
  }
}

export class SessionMemory {
  readonly #all: ClientsMemory;
  readonly #count: (bytes: number) => void;
  readonly #held = new Map<Held, number>();
  #bytes = 0;
  #closed = false;

  constructor(all: ClientsMemory, count: (bytes: number) => void) {
    this.#all = all;
    this.#count = count;
  }

  get bytes(): number {
    return this.#bytes;
  }

  held(what: Held): number {
    return this.#held.get(what) ?? 0;
  }

  /** Throws, and takes nothing, when it is too much. */
  take(what: Held, bytes: number): void {
    const refusal = this.refusal(what, bytes);
    if (refusal !== undefined) throw refusal;
    this.#move(what, bytes);
  }

  /** Why it would be too much. */
  refusal(what: Held, bytes: number): MillraceError | undefined {
    const facts = { what, bytes, held: this.#inWords(), letsGo: this.#largest(what) };
    if (this.#bytes + bytes > this.#all.sessionBytesMax)
      return millraceError('SESSION_MEMORY_EXHAUSTED', { ...facts, bytesMax: this.#all.sessionBytesMax });
    if (this.#all.bytes + bytes > this.#all.bytesMax)
      return millraceError('CLIENTS_MEMORY_EXHAUSTED', { ...facts, bytesMax: this.#all.bytesMax });
    return undefined;
  }

  /** What is held of it now, whatever it was before: for what was taken before it changed. */
  set(what: Held, bytes: number): void {
    this.#move(what, bytes - this.held(what));
  }

  give(what: Held, bytes: number): void {
    this.#move(what, -bytes);
  }

  /** The client is gone, and all that it held. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#count(-this.#bytes);
    this.#bytes = 0;
    this.#held.clear();
  }

  #move(what: Held, bytes: number): void {
    // What ends after its session has nothing left to give back.
    if (this.#closed) return;
    const held = (this.#held.get(what) ?? 0) + bytes;
    assert(held >= 0, () => `${what}: more given back than was taken`);
    this.#held.set(what, held);
    this.#bytes += bytes;
    this.#count(bytes);
  }

  #inWords(): string {
    const parts = [...this.#held].filter(([, bytes]) => bytes > 0).map(([what, bytes]) => `${what} ${bytes} bytes`);
    return parts.length === 0 ? 'nothing' : parts.join(', ');
  }

  #largest(asked: Held): string {
    const [largest] = [...this.#held].toSorted(([, a], [, b]) => b - a);
    return LETS_GO[largest !== undefined && largest[1] > 0 ? largest[0] : asked];
  }
}
