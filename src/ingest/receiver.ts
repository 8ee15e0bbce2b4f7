/**
 * What comes off the stream → what goes into the log: whole CopyData messages, in records that end behind a Commit wherever possible. Keeps I-1: a transaction that
 * is in the log already is dropped (by commit LSN), one that a lost connection cut short is followed by another Begin and thereby void. Keeps I-6: a transaction
 * larger than a few reads goes into the log in pieces; nothing waits for its end in memory. Synchronous and without sockets; called by `session.ts`.
 */
import type { Lsn } from '../base/lsn.ts';
import type { LogWriter } from '../store/log/writer.ts';
import { readUint64 } from '../wire/bytes.ts';
import { BEGIN, beginCommitLsn, COMMIT, commitEndLsn, KEEPALIVE, WalCursor } from '../wire/pgoutput.ts';

/** The open part of a transaction stays in the stream's buffer up to this size; beyond, it goes into the log before its Commit is seen. */
const SPILL_BYTES = 1 << 20;

export interface ReceiverEvents {
  /** The log reaches `offset` with everything that was committed before `endLsn`. */
  committed(offset: number, endLsn: Lsn): void;
  /** Between transactions: everything committed before `walEnd` was sent. */
  idle(walEnd: Lsn): void;
  /** The server wants a status update now. */
  replyRequested(): void;
}

/** Looks at every message of a transaction that is not a duplicate, before it is in the log: what it then appends stands in front of the transaction, or inside it. */
export interface Inspector {
  message(kind: number, bytes: Buffer, at: number, commitLsn: Lsn): void;
}

export class Receiver {
  readonly #writer: LogWriter;
  readonly #events: ReceiverEvents;
  readonly #inspector: Inspector;
  readonly #cursor = new WalCursor();
  /** Bytes at the start of what `take` is shown that were looked at before. */
  #seen = 0;
  #inTransaction = false;
  #duplicate = false;
  /** A part of the open transaction is in the log. */
  #spilled = false;
  #lastCommitLsn: Lsn;
  transactions = 0;
  duplicates = 0;
  bytes = 0;

  constructor(writer: LogWriter, events: ReceiverEvents, inspector: Inspector = { message: () => undefined }) {
    this.#writer = writer;
    this.#events = events;
    this.#inspector = inspector;
    this.#lastCommitLsn = writer.inForce.lastCommitLsn;
  }

  /** A new connection: what was half received is void. */
  reconnected(): void {
    this.#seen = 0;
    this.#inTransaction = false;
    this.#duplicate = false;
    this.#spilled = false;
    // Else facts that follow would stand inside a transaction that never ends.
    this.#writer.appendInterrupted();
    this.#lastCommitLsn = this.#writer.inForce.lastCommitLsn;
  }

  /** Whether other records may be appended without standing inside a transaction. */
  get betweenTransactions(): boolean {
    return !this.#spilled;
  }

  /** As `StreamSink.take`. */
  take(bytes: Buffer, start: number, end: number): number {
    const cursor = this.#cursor;
    const chunks: Uint8Array[] = [];
    /** Nothing before it is still to be written. */
    let from = start;
    /** Behind the last Commit that is to be written. */
    let boundary = start;
    let endLsn: Lsn | undefined;
    let idleLsn: Lsn | undefined;
    let replyRequested = false;
    cursor.reset(bytes, start + this.#seen, end);
    for (;;) {
      const kind = cursor.next();
      if (kind === 0) break;
      if (kind === COMMIT) {
        this.#inTransaction = false;
        if (this.#duplicate) {
          this.#duplicate = false;
          this.duplicates++;
          from = boundary = cursor.end;
        } else {
          boundary = cursor.end;
          endLsn = commitEndLsn(bytes, cursor.at);
          idleLsn = undefined;
          this.transactions++;
        }
      } else if (kind === BEGIN) {
        const commitLsn = beginCommitLsn(bytes, cursor.at);
        this.#inTransaction = true;
        this.#duplicate = commitLsn <= this.#lastCommitLsn;
        if (this.#duplicate) {
          if (cursor.start > from) chunks.push(bytes.subarray(from, cursor.start));
          from = boundary = cursor.start;
        } else this.#lastCommitLsn = commitLsn;
      } else if (kind === KEEPALIVE) {
        if (!this.#inTransaction) {
          idleLsn = readUint64(bytes, cursor.at + 1);
          if (from === cursor.start) from = cursor.end;
          if (boundary === cursor.start) boundary = cursor.end;
        }
        if (bytes[cursor.at + 17] === 1) replyRequested = true;
      } else if (!this.#duplicate) this.#inspector.message(kind, bytes, cursor.at, this.#lastCommitLsn);
    }
    if (boundary > from) chunks.push(bytes.subarray(from, boundary));
    from = boundary;
    if (chunks.length > 0) {
      const offset = this.#append(chunks);
      this.#spilled = false;
      if (endLsn !== undefined) this.#events.committed(offset, endLsn);
    }
    if (this.#duplicate) from = end;
    else if (this.#inTransaction && end - from > SPILL_BYTES) {
      this.#append([bytes.subarray(from, end)]);
      this.#spilled = true;
      from = end;
    }
    this.#seen = end - from;
    if (idleLsn !== undefined) this.#events.idle(idleLsn);
    if (replyRequested) this.#events.replyRequested();
    return from;
  }

  #append(chunks: readonly Uint8Array[]): number {
    for (const chunk of chunks) this.bytes += chunk.byteLength;
    return this.#writer.appendWal(chunks);
  }
}
