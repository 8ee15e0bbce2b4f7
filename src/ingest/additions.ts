/**
 * The copies that are still to be made: of a whole source at its first snapshot, and of tables that join it, at temporary slots, while the stream is held. A table that was rewritten
 * since its snapshot is copied again at another one. Keeps I-1: what a snapshot lacks comes into the log behind its copy. Owned by `ingest.ts`.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { AssertionError } from '../base/assert.ts';
import { MillraceError } from '../base/errors.ts';
import { parseLsn } from '../base/lsn.ts';
import { failpoint } from '../store/failpoints.ts';
import type { LogWriter } from '../store/log/writer.ts';
import type { ConnectionParameters } from '../upstream/connection/parameters.ts';
import { connectForSlot, createSlot, type CreatedSlot } from '../upstream/replication/slot.ts';
import type { WalStream } from '../upstream/replication/stream.ts';
import type { UpstreamTable } from '../upstream/table.ts';
import type { Acknowledgement } from './acknowledgement.ts';
import { Alarm } from './alarm.ts';
import { concernsCopyOnly, copyTables } from './copy.ts';
import { fitToCopy } from './fit-to-copy.ts';
import { outwaitTransactions } from './own-slot.ts';
import type { Receiver } from './receiver.ts';
import type { Shapes } from './shapes.ts';
import type { IngestTables } from './tables.ts';

const HOLD_POLL_MS = 5;
const ASK_POLL_MS = 20;
/** Snapshots that a table may miss because it was rewritten. */
const REWRITES_MAX = 5;

export interface AdditionsParts {
  readonly writer: LogWriter;
  readonly acknowledgement: Acknowledgement;
  readonly receiver: Receiver;
  readonly tables: IngestTables;
  readonly shapes: Shapes;
  readonly slotName: string;
  readonly publication: string;
  readonly signal: AbortSignal;
  parameters(): ConnectionParameters;
  /** The one that is on. */
  stream(): WalStream | undefined;
  failed(error: unknown): void;
  /** The table's rows go from the log, if they are there. */
  leave(oid: number): void;
}

export class Additions {
  readonly #parts: AdditionsParts;
  #addition: Promise<void> | undefined;
  /** The stream that is asked how far it is: once, however many copies end meanwhile. */
  #passing: WalStream | undefined;
  readonly #copyAlarm = new Alarm();
  readonly #rewrites = new Map<number, number>();

  constructor(parts: AdditionsParts) {
    this.#parts = parts;
  }

