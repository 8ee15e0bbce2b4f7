/** C10, C14 and C17: whether the role may stream, whether somebody may publish, and whether the first copy would read every row. */
import type { Failure } from '../facts.ts';
import { tableText } from '../facts.ts';
import type { Observation, TableName } from '../model.ts';
import { finding, type Subject } from './check.ts';

export function* rights(subject: Subject): Generator<Observation> {
  yield* replication(subject);
  yield* publishing(subject);
  yield* copying(subject);
}

/** Membership in rds_replication counts, `rolreplication` is not inherited, and only the walsender knows: where it was asked as this role, its word is final. */
function* replication({ observed, provider }: Subject): Generator<Observation> {
  const { role, asked, target, probes } = observed;
  const name = asked.role ?? target.user;
  if (observed.server === undefined) return;
  if (role === undefined) {
    yield finding('error', 'C10', 'role_missing', {
      subject: name,
      seen: `there is no role "${name}"`,
      why: 'Streaming as a role of its own, with the least rights, is what keeps an administrator’s password out of it.',
      need: { kind: 'replication_right', role: name },
    });
    return;
  }
  const itself = name === target.user;
  const denied: Failure | undefined = [probes.identify, probes.slot]
    .flatMap((probe) => (probe.outcome === 'failed' ? [probe.failure] : []))
    .find((failure) => failure.code === 'REPLICATION_NOT_PERMITTED');
  const byCatalog = role.superuser || role.replication || role.replicationGroups.length > 0;
  if (itself && probes.identify.outcome !== 'skipped' ? denied === undefined : byCatalog) return;
  const group = provider.replicationRight.by === 'membership' ? provider.replicationRight.role : undefined;
  yield finding('error', 'C10', 'replication_not_permitted', {
    subject: name,
    seen: `"${name}" may not replicate (REPLICATION is ${role.replication ? 'set' : 'not set'}${group === undefined ? '' : `, ${role.replicationGroups.includes(group) ? 'a' : 'no'} member of ${group}`})`,
    why: denied === undefined ? 'Reading the stream needs that right.' : `The server said: ${denied.said}`,
    need: { kind: 'replication_right', role: name },
  });
}

/** Only where something must still be published: a role that streams need not own anything. */
function* publishing({ observed, provider }: Subject): Generator<Observation> {
  const probe = observed.probes.publication;
  if (probe.outcome !== 'failed') return;
  const { failure } = probe;
  const { user, database } = observed.target;
  const foreign = observed.tables.filter(
    (table) => !table.owned && !table.published && table.root === undefined && ['r', 'p'].includes(table.kind),
  );
  if (failure.sqlstate === '25006') return;
  if (failure.sqlstate === '55P03') {
    yield finding('unknown', 'C14', 'publication_blocked', {
      seen: 'a table is locked, so that publishing it could not be tried',
      why: failure.said,
    });
    return;
  }
  const reason =
    foreign.length > 0
      ? `it does not own ${list(foreign)}`
      : observed.role?.mayCreateInDatabase === false && observed.asked.role === undefined
        ? `it has no CREATE on database "${database}"`
        : failure.said;
  // Where another role could publish, this is advice: doctor was asked whether one can stream.
  yield finding(observed.asked.publicationNamed ? 'error' : 'warning', 'C14', 'publication_not_permitted', {
    subject: user,
    seen: `"${user}" may not publish the tables: ${reason}`,
    why: `A publication needs CREATE on the database and the ownership of its tables; ${provider.name} makes no exception.`,
    need: { kind: 'publication_right', role: user },
  });
}

function* copying({ observed }: Subject): Generator<Observation> {
  const role = observed.role?.name;
  if (role === undefined || observed.role?.superuser === true) return;
  for (const table of observed.tables) {
    if (table.root !== undefined || !['r', 'p'].includes(table.kind)) continue;
    if (!table.maySelect || !table.mayUseSchema)
      yield finding('error', 'C17', 'select_not_permitted', {
        subject: tableText(table),
        seen: `"${role}" may not read ${tableText(table)}${table.mayUseSchema ? '' : ` (no USAGE on schema ${table.schema})`}`,
        why: 'The first copy of a table is a SELECT; the stream alone would begin with nothing.',
        need: { kind: 'grants', role, table: { schema: table.schema, name: table.name } },
      });
    if (table.filtered)
      yield finding('error', 'C17', 'row_security_filters', {
        subject: tableText(table),
        seen: `row-level security filters what "${role}" reads of ${tableText(table)}`,
        why: 'The stream ignores row-level security and the first copy obeys it: the copy would silently lack rows.',
        need: { kind: 'row_security', role, table: { schema: table.schema, name: table.name } },
      });
  }
}

function list(tables: readonly TableName[], most = 3): string {
  const names = tables.slice(0, most).map(tableText).join(', ');
  return tables.length > most ? `${names} and ${tables.length - most} more` : names;
}
