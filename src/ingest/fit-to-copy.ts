/**
 * Which of the tables can be copied, asked before a slot is made for them: making one waits for every open transaction upstream, and a refused table is tried again
 * often (I-4). What changes between this look and the copy, the copy refuses by itself.
 */
import { millraceError, type MillraceError } from '../base/errors.ts';
import { readPublishedTables, refusalOf, requirePublication } from '../upstream/catalog/publication.ts';
import { connectUpstream } from '../upstream/connection/connect.ts';
import type { ConnectionParameters } from '../upstream/connection/parameters.ts';
import type { UpstreamTable } from '../upstream/table.ts';

export async function fitToCopy(
  request: {
    readonly parameters: ConnectionParameters;
    readonly publication: string;
    readonly tables: readonly UpstreamTable[];
    readonly signal: AbortSignal;
  },
  refused: (oid: number, error: MillraceError) => void,
): Promise<UpstreamTable[]> {
  const { parameters, publication, tables, signal } = request;
  const control = await connectUpstream(parameters, { purpose: 'added table', signal });
  try {
    const { allTables } = await requirePublication(control, publication, tables);
    const oids = tables.map(({ oid }) => oid);
    const published = await readPublishedTables(control, publication, oids);
    const there = await control.query('SELECT oid FROM pg_catalog.pg_class WHERE oid = ANY ($1::oid[])', [`{${oids.join(',')}}`]);
    const exists = new Set(there.map((row) => Number(row['oid'])));
    return tables.filter(({ oid, schema, name }) => {
      const match = published.find(({ table }) => table.oid === oid);
      const named = { schema, table: name, publication, allTables, database: parameters.database };
      let reason: MillraceError | undefined;
      if (match !== undefined) reason = refusalOf(match, publication, parameters.user);
      else reason = exists.has(oid) ? millraceError('TABLE_NOT_PUBLISHED', named) : millraceError('UPSTREAM_TABLE_MISSING', named);
      if (reason !== undefined) refused(oid, reason);
      return reason === undefined;
    });
  } catch (error) {
    throw control.failure(error, { doing: 'looking at tables that are to be added', publication });
  } finally {
    await control.end();
  }
}
