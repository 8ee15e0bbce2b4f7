/**
 * The steps that SQL can do: the role, its grants, replica identities (the publication: `publication-steps.ts`). Pure. Each says by one SELECT whether there is (still) anything to do, so that it can be
 * skipped, repeated after an interruption, and proved. Identities come before the publication: published without one, a table refuses the application's own UPDATEs (I-4).
 */
import { ident, literal, qualified } from '../base/ident.ts';
import { tableText, type Observed, type TableFacts } from './facts.ts';
import { identityFor } from './checks/identity.ts';
import { mendFacts } from './doctor.ts';
import { hostMend, identityStatement } from './mends.ts';
import type { HandStep, Provider, SqlStep } from './model.ts';
import { handStep, sqlByHand, sqlStep, type SqlDraft } from './steps.ts';

/** On the role and the publication that setup makes, so that `--undo` takes away its own and nothing else. */
export const MARK = 'made by millrace setup';

/** Stands for the new role's password in what is shown; `apply` puts a SCRAM verifier in its place, so that the server's log never sees the password. */
export const PASSWORD = '${password}';

// ---------------------------------------------------------------------------------------------------------------- the role

export function roleSteps(role: string, observed: Observed, provider: Provider, newPassword: boolean): (SqlStep | HandStep)[] {
  const known = observed.role;
  const right = provider.replicationRight;
  const name = ident(role);
  const steps: (SqlStep | HandStep)[] = [];
  const attribute = right.by === 'attribute' ? ' REPLICATION' : '';
  const membership = right.by === 'membership' ? [`GRANT ${ident(right.role)} TO ${name};`] : [];
  const mayReplicate =
    right.by === 'membership'
      ? `EXISTS (SELECT 1 FROM pg_catalog.pg_roles g WHERE g.rolname = ${literal(right.role)} AND pg_has_role(r.oid, g.oid, 'USAGE'))`
      : right.by === 'attribute'
        ? '(r.rolreplication OR r.rolsuper)'
        : 'true';
  const cost = 'The role can read every change of every published table.';
  steps.push(...administratorSteps(role, observed, provider));
  if (known === undefined) {
    if (right.by === 'fixed' || right.by === 'api') return [madeByHost(role, right, observed, provider)];
    steps.push(
      givenBy(observed, provider, {
        id: 'sql.role',
        title: `Make role ${role}: may log in and replicate, nothing else`,
        proves: ['C10'],
        precondition: `there is no role ${role}`,
        statements: [
          `CREATE ROLE ${name} LOGIN${attribute} PASSWORD ${literal(PASSWORD)};`,
          ...membership,
          `COMMENT ON ROLE ${name} IS ${literal(MARK)};`,
        ],
        satisfied: `SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_roles r WHERE r.rolname = ${literal(role)} AND r.rolcanlogin AND ${mayReplicate})`,
        cost,
      }),
    );
    return steps;
  }
  const able =
    known.superuser ||
    (right.by === 'membership' ? known.replicationGroups.includes(right.role) : right.by === 'attribute' ? known.replication : true);
  if (!able || !known.canLogin)
    steps.push(
      givenBy(observed, provider, {
        id: 'sql.role-right',
        title: `Let role ${role} replicate`,
        proves: ['C10'],
        precondition: `role ${role} exists and may not`,
        statements: [
          ...(attribute === '' && known.canLogin ? [] : [`ALTER ROLE ${name}${known.canLogin ? '' : ' LOGIN'}${attribute};`]),
          ...membership,
        ],
        satisfied: `SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_roles r WHERE r.rolname = ${literal(role)} AND r.rolcanlogin AND ${mayReplicate})`,
        cost,
      }),
    );
  if (newPassword)
    steps.push(
      sqlStep({
        id: 'sql.role-password',
        title: `Give role ${role} a new password: the one it has is not known here`,
        proves: ['C03'],
        precondition: `role ${role} exists, and its password was not given`,
        statements: [`ALTER ROLE ${name} PASSWORD ${literal(PASSWORD)};`],
        // What a password is, only a login tells.
        satisfied: undefined,
        changes: { of: 'password' },
        reversible: false,
        affects: [`whoever else logs in as ${role}`],
      }),
    );
  if (!known.mayConnect)
    steps.push(
      sqlStep({
        id: 'sql.connect',
        title: `Let role ${role} connect to ${observed.target.database}`,
        proves: ['C03'],
        precondition: 'it has no CONNECT',
        statements: [`GRANT CONNECT ON DATABASE ${ident(observed.target.database)} TO ${name};`],
        satisfied: `SELECT has_database_privilege(${literal(role)}, current_database(), 'CONNECT')`,
      }),
    );
  return steps;
}

