/**
 * The catalog worker: a Postgres that holds the mirror (names, types and keys of everything, no rows), analyses statements and answers clients' catalog
 * queries. One request at a time: the client sends the next when the last is answered. It never waits on another thread. When Postgres dies, the request is
 * answered STATEMENT_TOO_COMPLEX and the client opens another worker. Started by `catalog-client.ts`.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { must } from '../base/assert.ts';
import { millraceError } from '../base/errors.ts';
import { serve } from '../base/rpc.ts';
import { analyseQuery, analyseView, describe } from './analyse.ts';
import type { CatalogMethods, CatalogWorkerData } from './catalog-contract.ts';
import { queryRaw } from './client-statement.ts';
import { InstanceDead, PostgresInstance } from './instance.ts';

const { preparedTgz } = workerData as CatalogWorkerData;
let instance: PostgresInstance | undefined;

function alive<R>(work: (pg: PostgresInstance) => R): R {
  try {
    return work(must(instance, 'a booted Postgres'));
  } catch (error) {
    if (error instanceof InstanceDead) throw millraceError('STATEMENT_TOO_COMPLEX', {}, error);
    throw error;
  }
}

/** All or nothing. */
function transaction(pg: PostgresInstance, statements: readonly string[]): void {
  if (statements.length > 0) pg.inTransaction('BEGIN', 'COMMIT', () => statements.forEach((sql) => pg.run(sql)));
}

serve<CatalogMethods>(must(parentPort, 'parentPort'), {
  async boot({ privileged, rebuild }) {
    instance = await PostgresInstance.boot(preparedTgz);
    return alive((pg) => {
      transaction(pg, privileged);
      pg.run('SET SESSION AUTHORIZATION millrace');
      transaction(pg, rebuild);
      return {};
    });
  },
  exec: ({ sql }) => (alive((pg) => transaction(pg, sql)), {}),
  query: ({ sql, parameters }) => alive((pg) => pg.query(sql, parameters)),
  queryRaw: (statement) => alive((pg) => queryRaw(pg, statement)),
  describe: (query) => alive((pg) => describe(pg, query)),
  analyseView: (view) => alive((pg) => analyseView(pg, view)),
  analyseQuery: (query) => alive((pg) => analyseQuery(pg, query)),
});
