/** Everything that CREATE SOURCE wants to know, in one call: the server, the publication, its tables, their types and collations. */
import { connectUpstream } from '../connection/connect.ts';
import type { ConnectionParameters } from '../connection/parameters.ts';
import type { UpstreamCollation, UpstreamFacts, UpstreamType } from '../table.ts';
import { identifySystem, readFacts, requireLogicalDecoding } from './facts.ts';
import { readPublishedTables, requirePublication, type Publication, type PublishedTable } from './publication.ts';
import { readCollations, readTypes } from './types.ts';

export interface UpstreamCatalog {
  readonly facts: UpstreamFacts;
  readonly publication: Publication;
  /** All published tables, also those that `refusalOf` refuses. */
  readonly tables: readonly PublishedTable[];
  readonly types: readonly UpstreamType[];
  readonly collations: readonly UpstreamCollation[];
}

/** Throws what stands in the way of a stream: connection, REPLICATION_NOT_PERMITTED, WAL_LEVEL_TOO_LOW, PUBLICATION_MISSING … */
export async function readUpstreamCatalog(parameters: ConnectionParameters, publicationName: string): Promise<UpstreamCatalog> {
  const connection = await connectUpstream(parameters, { purpose: 'catalog' });
  try {
    const replication = await connectUpstream(parameters, { purpose: 'catalog', replication: true });
    let facts: UpstreamFacts;
    try {
      facts = await readFacts(connection, await identifySystem(replication));
    } finally {
      await replication.end();
    }
    await requireLogicalDecoding(connection);
    const publication = await requirePublication(connection, publicationName);
    const tables = await readPublishedTables(connection, publicationName);
    const upstreamTables = tables.map(({ table }) => table);
    return {
      facts,
      publication,
      tables,
      types: await readTypes(connection, upstreamTables),
      collations: await readCollations(connection, upstreamTables, facts.databaseCollation),
    };
  } catch (error) {
    throw connection.failure(error, { doing: 'reading the catalog', publication: publicationName });
  } finally {
    await connection.end();
  }
}
