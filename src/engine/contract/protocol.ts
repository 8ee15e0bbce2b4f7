/**
 * What the coordinator (main thread) asks of the engine worker, and what the worker tells unasked. Types only; plain data crosses.
 * The worker never waits for the main thread: a slow client costs a bounded backlog, then its subscription.
 */
import type { PlainError } from '../../base/errors/define.ts';
import type { RowSortKey } from '../../dataflow/expression/rows.ts';
import type { Plan } from '../../plan/plan.ts';
import type { HydrationBudget } from '../views/hydrator.ts';
import type { CatalogObject, Index, MaterializedView, ObjectId, Table } from '../../catalog/catalog.ts';

export interface EngineOptions {
  readonly dataDirectory: string;
  /** Assert weights, keys and order in every operator (tests, soak). */
  readonly validate: boolean;
  /** `CancelFlags.buffer` */
  readonly cancelFlags: SharedArrayBuffer;
}

/** How result rows are put into bytes. */
export type RowFormat =
  | { readonly kind: 'dataRow'; readonly formats: readonly number[] }
  /** CopyData messages, text format. */
  | { readonly kind: 'copyText' };

/** What remains to do on the rows of an ad hoc query: order, cut, drop the junk columns. */
export interface Finish {
  readonly order: readonly RowSortKey[];
  readonly limit: number | null;
  readonly offset: number;
  /** Columns of the plan that are shown, in order. */
  readonly project: readonly number[];
}

export interface PeekRequest {
  readonly queryId: number;
  readonly plan: Plan;
  readonly finish: Finish;
  readonly format: RowFormat;
  /** Real-time recency: answer once everything up to this upstream LSN is applied. */
  readonly atLeastLsn?: bigint;
  /** Answer at the tick of this open snapshot. */
  readonly snapshotId?: number;
  readonly timeoutMs: number;
}

export interface PeekResult {
  /** The first rows: all, when there is no `resultId`. */
  readonly batches: { bytes: Uint8Array; rows: number }[];
  /** More rows follow: `nextBatches` until it says that they are all, or `closeResult`. */
  readonly resultId?: number;
  readonly timestamp: number;
  readonly lsn: bigint;
}

export interface SubscribeRequest {
  /** Also the number under which it is cancelled while it starts. */
  readonly subscriptionId: number;
  /** To start in. */
  readonly timeoutMs: number;
  readonly budget: HydrationBudget;
  readonly plan: Plan;
  readonly snapshot: boolean;
  readonly progress: boolean;
  readonly format: RowFormat;
}

