/**
 * The evaluator worker: a Postgres without a mirror, without secrets and without a host directory, that runs single functions and operators over batches.
 * Started by `evaluator.ts`, whose thread sleeps on the shared counter meanwhile; so this thread never waits on that one.
 */
import { workerData } from 'node:worker_threads';
import { must } from '../base/assert.ts';
import { MillraceError, reasonOf } from '../base/errors.ts';
import { Batches } from './batches.ts';
import type { EvaluatorAnswer, EvaluatorRequest, EvaluatorWorkerData } from './evaluator-contract.ts';
import { PostgresInstance } from './instance.ts';

const { preparedTgz, port, counters } = workerData as EvaluatorWorkerData;
const counter = new Int32Array(counters);
let batches: Batches | undefined;

async function answer(request: EvaluatorRequest): Promise<EvaluatorAnswer> {
  if (request.kind === 'boot') {
    const pg = await PostgresInstance.boot(preparedTgz);
    pg.run('SET SESSION AUTHORIZATION millrace');
    batches = new Batches(pg, () => Atomics.add(counter, 1, 1));
    batches.defineTypes(request.types);
    return { kind: 'done' };
  }
  const booted = must(batches, 'a booted evaluator');
  if (request.kind === 'evaluate') return { kind: 'values', ...booted.evaluate(request) };
  booted.defineTypes(request.types);
  return { kind: 'done' };
}

port.on('message', (request: EvaluatorRequest) => {
  void answer(request)
    .catch((error: unknown): EvaluatorAnswer => {
      if (error instanceof MillraceError) return { kind: 'error', error: error.toPlain() };
      return { kind: 'dead', reason: reasonOf(error) };
    })
    .then((reply) => {
      port.postMessage(reply);
      Atomics.add(counter, 0, 1);
      Atomics.notify(counter, 0);
    });
});
