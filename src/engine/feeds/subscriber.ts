/**
 * One subscription on its way out of the engine: the snapshot's rows first, then each tick's changes, in order; what the client has not taken yet waits here.
 *
 *     cursor (rows of the first tick) │ a tick's rows, encoded │ a large tick's rows, as they are │ a mark │ …   →   at most WINDOW_BYTES on the way   →   main thread
 *
 * A tick is encoded at once while nothing waits, which is the usual case. The snapshot and a large tick go out a piece a turn, whatever their size; so they do not
 * count as being behind while their own client takes them, and everything that waits behind them does. Called by `subscriptions.ts`.
 */
import { millraceError, MillraceError, reasonOf, type PlainError } from '../../base/errors.ts';
import { limits } from '../../base/limits.ts';
import type { DeltaBlock } from '../../dataflow/arrangement/delta-block.ts';
import { DataflowFault } from '../../dataflow/fault.ts';
import type { Listener } from '../../dataflow/graph/observer.ts';
import type { RowSpace } from '../../values/space.ts';
import { RowEncoder, type Batch } from './encode.ts';
import type { LiveView } from '../views/live-view.ts';
import type { SubscribeRequest } from '../contract/protocol.ts';
import type { Time } from '../ticks/time.ts';
import type { Turns } from '../ticks/turns.ts';
import { ViewCursor } from '../reads/view-cursor.ts';

/** Bytes that the main thread holds of one subscription, a batch more at most. */
const WINDOW_BYTES = 256 << 10;
/** A tick of so many rows and bytes is encoded at once. */
const AT_ONCE_ROWS_MAX = 1_024;
const AT_ONCE_BYTES_MAX = 1 << 20;
/** A client that takes nothing for so long does not keep a large tick in memory. */
const STALLED_MS = 30_000;

/** Something that waits, in the order in which it goes out. */
type Waiting =
  | { readonly kind: 'batches'; readonly batches: Batch[]; readonly bytes: number }
  | { readonly kind: 'snapshot'; readonly cursor: ViewCursor; readonly timestamp: number }
  /** Retractions go first: a client that keeps a map by key can apply rows as they come. */
  | { readonly kind: 'tick'; readonly delta: DeltaBlock; readonly timestamp: number; isInserting: boolean; at: number };

export interface SubscriberParts {
  readonly request: SubscribeRequest;
  readonly view: LiveView;
  readonly turns: Turns;
  readonly time: Time;
  readonly send: (batch: Batch) => void;
  /** Something failed here: the subscription is to end. */
  readonly failed: (error: PlainError) => void;
}

export class Subscriber {
  readonly #parts: SubscriberParts;
  /** What goes last: small ticks and marks, gathered into batches while they wait. */
  readonly #last: RowEncoder;
  /** What goes first: pieces of the snapshot or of a large tick. */
  readonly #first: RowEncoder;
  readonly #listener: Listener;
  readonly #waiting: Waiting[] = [];
  /** Of the batches that wait. */
  #waitingBytes = 0;
  #sentBytes = 0;
  #lastTakenMs: number;
  #isGoing = false;
  #isClosed = false;
  #stopObserving: () => void = () => {};

  constructor(parts: SubscriberParts) {
    this.#parts = parts;
    this.#lastTakenMs = parts.time.nowMs();
    const { view, request } = parts;
    const all = Array.from({ length: view.columnCount }, (_, index) => index);
    this.#last = new RowEncoder(view.output.layout, all, request.format);
    this.#first = new RowEncoder(view.output.layout, all, request.format);
    this.#listener = view.listen();
  }

  /** The rows of this tick, before any change. The first of them at once. */
  snapshot(timestamp: number): void {
    const { view } = this.#parts;
    const cursor = new ViewCursor(view.object, view.output, limits.readKeptBytesMax);
    this.#stopObserving = view.observe(cursor);
    this.#put({ kind: 'snapshot', cursor, timestamp });
    this.#sendReady();
    this.#piece();
    this.#go();
  }

  /** What a tick changed. Whether there was anything. */
  tick(timestamp: number): boolean {
    if (this.#listener.failure !== undefined) throw this.failureOf(this.#listener.failure);
    const delta = this.#listener.delta();
    if (delta.length === 0) {
      this.#listener.clear();
      return false;
    }
    if (delta.length > AT_ONCE_ROWS_MAX || delta.usedBytes > AT_ONCE_BYTES_MAX) {
      this.#put({ kind: 'tick', delta: this.#listener.handOver(), timestamp, isInserting: false, at: 0 });
    } else {
      this.#addSome(this.#last, delta, timestamp, 0, false);
      this.#addSome(this.#last, delta, timestamp, 0, true);
      this.#listener.clear();
    }
    this.#go();
    return true;
  }

  /** A progress mark behind everything that was told before it. */
  mark(timestamp: number): void {
    this.#last.addNulls([String(timestamp), 't', null]);
    this.#go();
  }

  taken(bytes: number): void {
    this.#sentBytes -= bytes;
    this.#lastTakenMs = this.#parts.time.nowMs();
    this.#go();
  }

  /** How far the client is behind: what waits beside that which goes out now or next, whatever its size. */
  get backlogBytes(): number {
    let bytes = this.#waitingBytes + this.#last.bytes;
    const next = this.#waiting.findIndex(({ kind }) => kind !== 'batches');
    for (let i = next + 1; i < this.#waiting.length; i++) bytes += bytesOf(this.#waiting[i]!);
    return bytes;
  }

  get memoryBytes(): number {
    let bytes = this.#waitingBytes + this.#last.bytes + this.#sentBytes;
    for (const waiting of this.#waiting) bytes += bytesOf(waiting);
    return bytes;
  }

  /** It holds a large tick, and its client takes nothing. */
  get isStalled(): boolean {
    const holds = this.#waiting.some(({ kind }) => kind === 'tick');
    return holds && this.#sentBytes >= WINDOW_BYTES && this.#parts.time.nowMs() - this.#lastTakenMs > STALLED_MS;
  }

  close(): void {
    this.#isClosed = true;
    this.#listener.close();
    this.#stopObserving();
    this.#waiting.length = 0;
  }

  /** Behind what was gathered so far. */
  #put(waiting: Waiting): void {
    this.#putGathered();
    this.#waiting.push(waiting);
  }

  #putGathered(): void {
    const { bytes } = this.#last;
    if (bytes === 0) return;
    this.#waiting.push({ kind: 'batches', batches: this.#last.take(), bytes });
    this.#waitingBytes += bytes;
  }

  get #hasRoom(): boolean {
    return this.#sentBytes < WINDOW_BYTES;
  }