  /** What runs is over. */
  async ended(): Promise<void> {
    if (this.#parts.signal.aborted) this.#copyAlarm.clear();
    await this.#addition;
  }

  async copy(tables: readonly UpstreamTable[], slot: CreatedSlot): Promise<void> {
    const { acknowledgement, publication, signal } = this.#parts;
    await copyTables(
      this.#parts.writer,
      { parameters: this.#parts.parameters(), publication, tables, slot, signal },
      {
        appended: (offset) => acknowledgement.appended(offset),
        copying: (oid, rowsCopied) => this.#parts.tables.set(oid, { state: 'copying', rowsCopied }),
        copied: (oid, rowsCopied, snapshotLsn) => {
          this.#rewrites.delete(oid);
          this.#parts.tables.set(oid, { state: 'live', rowsCopied, snapshotLsn, error: null });
        },
        refused: (oid, error) => this.#refused(oid, error),
      },
    );
    // Removed while it was being copied.
    for (const { oid } of tables) if (!this.#parts.tables.has(oid)) this.#parts.leave(oid);
    this.#parts.shapes.changed();
    await acknowledgement.settled();
  }

  #refused(oid: number, error: MillraceError): void {
    const rewrites = (this.#rewrites.get(oid) ?? 0) + 1;
    if (error.code === 'TABLE_REWRITTEN' && rewrites <= REWRITES_MAX) {
      this.#rewrites.set(oid, rewrites);
      this.#parts.tables.set(oid, { state: 'waiting', rowsCopied: 0, error: null });
    } else this.#parts.tables.refuse(oid, error, Date.now());
  }

  /** While a stream is on. One at a time; what comes meanwhile is added next. */
  whileStreaming(): void {
    const stream = this.#parts.stream();
    if (stream === undefined || this.#addition !== undefined) return;
    void this.#passSnapshots(stream);
    if (this.#parts.tables.due(Date.now()).length === 0) return this.#later();
    this.#addition = this.addWaiting(() => this.#hold(stream))
      .catch((error: unknown) => {
        // The next session does what this one could not.
        if (this.#parts.stream() === stream) this.#parts.failed(error);
      })
      .finally(() => {
        this.#addition = undefined;
        if (this.#parts.stream() !== stream) return;
        stream.release();
        this.whileStreaming();
      });
  }

  /** Until the stream has come to the snapshots of all copies, readers wait; an idle upstream says how far it is only when it is asked. */
  async #passSnapshots(stream: WalStream): Promise<void> {
    if (this.#passing === stream) return;
    this.#passing = stream;
    const { acknowledgement, writer } = this.#parts;
    const isBehind = (): boolean =>
      writer.inForce.tables
        .values()
        .some(({ snapshotLsn }) => snapshotLsn !== undefined && parseLsn(snapshotLsn) > acknowledgement.committedLsn);
    while (isBehind() && this.#parts.stream() === stream && !this.#parts.signal.aborted) {
      acknowledgement.askPosition();
      await sleep(ASK_POLL_MS);
    }
    if (this.#passing === stream) this.#passing = undefined;
  }

  /** When the first of those that were refused is due again. */
  #later(): void {
    const dueMs = this.#parts.tables.nextAttemptAtMs();
    if (dueMs !== undefined) this.#copyAlarm.after(Math.max(dueMs - Date.now(), 0) + 1, () => this.whileStreaming());
  }

  /** Stops the stream at a place between transactions. */
  async #hold(stream: WalStream): Promise<void> {
    while (!this.#parts.receiver.betweenTransactions && this.#parts.stream() === stream) await sleep(HOLD_POLL_MS);
    if (this.#parts.stream() !== stream) throw new AssertionError('the stream has ended before a table could be added');
    stream.hold();
  }

  /**
   * Copies every table that is due at a temporary slot's snapshot. When that cannot be done for a reason of the server's, the stream goes on without them.
   * `hold`: stops the stream, so that nothing the snapshot lacks comes into the log before the copy.
   */
  async addWaiting(hold?: () => Promise<void>): Promise<void> {
    const { publication, signal } = this.#parts;
    const tables = this.#parts.tables.due(Date.now());
    if (tables.length > 0) {
      const refuse = (oid: number, error: MillraceError): void => this.#parts.tables.refuse(oid, error, Date.now());
      try {
        const fit = await fitToCopy({ parameters: this.#parts.parameters(), publication, tables, signal }, refuse);
        if (fit.length > 0) await this.#addAtTemporarySlot(fit, hold);
      } catch (error) {
        if (!(error instanceof MillraceError) || !concernsCopyOnly(error)) throw error;
        for (const { oid } of this.#parts.tables.due(Date.now())) refuse(oid, error);
      }
    }
    this.#parts.tables.settle();
  }

  async #addAtTemporarySlot(tables: readonly UpstreamTable[], hold?: () => Promise<void>): Promise<void> {
    const { acknowledgement, writer, slotName } = this.#parts;
    const making = await connectForSlot(this.#parts.parameters(), 'added table', this.#parts.signal);
    const name = `${slotName}_copy_${randomBytes(4).toString('hex')}`;
    try {
      if (hold !== undefined) {
        await outwaitTransactions(making, name);
        await hold();
      }
      const slot = await createSlot(making, name, 'temporary');
      failpoint('slot-creation');
      for (const table of tables) {
        this.#parts.leave(table.oid);
        acknowledgement.appended(writer.appendTable(table));
      }
      await this.copy(tables, slot);
    } finally {
      await making.end();
    }
  }
}
