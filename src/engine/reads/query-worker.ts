/**
 * A query worker's entry: evaluates ad hoc queries beside the ticks, over the rows of one tick that it is given (views) or reads itself (tables: store and log as of a cut).
 * One query at a time; results wait here for their clients. Hears a cancel by the shared flags, in the midst of a join, too. Started by `query-workers.ts`.
 */
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { must } from '../../base/assert.ts';
import { millraceError } from '../../base/errors.ts';
import { serve, Transferred } from '../../base/rpc.ts';
import { giveWay } from '../../base/thread-priority.ts';
import { Dataflow } from '../../dataflow/dataflow.ts';
import type { PackedRows } from '../../dataflow/tables/given-rows.ts';
import { PgliteEvaluator } from '../../pglite/evaluator.ts';
import { preparedDirectory } from '../../pglite/prepared.ts';
import { realDisk } from '../../store/disk.ts';
import { LogReader } from '../../store/log/reader.ts';
import { RowStore } from '../../store/rows/row-store.ts';
import { CancelFlags } from '../contract/cancel-flags.ts';
import { OpenResults, type NextBatches } from './open-results.ts';
import { computed, evaluated, interrupter, PINNED } from './peeks.ts';
import type { EvaluateRequest, QueryMethods, QueryWorkerOptions } from './query-protocol.ts';
import { ReadableRows } from '../source/table-rows.ts';
import { Turns } from '../ticks/turns.ts';

giveWay();
const port = must(parentPort, 'parentPort');
const options = workerData as QueryWorkerOptions;
const flags = new CancelFlags(options.cancelFlags);
const results = new OpenResults(new Turns());
/** What each query holds: rows that were given, then its result. */
const held = new Map<number, number>();
const given = new Map<number, Map<string, PackedRows[]>>();
const opened = new Map<number, ReturnType<RowStore['snapshot']>>();
let { types } = options;
let store: RowStore | undefined;
let evaluator: PgliteEvaluator | undefined;

function interruptOf(queryId: number, timeoutMs: number): () => void {
  return interrupter(timeoutMs, () => flags.isCancelled(queryId));
}

function heldBytes(): number {
  return [...held.values()].reduce((sum, bytes) => sum + bytes, 0);
}

/** Its inputs; a result that is open stays. */
function forget(queryId: number): void {
  given.delete(queryId);
  opened.get(queryId)?.close();
  opened.delete(queryId);
}

function close(queryId: number): void {
  forget(queryId);
  held.delete(queryId);
  results.close(queryId);
}

function handedOver(queryId: number, next: NextBatches): Transferred<NextBatches> {
  if (next.isDone) close(queryId);
  return new Transferred(
    next,
    next.batches.map(({ bytes }) => bytes.buffer as ArrayBuffer),
  );
}

async function evaluate(request: EvaluateRequest): Promise<NextBatches> {
  const { queryId, plan, timeoutMs, at, tables, views } = request;
  const interrupt = interruptOf(queryId, timeoutMs);
  if (evaluator === undefined) {
    evaluator = new PgliteEvaluator(await preparedDirectory());
    evaluator.defineTypes(types);
  }
  const flow = new Dataflow(evaluator.withSettings(PINNED));
  for (const { object, columns, key } of tables) flow.defineTable(object, { columns, key });
  for (const { object, columns } of views) flow.defineRows(object, columns, given.get(queryId)?.get(object) ?? []);
  const snapshot = opened.get(queryId);
  const rows =
    snapshot === undefined
      ? undefined
      : new ReadableRows(snapshot, new LogReader(realDisk, join(options.dataDirectory, 'log')), at, () => undefined);
  const read = new Map(tables.map(({ object, upstream }) => [object, upstream]));
  const output = evaluated(
    flow,
    plan,
    (object) => must(rows, 'the rows').read(must(read.get(object), `table ${object}`), interrupt),
    interrupt,
    options.bytesMax - heldBytes(),
  );
  forget(queryId);
  held.set(queryId, output.bytes());
  return results.begin(queryId, computed(output, request), interrupt);
}

serve<QueryMethods>(port, {
  defineTypes(params) {
    ({ types } = params);
    evaluator?.defineTypes(types);
  },
  openRows({ queryId }) {
    store ??= new RowStore(join(options.dataDirectory, 'rows'));
    opened.set(queryId, store.snapshot());
  },
  give({ queryId, object, rows }) {
    const bytes = rows.words.byteLength + rows.heap.byteLength + rows.weights.byteLength;
    held.set(queryId, (held.get(queryId) ?? 0) + bytes);
    if (heldBytes() > options.bytesMax) throw millraceError('QUERY_TOO_LARGE', { bytesMax: options.bytesMax });
    const objects = given.get(queryId) ?? new Map<string, PackedRows[]>();
    given.set(queryId, objects);
    objects.set(object, [...(objects.get(object) ?? []), rows]);
  },
  async evaluate(request) {
    try {
      return handedOver(request.queryId, await evaluate(request));
    } catch (error) {
      close(request.queryId);
      throw error;
    }
  },
  async nextBatches({ resultId, timeoutMs }) {
    try {
      return handedOver(resultId, await results.next(resultId, interruptOf(resultId, timeoutMs)));
    } catch (error) {
      close(resultId);
      throw error;
    }
  },
  close: ({ queryId }) => close(queryId),
});