  /** Sends what is ready, as far as there is room; the rest in turns. */
  #go(): void {
    this.#sendReady();
    if (this.#isGoing || this.#waiting.length === 0 || !this.#hasRoom) return;
    this.#isGoing = true;
    void this.#inTurns();
  }

  async #inTurns(): Promise<void> {
    try {
      while (this.#waiting.length > 0 && this.#hasRoom) {
        await this.#parts.turns.next();
        if (this.#isClosed) return;
        this.#piece();
        this.#sendReady();
      }
    } catch (error) {
      if (!this.#isClosed) this.#parts.failed(this.failureOf(error).toPlain());
    } finally {
      this.#isGoing = false;
    }
  }

  #sendReady(): void {
    while (this.#hasRoom) {
      if (this.#waiting.length === 0) this.#putGathered();
      const [first] = this.#waiting;
      if (first?.kind !== 'batches') return;
      while (first.batches.length > 0 && this.#hasRoom) this.#send(first.batches.shift()!);
      if (first.batches.length > 0) return;
      this.#waitingBytes -= first.bytes;
      this.#waiting.shift();
    }
  }

  #send(batch: Batch): void {
    // Counted before it is moved away: then it has no length.
    this.#sentBytes += batch.bytes.length;
    this.#parts.send(batch);
  }

  /** A piece of what is first, sent as it comes: a window and a piece's batches at most. */
  #piece(): void {
    const [first] = this.#waiting;
    if (first === undefined || first.kind === 'batches') return;
    const piece = this.#parts.turns.piece();
    const goOn = (): boolean => !piece.isOver() && this.#sentBytes + this.#first.bytes < WINDOW_BYTES;
    const isDone = first.kind === 'snapshot' ? this.#someOfSnapshot(first, goOn) : this.#someOfTick(first, goOn);
    for (const batch of this.#first.take()) this.#send(batch);
    if (!isDone) return;
    this.#waiting.shift();
    if (first.kind === 'snapshot') this.#stopObserving();
  }

  #someOfSnapshot({ cursor, timestamp }: Extract<Waiting, { kind: 'snapshot' }>, goOn: () => boolean): boolean {
    return cursor.read((space, row, weight) => {
      this.#add(this.#first, space, row, weight, timestamp);
      return goOn();
    });
  }

  #someOfTick(tick: Extract<Waiting, { kind: 'tick' }>, goOn: () => boolean): boolean {
    for (;;) {
      tick.at = this.#addSome(this.#first, tick.delta, tick.timestamp, tick.at, tick.isInserting, goOn);
      if (tick.at < tick.delta.length) return false;
      if (tick.isInserting) return true;
      tick.isInserting = true;
      tick.at = 0;
    }
  }

  /** The delta's rows of one sign, from `at` on; returns where it stopped. */
  #addSome(encoder: RowEncoder, delta: DeltaBlock, timestamp: number, at: number, isInserting: boolean, goOn?: () => boolean): number {
    for (let i = at; i < delta.length; i++) {
      const weight = delta.weights[i]!;
      if (weight > 0 !== isInserting) continue;
      this.#add(encoder, delta, i * delta.stride, weight, timestamp);
      if (goOn?.() === false) return i + 1;
    }
    return delta.length;
  }

  #add(encoder: RowEncoder, space: RowSpace, row: number, weight: number, timestamp: number): void {
    const leading = this.#parts.request.progress ? [String(timestamp), 'f', String(weight)] : [String(timestamp), String(weight)];
    encoder.add(space, row, 1, leading);
  }

  /** A reason for the client. */
  failureOf(cause: unknown): MillraceError {
    if (cause instanceof MillraceError) return cause;
    if (cause instanceof DataflowFault && cause.code === 'MEMORY_EXHAUSTED')
      return millraceError('SUBSCRIBER_TOO_SLOW', { bytesMax: limits.subscriberBacklogBytesMax }, cause);
    return millraceError('ENGINE_FAULT', { reason: reasonOf(cause) }, cause);
  }
}

/** Batches are counted as they come and go. */
function bytesOf(waiting: Waiting): number {
  if (waiting.kind === 'snapshot') return waiting.cursor.keptBytes;
  return waiting.kind === 'tick' ? waiting.delta.usedBytes : 0;
}
