/**
 * What takes setup's own work back: our slots first (a lowered wal_level with a slot left keeps a server from starting: with somebody else's there, the level stays), then the publication and the role that carry our mark, then what
 * the control plane's client knows to be ours. Somebody else's publication or role stays. While a Millrace reads, nothing is undone; what the server would refuse is found out first.
 */
import { reasonOf } from '../base/errors.ts';
import { ident, literal, qualified } from '../base/ident.ts';
import { connectUpstream } from '../upstream/connection/connect.ts';
import type { ConnectionParameters } from '../upstream/connection/parameters.ts';
import { tableText, type Observed, type SessionFacts, type SlotFacts } from './facts.ts';
import type { Diagnosis } from './doctor.ts';
import type { Finding, HandStep, SqlStep, Step } from './model.ts';
import type { Wanted } from './plan.ts';
import { MARK } from './sql-steps.ts';
import { sqlByHand, sqlStep } from './steps.ts';
import { finding } from './checks/check.ts';

export interface Marked {
  readonly publication: boolean;
  readonly role: boolean;
}

/** Reads what carries our mark: $1 the publication, $2 the role. */
export const MARKED_SQL = `SELECT
  EXISTS (SELECT 1 FROM pg_catalog.pg_publication p WHERE p.pubname = $1 AND obj_description(p.oid, 'pg_publication') = ${literal(MARK)}) AS publication,
  EXISTS (SELECT 1 FROM pg_catalog.pg_roles r WHERE r.rolname = $2 AND shobj_description(r.oid, 'pg_authid') = ${literal(MARK)}) AS role`;

/** What is in use: while it is, nothing is undone, so that nothing is half undone. */
export function stillInUse(diagnosis: Diagnosis, wanted: Wanted, marked: Marked): Finding[] {
  const { observed, provider } = diagnosis;
  const findings: Finding[] = [];
  const add = (code: string, subject: string, seen: string): void =>
    void findings.push(
      finding('error', 'C11', code, {
        subject,
        seen,
        why: 'What is taken away under a Millrace that runs leaves it, and its slot, behind. Nothing was changed.',
        requirements: [],
        mend: {
          console: 'Stop that Millrace (or DROP SOURCE … CASCADE there, which drops its slot, too), then run the same command again.',
          cost: 'Its views are no longer kept up to date.',
          link: provider.link,
        },
      }),
    );
  for (const slot of ourSlots(observed).filter(({ active }) => active))
    add('slot_in_use', slot.name, `slot "${slot.name}" is being read${slot.reader === undefined ? '' : ` by ${sessionText(slot.reader)}`}`);
  const reading = new Set(findings.length === 0 ? [] : observed.slots.map(({ reader }) => reader?.pid));
  const sessions = (marked.role && wanted.role !== observed.target.user ? (observed.role?.sessions ?? []) : []).filter(
    ({ pid }) => !reading.has(pid),
  );
  if (sessions.length > 0) add('role_in_use', wanted.role, `role "${wanted.role}" is logged in: ${sessions.map(sessionText).join('; ')}`);
  return findings;
}

function sessionText({ pid, application, since }: SessionFacts): string {
  return `pid ${pid}${application === '' ? '' : ` (${application})`}${since === null ? '' : `, since ${since.slice(0, 19).replace('T', ' ')}`}`;
}

function ourSlots({ slots, target }: Observed): SlotFacts[] {
  return slots.filter((slot) => slot.name.startsWith('millrace_') && slot.database === target.database && !slot.temporary);
}

