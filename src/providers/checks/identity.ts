/**
 * C16: whether an UPDATE or DELETE says which row it met, and whether the publication carries what says so. Publishing a table where either is not so makes the application's own
 * UPDATEs fail (55000, 42P10): so this comes before the publication (I-4). Millrace and Debezium need an identity; Materialize wants FULL everywhere.
 */
import { tableText, type Observed, type TableFacts } from '../facts.ts';
import type { IdentityChoice, Need, Observation } from '../model.ts';
import { finding, type Subject } from './check.ts';

export function* identity({ observed }: Subject): Generator<Observation> {
  for (const table of observed.tables) {
    if (table.kind === 'p' && table.root === undefined) yield* partitionsToCome(table, observed);
    // A partitioned table has no rows; its leaves are asked.
    if (table.kind !== 'r' || table.persistence !== 'p') continue;
    const choice = identityFor(table, observed);
    const name = { schema: table.schema, name: table.name };
    if (choice === 'impossible') {
      yield finding('error', 'C16', 'identity_impossible', {
        subject: tableText(table),
        seen: `${tableText(table)} has ${observed.asked.consumer === 'materialize' ? '' : 'no key, and '}a virtual generated column: ${table.virtualColumns.join(', ')}`,
        why: table.published
          ? 'It is published: every UPDATE and DELETE of it fails now (42P10), in your own application, too.'
          : 'Postgres carries no virtual column to a reader: with REPLICA IDENTITY FULL the published table would refuse every UPDATE and DELETE (42P10), your own application’s, too.',
        need: { kind: 'key', table: name },
      });
      continue;
    }
    if (choice === undefined) {
      if (table.published && table.identityUnpublished.length > 0) yield unpublished(table, observed);
      continue;
    }
    const { code, seen, why } = wrong(table, observed);
    const alreadyBroken = table.published && (!table.identityUsable || table.identityUnpublished.length > 0);
    yield finding('error', 'C16', code, {
      subject: tableText(table),
      seen,
      why: alreadyBroken ? 'It is published: every UPDATE and DELETE of it fails now, in your own application, too.' : why,
      need: { kind: 'identity', table: name, how: choice },
    });
  }
}

function wrong(table: TableFacts, { asked }: Observed): Pick<Observation, 'code' | 'seen' | 'why'> {
  const text = tableText(table);
  if (!table.identityUsable)
    return {
      code: 'identity_missing',
      seen: `${text} has ${table.identity === 'n' ? 'REPLICA IDENTITY NOTHING' : table.identity === 'i' ? 'lost the index of its replica identity' : 'no primary key and no replica identity'}${table.root === undefined ? '' : ` (partition of ${table.root})`}`,
      why: 'The stream could not say which row an UPDATE met; once published, the table would refuse every UPDATE and DELETE, your own application’s, too.',
    };
  if (asked.consumer === 'materialize')
    return { code: 'identity_not_full', seen: `${text} has not REPLICA IDENTITY FULL`, why: 'Materialize refuses a table without it.' };
  if (table.identity === 'f')
    return {
      code: 'identity_virtual',
      seen: `${text} has REPLICA IDENTITY FULL and a virtual generated column: ${table.virtualColumns.join(', ')}`,
      why: 'Postgres carries no virtual column to a reader: once published, the table would refuse every UPDATE and DELETE, your own application’s, too.',
    };
  return {
    code: 'identity_generated',
    seen: `the replica identity of ${text} is on a generated column: ${table.keyGenerated.join(', ')}`,
    why: 'The stream does not carry generated columns: it could not say which row an UPDATE met.',
  };
}

/** From 18 on: generated columns that the publication must carry (`publish_generated_columns`), because an identity holds them. */
export function mustPublishGenerated(tables: readonly TableFacts[], observed: Observed): boolean {
  if ((observed.server?.versionNum ?? 0) < VIRTUAL_FROM) return false;
  return tables.some((table) => {
    if (table.kind !== 'r') return false;
    const choice = identityFor(table, observed);
    if (choice === 'impossible') return false;
    const full = choice === undefined ? table.identity === 'f' : choice.by === 'full';
    if (full) return table.generatedColumns.length > 0;
    return choice === undefined && table.keyGenerated.length > 0;
  });
}

/** From this version on Postgres refuses UPDATE and DELETE of a published table whose identity holds a generated column that is not published. */
const VIRTUAL_FROM = 180_000;

/**
 * Undefined: it is right as it is (from 18 on perhaps together with publish_generated_columns). An index before FULL: it costs no WAL.
 * Impossible: whatever the identity, the published table would refuse UPDATE and DELETE, or the reader wants what would make it so.
 */
export function identityFor(table: TableFacts, { asked, server }: Observed): IdentityChoice | 'impossible' | undefined {
  const carriesGenerated = (server?.versionNum ?? 0) >= VIRTUAL_FROM;
  const full: IdentityChoice | 'impossible' = carriesGenerated && table.virtualColumns.length > 0 ? 'impossible' : { by: 'full' };
  if (asked.consumer === 'materialize') return full === 'impossible' ? full : table.identity === 'f' ? undefined : full;
  const byIndex: IdentityChoice | undefined =
    table.primaryKey && table.keyGenerated.length === 0 && table.identity !== 'i'
      ? { by: 'default' }
      : table.identityCandidate === undefined
        ? undefined
        : { by: 'index', index: table.identityCandidate };
  if (table.identity === 'f') return full === 'impossible' ? (byIndex ?? full) : undefined;
  if (!table.identityUsable) return byIndex ?? full;
  if (table.keyGenerated.length === 0) return undefined;
  return byIndex ?? (carriesGenerated ? undefined : full);
}

/** The identity is usable, and the publication leaves out a part of it. */
function unpublished(table: TableFacts, observed: Observed): Observation {
  const { name: publication } = observed.publication!;
  const need: Need = table.columnList
    ? { kind: 'publication', change: { change: 'unfilter', publication, table: { schema: table.schema, name: table.name } } }
    : { kind: 'publication', change: { change: 'publish_generated', publication } };
  return finding('error', 'C16', 'identity_not_published', {
    subject: tableText(table),
    seen: `publication "${publication}" leaves out ${table.identityUnpublished.join(', ')}, of the replica identity of ${tableText(table)}`,
    why: 'It is published: every UPDATE and DELETE of it fails now (42P10), in your own application, too.',
    need,
  });
}

/** A new partition takes over its parent's primary key and not its replica identity. */
function* partitionsToCome(table: TableFacts, { publication }: Observed): Generator<Observation> {
  if (table.primaryKey || publication?.allTables === true) return;
  yield finding('warning', 'C16', 'partitions_without_key', {
    subject: tableText(table),
    seen: `${tableText(table)} is partitioned and has no primary key`,
    why: `While it is published, every partition that is made later refuses UPDATE and DELETE until it has a replica identity of its own, your own application’s, too.`,
    need: { kind: 'key', table: { schema: table.schema, name: table.name }, partitionedBy: table.partitionedBy },
  });
}
