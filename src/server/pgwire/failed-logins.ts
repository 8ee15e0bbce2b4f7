/**
 * Wrong passwords, an address at a time: each answer to one comes later than the last, only few wait at once, and the log has a line now and then with their
 * number. Right passwords are never delayed, because many clients may share an address (a proxy, loopback). Owned by `server.ts`, asked by `connection.ts`.
 */
import type { Logger } from '../../base/logging.ts';

const DELAY_MS_FIRST = 100;
const DELAY_MS_MAX = 5_000;
/** Answers that wait, of one address: the rest is closed without one. So an address has two tries a second, whatever it opens. */
const WAITING_MAX = 10;
const FORGOTTEN_AFTER_MS = 300_000;
const ADDRESSES_MAX = 10_000;
const LOG_INTERVAL_MS = 10_000;
/** Lines of all addresses together, an interval. */
const LOG_LINES_MAX = 20;

interface Address {
  failures: number;
  waiting: number;
  lastMs: number;
  loggedMs: number;
  untold: number;
}

export class FailedLogins {
  readonly #addresses = new Map<string, Address>();
  readonly #logger: Logger;
  readonly #now: () => number;
  #lines = 0;
  #linesSinceMs = -Infinity;

  constructor(logger: Logger, now: () => number = () => performance.now()) {
    this.#logger = logger;
    this.#now = now;
  }

  /** How long the answer has to wait; undefined: there is none, the connection is to be closed. Whoever waits says `answered` afterwards. */
  failed(address: string, user: string): number | undefined {
    const now = this.#now();
    const known = this.#known(address, now);
    known.failures += 1;
    known.lastMs = now;
    this.#tell(address, user, known, now);
    if (known.waiting >= WAITING_MAX) return undefined;
    known.waiting += 1;
    return Math.min(DELAY_MS_FIRST * 2 ** Math.min(known.failures - 1, 10), DELAY_MS_MAX);
  }

  answered(address: string): void {
    const known = this.#addresses.get(address);
    if (known !== undefined && known.waiting > 0) known.waiting -= 1;
  }

  #known(address: string, now: number): Address {
    const before = this.#addresses.get(address);
    // The order of the map is that of the last failure.
    this.#addresses.delete(address);
    for (const [oldest, { lastMs, waiting }] of this.#addresses) {
      if (waiting === 0 && (now - lastMs > FORGOTTEN_AFTER_MS || this.#addresses.size >= ADDRESSES_MAX)) this.#addresses.delete(oldest);
      else break;
    }
    const isFresh = before === undefined || (now - before.lastMs > FORGOTTEN_AFTER_MS && before.waiting === 0);
    const known = isFresh ? { failures: 0, waiting: 0, lastMs: now, loggedMs: -Infinity, untold: 0 } : before;
    this.#addresses.set(address, known);
    return known;
  }

  #tell(address: string, user: string, known: Address, now: number): void {
    if (now - this.#linesSinceMs >= LOG_INTERVAL_MS) {
      this.#linesSinceMs = now;
      this.#lines = 0;
    }
    if (now - known.loggedMs < LOG_INTERVAL_MS || this.#lines >= LOG_LINES_MAX) {
      known.untold += 1;
      return;
    }
    this.#lines += 1;
    this.#logger.warn({ address, user, failures: known.failures, sinceLastLine: known.untold + 1 }, 'password authentication failed');
    known.loggedMs = now;
    known.untold = 0;
  }
}
