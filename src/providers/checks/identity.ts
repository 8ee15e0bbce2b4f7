/**
 * C16: whether an UPDATE or DELETE says which row it met. Publishing a table that cannot say so makes the application's own UPDATEs fail (55000): so this comes before the publication (I-4).
 * Millrace and Debezium need an identity; Materialize wants FULL everywhere.
 */
import { tableText, type TableFacts } from '../facts.ts';
import type { Consumer, IdentityChoice, Observation } from '../model.ts';
import type { Subject } from './check.ts';

export function* identity({ observed }: Subject): Generator<Observation> {
  for (const table of observed.tables) {
    // A partitioned table has no rows; its leaves are asked.
    if (table.kind !== 'r' || table.persistence !== 'p') continue;
    const choice = identityFor(table, observed.asked.consumer);
    if (choice === undefined) continue;
    const harmful = !table.identityUsable;
    const alreadyBroken = harmful && table.published;
    yield {
      check: 'C16',
      code: harmful ? 'identity_missing' : 'identity_not_full',
      severity: 'error',
      subject: tableText(table),
      seen: harmful
        ? `${tableText(table)} has ${table.identity === 'n' ? 'REPLICA IDENTITY NOTHING' : table.identity === 'i' ? 'lost the index of its replica identity' : 'no primary key and no replica identity'}${table.root === undefined ? '' : ` (partition of ${table.root})`}`
        : `${tableText(table)} has not REPLICA IDENTITY FULL`,
      why: alreadyBroken
        ? 'It is published: every UPDATE and DELETE of it fails now, in your own application, too.'
        : harmful
          ? 'The stream could not say which row an UPDATE met; once published, the table would refuse every UPDATE and DELETE, your own application’s, too.'
          : 'Materialize refuses a table without it.',
      need: { kind: 'identity', table: { schema: table.schema, name: table.name }, how: choice },
    };
  }
}

/** Undefined: it is right as it is. An index before FULL: it costs no WAL. */
export function identityFor(table: TableFacts, consumer: Consumer): IdentityChoice | undefined {
  if (consumer === 'materialize') return table.identity === 'f' ? undefined : { by: 'full' };
  if (table.identityUsable) return undefined;
  if (table.primaryKey) return { by: 'default' };
  return table.identityCandidate === undefined ? { by: 'full' } : { by: 'index', index: table.identityCandidate };
}
