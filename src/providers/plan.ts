/**
 * The plan: a pure function of what was observed and what is wanted. Order everywhere: parameters and network (they disturb nobody) → role, grants, identities, publication by SQL, while
 * the server is up → restarts last. What Millrace cannot or must not do itself is in the plan, too, by hand, with its reason. Nothing is planned that is not needed (I-4).
 */
import type { Diagnosis } from './doctor.ts';
import { mendFacts } from './doctor.ts';
import { mendFor } from './mends.ts';
import { tableText } from './facts.ts';
import type { ApiStep, CheckId, CloudWanted, Consumer, Finding, HandStep, Need, Step, TableName } from './model.ts';
import { literal } from '../base/ident.ts';
import { publicationSteps, publicationWidening } from './publication-steps.ts';
import { grantSteps, identitySteps, roleSteps } from './sql-steps.ts';
import { handStep, sqlStep } from './steps.ts';

export interface Wanted {
  readonly consumer: Consumer;
  readonly tables: readonly TableName[] | 'all';
  /** The role that will stream. */
  readonly role: string;
  /** Whether its password must be set, because nobody here knows it. */
  readonly newPassword: boolean;
  /** CIDRs to let in. */
  readonly allow: readonly string[];
  readonly closeFirewall: boolean;
}

export interface Plan {
  readonly steps: readonly Step[];
  /** What stands in the way of any plan: a server too old, Aurora Serverless v1, a table whose own writes would fail. Nothing is done then. */
  readonly refusals: readonly Finding[];
}

export function plan(diagnosis: Diagnosis, wanted: Wanted): Plan {
  const refusals = diagnosis.findings.filter((finding) => refused(finding, diagnosis, wanted));
  if (refusals.length > 0) return { steps: [], refusals };

  const byApi = diagnosis.observed.control?.plan(cloudWanted(diagnosis, wanted)) ?? [];
  const firstRestart = byApi.findIndex((step) => step.restarts);
  const quiet = firstRestart < 0 ? byApi : byApi.slice(0, firstRestart);
  const restarting = firstRestart < 0 ? [] : byApi.slice(firstRestart);
  const steps: Step[] = [...quiet, ...sqlSteps(diagnosis, wanted, byApi), ...restarting, ...handSteps(diagnosis, wanted, byApi)];
  return { steps, refusals };
}

/** A wish that cannot be met as it is: the rest of it would be half of what was asked for, or would harm the application (I-4). */
function refused({ need, severity, code, subject }: Finding, { observed }: Diagnosis, wanted: Wanted): boolean {
  if (need?.kind === 'replace' || code === 'table_missing' || code === 'not_publishable') return severity === 'error';
  const table = observed.tables.find((one) => tableText(one) === subject);
  if (table === undefined || table.published) return false;
  // Of all tables, now and later, the plan says what that does to those without a key.
  return code === 'identity_impossible' || (code === 'partitions_without_key' && wanted.tables !== 'all');
}

function sqlSteps(diagnosis: Diagnosis, wanted: Wanted, byApi: readonly (ApiStep | HandStep)[]): Step[] {
  const { observed, provider } = diagnosis;
  if (observed.server === undefined || observed.server.standby) return [];
  const apiMakesRole = byApi.some((step) => step.via === 'api' && step.proves.includes('C10'));
  const role = apiMakesRole ? [] : roleSteps(wanted.role, observed, provider, wanted.newPassword);
  // A role that a person makes first is granted to in the next run.
  const comes = observed.role !== undefined || apiMakesRole || role.some((step) => step.via === 'sql');
  return [
    ...role,
    ...(comes ? grantSteps(wanted.role, observed) : []),
    ...publicationWidening(observed),
    ...identitySteps(observed),
    ...publicationSteps(observed, wanted.tables, provider),
    ...ownSettings(diagnosis),
  ];
}

/** Where the administrator is a true superuser, parameters are SQL; the restart stays with whoever runs the machine. */
function ownSettings({ observed, provider, findings }: Diagnosis): Step[] {
  if (provider.superuser !== true) return [];
  const steps: Step[] = [];
  for (const { need, check } of findings) {
    if (need?.kind === 'logical_decoding') steps.push(alterSystem('wal_level', 'logical', check, true));
    else if (need?.kind === 'parameter' && (check === 'C11' || check === 'C12'))
      steps.push(alterSystem(need.name, need.value, check, need.restarts));
  }
  return observed.server?.standby === true ? [] : steps;
}

function alterSystem(name: string, value: string, check: CheckId, restarts: boolean): Step {
  return sqlStep({
    id: `sql.setting ${name}`,
    title: `Set ${name} = ${value}${restarts ? ' (effective at the next restart)' : ''}`,
    proves: [check],
    precondition: `${name} is lower`,
    statements: [`ALTER SYSTEM SET ${name} = ${literal(value)};`, 'SELECT pg_reload_conf();'],
    // Set and waiting is as far as SQL gets.
    satisfied: `SELECT current_setting(${literal(name)}) = ${literal(value)} OR pending_restart FROM pg_catalog.pg_settings WHERE name = ${literal(name)}`,
    affects: ['every database of this server'],
    transaction: false,
  });
}

