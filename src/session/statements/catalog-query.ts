/** A query on the system catalog or on status relations, as it is: run by a Postgres beside the planner, with the rows that status relations have now. */
import { millraceError, MillraceError } from '../../base/errors.ts';
import type { RowFormat } from '../../engine/contract/protocol.ts';
import type { RawResult } from '../../pglite/catalog-contract.ts';
import type { Notice, Result } from '../../server/session.ts';
import { statusRelationsIn } from '../../sql/mirror/status.ts';
import { heldBatches } from '../results/held-batches.ts';
import { statusRows } from '../status/status-relations.ts';
import type { RowQuery } from './rows.ts';
import type { Bind, StatementContext } from './statement.ts';

const FIRST_OWN_OID = 16_384;

export async function catalogQuery(
  { sql, parameterTypes }: RowQuery,
  { coordinator, client, names, call }: StatementContext,
  { parameters, parameterFormats }: Bind,
  format: RowFormat,
  { isTrivial, reason }: { readonly isTrivial: boolean; readonly reason?: MillraceError | undefined },
): Promise<Result> {
  if (format.kind === 'copyText') throw millraceError('STATEMENT_UNSUPPORTED', { statement: 'COPY of a catalog query' });
  const { mirror } = coordinator;
  const statement = { sql, parameterTypes, parameters, parameterFormats, resultFormats: format.formats, searchPath: names.searchPath };
  const run = async (): Promise<RawResult> => {
    // What costs nothing (a pool's SELECT 1) waits for nobody's long statement.
    if (isTrivial) return mirror.catalog.queryRaw(statement, call);
    const status = await statusRows(coordinator, statusRelationsIn(sql));
    return mirror.run(client, { ...statement, parameterTypes: parameterTypes.map(builtIn) }, status, call);
  };
  const raw = await run().catch((error: unknown) => {
    // That it reads rows is no reason when analysis had one.
    throw error instanceof MillraceError && error.code === 'CATALOG_AND_ROWS' ? (reason ?? error) : error;
  });
  return {
    notices: raw.notices.map(({ sqlstate, message, detail, hint }): Notice => ({ severity: 'NOTICE', sqlstate, message, detail, hint })),
    body:
      raw.columns === null
        ? { kind: 'none' }
        : { kind: 'rows', batches: heldBatches(client.memory, [{ bytes: raw.rows, rows: raw.rowCount }]) },
    tag: () => raw.tag,
  };
}

/** An OID of the mirror's own types is the planner's; elsewhere the type is inferred again. */
function builtIn(typeOid: number): number {
  return typeOid >= FIRST_OWN_OID ? 0 : typeOid;
}
