/** What has to be changed at Cloud SQL: authorised networks first, then the flags, which restart the instance by themselves, or else the restart that is missing. Pure. */
import type { CloudWanted, ControlFacts } from '../../model.ts';
import { handStep } from '../../steps.ts';
import { covers, parseRange } from '../address.ts';
import { apiStep, MARK, provesOf, toRaise, type CloudStep } from '../steps.ts';
import type { GcpName } from './calls.ts';
import type { Call } from './requests.ts';

type Step = CloudStep<Call>;

const SWITCH = 'cloudsql.logical_decoding';

/** `restarting`: operations under way that may restart the instance. */
export function planGcp(name: GcpName, facts: ControlFacts, restarting: readonly (string | undefined)[], wanted: CloudWanted): Step[] {
  const values: Record<string, string> = {};
  const isOn = facts.parameters[SWITCH]?.value === 'on';
  if (wanted.logicalDecoding && !isOn) values[SWITCH] = 'on';
  for (const [flag, least] of toRaise(facts.parameters, wanted.parameters)) values[flag] = least;
  const steps = networkSteps(name, facts, wanted);
  // The change of a flag restarts by itself, so it comes last, in the place of a restart.
  if (Object.keys(values).length > 0) steps.push(flagStep(name, facts, values));
  else if (wanted.logicalDecoding && isOn && !wanted.logicalDecodingLive) steps.push(restartStep(name, restarting));
  return steps;
}

export function undoGcp(name: GcpName, facts: ControlFacts): Step[] {
  return facts.network.rules
    .filter(({ description }) => description === MARK)
    .map(({ source }) =>
      apiStep<Call>({
        id: `gcp.undo.network ${source}`,
        title: `Take the authorised network ${source} away`,
        precondition: 'its name is our mark',
        request: `PATCH ${path(name)} settings.ipConfiguration.authorizedNetworks without ${source}`,
        call: { kind: 'networks-remove', address: source },
      }),
    );
}

function path(name: GcpName): string {
  return `/v1/projects/${name.project}/instances/${name.instance}`;
}

function flagStep(name: GcpName, facts: ControlFacts, values: Record<string, string>): Step {
  const list = Object.entries(values).map(([flag, value]) => `${flag}=${value}`);
  const restarts = Object.keys(values).some((flag) => facts.parameters[flag]?.restarts !== false);
  return apiStep<Call>({
    id: 'gcp.flags',
    title: `Set ${list.join(', ')}; the other flags stay${restarts ? '; Cloud SQL restarts the instance' : ''}`,
    proves: [...provesOf(Object.keys(values), SWITCH), ...(SWITCH in values ? (['C09'] as const) : [])],
    precondition: 'no other operation runs on the instance',
    request: `PATCH ${path(name)} {"settings":{"settingsVersion":…,"databaseFlags":[…the present ones…,${Object.entries(values)
      .map(([flag, value]) => JSON.stringify({ name: flag, value }))
      .join(',')}]}}`,
    restarts,
    affects: restarts ? [`every connection to ${name.instance} is cut`] : [],
    cost: `${SWITCH in values ? 'More WAL; a slot that nobody reads fills the disk. ' : ''}Usually about a minute without the database.`,
    call: { kind: 'flags', values },
    texts: {
      cli: `gcloud sql instances patch ${name.instance} --project ${name.project} --database-flags=${list.join(',')}   # replaces the whole list: name the present flags, too`,
      console: `SQL → ${name.instance} → Edit → Flags: add ${list.join(', ')}, Save`,
      terraform: `# in settings of google_sql_database_instance\n${Object.entries(values)
        .map(([flag, value]) => `  database_flags {\n    name  = "${flag}"\n    value = "${value}"\n  }`)
        .join('\n')}`,
    },
  });
}

function networkSteps(name: GcpName, facts: ControlFacts, wanted: CloudWanted): Step[] {
  const lacking = wanted.allow.filter((address) => !facts.network.rules.some(({ source }) => covers(source, address)));
  return lacking.map((address) => {
    const range = parseRange(address);
    const fixed = facts.network.fixed ?? (range?.family === 'ipv4' ? undefined : 'authorised networks take IPv4 ranges only');
    const common = {
      id: `gcp.network ${address}`,
      title: `Authorise the network ${address}, beside the ${facts.network.rules.length} present ones`,
      proves: ['C01', 'C04'] as const,
      precondition: 'no authorised network covers the address yet',
      request: `PATCH ${path(name)} {"settings":{"settingsVersion":…,"ipConfiguration":{"authorizedNetworks":[…the present ones…,{"kind":"sql#aclEntry","name":"${MARK}","value":"${address}"}]}}}`,
      texts: {
        cli: `gcloud sql instances patch ${name.instance} --project ${name.project} --authorized-networks=${[...facts.network.rules.map(({ source }) => source), address].join(',')}`,
        console: `SQL → ${name.instance} → Connections → Networking → Add a network: ${address}, Save`,
        terraform: `# in settings.ip_configuration of google_sql_database_instance\n  authorized_networks {\n    name  = "${MARK}"\n    value = "${address}"\n  }`,
      },
    };
    return fixed === undefined
      ? apiStep<Call>({ ...common, call: { kind: 'networks', addresses: [address] } })
      : handStep({ ...common, because: `${fixed}.` });
  });
}

function restartStep(name: GcpName, awaits: readonly (string | undefined)[]): Step {
  return apiStep<Call>({
    id: 'gcp.restart',
    title: `Restart ${name.instance}: the flag is set and not live`,
    proves: ['C08', 'C09'],
    precondition: 'no other operation runs on the instance',
    request: `POST ${path(name)}/restart`,
    restarts: true,
    reversible: false,
    affects: [`every connection to ${name.instance} is cut`],
    cost: 'Usually about a minute without the database.',
    call: { kind: 'restart', awaits },
    texts: {
      cli: `gcloud sql instances restart ${name.instance} --project ${name.project}`,
      console: `SQL → ${name.instance} → Restart`,
    },
  });
}
