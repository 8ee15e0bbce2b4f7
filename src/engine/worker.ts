/** The engine worker's entry: opens the stores, makes the engine, answers the coordinator. Started by `engine-client.ts`. */
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { must } from '../base/assert.ts';
import { millraceError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';
import { createLogger } from '../base/logging.ts';
import { serve, Transferred } from '../base/rpc.ts';
import { Dataflow } from '../dataflow/dataflow.ts';
import type { Plan } from '../plan/plan.ts';
import { IngestProgress } from '../ingest/progress.ts';
import { PgliteEvaluator } from '../pglite/evaluator.ts';
import { preparedDirectory } from '../pglite/prepared.ts';
import { realDisk } from '../store/disk.ts';
import { LogBounds } from '../store/log/bounds.ts';
import { LogReader } from '../store/log/reader.ts';
import { FoldClient } from '../store/rows/fold-client.ts';
import { RowStore } from '../store/rows/row-store.ts';
import { CancelFlags } from './contract/cancel-flags.ts';
import { CatalogStore } from './catalog-store.ts';
import { Engine } from './engine.ts';
import { operatorName } from './operator-name.ts';
import type { EngineEvent, EngineMethods, EngineOptions } from './contract/protocol.ts';
import { PINNED } from './reads/peeks.ts';
import { QueryThread } from './reads/query-thread.ts';
import { Stepper } from './source/stepper.ts';
import { TableRows } from './source/table-rows.ts';
import { realTime } from './ticks/time.ts';

const port = must(parentPort, 'parentPort');
const options = workerData as EngineOptions;
const logger = createLogger();
const store = new CatalogStore(options.dataDirectory);
const rowsDirectory = join(options.dataDirectory, 'rows');
let rowStore: RowStore | undefined;
let engine: Engine | undefined;
let evaluator: PgliteEvaluator | undefined;

function attached(): Engine {
  if (engine === undefined) throw millraceError('NO_SOURCE', { what: 'this statement' });
  return engine;
}

function tell(event: EngineEvent, transfer: ArrayBuffer[] = []): void {
  port.postMessage(event, transfer);
}

/** Moved, not copied. */
function buffersOf(batches: readonly { readonly bytes: Uint8Array }[]): ArrayBuffer[] {
  return batches.map(({ bytes }) => bytes.buffer as ArrayBuffer);
}

serve<EngineMethods>(port, {
  open: () => ({ objects: store.objects() }),
  openRows() {
    rowStore ??= new RowStore(rowsDirectory);
    return { logAtLeast: rowStore.logAtLeast };
  },
  async attach({ progress, bounds, types }) {
    evaluator = new PgliteEvaluator(await preparedDirectory());
    evaluator.defineTypes(types);
    const logBounds = new LogBounds(bounds);
    const logDirectory = join(options.dataDirectory, 'log');
    const fold = new FoldClient({ logDirectory, rowsDirectory, bounds: logBounds });
    const describe = (operator: Plan): string => operatorName(operator, (id) => engine?.nameOf(id) ?? id);
    const dataflow = new Dataflow(evaluator.withSettings(PINNED), { validate: options.validate, describe });
    engine = new Engine({
      store,
      dataflow,
      evaluator: evaluator.withSettings(PINNED),
      logger,
      describe,
      time: realTime,
      startQueryWorker: (known) =>
        new QueryThread({
          dataDirectory: options.dataDirectory,
          cancelFlags: options.cancelFlags,
          types: known,
          bytesMax: limits.queryMemoryBytesMax,
        }),
      types,
      cancelFlags: new CancelFlags(options.cancelFlags),
      rows: new TableRows({ rows: must(rowStore, 'the row store'), log: new LogReader(realDisk, logDirectory), fold, bounds: logBounds }),
      stepper: new Stepper(dataflow, new LogReader(realDisk, logDirectory), realTime),
      progress: new IngestProgress(progress),
      output: {
        rows: (subscriptionId, { bytes, rows }) =>
          tell({ event: 'subscription', subscriptionId, bytes, rows }, [bytes.buffer as ArrayBuffer]),
        ended: (subscriptionId, error) => tell({ event: 'subscriptionEnded', subscriptionId, error }),
      },
    });
    await engine.attach(store.objects());
  },
  async detach() {
    const old = engine;
    engine = undefined;
    await old?.detach();
    rowStore = undefined;
  },
  commit({ put, remove }) {
    store.commit({ put, remove });
  },
  addTables({ tables, alsoPut, types }) {
    attached().addTables(tables, alsoPut, types);
    evaluator?.defineTypes(types);
  },
  createMaterializedView: ({ view, tablesTimeoutMs, budget, ...asked }) =>
    attached().createMaterializedView(view, { ...asked, ...budget }, tablesTimeoutMs),
  createIndex: ({ index, ...asked }) => attached().createIndex(index, asked),
  async drop({ ids }) {
    if (engine === undefined) store.commit({ remove: ids });
    else await engine.drop(ids);
  },
  stopTables: ({ faults }) => engine?.stopTables(faults),
  refuseCopies: ({ refusals }) => engine?.refuseCopies(refusals),
  awaitTables: ({ ids, timeoutMs }) => attached().awaitTables(ids, timeoutMs),
  async peek(request) {
    const result = await attached().reads.peek(request);
    return new Transferred(result, buffersOf(result.batches));
  },
  async nextBatches({ resultId, timeoutMs }) {
    const result = await attached().reads.next(resultId, timeoutMs);
    return new Transferred(result, buffersOf(result.batches));
  },
  closeResult: ({ resultId }) => engine?.reads.close(resultId),
  openSnapshot: ({ snapshotId }) => ({ timestamp: attached().reads.openSnapshot(snapshotId) }),
  closeSnapshot: ({ snapshotId }) => attached().reads.closeSnapshot(snapshotId),
  subscribe: async (request) => ({ timestamp: await attached().subscribe(request) }),
  unsubscribe: ({ subscriptionId }) => engine?.subscriptions.close(subscriptionId),
  taken: ({ subscriptionId, bytes }) => engine?.subscriptions.taken(subscriptionId, bytes),
  beginRecording: ({ recordingId, objects }) => attached().beginRecording(recordingId, objects),
  readRecording: async ({ recordingId, object, lsn, timeoutMs }) => ({
    values: await attached().readRecording(recordingId, object, lsn, timeoutMs),
  }),
  endRecording: ({ recordingId }) => engine?.endRecording(recordingId),
  status: () => engine?.status() ?? null,
  plantWrongRow: ({ object }) => attached().plantWrongRow(object),
  async close() {
    await (engine === undefined ? store.close() : engine.close());
  },
});
