/**
 * SUBSCRIBE in the engine: after each tick, every subscription's changes as encoded rows, in order of timestamps, handed to the main thread as it takes them.
 *
 * Rows may go out before our own sync (they are durable upstream); a progress mark goes out only once its cut is synced, so that whatever a client
 * has seen a mark for is never taken back. A reader that is too far behind is told so and dropped: the engine never holds without end (I-6). What fails while one is
 * served ends that one alone (I-8): nothing here throws into the tick.
 */
import { millraceError, type PlainError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import type { Logger } from '../../base/logging.ts';
import { objectsRead } from '../../plan/scans.ts';
import type { Batch } from './encode.ts';
import type { LiveView } from '../views/live-view.ts';
import type { SubscribeRequest } from '../contract/protocol.ts';
import { traceOf } from '../ticks/step-failures.ts';
import { Subscriber } from './subscriber.ts';
import type { Time } from '../ticks/time.ts';
import type { Turns } from '../ticks/turns.ts';

/** A mark at least this often while nothing changes, so that a client knows how fresh "no change" is. */
const IDLE_MARK_MS = 1_000;

export interface SubscriptionOutput {
  rows(subscriptionId: number, batch: Batch): void;
  ended(subscriptionId: number, error: PlainError | null): void;
}

export interface SubscriptionsParts {
  readonly output: SubscriptionOutput;
  readonly turns: Turns;
  readonly time: Time;
  readonly logger: Logger;
}

interface Subscription {
  readonly id: number;
  readonly view: LiveView;
  /** What its query names. */
  readonly reads: readonly string[];
  readonly subscriber: Subscriber;
  readonly progress: boolean;
  /** Drops the dataflow that was made for this subscription alone. */
  readonly release: () => void;
  /** Marks that wait for their cut to be synced: [timestamp, log offset]. Only the newest synced one is sent. */
  marks: { timestamp: number; offset: number }[];
  lastMarkMs: number;
}

export class Subscriptions {
  readonly #open = new Map<number, Subscription>();
  readonly #parts: SubscriptionsParts;

  constructor(parts: SubscriptionsParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Begins at the tick `timestamp`, at log offset `offset`: the snapshot's first rows go out at once. */
  open(request: SubscribeRequest, view: LiveView, release: () => void, timestamp: number, offset: number): void {
    const id = request.subscriptionId;
    const subscription: Subscription = {
      id,
      view,
      reads: objectsRead(request.plan),
      subscriber: new Subscriber({
        request,
        view,
        ...this.#parts,
        send: (batch) => this.#parts.output.rows(id, batch),
        failed: (error) => this.#end(subscription, error),
      }),
      progress: request.progress,
      release,
      marks: [],
      lastMarkMs: 0,
    };
    const { subscriber } = subscription;
    try {
      // The first message of a subscription with marks is a mark at its own beginning: no row is older.
      if (request.progress) subscriber.mark(timestamp);
      if (request.snapshot) subscriber.snapshot(timestamp);
    } catch (error) {
      subscriber.close();
      throw error;
    }
    this.#open.set(id, subscription);
    if (request.progress) subscription.marks.push({ timestamp: timestamp + 1, offset });
  }

  /** After a tick. */
  tick(timestamp: number, offset: number): void {
    for (const subscription of this.#open.values()) this.#guarded(subscription, () => this.#tick(subscription, timestamp, offset));
    this.#dropLargest();
  }

  /** Everything before `syncedOffset` is durable: marks up to there may go out. */
  synced(syncedOffset: number): void {
    for (const subscription of this.#open.values()) {
      let due: { timestamp: number } | undefined;
      while (subscription.marks.length > 0 && subscription.marks[0]!.offset <= syncedOffset) due = subscription.marks.shift();
      if (due === undefined) continue;
      const { timestamp } = due;
      this.#guarded(subscription, () => subscription.subscriber.mark(timestamp));
    }
  }

  statuses(): { id: number; backlogBytes: number }[] {
    return Array.from(this.#open.values(), ({ id, subscriber }) => ({ id, backlogBytes: subscriber.backlogBytes }));
  }

  taken(id: number, bytes: number): void {
    const subscription = this.#open.get(id);
    if (subscription !== undefined) this.#guarded(subscription, () => subscription.subscriber.taken(bytes));
  }

  close(id: number): void {
    const subscription = this.#open.get(id);
    if (subscription !== undefined) this.#end(subscription, null);
  }

  /** The view or table goes away. */
  closeAllOf(object: string, error: PlainError): void {
    for (const subscription of this.#open.values()) if (subscription.reads.includes(object)) this.#end(subscription, error);
  }

  /** The source is gone. */
  closeAll(error: PlainError): void {
    for (const subscription of this.#open.values()) this.#end(subscription, error);
  }

  #tick(subscription: Subscription, timestamp: number, offset: number): void {
    const { view, subscriber } = subscription;
    const fault = view.fault();
    if (fault !== null) return this.#end(subscription, millraceError('VIEW_FAULTY', { view: view.object, reason: fault }).toPlain());
    const [error] = view.errors();
    if (error !== undefined) return this.#end(subscription, { code: 'EVALUATION_ERROR', sqlstate: error.sqlstate, message: error.message });
    const changed = subscriber.tick(timestamp);
    if (subscription.progress && (changed || this.#parts.time.nowMs() - subscription.lastMarkMs > IDLE_MARK_MS)) {
      subscription.marks.push({ timestamp: timestamp + 1, offset });
      subscription.lastMarkMs = this.#parts.time.nowMs();
    }
    const bytesMax = limits.subscriberBacklogBytesMax;
    if (subscriber.backlogBytes > bytesMax || subscriber.isStalled) this.#endSlow(subscription, bytesMax);
  }

  /** All together hold too much: the one that holds most goes. */
  #dropLargest(): void {
    if (this.#open.size < 2) return;
    let bytes = 0;
    let largest: Subscription | undefined;
    for (const subscription of this.#open.values()) {
      bytes += subscription.subscriber.memoryBytes;
      if (largest === undefined || subscription.subscriber.memoryBytes > largest.subscriber.memoryBytes) largest = subscription;
    }
    if (bytes > limits.subscribersMemoryBytesMax && largest !== undefined) this.#endSlow(largest, limits.subscribersMemoryBytesMax);
  }

  #endSlow(subscription: Subscription, bytesMax: number): void {
    this.#end(subscription, millraceError('SUBSCRIBER_TOO_SLOW', { bytesMax }).toPlain());
  }

  #guarded(subscription: Subscription, work: () => void): void {
    try {
      work();
    } catch (error) {
      this.#parts.logger.error({ subscription: subscription.id, error: traceOf(error) }, 'a subscription failed; the others go on');
      this.#end(subscription, subscription.subscriber.failureOf(error).toPlain());
    }
  }

  #end(subscription: Subscription, error: PlainError | null): void {
    if (!this.#open.delete(subscription.id)) return;
    subscription.subscriber.close();
    try {
      subscription.release();
    } catch (failure) {
      this.#parts.logger.error(
        { subscription: subscription.id, error: traceOf(failure) },
        'what a subscription used could not be given back',
      );
    }
    this.#parts.output.ended(subscription.id, error);
  }
}
