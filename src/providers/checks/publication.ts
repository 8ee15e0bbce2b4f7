/** C15: the publication and what it lets through. Postgres 18 only warns about a missing one and streams nothing: so it is looked at, always. */
import { isPublished, tableText, type Observed, type PublicationFacts, type TableFacts } from '../facts.ts';
import type { Observation, TableName } from '../model.ts';
import { finding, type Subject } from './check.ts';
import { mustPublishGenerated } from './identity.ts';

export function* publication({ observed }: Subject): Generator<Observation> {
  if (observed.server === undefined) return;
  const { asked, publication: found } = observed;
  for (const missing of observed.tablesMissing)
    yield finding('error', 'C15', 'table_missing', {
      subject: tableText(missing),
      seen: `there is no table ${tableText(missing)} that "${observed.target.user}" can see`,
      why: 'It was never there, was dropped, or is in another database.',
    });

  const tables = observed.tables.filter((table) => table.root === undefined);
  for (const table of tables) {
    const unfit = unfitness(table, observed);
    if (unfit !== undefined)
      yield finding('error', 'C15', 'not_publishable', {
        subject: tableText(table),
        seen: `${tableText(table)} is ${unfit}`,
        why: 'Its changes are not in the log; a publication refuses it.',
      });
  }
  const publishable = tables.filter((table) => unfitness(table, observed) === undefined);

  const withGenerated =
    found?.generatedColumns !== true && mustPublishGenerated(observed.tables, observed) ? ({ generated: true } as const) : {};
  if (found !== undefined) yield* shortcomings(found, publishable, withGenerated, observed);
  else {
    const elsewhere = observed.server.publications.length === 0 ? 'there is none' : `there are ${observed.server.publications.join(', ')}`;
    yield finding(asked.publicationNamed ? 'error' : 'note', 'C15', 'publication_missing', {
      subject: asked.publication,
      seen: `there is no publication "${asked.publication}" in "${observed.target.database}" (${elsewhere})`,
      why: 'Only published tables are streamed, and a stream that names a missing publication stays silent.',
      need: {
        kind: 'publication',
        change: { change: 'create', publication: asked.publication, tables: publishable.map(nameOf), ...withGenerated },
      },
    });
  }
}

function* shortcomings(
  found: PublicationFacts,
  publishable: readonly TableFacts[],
  withGenerated: { generated?: true },
  { asked, tables }: Observed,
): Generator<Observation> {
  // Via the root or by its leaves: a partitioned table's changes come either way.
  const unpublished = publishable.filter((table) => !isPublished(table, tables) && asked.tables !== undefined && !found.allTables);
  if (unpublished.length > 0)
    yield finding('error', 'C15', 'table_not_published', {
      subject: found.name,
      seen: `publication "${found.name}" does not publish ${unpublished.map(tableText).join(', ')}`,
      why: 'Only published tables are streamed.',
      need: { kind: 'publication', change: { change: 'add', publication: found.name, tables: unpublished.map(nameOf), ...withGenerated } },
    });
  if (found.tableCount === 0)
    yield finding('error', 'C15', 'publication_empty', {
      subject: found.name,
      seen: `publication "${found.name}" publishes no table`,
      why: 'Everything would look healthy, and nothing would ever arrive.',
      need: { kind: 'publication', change: { change: 'add', publication: found.name, tables: publishable.map(nameOf), ...withGenerated } },
    });
  if (found.missing.length > 0)
    yield finding('error', 'C15', 'operations_missing', {
      subject: found.name,
      seen: `publication "${found.name}" leaves out ${found.missing.join(', ')}`,
      why: 'Without every kind of change a view would silently differ from the table.',
      need: { kind: 'publication', change: { change: 'publish_all_operations', publication: found.name } },
    });
  for (const table of tables) {
    if (table.rowFilter === undefined) continue;
    yield finding(asked.consumer === 'millrace' ? 'error' : 'warning', 'C15', 'rows_filtered', {
      subject: tableText(table),
      seen: `publication "${found.name}" filters the rows of ${tableText(table)}: ${table.rowFilter}`,
      why: 'A view over a part of the rows does not equal what the database answers.',
      need: { kind: 'publication', change: { change: 'unfilter', publication: found.name, table: nameOf(table) } },
    });
  }
  if (found.allTables)
    yield finding('note', 'C15', 'all_tables', {
      subject: found.name,
      seen: `publication "${found.name}" publishes all tables, and every table that will ever be made`,
      why: 'A new table without a primary key refuses its own UPDATEs at once. A list of tables is safer.',
    });
}

function nameOf({ schema, name }: TableName): TableName {
  return { schema, name };
}

function unfitness({ kind, persistence }: TableFacts, { server }: Observed): string | undefined {
  if (kind === 'p' && (server?.versionNum ?? 0) < 130_000)
    return 'a partitioned table, and before Postgres 13 its partitions are published one by one';
  if (kind === 'v') return 'a view';
  if (kind === 'm') return 'a materialized view';
  if (kind === 'f') return 'a foreign table';
  if (persistence === 'u') return 'an unlogged table';
  if (persistence === 't') return 'a temporary table';
  return undefined;
}