function madeByHost(
  role: string,
  right: { readonly by: 'api' | 'fixed'; readonly says?: string },
  observed: Observed,
  provider: Provider,
): HandStep {
  return handStep({
    id: 'hand.role',
    title: `Make a role ${role} that may replicate`,
    proves: ['C10'],
    precondition: `there is no role ${role}`,
    request: right.says ?? `Make the user "${role}" with settings.pg_allow_replication = true (setup does it with --cloud).`,
    because: 'Only the host itself gives that right.',
    satisfied: `SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = ${literal(role)})`,
    texts: hostMend(provider, { kind: 'replication_right', role }, { ...mendFacts(observed), resource: '<cluster>' }) ?? {},
  });
}

/** From 16 on only who has REPLICATION may give it. Where the host lets its administrator help himself, that comes first. */
function administratorSteps(role: string, { server, target, role: known }: Observed, { replicationRight }: Provider): SqlStep[] {
  const selfGranted = replicationRight.by === 'attribute' && replicationRight.selfGranted === true;
  if (!selfGranted || server === undefined || server.versionNum < 160_000 || role === target.user) return [];
  if (server.session.superuser || server.session.replication || known?.replication === true) return [];
  const name = ident(target.user);
  return [
    sqlStep({
      id: 'sql.administrator-right',
      title: `Let ${target.user} itself replicate: from Postgres 16 on, only who may can let others`,
      proves: ['C10'],
      precondition: `${target.user} has no REPLICATION`,
      statements: [`ALTER ROLE ${name} REPLICATION;`],
      satisfied: `SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = ${literal(target.user)} AND (rolreplication OR rolsuper))`,
      cost: 'The administrator can read every change, too, and keeps the right.',
    }),
  ];
}

/** A step that gives REPLICATION: by hand where it is certain that the one who connects may not. What a host permits beyond plain Postgres, only trying shows. */
function givenBy({ server }: Observed, provider: Provider, draft: SqlDraft): SqlStep | HandStep {
  const step = sqlStep(draft);
  const session = server?.session;
  const certain = provider.plain === true && draft.statements.some((statement) => / REPLICATION\b/.test(statement));
  if (!certain || session === undefined || mayGive(server, session.replication)) return step;
  return { ...step, via: 'hand', because: onlyBy('REPLICATION', server), request: step.request.replaceAll(PASSWORD, '<a password>') };
}

function mayGive(server: Observed['server'], has: boolean): boolean {
  return server?.session.superuser === true || ((server?.versionNum ?? 0) >= 160_000 && has);
}

function onlyBy(attribute: string, server: Observed['server']): string {
  return (server?.versionNum ?? 0) >= 160_000
    ? `only a superuser, or a role that has ${attribute} itself, may give it`
    : `before Postgres 16 only a superuser may give ${attribute}`;
}

// ---------------------------------------------------------------------------------------------------------------- grants

export function grantSteps(role: string, observed: Observed): (SqlStep | HandStep)[] {
  const readable = observed.tables.filter((table) => ['r', 'p'].includes(table.kind));
  const lacking =
    observed.role === undefined
      ? readable
      : observed.role.superuser
        ? []
        : readable.filter((table) => !table.maySelect || !table.mayUseSchema);
  const steps: (SqlStep | HandStep)[] = [];
  const ours = lacking.filter((table) => table.grantable);
  const theirs = lacking.filter((table) => !table.grantable);
  if (ours.length > 0) steps.push(grants('sql.grants', role, ours, observed));
  if (theirs.length > 0) {
    const owners = [...new Set(theirs.map((table) => `"${table.owner}"`))].join(', ');
    steps.push({
      ...grants('hand.grants', role, theirs, observed),
      via: 'hand',
      because: `${theirs.map(tableText).join(', ')}: only ${owners} may let others read that`,
    });
  }
  const filtered = readable.filter((table) => table.filtered);
  if (filtered.length > 0) {
    const step = sqlStep({
      id: 'sql.row-security',
      title: `Let role ${role} read every row: row-level security would hide some`,
      proves: ['C17'],
      precondition: `row-level security filters ${filtered.map(tableText).join(', ')}`,
      statements: [`ALTER ROLE ${ident(role)} BYPASSRLS;`],
      satisfied: `SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = ${literal(role)} AND (rolbypassrls OR rolsuper))`,
    });
    const given = mayGive(observed.server, observed.server?.session.bypassRls === true);
    steps.push(given ? step : { ...step, via: 'hand', because: `${onlyBy('BYPASSRLS', observed.server)}; or leave the table out` });
  }
  return steps;
}

