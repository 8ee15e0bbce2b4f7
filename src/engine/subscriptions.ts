/**
 * SUBSCRIBE in the engine: after each tick, every subscription's changes as encoded rows, in order of timestamps, handed to the main thread.
 *
 * Rows may go out before our own sync (they are durable upstream); a progress mark goes out only once its cut is synced (DESIGN 5), so that whatever a client
 * has seen a mark for is never taken back. A reader that is too far behind is told so and dropped: the engine never holds without end (I-6).
 */
import { millraceError, type PlainError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import type { DeltaBlock } from '../dataflow/arrangement/delta-block.ts';
import type { Listener } from '../dataflow/graph/view-graph.ts';
import { objectsRead } from '../dataflow/plan/scans.ts';
import { RowEncoder, type Batch } from './encode.ts';
import type { LiveView } from './live-view.ts';
import type { RowFormat, SubscribeRequest } from './protocol.ts';

/** A mark at least this often while nothing changes, so that a client knows how fresh "no change" is. */
const IDLE_MARK_MS = 1_000;

export interface SubscriptionOutput {
  rows(subscriptionId: number, batch: Batch): void;
  ended(subscriptionId: number, error: PlainError | null): void;
}

interface Subscription {
  readonly id: number;
  readonly view: LiveView;
  /** What its query names. */
  readonly reads: readonly string[];
  readonly listener: Listener;
  readonly encoder: RowEncoder;
  readonly progress: boolean;
  /** Drops the dataflow that was made for this subscription alone. */
  readonly release: () => void;
  backlogBytes: number;
  /** Marks that wait for their cut to be synced: [timestamp, log offset]. Only the newest synced one is sent. */
  marks: { timestamp: number; offset: number }[];
  lastMarkMs: number;
}

export class Subscriptions {
  readonly #open = new Map<number, Subscription>();
  readonly #output: SubscriptionOutput;

  constructor(output: SubscriptionOutput) {
    this.#output = output;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Begins at the tick `timestamp`, at log offset `offset`: the snapshot goes out at once. */
  open(request: SubscribeRequest, view: LiveView, release: () => void, timestamp: number, offset: number): void {
    const format: RowFormat = request.format;
    const all = Array.from({ length: view.columnCount }, (_, index) => index);
    const subscription: Subscription = {
      id: request.subscriptionId,
      view,
      reads: objectsRead(request.plan),
      listener: view.listen(),
      encoder: new RowEncoder(view.output.layout, all, format, limits.subscriberBacklogBytesMax),
      progress: request.progress,
      release,
      backlogBytes: 0,
      marks: [],
      lastMarkMs: 0,
    };
    this.#open.set(subscription.id, subscription);
    // The first message of a subscription with marks is a mark at its own beginning: no row is older.
    if (request.progress) subscription.encoder.addNulls([String(timestamp), 't', null]);
    if (request.snapshot) {
      const memory = view.output.memory;
      view.output.forEach((_, row, weight) => this.#add(subscription, memory, row, weight, timestamp));
    }
    if (request.progress) subscription.marks.push({ timestamp: timestamp + 1, offset });
    this.#send(subscription);
  }

  /** After a tick. */
  tick(timestamp: number, offset: number): void {
    for (const subscription of this.#open.values()) {
      const fault = subscription.view.fault();
      if (fault !== null) {
        this.#end(subscription, millraceError('VIEW_FAULTY', { view: subscription.view.object, reason: fault }).toPlain());
        continue;
      }
      const [error] = subscription.view.errors();
      if (error !== undefined) {
        this.#end(subscription, { code: 'EVALUATION_ERROR', sqlstate: error.sqlstate, message: error.message });
        continue;
      }
      const delta = subscription.listener.delta();
      // Asked now: the delta is the listener's own block.
      const changed = delta.length > 0;
      if (changed) this.#addDelta(subscription, delta, timestamp);
      subscription.listener.clear();
      if (subscription.progress && (changed || performance.now() - subscription.lastMarkMs > IDLE_MARK_MS)) {
        subscription.marks.push({ timestamp: timestamp + 1, offset });
        subscription.lastMarkMs = performance.now();
      }
      this.#send(subscription);
    }
  }

  /** Everything before `syncedOffset` is durable: marks up to there may go out. */
  synced(syncedOffset: number): void {
    for (const subscription of this.#open.values()) {
      let due: { timestamp: number } | undefined;
      while (subscription.marks.length > 0 && subscription.marks[0]!.offset <= syncedOffset) due = subscription.marks.shift();
      if (due === undefined) continue;
      subscription.encoder.addNulls([String(due.timestamp), 't', null]);
      this.#send(subscription);
    }
  }

  statuses(): { id: number; backlogBytes: number }[] {
    return Array.from(this.#open.values(), ({ id, backlogBytes }) => ({ id, backlogBytes }));
  }

  get waitsForSync(): boolean {
    for (const subscription of this.#open.values()) if (subscription.marks.length > 0) return true;
    return false;
  }

  taken(id: number, bytes: number): void {
    const subscription = this.#open.get(id);
    if (subscription !== undefined) subscription.backlogBytes -= bytes;
  }

  close(id: number): void {
    const subscription = this.#open.get(id);
    if (subscription !== undefined) this.#end(subscription, undefined);
  }

  /** The view or table goes away. */
  closeAllOf(object: string, error: PlainError): void {
    for (const subscription of this.#open.values()) if (subscription.reads.includes(object)) this.#end(subscription, error);
  }

  closeAll(error: PlainError): void {
    for (const subscription of this.#open.values()) this.#end(subscription, error);
  }

  #addDelta(subscription: Subscription, delta: DeltaBlock, timestamp: number): void {
    // Retractions first: a client that keeps a map by key can apply rows as they come.
    for (let i = 0; i < delta.length; i++)
      if (delta.weights[i]! < 0) this.#add(subscription, delta, i * delta.stride, delta.weights[i]!, timestamp);
    for (let i = 0; i < delta.length; i++)
      if (delta.weights[i]! > 0) this.#add(subscription, delta, i * delta.stride, delta.weights[i]!, timestamp);
  }

  #add(subscription: Subscription, space: Parameters<RowEncoder['add']>[0], row: number, weight: number, timestamp: number): void {
    const leading = subscription.progress ? [String(timestamp), 'f', String(weight)] : [String(timestamp), String(weight)];
    subscription.encoder.add(space, row, 1, leading);
  }

  #send(subscription: Subscription): void {
    for (const batch of subscription.encoder.take()) {
      subscription.backlogBytes += batch.bytes.length;
      this.#output.rows(subscription.id, batch);
    }
    if (subscription.backlogBytes > limits.subscriberBacklogBytesMax)
      this.#end(subscription, millraceError('SUBSCRIBER_TOO_SLOW', { bytesMax: limits.subscriberBacklogBytesMax }).toPlain());
  }

  #end(subscription: Subscription, error: PlainError | undefined): void {
    this.#open.delete(subscription.id);
    subscription.listener.close();
    subscription.release();
    this.#output.ended(subscription.id, error ?? null);
  }
}
