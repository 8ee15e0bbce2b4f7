/**
 * What the ingest worker tells every other thread, in 72 bytes of shared memory: how far the log reaches, what of it is synced, what was acknowledged.
 * One writer (ingest), many readers. Keeps I-3: `acknowledgedLsn` ≤ what `syncedOffset` covers.
 */
const SEQUENCE = 0;
const COMMITTED_OFFSET = 1;
const SYNCED_OFFSET = 2;
const COMMITTED_LSN = 3;
const SYNCED_LSN = 4;
const ACKNOWLEDGED_LSN = 5;
const SERVER_LSN = 6;
const COMMITTED_AT = 7;
const HEARD_AT = 8;
const CELLS = 9;

export interface IngestProgressValues {
  /** Log offset behind the last whole transaction or fact record that was written. The engine reads up to here. */
  committedOffset: number;
  /** Log offset up to which everything is fdatasynced. */
  syncedOffset: number;
  /** End LSN of that last transaction, or, when idle, of the keepalive behind it: everything committed upstream before it is in the log. */
  committedLsn: bigint;
  /** The same for what is synced. */
  syncedLsn: bigint;
  /** Confirmed to the server. */
  acknowledgedLsn: bigint;
  /** The server's WAL end as last heard. */
  serverLsn: bigint;
  /** Milliseconds of our clock when `committedOffset` last moved. */
  committedAtMs: number;
  /** Milliseconds of our clock when the server last said where its WAL ends; 0: never since the start. */
  heardAtMs: number;
}

export class IngestProgress {
  readonly buffer: SharedArrayBuffer;
  readonly #cells: BigInt64Array;
  readonly #sequence: Int32Array;

  constructor(buffer: SharedArrayBuffer = new SharedArrayBuffer(CELLS * 8)) {
    this.buffer = buffer;
    this.#cells = new BigInt64Array(buffer);
    this.#sequence = new Int32Array(buffer, 0, 2);
  }

  /** Writer only. Publishes the given values and wakes the readers. */
  publish(values: Partial<IngestProgressValues>): void {
    if (values.syncedOffset !== undefined) Atomics.store(this.#cells, SYNCED_OFFSET, BigInt(values.syncedOffset));
    if (values.committedOffset !== undefined) Atomics.store(this.#cells, COMMITTED_OFFSET, BigInt(values.committedOffset));
    if (values.committedLsn !== undefined) Atomics.store(this.#cells, COMMITTED_LSN, values.committedLsn);
    if (values.serverLsn !== undefined) Atomics.store(this.#cells, SERVER_LSN, values.serverLsn);
    if (values.acknowledgedLsn !== undefined) Atomics.store(this.#cells, ACKNOWLEDGED_LSN, values.acknowledgedLsn);
    if (values.syncedLsn !== undefined) Atomics.store(this.#cells, SYNCED_LSN, values.syncedLsn);
    if (values.committedAtMs !== undefined) Atomics.store(this.#cells, COMMITTED_AT, BigInt(Math.round(values.committedAtMs)));
    if (values.heardAtMs !== undefined) Atomics.store(this.#cells, HEARD_AT, BigInt(Math.round(values.heardAtMs)));
    Atomics.add(this.#sequence, SEQUENCE, 1);
    Atomics.notify(this.#sequence, SEQUENCE);
  }

  /** LSNs are read before the offsets and written after them, so an LSN read is always covered by the offset read. */
  read(): IngestProgressValues {
    const committedLsn = Atomics.load(this.#cells, COMMITTED_LSN);
    const syncedLsn = Atomics.load(this.#cells, SYNCED_LSN);
    const committedOffset = Number(Atomics.load(this.#cells, COMMITTED_OFFSET));
    const syncedOffset = Number(Atomics.load(this.#cells, SYNCED_OFFSET));
    return {
      committedOffset,
      syncedOffset,
      committedLsn,
      syncedLsn,
      acknowledgedLsn: Atomics.load(this.#cells, ACKNOWLEDGED_LSN),
      serverLsn: Atomics.load(this.#cells, SERVER_LSN),
      committedAtMs: Number(Atomics.load(this.#cells, COMMITTED_AT)),
      heardAtMs: Number(Atomics.load(this.#cells, HEARD_AT)),
    };
  }

  get sequence(): number {
    return Atomics.load(this.#sequence, SEQUENCE);
  }

  /** Resolves when something was published after `sequence` was read, or after timeoutMs. Keeps the event loop alive and free. */
  async changed(sequence: number, timeoutMs: number): Promise<void> {
    const wait = Atomics.waitAsync(this.#sequence, SEQUENCE, sequence, timeoutMs);
    if (wait.async) await wait.value;
  }
}
