/** What the engine asks of a query worker (`query-worker.ts`). Types only; plain data crosses. */
import type { PackedRows } from '../../dataflow/tables/given-rows.ts';
import type { Plan } from '../../plan/plan.ts';
import type { Cut } from '../../store/log/transactions.ts';
import type { UpstreamTable } from '../../upstream/table.ts';
import type { Column } from '../../values/type.ts';
import type { NextBatches } from './open-results.ts';
import type { Finish, RowFormat } from '../contract/protocol.ts';

export interface QueryWorkerOptions {
  readonly dataDirectory: string;
  /** `CancelFlags.buffer` */
  readonly cancelFlags: SharedArrayBuffer;
  /** DDL of the upstream's types, for the evaluator. */
  readonly types: readonly string[];
  /** What all results of this worker may hold together. */
  readonly bytesMax: number;
}

/** A table as of `EvaluateRequest.at`: its rows are read from the store and the log. */
export interface TableToRead {
  readonly object: string;
  readonly columns: readonly Column[];
  readonly key: readonly number[];
  readonly upstream: UpstreamTable;
}

/** A view whose rows were given. */
export interface ViewGiven {
  readonly object: string;
  readonly columns: readonly Column[];
}

export interface EvaluateRequest {
  readonly queryId: number;
  readonly plan: Plan;
  readonly finish: Finish;
  readonly format: RowFormat;
  readonly timeoutMs: number;
  readonly at: Cut;
  readonly tables: readonly TableToRead[];
  readonly views: readonly ViewGiven[];
}

export interface QueryMethods {
  /** The upstream's types are others now. */
  defineTypes(params: { types: readonly string[] }): void;
  /** The rows of tables as they are folded now: the caller holds the fold meanwhile, and pins the log from there until the query has been evaluated. */
  openRows(params: { queryId: number }): void;
  /** Rows of a view, before `evaluate`; in any number of parts. */
  give(params: { queryId: number; object: string; rows: PackedRows }): void;
  evaluate(params: EvaluateRequest): NextBatches;
  nextBatches(params: { resultId: number; timeoutMs: number }): NextBatches;
  /** Nothing more is wanted of it, wherever it stands. */
  close(params: { queryId: number }): void;
}