/** All that is taken back by SQL, in a transaction that is rolled back: what the server refuses, and why. A slot is dropped outside of transactions. */
export async function tryUndo(parameters: ConnectionParameters, diagnosis: Diagnosis, steps: readonly Step[]): Promise<Finding[]> {
  const sql = steps.filter((step): step is SqlStep => step.via === 'sql' && step.transaction !== false);
  if (sql.length === 0) return [];
  const connection = await connectUpstream(parameters, {
    purpose: 'setup',
    statementTimeoutMs: TRIAL_TIMEOUT_MS,
    lockTimeoutMs: TRIAL_LOCK_TIMEOUT_MS,
  });
  try {
    await connection.query('BEGIN READ WRITE');
    for (const { statements, title } of sql)
      for (const statement of statements) {
        const said = await connection.query(statement).then(
          () => undefined,
          (error: unknown) => [reasonOf(error), (error as { detail?: string }).detail].filter((part) => part !== undefined).join(': '),
        );
        if (said === undefined) continue;
        return [
          finding('error', 'C14', 'undo_refused', {
            seen: `"${title}" would be refused: ${said}`,
            why: 'It was tried in a transaction that was rolled back. Nothing was changed.',
            requirements: [],
            mend: {
              console: `See to what the server names, then run the same command again. It was: ${statement}`,
              cost: 'Nothing.',
              link: diagnosis.provider.link,
            },
          }),
        ];
      }
    return [];
  } finally {
    await connection.query('ROLLBACK').catch(() => undefined);
    await connection.end();
  }
}

const TRIAL_TIMEOUT_MS = 10_000;
const TRIAL_LOCK_TIMEOUT_MS = 2_000;

/** Of what setup made, what is still there: names, to prove an undo. */
export function leftOver({ observed }: Diagnosis, wanted: Wanted, marked: Marked): string[] {
  return [
    ...ourSlots(observed).map(({ name }) => `slot "${name}"`),
    ...(marked.publication ? [`publication "${observed.asked.publication}"`] : []),
    ...(marked.role ? [`role "${wanted.role}"`] : []),
  ];
}

export function planUndo(diagnosis: Diagnosis, wanted: Wanted, marked: Marked): Step[] {
  const { observed } = diagnosis;
  const steps: Step[] = [];
  const ours = ourSlots(observed);
  for (const slot of ours) {
    const drop = sqlStep({
      id: `undo.slot ${slot.name}`,
      title: `Drop slot ${slot.name}`,
      precondition: 'Millrace made it',
      statements: [`SELECT pg_drop_replication_slot(${literal(slot.name)});`],
      satisfied: `SELECT NOT EXISTS (SELECT 1 FROM pg_catalog.pg_replication_slots WHERE slot_name = ${literal(slot.name)})`,
      reversible: false,
      affects: ['the Millrace that reads it: its source stops'],
      transaction: false,
    });
    if (!slot.active) steps.push(drop);
    else steps.push({ ...drop, via: 'hand', because: 'a Millrace is reading it now: drop its source, or stop it, first' });
  }
  const { publication } = observed.asked;
  if (observed.publication !== undefined && marked.publication) {
    steps.push(
      sqlStep({
        id: 'undo.publication',
        title: `Drop publication ${publication}`,
        precondition: 'setup made it',
        statements: [`DROP PUBLICATION ${ident(publication)};`],
        satisfied: `SELECT NOT EXISTS (SELECT 1 FROM pg_catalog.pg_publication WHERE pubname = ${literal(publication)})`,
        reversible: false,
      }),
    );
    for (const table of observed.tables.filter((one) => one.identity === 'f' && one.owned && one.kind === 'r')) {
      steps.push(
        sqlByHand({
          id: `undo.identity ${tableText(table)}`,
          title: `Replica identity of ${tableText(table)}: back to the primary key, if setup set it`,
          precondition: 'it is FULL',
          request: `ALTER TABLE ${qualified(table.schema, table.name)} REPLICA IDENTITY DEFAULT;`,
          because: 'Postgres does not remember who set it; somebody else may rely on it',
          satisfied: `SELECT relreplident <> 'f' FROM pg_catalog.pg_class WHERE oid = to_regclass(${literal(qualified(table.schema, table.name))})`,
        }),
      );
    }
  }
  if (observed.role !== undefined && marked.role) {
    const role = ident(wanted.role);
    const readable = observed.tables.filter((table) => ['r', 'p'].includes(table.kind) && table.maySelect && table.owner !== wanted.role);
    const schemas = [...new Set(readable.map((table) => table.schema))];
    steps.push(
      sqlStep({
        id: 'undo.role',
        title: `Drop role ${wanted.role}`,
        precondition: 'setup made it, and it owns nothing',
        statements: [
          ...(readable.length === 0
            ? []
            : [`REVOKE ALL ON ${readable.map((table) => qualified(table.schema, table.name)).join(', ')} FROM ${role};`]),
          ...schemas.map((schema) => `REVOKE ALL ON SCHEMA ${ident(schema)} FROM ${role};`),
          `DROP ROLE ${role};`,
        ],
        satisfied: `SELECT NOT EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = ${literal(wanted.role)})`,
        reversible: false,
        affects: [`whoever logs in as ${wanted.role}`],
      }),
    );
    const right = diagnosis.provider.replicationRight;
    if (right.by === 'attribute' && right.selfGranted === true && observed.server?.session.replication === true)
      steps.push(administratorRight(observed.target.user));
  }
  const byApi = observed.control?.planUndo() ?? [];
  const lowers = byApi.some((step) => step.restarts || step.proves.includes('C08'));
  if (!lowers) return [...steps, ...byApi];
  const inTheWay = observed.slots.filter((slot) => keepsWalLevel(slot) && !(ours.includes(slot) && !slot.active));
  return [...steps, ...(inTheWay.length > 0 ? [slotsInTheWay(inTheWay)] : [noSlotLeft(), ...byApi])];
}

