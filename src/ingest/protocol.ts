/** What the engine's coordinator asks of an ingest worker, and what the worker tells unasked. Types only; plain data crosses. */
import type { PlainError } from '../base/errors/define.ts';
import type { ConnectionParameters } from '../upstream/connection/parameters.ts';
import type { Disk } from '../store/disk.ts';
import type { UpstreamTable } from '../upstream/table.ts';

export interface IngestStart {
  /** `DataDirectory.logDirectory`. */
  readonly logDirectory: string;
  /** `DataDirectory.id`: part of the slot's name. */
  readonly directoryId: string;
  /** `IngestProgress.buffer` */
  readonly progress: SharedArrayBuffer;
  /** `LogBounds.buffer` */
  readonly bounds: SharedArrayBuffer;
  /** `RowStore.logAtLeast`: a log that ends before it has lost what the rows hold. */
  readonly logAtLeast: number;
  readonly connection: ConnectionParameters;
  readonly publication: string;
  /** All tables that are wanted. Those that are not in the log are copied, those in the log that are not wanted leave it. */
  readonly tables: readonly UpstreamTable[];
}

/** In one thread: what cannot cross to a worker. */
export interface IngestOptions extends IngestStart {
  readonly disk?: Disk;
  readonly onStatus?: (status: IngestStatus) => void;
  readonly watchIntervalMs?: number;
}

export interface IngestMethods {
  /** Opens the log and begins. Answers when the log is open: everything else is told by `status`. */
  start(params: IngestStart): { committedOffset: number };
  /** Answers when the copies are complete and durable; fails with the first table's reason. */
  addTables(params: { tables: UpstreamTable[] }): { snapshotLsn: string };
  removeTables(params: { oids: number[] }): void;
  /** ALTER CONNECTION or ALTER SECRET: for the next attempt, which comes at once when nothing streams. */
  setConnection(params: { connection: ConnectionParameters }): void;
  /** Has the server say how far it has sent, for a reader that waits for a position which no published transaction may reach. */
  askPosition(params: Record<string, never>): void;
  /** Compares all tables with the upstream's catalog as of now (`Shapes.look`); answers with those that are stopped. */
  look(params: Record<string, never>): TableFault[];
  status(params: Record<string, never>): IngestStatus;
  /** Ends the stream with a last acknowledgement and closes the log. `dropSlot`: the source is dropped, leave nothing behind upstream. */
  stop(params: { dropSlot: boolean }): void;
}

export interface IngestStatus {
  /**
   * connecting, copying, streaming · retrying: an error that may pass, see `nextAttemptAtMs` · stopped: a refusal, what is here stays as it was until somebody decides ·
   * ended: after `stop`.
   */
  readonly state: 'connecting' | 'copying' | 'streaming' | 'retrying' | 'stopped' | 'ended';
  /** Since when, by our clock. */
  readonly sinceMs: number;
  /** Since when it is not as it should be: the first failure after the last stream. null: all is well, or nothing has been tried yet. */
  readonly troubledSinceMs: number | null;
  readonly error: PlainError | null;
  readonly nextAttemptAtMs: number | null;
  readonly slotName: string;
  readonly systemId: string | null;
  readonly timeline: number;
  readonly tables: readonly IngestTableStatus[];
  /** Since the worker began. */
  readonly transactions: number;
  readonly duplicates: number;
  readonly bytes: number;
  readonly reconnects: number;
  /** WAL that the slot keeps on the server, and how much more the server allows; as of the last look. null: never looked at, or the slot is gone. */
  readonly retainedBytes: number | null;
  readonly safeBytes: number | null;
  readonly slotMeasuredAtMs: number | null;
}

export interface TableFault {
  readonly oid: number;
  readonly error: PlainError;
}

export interface IngestTableStatus {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** waiting with an error: the copy is refused for now, and tried again at `nextAttemptAtMs` · faulty: for good, until it is taken in again. */
  readonly state: 'waiting' | 'copying' | 'live' | 'faulty';
  readonly rowsCopied: number;
  readonly snapshotLsn: string | null;
  readonly error: PlainError | null;
  readonly nextAttemptAtMs: number | null;
}

export type IngestEvent = { readonly event: 'status'; readonly status: IngestStatus };
