/** A query worker's entry: serves `query-answers.ts` in a thread of its own. Started by `query-workers.ts`. */
import { join } from 'node:path';
import { parentPort, workerData } from 'node:worker_threads';
import { must } from '../../base/assert.ts';
import { serve } from '../../base/rpc.ts';
import { giveWay } from '../../base/thread-priority.ts';
import { PgliteEvaluator } from '../../pglite/evaluator.ts';
import { preparedDirectory } from '../../pglite/prepared.ts';
import { realDisk } from '../../store/disk.ts';
import { LogReader } from '../../store/log/reader.ts';
import { RowStore } from '../../store/rows/row-store.ts';
import { CancelFlags } from '../contract/cancel-flags.ts';
import { realTime } from '../ticks/time.ts';
import { PINNED } from './peeks.ts';
import { QueryAnswers } from './query-answers.ts';
import type { QueryMethods, QueryWorkerOptions } from './query-protocol.ts';

giveWay();
const options = workerData as QueryWorkerOptions;
let { types } = options;
let store: RowStore | undefined;
let evaluator: PgliteEvaluator | undefined;

const answers = new QueryAnswers({
  time: realTime,
  cancelFlags: new CancelFlags(options.cancelFlags),
  bytesMax: options.bytesMax,
  async evaluator() {
    if (evaluator === undefined) {
      evaluator = new PgliteEvaluator(await preparedDirectory());
      evaluator.defineTypes(types);
    }
    return evaluator.withSettings(PINNED);
  },
  snapshot: () => (store ??= new RowStore(join(options.dataDirectory, 'rows'))).snapshot(),
  log: () => new LogReader(realDisk, join(options.dataDirectory, 'log')),
});

serve<QueryMethods>(must(parentPort, 'parentPort'), {
  defineTypes(params) {
    ({ types } = params);
    evaluator?.defineTypes(types);
  },
  openRows: (params) => answers.openRows(params),
  give: (params) => answers.give(params),
  evaluate: (params) => answers.evaluate(params),
  nextBatches: (params) => answers.nextBatches(params),
  close: (params) => answers.close(params),
});
