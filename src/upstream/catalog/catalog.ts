/** Everything that CREATE SOURCE wants to know, in one call: the server, the publication, its tables, their types and collations. */
import { millraceError, type MillraceError } from '../../base/errors.ts';
import { ident, qualified } from '../../base/ident.ts';
import { connectUpstream } from '../connection/connect.ts';
import type { ConnectionParameters } from '../connection/parameters.ts';
import type { UpstreamCollation, UpstreamFacts, UpstreamType } from '../table.ts';
import { identifySystem, readFacts, requireLogicalDecoding } from './facts.ts';
import {
  readPublishedTables,
  readUnlogged,
  requirePublication,
  type Publication,
  type PublishedTable,
  type TableName,
} from './publication.ts';
import { readCollations, readTypes } from './types.ts';

export interface UpstreamCatalog {
  readonly facts: UpstreamFacts;
  readonly publication: Publication;
  /** All published tables, also those that `refusalOf` refuses. */
  readonly tables: readonly PublishedTable[];
  /** What a publication FOR ALL TABLES leaves out. */
  readonly unlogged: readonly TableName[];
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
      unlogged: publication.allTables ? await readUnlogged(connection) : [],
      types: await readTypes(connection, upstreamTables),
      collations: await readCollations(connection, upstreamTables, facts.databaseCollation),
    };
  } catch (error) {
    throw connection.failure(error, { doing: 'reading the catalog', publication: publicationName });
  } finally {
    await connection.end();
  }
}

/** Why no published table goes by this name. */
export function referenceMissing(
  { facts, publication, unlogged }: UpstreamCatalog,
  wanted: { readonly schema?: string; readonly name: string },
): MillraceError {
  const { schema, name } = wanted;
  const found = unlogged.find((table) => table.name === name && (schema === undefined || table.schema === schema));
  if (found !== undefined)
    return millraceError('TABLE_NOT_PUBLISHED', {
      schema: found.schema,
      table: found.name,
      publication: publication.name,
      allTables: true,
    });
  return millraceError('REFERENCE_MISSING', {
    table: schema === undefined ? ident(name) : qualified(schema, name),
    publication: publication.name,
    database: facts.database,
    allTables: publication.allTables,
  });
}