const LOGICAL: readonly Need['kind'][] = ['logical_decoding', 'restart'];

function cloudWanted({ observed, provider, findings }: Diagnosis, wanted: Wanted): CloudWanted {
  const control = provider.switch === undefined ? undefined : observed.control?.parameters[provider.switch.parameter];
  const missing = findings.some((finding) => finding.need !== undefined && LOGICAL.includes(finding.need.kind));
  const parameters: Record<string, string> = {};
  for (const { need, check } of findings)
    if (need?.kind === 'parameter' && (check === 'C11' || check === 'C12')) parameters[need.name] = need.value;
  const named = findings.flatMap(({ need }) => (need?.kind === 'address' && need.cidr !== undefined ? [need.cidr] : []));
  const live =
    observed.server === undefined ? control === undefined || (control.value === provider.switch?.on && !control.pendingRestart) : !missing;
  return {
    logicalDecoding: provider.switch !== undefined,
    logicalDecodingLive: live,
    parameters,
    allow: [...new Set([...wanted.allow, ...named])],
    port: observed.target.port,
    replicationUser:
      provider.replicationRight.by === 'api' &&
      !mayReplicate(observed.probes.identify.outcome, wanted.role === observed.target.user, observed.role?.replication)
        ? wanted.role
        : undefined,
    closeFirewall: wanted.closeFirewall,
    connectedAddresses: observed.server?.connectedAddresses ?? [],
  };
}

function mayReplicate(probe: string, itself: boolean, attribute: boolean | undefined): boolean {
  return attribute === true || (itself && probe === 'passed');
}

/** Needs that nobody but a person can meet, or that the control plane would meet if it were asked (`--cloud`). */
function handSteps(diagnosis: Diagnosis, wanted: Wanted, byApi: readonly (ApiStep | HandStep)[]): HandStep[] {
  const { observed, provider, findings } = diagnosis;
  const steps: HandStep[] = [];
  const facts = mendFacts(observed);
  let restarts = false;
  for (const finding of findings) {
    const { need } = finding;
    if (need === undefined || finding.severity !== 'error' || byApi.some((step) => step.proves.includes(finding.check))) continue;
    if (!BY_HAND.includes(need.kind)) continue;
    const settable = need.kind === 'logical_decoding' || need.kind === 'parameter';
    if ((settable || need.kind === 'restart') && provider.superuser === true) {
      if (!restarts) steps.push(restartByHand(diagnosis, finding));
      restarts = true;
      continue;
    }
    const told: Need =
      need.kind === 'address' && need.cidr === undefined && wanted.allow[0] !== undefined
        ? { kind: 'address', cidr: wanted.allow[0] }
        : need;
    const { cost, link: _link, ...texts } = mendFor(provider, told, facts);
    steps.push(
      handStep({
        id: `hand.${finding.code}${finding.subject === undefined ? '' : ` ${finding.subject}`}`,
        title: finding.seen,
        proves: [finding.check],
        precondition: finding.why,
        request: texts.cli ?? texts.console ?? texts.sql ?? '',
        restarts: need.kind === 'logical_decoding' || need.kind === 'restart' || (need.kind === 'parameter' && need.restarts),
        cost,
        because:
          provider.cloud !== undefined && observed.control === undefined && (settable || need.kind === 'restart' || need.kind === 'address')
            ? `it is done through ${provider.name}’s control plane: give --cloud ${provider.cloud}:ID, and setup does it`
            : 'nobody but you can decide or do that',
        texts,
      }),
    );
  }
  return steps;
}

const BY_HAND: readonly Need['kind'][] = [
  'logical_decoding',
  'restart',
  'parameter',
  'address',
  'direct_host',
  'primary',
  'tls',
  'credentials',
  'transactions',
  'connections',
  'writable',
  'host_rule',
];

function restartByHand(diagnosis: Diagnosis, finding: Finding): HandStep {
  const {
    cost,
    link: _link,
    ...texts
  } = mendFor(diagnosis.provider, { kind: 'restart', parameter: 'wal_level' }, mendFacts(diagnosis.observed));
  return handStep({
    id: 'hand.restart',
    title: 'Restart the server, then run setup again',
    proves: [finding.check, 'C09'],
    precondition: 'a setting waits for a restart',
    request: texts.cli ?? texts.console ?? '',
    restarts: true,
    reversible: false,
    affects: ['every client: it is disconnected'],
    cost,
    because: 'SQL cannot restart a server',
    satisfied: `SELECT NOT EXISTS (SELECT 1 FROM pg_catalog.pg_settings WHERE pending_restart) AND current_setting('wal_level') = 'logical'`,
    texts,
  });
}
