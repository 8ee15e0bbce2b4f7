/**
 * The steps of the publication. Pure. What it lets through is widened before identities are set and tables are added: at no moment may a published table have an identity
 * that the publication does not carry, or the application's own UPDATEs fail (I-4).
 */
import { ident, literal, qualified } from '../base/ident.ts';
import { isPublished, tableText, type Observed, type TableFacts } from './facts.ts';
import { identityFor, mustPublishGenerated } from './checks/identity.ts';
import { publicationStatements } from './mends.ts';
import type { HandStep, Provider, SqlStep, TableName } from './model.ts';
import { byOwner, MARK, oid } from './sql-steps.ts';
import { sqlByHand, sqlStep, type SqlDraft } from './steps.ts';

/** Before the identities: what the publication carries of the tables that it has already. */
export function publicationWidening(observed: Observed): (SqlStep | HandStep)[] {
  const { publication: found, asked } = observed;
  if (found === undefined) return [];
  const name = asked.publication;
  const steps: (SqlStep | HandStep)[] = [];
  if (!found.generatedColumns && mustPublishGenerated(affected(observed), observed))
    steps.push(
      alter(observed, {
        id: 'sql.publication-generated',
        title: `Let publication ${name} carry stored generated columns, too`,
        proves: ['C16'],
        precondition: 'a replica identity holds some: Postgres then refuses UPDATE and DELETE unless they are published',
        statements: publicationStatements({ change: 'publish_generated', publication: name }),
        satisfied: there(name, `to_jsonb(p) ->> 'pubgencols' = 's'`),
        changes: { of: 'generated columns' },
        affects: ['whoever else reads this publication: generated columns of its tables come, too'],
      }),
    );
  for (const table of chosenTables(observed)) {
    const identity = identityFor(table, observed);
    const full = identity === undefined ? table.identity === 'f' : identity !== 'impossible' && identity.by === 'full';
    const narrowed = table.columnList && (full || table.identityUnpublished.length > 0);
    if (table.rowFilter === undefined && !narrowed) continue;
    steps.push(
      alter(observed, {
        id: `sql.publication-unfilter ${tableText(table)}`,
        title: `Publish ${table.rowFilter === undefined ? 'every column' : 'every row'} of ${tableText(table)}`,
        proves: ['C15', 'C16'],
        precondition:
          table.rowFilter === undefined
            ? `publication ${name} leaves out columns of its replica identity`
            : `publication ${name} filters it: ${table.rowFilter}`,
        statements: publicationStatements({ change: 'unfilter', publication: name, table }),
        changes: { of: 'published rows and columns', table },
        satisfied: `SELECT NOT EXISTS (SELECT 1 FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid WHERE p.pubname = ${literal(name)} AND r.prrelid = ${oid(table)} AND (to_jsonb(r) ->> 'prqual' IS NOT NULL OR to_jsonb(r) ->> 'prattrs' IS NOT NULL))`,
      }),
    );
  }
  return steps;
}

