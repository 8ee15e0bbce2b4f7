/**
 * The catalog worker: a Postgres that holds the mirror (names, types and keys of everything, no rows), analyses statements and answers clients' catalog
 * queries. One request at a time: the client sends the next when the last is answered. It never waits on another thread. When Postgres dies, the request is
 * answered STATEMENT_TOO_COMPLEX and the client opens another worker. Started by `catalog-client.ts`.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { must } from '../base/assert.ts';
import { MillraceError, millraceError } from '../base/errors.ts';
import { serve } from '../base/rpc.ts';
import { analyseQuery, analyseView, describe } from './analyse.ts';
import type { CatalogMethods, CatalogWorkerData, Ddl, RebuildFailure, RebuildStep } from './catalog-contract.ts';
import { queryRaw, resetSession } from './client-statement.ts';
import { InstanceDead, PostgresInstance } from './instance.ts';
import { localSettings } from './settings.ts';

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

/** All or nothing. Each is one statement, whatever its text holds. */
function transaction(pg: PostgresInstance, ddl: readonly Ddl[]): void {
  if (ddl.length === 0) return;
  pg.inTransaction('BEGIN', 'COMMIT', () => runAll(pg, ddl));
}

function runAll(pg: PostgresInstance, ddl: readonly Ddl[]): void {
  for (const statement of ddl) {
    if (typeof statement === 'string') pg.query(statement);
    else {
      pg.run('SET SESSION AUTHORIZATION postgres');
      pg.query(statement.privileged);
      pg.run('SET SESSION AUTHORIZATION millrace');
    }
  }
}

/** Steps that share a transaction: a commit costs as much as a table. Few enough for the lock table. */
const STEPS_PER_TRANSACTION = 20;

function rebuild(pg: PostgresInstance, steps: readonly RebuildStep[]): RebuildFailure[] {
  const failures: RebuildFailure[] = [];
  for (let from = 0; from < steps.length; from += STEPS_PER_TRANSACTION) {
    const some = steps.slice(from, from + STEPS_PER_TRANSACTION);
    const refused = attempt(pg, some);
    if (refused === undefined) continue;
    // One of them; all that is good in the others stays.
    for (const step of some) {
      const error = attempt(pg, [step]);
      if (error !== undefined) failures.push({ id: step.id, error: error.toPlain() });
    }
  }
  return failures;
}

function attempt(pg: PostgresInstance, steps: readonly RebuildStep[]): MillraceError | undefined {
  try {
    pg.inTransaction('BEGIN', 'COMMIT', () => {
      for (const { ddl } of steps) {
        runAll(pg, ddl);
        // Settings that one step sets for itself.
        pg.run('RESET ALL');
      }
    });
    return undefined;
  } catch (error) {
    if (error instanceof MillraceError) return error;
    throw error;
  }
}

/** There is no autovacuum and no checkpointer in here: without this, each analysis would leave dead rows and WAL in memory for ever. */
const WRITES_BETWEEN_MAINTENANCE = 500;
let writes = 0;

function written<R>(result: R): R {
  if (++writes % WRITES_BETWEEN_MAINTENANCE === 0) {
    alive((pg) => {
      pg.run('VACUUM');
      pg.run('CHECKPOINT');
    });
  }
  return result;
}

serve<CatalogMethods>(must(parentPort, 'parentPort'), {
  async boot() {
    instance = await PostgresInstance.boot(preparedTgz);
    return alive((pg) => {
      pg.run('SET SESSION AUTHORIZATION millrace');
      // The session's temporary schema is made once and stays; each analysis would make it again and roll it back.
      pg.run('CREATE TEMPORARY VIEW opened AS SELECT 1; DROP VIEW opened');
      return {};
    });
  },
  rebuild: ({ steps }) => alive((pg) => rebuild(pg, steps)),
  exec: ({ ddl }) => written((alive((pg) => transaction(pg, ddl)), {})),
  query: (query) =>
    alive((pg) => pg.inTransaction(`BEGIN READ ONLY${localSettings(query)}`, 'ROLLBACK', () => pg.query(query.sql, query.parameters))),
  rolledBack: ({ before, ...query }) =>
    written(
      alive((pg) =>
        pg.inTransaction(`BEGIN${localSettings(query)}`, 'ROLLBACK', () => {
          runAll(pg, before);
          return pg.query(query.sql, query.parameters);
        }),
      ),
    ),
  queryRaw: ({ before = [], ...statement }) =>
    alive((pg) => {
      if (before.length > 0) written(transaction(pg, before));
      try {
        return queryRaw(pg, statement);
      } finally {
        resetSession(pg);
      }
    }),
  describe: (query) => alive((pg) => describe(pg, query)),
  analyseView: (view) => written(alive((pg) => analyseView(pg, view))),
  analyseQuery: (query) => written(alive((pg) => analyseQuery(pg, query))),
});
