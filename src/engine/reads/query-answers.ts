/**
 * What a query worker does: evaluates ad hoc queries beside the ticks, over the rows of one tick that it is given (views) or reads itself (tables: store and log as of a cut).
 * One query at a time; results wait here for their clients. Hears a cancel by the shared flags, in the midst of a join, too. Made by `query-worker.ts`.
 */
import { must } from '../../base/assert.ts';
import { millraceError } from '../../base/errors.ts';
import { Transferred } from '../../base/rpc.ts';
import { Dataflow } from '../../dataflow/dataflow.ts';
import type { Evaluator } from '../../dataflow/expression/contract.ts';
import type { PackedRows } from '../../dataflow/tables/given-rows.ts';
import type { LogReader } from '../../store/log/reader.ts';
import type { RowSnapshot } from '../../store/rows/row-store.ts';
import type { CancelFlags } from '../contract/cancel-flags.ts';
import { OpenResults, type NextBatches } from './open-results.ts';
import { computed, evaluated } from './peeks.ts';
import type { EvaluateRequest, QueryMethods } from './query-protocol.ts';
import { ReadableRows } from '../source/table-rows.ts';
import type { Time } from '../ticks/time.ts';
import { Turns } from '../ticks/turns.ts';
import { interrupter } from '../ticks/waiting.ts';

export interface QueryAnswersParts {
  readonly time: Time;
  readonly cancelFlags: CancelFlags;
  /** What all results of this worker may hold together. */
  readonly bytesMax: number;
  evaluator(): Promise<Evaluator>;
  /** The row store as it is now. */
  snapshot(): RowSnapshot;
  /** The log: a reader for one query. */
  log(): LogReader;
}

type Params<M extends keyof QueryMethods> = Parameters<QueryMethods[M]>[0];

export class QueryAnswers {
  readonly #parts: QueryAnswersParts;
  readonly #results: OpenResults;
  /** What each query holds: rows that were given, then its result. */
  readonly #held = new Map<number, number>();
  readonly #given = new Map<number, Map<string, PackedRows[]>>();
  readonly #opened = new Map<number, RowSnapshot>();

  constructor(parts: QueryAnswersParts) {
    this.#parts = parts;
    this.#results = new OpenResults(new Turns(parts.time));
  }

  openRows({ queryId }: Params<'openRows'>): void {
    this.#opened.set(queryId, this.#parts.snapshot());
  }

  give({ queryId, object, rows }: Params<'give'>): void {
    const bytes = rows.words.byteLength + rows.heap.byteLength + rows.weights.byteLength;
    this.#held.set(queryId, (this.#held.get(queryId) ?? 0) + bytes);
    const { bytesMax } = this.#parts;
    if (this.#heldBytes() > bytesMax) throw millraceError('QUERY_TOO_LARGE', { bytesMax });
    const objects = this.#given.get(queryId) ?? new Map<string, PackedRows[]>();
    this.#given.set(queryId, objects);
    objects.set(object, [...(objects.get(object) ?? []), rows]);
  }

  async evaluate(request: EvaluateRequest): Promise<Transferred<NextBatches>> {
    return this.#handedOver(request.queryId, this.#evaluate(request));
  }

  async nextBatches({ resultId, timeoutMs }: Params<'nextBatches'>): Promise<Transferred<NextBatches>> {
    return this.#handedOver(resultId, this.#results.next(resultId, this.#interrupter(resultId, timeoutMs)));
  }

  close({ queryId }: Params<'close'>): void {
    this.#forget(queryId);
    this.#held.delete(queryId);
    this.#results.close(queryId);
  }

  #interrupter(queryId: number, timeoutMs: number): () => void {
    return interrupter(this.#parts.time, this.#parts.cancelFlags, queryId, timeoutMs);
  }

  #heldBytes(): number {
    return [...this.#held.values()].reduce((sum, bytes) => sum + bytes, 0);
  }

  /** Its inputs; a result that is open stays. */
  #forget(queryId: number): void {
    this.#given.delete(queryId);
    this.#opened.get(queryId)?.close();
    this.#opened.delete(queryId);
  }

  /** Nothing is kept of a query that is done, or has failed. */
  async #handedOver(queryId: number, work: Promise<NextBatches>): Promise<Transferred<NextBatches>> {
    try {
      const next = await work;
      if (next.isDone) this.close({ queryId });
      return new Transferred(
        next,
        next.batches.map(({ bytes }) => bytes.buffer as ArrayBuffer),
      );
    } catch (error) {
      this.close({ queryId });
      throw error;
    }
  }

  async #evaluate(request: EvaluateRequest): Promise<NextBatches> {
    const { queryId, plan, timeoutMs, at, tables, views } = request;
    const interrupt = this.#interrupter(queryId, timeoutMs);
    const flow = new Dataflow(await this.#parts.evaluator());
    for (const { object, columns, key } of tables) flow.defineTable(object, { columns, key });
    for (const { object, columns } of views) flow.defineRows(object, columns, this.#given.get(queryId)?.get(object) ?? []);
    const snapshot = this.#opened.get(queryId);
    const rows = snapshot === undefined ? undefined : new ReadableRows(snapshot, this.#parts.log(), at, () => undefined);
    const read = new Map(tables.map(({ object, upstream }) => [object, upstream]));
    const output = evaluated(
      flow,
      plan,
      (object) => must(rows, 'the rows').read(must(read.get(object), `table ${object}`), interrupt),
      interrupt,
      this.#parts.bytesMax - this.#heldBytes(),
    );
    this.#forget(queryId);
    this.#held.set(queryId, output.bytes());
    return this.#results.begin(queryId, computed(output, request), interrupt);
  }
}
