/**
 * The engine worker's entry: opens the stores, makes the engine, answers the coordinator. Started by `engine-client.ts`.
 */
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { must } from '../base/assert.ts';
import { millraceError } from '../base/errors.ts';
import { createLogger } from '../base/logging.ts';
import { serve, Transferred } from '../base/rpc.ts';
import { Dataflow } from '../dataflow/dataflow.ts';
import { IngestProgress } from '../ingest/progress.ts';
import { PgliteEvaluator } from '../pglite/evaluator.ts';
import { preparedDirectory } from '../pglite/prepared.ts';
import { realDisk } from '../store/disk.ts';
import { LogBounds } from '../store/log/bounds.ts';
import { LogReader } from '../store/log/reader.ts';
import { FoldClient } from '../store/rows/fold-client.ts';
import { RowStore } from '../store/rows/row-store.ts';
import { CancelFlags } from './cancel-flags.ts';
import { CatalogStore } from './catalog-store.ts';
import { Engine } from './engine.ts';
import type { EngineEvent, EngineMethods, EngineOptions } from './protocol.ts';
import { Stepper } from './stepper.ts';
import { TableRows } from './table-rows.ts';

const port = must(parentPort, 'parentPort');
const options = workerData as EngineOptions;
const logger = createLogger();
const store = new CatalogStore(options.dataDirectory);
const rowsDirectory = join(options.dataDirectory, 'rows');
let rowStore: RowStore | undefined;
let engine: Engine | undefined;
let evaluator: PgliteEvaluator | undefined;

/** What every session and view has, until a session may choose otherwise (settings.ts): the evaluator prints as the stream does. */
const PINNED = { TimeZone: 'UTC', DateStyle: 'ISO, MDY', IntervalStyle: 'postgres', extra_float_digits: '1', bytea_output: 'hex' };

function attached(): Engine {
  if (engine === undefined) throw millraceError('NO_SOURCE', { what: 'this statement' });
  return engine;
}

function tell(event: EngineEvent, transfer: ArrayBuffer[] = []): void {
  port.postMessage(event, transfer);
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
    const dataflow = new Dataflow(evaluator.withSettings(PINNED), { validate: options.validate });
    engine = new Engine({
      store,
      dataflow,
      evaluator: evaluator.withSettings(PINNED),
      logger,
      cancelFlags: new CancelFlags(options.cancelFlags),
      rows: new TableRows({ rows: must(rowStore, 'the row store'), log: new LogReader(realDisk, logDirectory), fold, bounds: logBounds }),
      stepper: new Stepper(dataflow, new LogReader(realDisk, logDirectory)),
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
    attached().addTables(tables, alsoPut);
    evaluator?.defineTypes(types);
  },
  createMaterializedView: ({ view, tablesTimeoutMs, ...asked }) => attached().createMaterializedView(view, asked, tablesTimeoutMs),
  createIndex: ({ index, ...asked }) => attached().createIndex(index, asked),
  async drop({ ids }) {
    if (engine === undefined) store.commit({ remove: ids });
    else await engine.drop(ids);
  },
  stopTables: ({ faults }) => engine?.stopTables(faults),
  awaitTables: ({ ids, timeoutMs }) => attached().awaitTables(ids, timeoutMs),
  async peek(request) {
    const result = await attached().peek(request);
    return new Transferred(
      result,
      result.batches.map((batch) => batch.bytes.buffer as ArrayBuffer),
    );
  },
  openSnapshot: ({ snapshotId }) => ({ timestamp: attached().openSnapshot(snapshotId) }),
  closeSnapshot: ({ snapshotId }) => attached().closeSnapshot(snapshotId),
  subscribe: async (request) => ({ timestamp: await attached().subscribe(request) }),
  unsubscribe: ({ subscriptionId }) => engine?.unsubscribe(subscriptionId),
  taken: ({ subscriptionId, bytes }) => engine?.taken(subscriptionId, bytes),
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