/** After the identities. */
export function publicationSteps(observed: Observed, tables: readonly TableName[] | 'all', provider: Provider): (SqlStep | HandStep)[] {
  const { asked, publication: found } = observed;
  const name = asked.publication;
  const chosen = chosenTables(observed);
  const foreign = chosen.filter((table) => !table.owned);
  const names = chosen.map((table) => qualified(table.schema, table.name));
  const published = (list: readonly TableFacts[]): string =>
    there(
      name,
      `(p.puballtables OR (SELECT count(*) FROM pg_catalog.pg_publication_rel r WHERE r.prpubid = p.oid AND r.prrelid IN (${list.map(oid).join(', ')})) = ${list.length})`,
    );

  if (found === undefined) {
    const common = {
      id: 'sql.publication',
      title: `Publication ${name} for ${tables === 'all' ? 'ALL tables, now and later' : names.length === 1 ? names[0]! : `${names.length} tables`}`,
      proves: ['C15', 'C14'] as const,
      precondition: `there is no publication ${name}`,
      satisfied: tables === 'all' ? there(name, 'p.puballtables') : published(chosen),
      ...(tables === 'all' ? { affects: ['every table that will ever be made: without a primary key it refuses its own UPDATEs'] } : {}),
    };
    if (names.length === 0 && tables !== 'all') return [];
    const generated = mustPublishGenerated(affected(observed), observed);
    const statements = publicationStatements({
      change: 'create',
      publication: name,
      tables: tables === 'all' ? 'all' : chosen,
      generated,
    });
    const refused = tables === 'all' ? allTablesRefused(observed, provider) : undefined;
    if (refused !== undefined) return [namedInstead(common, chosen, generated, refused, observed)];
    if (foreign.length > 0 && tables !== 'all') return [byOwner(common, foreign[0]!, statements.join('\n'))];
    const changes = { of: 'publication' } as const;
    return [sqlStep({ ...common, changes, statements: [...statements, `COMMENT ON PUBLICATION ${ident(name)} IS ${literal(MARK)};`] })];
  }

  const steps: (SqlStep | HandStep)[] = [];
  const absent = found.allTables ? [] : chosen.filter((table) => !isPublished(table, observed.tables));
  if (absent.length > 0)
    steps.push(
      alter(observed, {
        id: 'sql.publication-tables',
        title: `Add ${absent.map(tableText).join(', ')} to publication ${name}`,
        proves: ['C15'],
        precondition: 'it does not publish them',
        statements: publicationStatements({ change: 'add', publication: name, tables: absent }),
        changes: { of: 'publication' },
        satisfied: published(absent),
      }),
    );
  if (found.missing.length > 0)
    steps.push(
      alter(observed, {
        id: 'sql.publication-operations',
        title: `Let publication ${name} publish ${found.missing.join(', ')}, too`,
        proves: ['C15'],
        precondition: 'it leaves them out',
        changes: { of: 'publication' },
        statements: [
          `ALTER PUBLICATION ${ident(name)} SET (publish = '${(observed.server?.versionNum ?? 0) >= 110_000 ? 'insert, update, delete, truncate' : 'insert, update, delete'}');`,
        ],
        satisfied: there(name, `p.pubinsert AND p.pubupdate AND p.pubdelete AND coalesce(to_jsonb(p) ->> 'pubtruncate', 'true') = 'true'`),
      }),
    );
  return steps;
}

/** What is published by name: not the leaves of a partitioned table. */
export function chosenTables({ tables }: Observed): TableFacts[] {
  return tables.filter((table) => table.root === undefined && ['r', 'p'].includes(table.kind) && table.persistence === 'p');
}

/** Those and their leaves. */
function affected(observed: Observed): TableFacts[] {
  return observed.tables.filter((table) => table.kind === 'r' && table.persistence === 'p');
}

function there(name: string, condition: string): string {
  return `SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_publication p WHERE p.pubname = ${literal(name)} AND ${condition})`;
}

function alter({ publication, asked }: Observed, draft: SqlDraft): SqlStep | HandStep {
  const step = sqlStep(draft);
  return publication?.owned === true ? step : { ...step, via: 'hand', because: `publication ${asked.publication} belongs to another role` };
}

/** Why FOR ALL TABLES is not even tried: it is certain to be refused. */
function allTablesRefused({ server }: Observed, provider: Provider): string | undefined {
  if (provider.allTablesRefused !== undefined) return provider.allTablesRefused;
  return provider.plain === true && server?.session.superuser === false ? 'only a superuser may publish all tables' : undefined;
}

function namedInstead(
  draft: Omit<SqlDraft, 'statements'>,
  tables: readonly TableName[],
  generated: boolean,
  refused: string,
  { asked, target }: Observed,
): HandStep {
  const request = publicationStatements({ change: 'create', publication: asked.publication, tables, generated }).join('\n');
  return sqlByHand({
    ...draft,
    title: `Publish tables by name: ${target.user} may not publish ALL tables`,
    request,
    affects: [],
    because: `${refused}; give --tables with those that you want, and setup publishes them`,
  });
}