function administratorRight(user: string): HandStep {
  return sqlByHand({
    id: 'undo.administrator-right',
    title: `REPLICATION of ${user}: take it back, if setup gave it`,
    precondition: `${user} has it`,
    request: `ALTER ROLE ${ident(user)} NOREPLICATION;`,
    because: 'Postgres does not remember who set it; somebody else may rely on it',
    satisfied: `SELECT NOT rolreplication FROM pg_catalog.pg_roles WHERE rolname = ${literal(user)}`,
  });
}

/** A server whose wal_level is lowered while one of these exists does not start again. A temporary one goes with its session. */
function keepsWalLevel(slot: SlotFacts): boolean {
  return slot.logical && !slot.temporary;
}

const NO_SLOT_LEFT = `SELECT NOT EXISTS (SELECT 1 FROM pg_catalog.pg_replication_slots WHERE slot_type = 'logical' AND NOT temporary)`;

function slotsInTheWay(slots: readonly SlotFacts[]): HandStep {
  const named = slots.map((slot) => `"${slot.name}" (${slot.database ?? '?'}${slot.active ? ', being read' : ''})`).join(', ');
  const request = slots
    .map((slot) => `SELECT pg_drop_replication_slot(${literal(slot.name)});   -- only if nobody will read it again`)
    .join('\n');
  return sqlByHand({
    id: 'undo.slots-in-the-way',
    title: `Logical decoding stays on while others use it: ${slots.length === 1 ? 'slot' : 'slots'} ${named}`,
    precondition: 'no logical slot is left',
    request,
    // It stands for the restart that is not made.
    restarts: true,
    reversible: false,
    affects: ['whoever reads them: everything must be copied again'],
    because: 'with wal_level lowered the server would not start as long as a logical slot exists; whose they are, only you can find out',
  });
}

/** Looked at again right before: somebody may have made a slot since the plan. */
function noSlotLeft(): Step {
  return sqlStep({
    id: 'undo.no-slot-left',
    title: 'Make sure that no logical slot is left: the server would not start',
    precondition: 'ours are dropped, and there are no others',
    statements: [
      `DO $$ BEGIN RAISE EXCEPTION 'logical slots are left: %', (SELECT string_agg(slot_name::text, ', ') FROM pg_catalog.pg_replication_slots WHERE slot_type = 'logical' AND NOT temporary); END $$;`,
    ],
    satisfied: NO_SLOT_LEFT,
    transaction: false,
  });
}