export interface EngineMethods {
  /** Opens the catalog. Nothing is read of log or rows yet. */
  open(params: Record<string, never>): { objects: CatalogObject[] };
  /** How far the log must reach for the rows that are here, before ingest opens it. */
  openRows(params: Record<string, never>): { logAtLeast: number };
  /** Joins the log that ingest has opened: finishes an interrupted fold, hydrates every view, then ticks. `types`: DDL of the upstream's types, for the evaluator. */
  attach(params: { progress: SharedArrayBuffer; bounds: SharedArrayBuffer; types: readonly string[] }): void;
  /** The source is gone: log, rows and dataflow are closed. */
  detach(params: Record<string, never>): void;
  /** Objects without dataflow: secrets, connections, sources, views. */
  commit(params: { put: CatalogObject[]; remove: ObjectId[] }): void;
  /** `types`: as for `attach`, of all tables. */
  addTables(params: { tables: Table[]; alsoPut: CatalogObject[]; types: readonly string[] }): void;
  /** `tablesTimeoutMs`: for the copies of its tables; `timeoutMs`: for the hydration that follows. */
  createMaterializedView(params: {
    view: MaterializedView;
    queryId: number;
    timeoutMs: number;
    tablesTimeoutMs: number;
    budget: HydrationBudget;
  }): {
    hydrationMs: number;
    longestSliceMs: number;
  };
  createIndex(params: { index: Index; queryId: number; timeoutMs: number }): void;
  /** In drop order: dependents first. */
  drop(params: { ids: ObjectId[] }): void;
  /** Ingest cannot go on with these tables; their neighbours can (I-8). */
  stopTables(params: { faults: { oid: number; error: PlainError }[] }): void;
  /** First copies that cannot be made now, by OID: whoever waits for them hears why. All that there are. */
  refuseCopies(params: { refusals: { oid: number; error: PlainError }[] }): void;
  /** Resolves when the copies of these tables are complete, or with the reason why not. */
  awaitTables(params: { ids: ObjectId[]; timeoutMs: number }): void;
  peek(params: PeekRequest): PeekResult;
  /** Of a result that is open, a few batches more, of the same tick. One call at a time; `isDone`: these were the last, and the result is closed. */
  nextBatches(params: { resultId: number; timeoutMs: number }): { batches: { bytes: Uint8Array; rows: number }[]; isDone: boolean };
  /** Its client wants no more: nothing is kept for it. */
  closeResult(params: { resultId: number }): void;
  openSnapshot(params: { snapshotId: number }): { timestamp: number };
  closeSnapshot(params: { snapshotId: number }): void;
  subscribe(params: SubscribeRequest): { timestamp: number };
  unsubscribe(params: { subscriptionId: number }): void;
  /** The client took this many bytes: backlog accounting. */
  taken(params: { subscriptionId: number; bytes: number }): void;
  beginRecording(params: { recordingId: number; objects: ObjectId[] }): void;
  /** The view's contents at exactly `lsn`: transactions whose commit record starts before it. */
  readRecording(params: { recordingId: number; object: ObjectId; lsn: bigint; timeoutMs: number }): { values: (string | null)[][] };
  endRecording(params: { recordingId: number }): void;
  /** null: there is no source yet. */
  status(params: Record<string, never>): EngineStatus | null;
  /** For tests and `audit`'s own proof: puts a wrong row into a view's output. Only with MILLRACE_TEST_FAULTS=1. */
  plantWrongRow(params: { object: ObjectId }): void;
  close(params: Record<string, never>): void;
}

export interface EngineStatus {
  readonly timestamp: number;
  readonly lsn: bigint;
  readonly ticks: number;
  readonly transactions: number;
  readonly changes: number;
  readonly views: readonly ViewStatus[];
  readonly tables: readonly TableStatus[];
  /** When the rows were last known to be all that the upstream had; null: never since the start. */
  readonly caughtUpAtMs: number | null;
  readonly arrangements: readonly ArrangementStatus[];
  /** What keeps the stores from being written. */
  readonly storeErrors: readonly PlainError[];
  /** What open subscriptions have sent that their clients have not taken. */
  readonly subscriptions: readonly { readonly id: number; readonly backlogBytes: number }[];
  readonly foldedOffset: number;
  readonly committedOffset: number;
}

export interface ArrangementStatus {
  readonly object: ObjectId;
  readonly kind: 'table' | 'view';
  readonly rows: number;
  readonly bytes: number;
}

export interface ViewStatus {
  readonly id: ObjectId;
  readonly state: 'live' | 'faulty';
  /** null: it has none to show. */
  readonly rows: number | null;
  readonly errors: number;
  readonly error: PlainError | null;
  readonly stateBytes: number;
  readonly hydratedAtMs: number | null;
  readonly hydrationMs: number;
  /** What a tick waited meanwhile, at most; 0 for a view that was there when the engine started. */
  readonly longestSliceMs: number;
}

export interface TableStatus {
  readonly id: ObjectId;
  readonly state: 'copying' | 'live' | 'faulty';
  readonly error: PlainError | null;
  /** Now; null: not counted. */
  readonly rows: number | null;
  readonly changes: number;
  readonly snapshotLsn: bigint | null;
}

export type EngineEvent =
  | { readonly event: 'subscription'; readonly subscriptionId: number; readonly bytes: Uint8Array; readonly rows: number }
  | { readonly event: 'subscriptionEnded'; readonly subscriptionId: number; readonly error: PlainError | null };
