/**
 * Before anything is changed: would the application still be able to write? For each table that is to be published or given another identity, everything that the plan would do to it is done in a
 * transaction, UPDATE and DELETE are put to the server, and all of it is rolled back (I-4). EXPLAIN is what puts them: the server then makes the very check that it makes of the application's
 * statements, and runs nothing: no trigger, no lock on a row. Called by `setup.ts` after planning, before the first step.
 */
import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { reasonOf } from '../base/errors.ts';
import { ident, qualified } from '../base/ident.ts';
import { connectUpstream, type UpstreamConnection } from '../upstream/connection/connect.ts';
import type { ConnectionParameters } from '../upstream/connection/parameters.ts';
import { mustPublishGenerated } from './checks/identity.ts';
import { mendFacts, type Diagnosis } from './doctor.ts';
import { tableText, type TableFacts } from './facts.ts';
import { mendFor } from './mends.ts';
import type { Change, Finding, SqlStep, Step } from './model.ts';
import { chosenTables } from './publication-steps.ts';

/** Less than the server's deadlock_timeout (1 s): should we and the application wait for each other, it is we who give up. */
const LOCK_TIMEOUT_MS = 500;
const LOCK_TRIES = 8;
const LOCK_PAUSE_MS = 500;
const STATEMENT_TIMEOUT_MS = 10_000;

/** What would fail, as findings that refuse the plan. Empty: all is well. */
export async function tryWrites(
  parameters: ConnectionParameters,
  diagnosis: Diagnosis,
  steps: readonly Step[],
  signal?: AbortSignal,
): Promise<Finding[]> {
  const sql = steps.filter((step): step is SqlStep => step.via === 'sql');
  const publishes = sql.some(({ changes }) => changes !== undefined && changes.of !== 'identity' && changes.of !== 'password');
  const { observed } = diagnosis;
  const chosen = chosenTables(observed);
  const groups = [...new Set(chosen.map(({ top }) => top))]
    .map((top) => observed.tables.filter((table) => table.top === top))
    .filter(
      (group) =>
        (publishes && group.some((table) => !table.published)) ||
        sql.some(({ changes }) => changes?.of === 'identity' && touches(changes, group)),
    );
  if (groups.length === 0) return [];
  const connection = await connectUpstream(parameters, {
    purpose: 'setup',
    statementTimeoutMs: STATEMENT_TIMEOUT_MS,
    lockTimeoutMs: LOCK_TIMEOUT_MS,
    signal,
  });
  const findings: Finding[] = [];
  try {
    // What is altered anyway comes first, as in the plan.
    const widening = sql.filter(({ changes }) => changes?.of === 'generated columns').flatMap(({ statements }) => statements);
    const options = trialOptions(diagnosis);
    for (const group of groups) {
      const own = sql.filter(({ changes }) => touches(changes, group)).flatMap(({ statements }) => statements);
      const named = group.filter((table) => chosen.includes(table));
      const list = named.map((table) => qualified(table.schema, table.name)).join(', ');
      const publication = `CREATE PUBLICATION ${ident(`millrace_setup_${randomBytes(6).toString('hex')}`)} FOR TABLE ${list}${options};`;
      for (const table of named) {
        const harm = await patiently(() => harmTo(connection, table, [...widening, ...own, publication]), signal);
        if (harm !== undefined) findings.push(finding(diagnosis, table, harm));
      }
    }
  } finally {
    await connection.end();
  }
  return findings;
}

function touches(changes: Change | undefined, group: readonly TableFacts[]): boolean {
  return changes !== undefined && 'table' in changes && group.some((one) => tableText(one) === tableText(changes.table));
}

function trialOptions({ observed }: Diagnosis): string {
  const { publication, server } = observed;
  const options = [
    ...(publication?.viaRoot === true ? ['publish_via_partition_root = true'] : []),
    ...((server?.versionNum ?? 0) >= 180_000 && (publication?.generatedColumns === true || mustPublishGenerated(observed.tables, observed))
      ? ['publish_generated_columns = stored']
      : []),
  ];
  return options.length === 0 ? '' : ` WITH (${options.join(', ')})`;
}

