/**
 * ALTER SOURCE … REFRESH: every table of the source is copied anew, and everything that was defined stays: what mends a gap in the stream (a slot that is gone, another
 * server, a publication that was away) without making views again. Whatever can refuse does so before anything is given up. While the copies run, readers wait for them.
 */
import { objectNamed } from '../object-named.ts';
import { millraceError } from '../../base/errors.ts';
import type { Notice } from '../../server/session.ts';
import type { StatementOf } from '../../sql/statements/statement.ts';
import { readUpstreamCatalog, referenceMissing, type UpstreamCatalog } from '../../upstream/catalog/catalog.ts';
import { refusalOf } from '../../upstream/catalog/publication.ts';
import type { UpstreamTable } from '../../upstream/table.ts';
import type { Source, Table } from '../../catalog/catalog.ts';
import { firstTrouble } from './copy-begun.ts';
import type { Coordinator } from '../coordinator.ts';
import type { Defined } from './defining.ts';

export async function refreshSource(coordinator: Coordinator, statement: StatementOf<'refreshSource'>): Promise<Defined> {
  const { catalog, engine } = coordinator;
  const source = objectNamed(catalog, ['source'], statement, ['public']);
  const parameters = coordinator.connectionOf(source);
  const upstream = await readUpstreamCatalog(parameters, source.publication);
  const tables = catalog.all('table').map((table) => asItIsNow(table, upstream, source, parameters.user));
  const after: Source = { ...source, facts: upstream.facts };
  const left = await coordinator.stopSource();
  await engine.rpc.call('commit', { put: [after, ...tables], remove: [] });
  for (const object of [after, ...tables]) catalog.add(object);
  const notices: Notice[] = left === undefined ? [] : [{ ...left.toPlain(), severity: 'WARNING' }];
  return { tag: 'ALTER SOURCE', notices: [...notices, ...(await firstTrouble(await coordinator.startSource(after)))] };
}

/** Found by its name: a restored server may have given it another OID. Views were made for its columns, so these must be the same. */
function asItIsNow(table: Table, upstream: UpstreamCatalog, { publication }: Source, user: string): Table {
  const { schema, name } = table.upstream;
  const found = upstream.tables.find((published) => published.table.schema === schema && published.table.name === name);
  if (found === undefined) throw referenceMissing(upstream, { schema, name });
  const refusal = refusalOf(found, publication, user);
  if (refusal !== undefined) throw refusal;
  if (shapeOf(found.table) !== shapeOf(table.upstream)) {
    const columns = found.table.columns.map((column) => column.name).join(', ');
    throw millraceError('TABLE_FAULTY', { table: table.name, reason: `its columns changed upstream; they are now (${columns})` });
  }
  return { ...table, upstream: found.table };
}

function shapeOf({ columns, key, replicaIdentity }: UpstreamTable): string {
  return JSON.stringify([columns.map(({ name, typeOid, typmod }) => [name, typeOid, typmod]), key, replicaIdentity]);
}
