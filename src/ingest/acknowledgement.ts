/**
 * The one place that acknowledges (I-3): appended → synced → acknowledged. One fdatasync is in flight, continuously while there is something to sync; what was
 * appended meanwhile goes with the next. A position is confirmed to the server only when everything before it is durable here, also when idle: a keepalive's
 * position is first written as a `progress` record, so that a restart knows the highest acknowledgement that was ever given.
 */
import { assert } from '../base/assert.ts';
import type { Lsn } from '../base/lsn.ts';
import { failpoint } from '../store/failpoints.ts';
import type { LogWriter } from '../store/log/writer.ts';
import type { WalStream } from '../upstream/replication/stream.ts';
import type { IngestProgress } from './progress.ts';

/** Acknowledging makes the server write its slot down now and then; more often gains nothing. */
const ACKNOWLEDGE_INTERVAL_MS = 50;
const PROGRESS_RECORD_INTERVAL_MS = 1_000;
/** A status update at least this often; more often where the server's patience is shorter. */
const STATUS_INTERVAL_MS_MAX = 10_000;

export class Acknowledgement {
  readonly #writer: LogWriter;
  readonly #progress: IngestProgress;
  readonly #failed: (error: unknown) => void;
  #stream: WalStream | undefined;
  /** Everything before it is in the log (or, when idle, nothing is missing). */
  #committedLsn: Lsn;
  /** The same, of what stands in the log as a transaction or a `progress` record: what the next sync makes durable. */
  #loggedLsn: Lsn;
  #durableLsn: Lsn;
  #acknowledgedLsn: Lsn;
  #serverLsn: Lsn = 0n;
  #syncing: Promise<void> | undefined;
  #acknowledgeTimer: NodeJS.Timeout | undefined;
  #progressTimer: NodeJS.Timeout | undefined;
  #statusTimer: NodeJS.Timeout | undefined;
  #lastAcknowledgedMs = -Infinity;
  #lastProgressRecordMs = -Infinity;
  #closed = false;
  #failure: unknown;

  /** `durableLsn`: what the recovered log holds. `failed`: a sync or an append failed. */
  constructor(writer: LogWriter, progress: IngestProgress, durableLsn: Lsn, failed: (error: unknown) => void) {
    this.#writer = writer;
    this.#progress = progress;
    this.#failed = failed;
    this.#committedLsn = this.#loggedLsn = this.#durableLsn = this.#acknowledgedLsn = durableLsn;
    progress.publish({
      committedOffset: writer.end,
      syncedOffset: writer.syncedOffset,
      committedLsn: durableLsn,
      syncedLsn: durableLsn,
      acknowledgedLsn: durableLsn,
      committedAtMs: Date.now(),
    });
  }

  /** Everything before it is in the log, or was not for us. */
  get committedLsn(): Lsn {
    return this.#committedLsn;
  }

  get acknowledgedLsn(): Lsn {
    return this.#acknowledgedLsn;
  }

  get durableLsn(): Lsn {
    return this.#durableLsn;
  }

  /** Status updates go to this stream from now on; the first at once. */
  attach(stream: WalStream): void {
    this.#stream = stream;
    const patienceMs = stream.walSenderTimeoutMs > 0 ? stream.walSenderTimeoutMs / 4 : Infinity;
    this.#statusTimer = setInterval(() => this.#sendStatus(), Math.min(patienceMs, STATUS_INTERVAL_MS_MAX));
    this.#sendStatus();
  }