type Harm = { readonly kind: 'refused'; readonly writes: readonly string[]; readonly said: string } | { readonly kind: 'locked' };

/** A table that somebody holds is tried again: never queued behind for long. */
async function patiently(attempt: () => Promise<Harm | undefined>, signal: AbortSignal | undefined): Promise<Harm | undefined> {
  for (let attempts = 1; ; attempts++) {
    const harm = await attempt();
    if (harm?.kind !== 'locked' || attempts >= LOCK_TRIES) return harm;
    await sleep(LOCK_PAUSE_MS, undefined, { signal });
  }
}

async function harmTo(connection: UpstreamConnection, table: TableFacts, changes: readonly string[]): Promise<Harm | undefined> {
  const name = qualified(table.schema, table.name);
  try {
    await connection.query('BEGIN READ WRITE');
    // As the application's sessions have it; ours refuses rather than filters.
    await connection.query('SET LOCAL row_security = on');
    const writes = [...(await updateOf(connection, table)), `DELETE FROM ${name}`];
    // What fails already is not of our making.
    const working: string[] = [];
    for (const write of writes) if ((await refusalOf(connection, write)) === undefined) working.push(write);
    for (const change of changes) await connection.query(change);
    const broken: string[] = [];
    let said = '';
    for (const write of working) {
      const refusal = await refusalOf(connection, write);
      if (refusal === undefined) continue;
      broken.push(write.split(' ')[0]!);
      said = refusal;
    }
    return broken.length === 0 ? undefined : { kind: 'refused', writes: broken, said };
  } catch (error) {
    if (connection.lost !== undefined) throw connection.failure(error, { doing: 'trying whether writes would still work' });
    const { code } = error as { code?: unknown };
    // What the server refuses to us here it refuses to the step, too, in its own words; then nothing is published.
    return code === '55P03' || code === '40P01' ? { kind: 'locked' } : undefined;
  } finally {
    await connection.query('ROLLBACK').catch(() => undefined);
  }
}

/** Any column may be set to its default, generated ones too; nothing is run. None: a table without columns. */
async function updateOf(connection: UpstreamConnection, { oid, schema, name }: TableFacts): Promise<string[]> {
  const [column] = await connection.query(
    'SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = $1 AND attnum > 0 AND NOT attisdropped ORDER BY attnum LIMIT 1',
    [String(oid)],
  );
  return column === undefined ? [] : [`UPDATE ${qualified(schema, name)} SET ${ident(column['attname']!)} = DEFAULT`];
}

async function refusalOf(connection: UpstreamConnection, write: string): Promise<string | undefined> {
  await connection.query('SAVEPOINT before_write');
  try {
    await connection.query(`EXPLAIN ${write}`);
    await connection.query('RELEASE before_write');
    return undefined;
  } catch (error) {
    if ((error as { code?: unknown }).code === '55P03') throw error;
    await connection.query('ROLLBACK TO before_write');
    return reasonOf(error);
  }
}

function finding(diagnosis: Diagnosis, table: TableFacts, harm: Harm): Finding {
  const text = tableText(table);
  const name = { schema: table.schema, name: table.name };
  const common = { check: 'C16', severity: 'error', subject: text, requirements: [] } as const;
  if (harm.kind === 'locked')
    return {
      ...common,
      code: 'writes_not_tried',
      seen: `${text} is locked: whether the application could still write to it once it is published was not tried`,
      why: 'What was not tried is not done. Nothing was changed.',
      mend: {
        sql: `SELECT pid, usename, state, query FROM pg_stat_activity WHERE pid IN (SELECT pid FROM pg_locks WHERE relation = ${table.oid});   -- who holds it; then run setup again`,
        cost: 'Nothing.',
        link: diagnosis.provider.link,
      },
    };
  return {
    ...common,
    code: 'writes_would_fail',
    seen: `once it is published, every ${harm.writes.join(' and ')} of ${text} would fail: ${harm.said}`,
    why: 'It was tried, with the publication and the replica identity in place, in a transaction that was rolled back. Nothing was changed.',
    need: { kind: 'key', table: name },
    mend: mendFor(diagnosis.provider, { kind: 'key', table: name }, mendFacts(diagnosis.observed)),
  };
}