function grants(id: string, role: string, tables: readonly TableFacts[], observed: Observed): SqlStep {
  const schemas = [...new Set(tables.filter((table) => observed.role === undefined || !table.mayUseSchema).map((table) => table.schema))];
  const names = tables.map((table) => qualified(table.schema, table.name));
  const pairs = tables.map(({ schema, name }) => `(${literal(schema)}, ${literal(name)})`);
  return sqlStep({
    id,
    title: `Let role ${role} read ${names.length === 1 ? names[0]! : `${names.length} tables`}`,
    proves: ['C17'],
    precondition: `role ${role} may not read ${names.length === 1 ? 'it' : 'them'}`,
    statements: [
      ...schemas.map((schema) => `GRANT USAGE ON SCHEMA ${ident(schema)} TO ${ident(role)};`),
      `GRANT SELECT ON ${names.join(', ')} TO ${ident(role)};`,
    ],
    satisfied: `SELECT count(*) = ${tables.length} FROM pg_catalog.pg_roles r, pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  WHERE r.rolname = ${literal(role)} AND (n.nspname, c.relname) IN (${pairs.join(', ')}) AND has_table_privilege(r.oid, c.oid, 'SELECT') AND has_schema_privilege(r.oid, n.oid, 'USAGE')`,
  });
}

// ---------------------------------------------------------------------------------------------------------------- replica identity

export function identitySteps(observed: Observed): (SqlStep | HandStep)[] {
  const { consumer } = observed.asked;
  const steps: (SqlStep | HandStep)[] = [];
  for (const table of observed.tables) {
    if (table.kind !== 'r' || table.persistence !== 'p') continue;
    const how = identityFor(table, observed);
    if (how === undefined || how === 'impossible') continue;
    const statement = identityStatement(table, how);
    const satisfied =
      how.by === 'index'
        ? `SELECT EXISTS (SELECT 1 FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid WHERE i.indrelid = ${oid(table)} AND x.relname = ${literal(how.index)} AND i.indisreplident)`
        : `SELECT relreplident = ${literal(how.by === 'full' ? 'f' : 'd')} FROM pg_catalog.pg_class WHERE oid = ${oid(table)}`;
    const common = {
      id: `sql.identity ${tableText(table)}`,
      title: `Replica identity of ${tableText(table)}: ${how.by === 'index' ? `by index ${how.index}` : how.by === 'full' ? 'the whole row' : 'the primary key'}`,
      proves: ['C16'] as const,
      precondition:
        how.by === 'full' && consumer === 'materialize' ? 'Materialize wants FULL' : 'it has none that says which row an UPDATE met',
      satisfied,
      cost:
        how.by === 'full'
          ? 'UPDATE and DELETE then log the whole old row: more WAL. Takes a short exclusive lock.'
          : 'Takes a short exclusive lock.',
    };
    if (table.owned) steps.push(sqlStep({ ...common, statements: [statement], changes: { of: 'identity', table } }));
    else steps.push(byOwner(common, table, statement));
  }
  return steps;
}

export function oid(table: TableFacts): string {
  return `to_regclass(${literal(qualified(table.schema, table.name))})`;
}

/** What only the owner of a table may do. */
export function byOwner(draft: Omit<SqlDraft, 'statements'>, table: TableFacts, statement: string): HandStep {
  return sqlByHand({
    ...draft,
    request: statement,
    because: `${tableText(table)} belongs to "${table.owner}", and only its owner may do that`,
  });
}