  detach(): void {
    this.#stream = undefined;
    clearInterval(this.#statusTimer);
    clearTimeout(this.#progressTimer);
    this.#progressTimer = undefined;
  }

  /** A whole transaction that ends at `endLsn` is in the log before `offset`. */
  committed(offset: number, endLsn: Lsn): void {
    if (endLsn > this.#committedLsn) this.#committedLsn = endLsn;
    if (endLsn > this.#loggedLsn) this.#loggedLsn = endLsn;
    if (endLsn > this.#serverLsn) this.#serverLsn = endLsn;
    this.#progress.publish({
      committedOffset: offset,
      committedLsn: this.#committedLsn,
      serverLsn: this.#serverLsn,
      committedAtMs: Date.now(),
      heardAtMs: Date.now(),
    });
    this.#sync();
  }

  /** As last heard from the server. */
  heard(serverLsn: Lsn): void {
    if (serverLsn > this.#serverLsn) this.#serverLsn = serverLsn;
    this.#progress.publish({ serverLsn: this.#serverLsn, heardAtMs: Date.now() });
  }

  /** A fact record (table, copy, copied, removed) ends at `offset`. */
  appended(offset: number): void {
    this.#progress.publish({ committedOffset: offset, committedAtMs: Date.now() });
    this.#sync();
  }

  /** Nothing that was committed before `walEnd` is missing. Readers hear it at once; the server once it is written down. */
  idle(walEnd: Lsn): void {
    this.heard(walEnd);
    if (walEnd <= this.#committedLsn) return;
    this.#committedLsn = walEnd;
    this.#progress.publish({ committedLsn: walEnd, committedAtMs: Date.now() });
    const dueMs = this.#lastProgressRecordMs + PROGRESS_RECORD_INTERVAL_MS - performance.now();
    if (dueMs <= 0) this.writeProgress();
    else this.#progressTimer ??= setTimeout(() => this.writeProgress(), dueMs);
  }

  /** The server waits: what is idle is written down now, and a status goes out in any case. */
  replyRequested(): void {
    this.writeProgress();
    this.#sendStatus();
  }

  /** Asks the server how far it has sent: somebody waits for a position that no transaction of ours may reach. */
  askPosition(): void {
    this.#stream?.sendStatus(this.#committedLsn, this.#acknowledgedLsn, true);
  }

  /** Writes the idle position into the log, so that it may be acknowledged. */
  writeProgress(): void {
    clearTimeout(this.#progressTimer);
    this.#progressTimer = undefined;
    if (this.#closed || this.#committedLsn <= this.#loggedLsn) return;
    this.#lastProgressRecordMs = performance.now();
    try {
      const offset = this.#writer.appendProgress(this.#committedLsn);
      this.#loggedLsn = this.#committedLsn;
      this.appended(offset);
    } catch (error) {
      this.#failed(error);
    }
  }

  /** The copies are complete and the stream begins at `consistentPoint`: the record by which a restart knows. */
  snapshotComplete(consistentPoint: Lsn): void {
    const offset = this.#writer.appendProgress(consistentPoint);
    this.#writer.sync();
    this.#committedLsn = this.#loggedLsn = this.#durableLsn = this.#acknowledgedLsn = consistentPoint;
    this.#progress.publish({
      syncedOffset: this.#writer.syncedOffset,
      committedOffset: offset,
      committedLsn: consistentPoint,
      syncedLsn: consistentPoint,
      acknowledgedLsn: consistentPoint,
      committedAtMs: Date.now(),
    });
  }

  /** Resolves when everything appended so far is durable. */
  async settled(): Promise<void> {
    while (!this.#closed && this.#writer.syncedOffset < this.#writer.end) {
      this.#sync();
      await this.#syncing;
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** A last status, if a stream is attached, and no more. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.writeProgress();
    await this.settled();
    this.#acknowledge();
    this.detach();
    this.#closed = true;
    clearTimeout(this.#acknowledgeTimer);
  }

  #sync(): void {
    if (this.#closed) return;
    this.#syncing ??= this.#syncAll().finally(() => (this.#syncing = undefined));
  }

  async #syncAll(): Promise<void> {
    try {
      while (this.#writer.syncedOffset < this.#writer.end) {
        const lsn = this.#loggedLsn;
        const syncedOffset = await this.#writer.syncLater();
        if (lsn > this.#durableLsn) this.#durableLsn = lsn;
        this.#progress.publish({ syncedOffset, syncedLsn: this.#durableLsn });
        this.#scheduleAcknowledgement();
      }
    } catch (error) {
      this.#closed = true;
      this.#failure = error;
      this.#failed(error);
    }
  }

  #scheduleAcknowledgement(): void {
    if (this.#acknowledgeTimer !== undefined || this.#durableLsn === this.#acknowledgedLsn) return;
    const dueMs = this.#lastAcknowledgedMs + ACKNOWLEDGE_INTERVAL_MS - performance.now();
    if (dueMs <= 0) this.#acknowledge();
    else
      this.#acknowledgeTimer = setTimeout(() => {
        this.#acknowledgeTimer = undefined;
        this.#acknowledge();
      }, dueMs);
  }

  #acknowledge(): void {
    if (this.#stream === undefined || this.#durableLsn === this.#acknowledgedLsn) return;
    assert(this.#durableLsn > this.#acknowledgedLsn, 'an acknowledgement would go back');
    failpoint('ack');
    this.#acknowledgedLsn = this.#durableLsn;
    this.#lastAcknowledgedMs = performance.now();
    this.#progress.publish({ acknowledgedLsn: this.#acknowledgedLsn });
    this.#sendStatus();
  }

  #sendStatus(): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    // While we speak the server does not ask, and would stay silent on an idle database for ever.
    const silent = !stream.held && performance.now() - stream.lastReceivedMs > STATUS_INTERVAL_MS_MAX;
    stream.sendStatus(this.#committedLsn, this.#acknowledgedLsn, silent);
  }
}
