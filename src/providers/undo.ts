/**
 * What takes setup's own work back: our slots first (a lowered wal_level with a slot left keeps a server from starting: with somebody else's there, the level stays), then the publication and the role that carry our mark, then what
 * the control plane's client knows to be ours. Pure. Somebody else's publication or role stays.
 */
import { ident, literal, qualified } from '../base/ident.ts';
import { tableText, type SlotFacts } from './facts.ts';
import type { Diagnosis } from './doctor.ts';
import type { HandStep, Step } from './model.ts';
import { cloudWanted, type CloudPlanner, type Wanted } from './plan.ts';
import { MARK, sqlStep } from './sql-steps.ts';

export interface Marked {
  readonly publication: boolean;
  readonly role: boolean;
}

/** Reads what carries our mark: $1 the publication, $2 the role. */
export const MARKED_SQL = `SELECT
  EXISTS (SELECT 1 FROM pg_catalog.pg_publication p WHERE p.pubname = $1 AND obj_description(p.oid, 'pg_publication') = ${literal(MARK)}) AS publication,
  EXISTS (SELECT 1 FROM pg_catalog.pg_roles r WHERE r.rolname = $2 AND shobj_description(r.oid, 'pg_authid') = ${literal(MARK)}) AS role`;

export function planUndo(diagnosis: Diagnosis, wanted: Wanted, marked: Marked, cloud?: CloudPlanner): Step[] {
  const { observed } = diagnosis;
  const steps: Step[] = [];
  const ours = observed.slots.filter((slot) => slot.name.startsWith('millrace_') && slot.database === observed.target.database);
  for (const slot of ours) {
    const drop = sqlStep({
      id: `undo.slot ${slot.name}`,
      title: `Drop slot ${slot.name}`,
      proves: [],
      precondition: 'Millrace made it',
      statements: [`SELECT pg_drop_replication_slot(${literal(slot.name)});`],
      satisfied: `SELECT NOT EXISTS (SELECT 1 FROM pg_catalog.pg_replication_slots WHERE slot_name = ${literal(slot.name)})`,
      reversible: false,
      affects: ['the Millrace that reads it: its source stops'],
      transaction: false,
    });
    if (!slot.active) steps.push(drop);
    else steps.push({ ...drop, via: 'hand', because: 'a Millrace is reading it now: drop its source, or stop it, first' } as HandStep);
  }
  const { publication } = observed.asked;
  if (observed.publication !== undefined && marked.publication) {
    steps.push(
      sqlStep({
        id: 'undo.publication',
        title: `Drop publication ${publication}`,
        proves: [],
        precondition: 'setup made it',
        statements: [`DROP PUBLICATION ${ident(publication)};`],
        satisfied: `SELECT NOT EXISTS (SELECT 1 FROM pg_catalog.pg_publication WHERE pubname = ${literal(publication)})`,
        reversible: false,
      }),
    );
    for (const table of observed.tables.filter((one) => one.identity === 'f' && one.owned && one.kind === 'r')) {
      const request = `ALTER TABLE ${qualified(table.schema, table.name)} REPLICA IDENTITY DEFAULT;`;
      steps.push({
        via: 'hand',
        id: `undo.identity ${tableText(table)}`,
        title: `Replica identity of ${tableText(table)}: back to the primary key, if setup set it`,
        proves: [],
        precondition: 'it is FULL',
        request,
        restarts: false,
        reversible: true,
        affects: [],
        because: 'Postgres does not remember who set it; somebody else may rely on it',
        satisfied: `SELECT relreplident <> 'f' FROM pg_catalog.pg_class WHERE oid = to_regclass(${literal(qualified(table.schema, table.name))})`,
        texts: { sql: request },
      });
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
        proves: [],
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
  const control = observed.control;
  if (cloud === undefined || control === undefined) return steps;
  const byApi = cloud.planUndo(control, cloudWanted(diagnosis, wanted));
  const lowers = byApi.some((step) => step.restarts || step.proves.includes('C08'));
  if (!lowers) return [...steps, ...byApi];
  const inTheWay = observed.slots.filter((slot) => keepsWalLevel(slot) && !(ours.includes(slot) && !slot.active));
  return [...steps, ...(inTheWay.length > 0 ? [slotsInTheWay(inTheWay)] : [noSlotLeft(), ...byApi])];
}

function administratorRight(user: string): HandStep {
  const request = `ALTER ROLE ${ident(user)} NOREPLICATION;`;
  return {
    via: 'hand',
    id: 'undo.administrator-right',
    title: `REPLICATION of ${user}: take it back, if setup gave it`,
    proves: [],
    precondition: `${user} has it`,
    request,
    restarts: false,
    reversible: true,
    affects: [],
    because: 'Postgres does not remember who set it; somebody else may rely on it',
    satisfied: `SELECT NOT rolreplication FROM pg_catalog.pg_roles WHERE rolname = ${literal(user)}`,
    texts: { sql: request },
  };
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
  return {
    via: 'hand',
    id: 'undo.slots-in-the-way',
    title: `Logical decoding stays on while others use it: ${slots.length === 1 ? 'slot' : 'slots'} ${named}`,
    proves: [],
    precondition: 'no logical slot is left',
    request,
    // It stands for the restart that is not made.
    restarts: true,
    reversible: false,
    affects: ['whoever reads them: everything must be copied again'],
    because: 'with wal_level lowered the server would not start as long as a logical slot exists; whose they are, only you can find out',
    texts: { sql: request },
  };
}

/** Looked at again right before: somebody may have made a slot since the plan. */
function noSlotLeft(): Step {
  return sqlStep({
    id: 'undo.no-slot-left',
    title: 'Make sure that no logical slot is left: the server would not start',
    proves: [],
    precondition: 'ours are dropped, and there are no others',
    statements: [
      `DO $$ BEGIN RAISE EXCEPTION 'logical slots are left: %', (SELECT string_agg(slot_name::text, ', ') FROM pg_catalog.pg_replication_slots WHERE slot_type = 'logical' AND NOT temporary); END $$;`,
    ],
    satisfied: NO_SLOT_LEFT,
  });
}
