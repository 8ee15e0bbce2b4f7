/** What has to be changed at DigitalOcean: configuration, the user who replicates, trusted sources. Pure. A list that is empty, and so lets everybody in, is closed only when asked. */
import type { CloudWanted, ControlFacts } from '../../model.ts';
import { handStep } from '../../steps.ts';
import { covers, parseRange } from '../address.ts';
import { apiStep, MARK, tooLittle, type CloudStep } from '../steps.ts';
import type { Call } from './requests.ts';

type Step = CloudStep<Call>;

export const RANGES: Readonly<Record<string, { least: number; most: number }>> = {
  max_replication_slots: { least: 8, most: 64 },
  max_wal_senders: { least: 20, most: 64 },
};

/** `users`: those that the cluster has. */
export function planDigitalOcean(facts: ControlFacts, users: readonly string[], wanted: CloudWanted): Step[] {
  return [...configSteps(facts, wanted), ...userSteps(facts, users, wanted), ...firewallSteps(facts, wanted)];
}

export function undoDigitalOcean(facts: ControlFacts): Step[] {
  const ours = facts.network.rules.filter(({ description }) => description === MARK);
  return ours.map((rule) =>
    ours.length === facts.network.rules.length
      ? handStep({
          id: `do.undo.firewall ${rule.source}`,
          title: `Take away the rule for ${rule.source}`,
          precondition: 'another rule remains',
          request: `doctl databases firewalls remove ${facts.resource} --uuid ${rule.id}`,
          because: 'It is the last rule, and an empty list lets everybody in.',
        })
      : apiStep<Call>({
          id: `do.undo.firewall ${rule.source}`,
          title: `Take away the rule for ${rule.source}`,
          precondition: 'the rule bears our mark, and another rule remains',
          request: `PUT /v2/databases/${facts.resource}/firewall  without ${rule.source}`,
          call: { kind: 'disallow', address: rule.source },
        }),
  );
}

function configSteps(facts: ControlFacts, wanted: CloudWanted): Step[] {
  const values: Record<string, number> = {};
  for (const [name, least] of Object.entries(wanted.parameters)) {
    const range = RANGES[name];
    if (range !== undefined && tooLittle(facts.parameters[name]?.value, least))
      values[name] = Math.min(Math.max(Number(least), range.least), range.most);
  }
  const list = Object.entries(values).map(([name, value]) => `${name} = ${value}`);
  if (list.length === 0) return [];
  return [
    apiStep<Call>({
      id: 'do.config',
      title: `Set ${list.join(', ')}`,
      proves: ['C11', 'C12'],
      precondition: 'the cluster is online',
      request: `PATCH /v2/databases/${facts.resource}/config ${JSON.stringify({ config: values })}`,
      restarts: true,
      reversible: !('max_wal_senders' in values),
      affects: ['every connection is cut while DigitalOcean applies it'],
      cost: 'max_wal_senders can never be lowered again.',
      call: { kind: 'config', values },
      texts: {
        cli: `doctl databases configuration update ${facts.resource} --engine pg --config-json '${JSON.stringify(values)}'`,
        console: `Databases → the cluster → Settings → Advanced configurations: ${list.join(', ')}`,
        terraform: `resource "digitalocean_database_postgresql_config" "millrace" {\n  cluster_id = "${facts.resource}"\n${list.map((line) => `  ${line}`).join('\n')}\n}`,
      },
    }),
  ];
}

function userSteps(facts: ControlFacts, users: readonly string[], wanted: CloudWanted): Step[] {
  const name = wanted.replicationUser;
  if (name === undefined || facts.replicationUsers?.includes(name) === true) return [];
  const exists = users.includes(name);
  return [
    apiStep<Call>({
      id: `do.user ${name}`,
      title: exists ? `Let the user ${name} replicate` : `Create the user ${name}, who may replicate`,
      proves: ['C10'],
      precondition: exists ? `the user ${name} exists` : `no user has the name ${name}`,
      request: exists
        ? `PUT /v2/databases/${facts.resource}/users/${name} {"settings":{"pg_allow_replication":true}}`
        : `POST /v2/databases/${facts.resource}/users {"name":"${name}","settings":{"pg_allow_replication":true}}`,
      call: { kind: 'user', name },
      texts: {
        cli: `curl -X ${exists ? 'PUT' : 'POST'} -H "Authorization: Bearer $DIGITALOCEAN_ACCESS_TOKEN" -H 'Content-Type: application/json' -d '${JSON.stringify({ ...(exists ? {} : { name }), settings: { pg_allow_replication: true } })}' https://api.digitalocean.com/v2/databases/${facts.resource}/users${exists ? `/${name}` : ''}`,
        terraform: `resource "digitalocean_database_user" "millrace" {\n  cluster_id = "${facts.resource}"\n  name       = "${name}"\n  settings {\n    pg_allow_replication = true\n  }\n}`,
      },
    }),
  ];
}

function firewallSteps(facts: ControlFacts, wanted: CloudWanted): Step[] {
  const open = facts.network.rules.length === 0;
  if (wanted.allow.length === 0 || (open && !wanted.closeFirewall)) return [];
  const lacking = wanted.allow.filter((address) => !facts.network.rules.some(({ source }) => covers(source, address)));
  const usable = lacking.filter((address) => parseRange(address)?.family === 'ipv4');
  const steps: Step[] = lacking
    .filter((address) => !usable.includes(address))
    .map((address) =>
      handStep({
        id: `do.firewall ${address}`,
        title: `Let ${address} in`,
        proves: ['C01', 'C04'],
        precondition: 'an IPv4 address',
        request: `doctl databases firewalls append ${facts.resource} --rule ip_addr:${address}`,
        because: 'DigitalOcean takes IPv4 addresses as trusted sources: connect over IPv4 and give that address with --allow.',
      }),
    );
  if (usable.length === 0) return steps;
  const others = open ? wanted.connectedAddresses.filter((address) => !usable.some((range) => covers(range, address))) : [];
  const cli = `doctl databases firewalls append ${facts.resource} ${usable.map((address) => `--rule ip_addr:${written(address)}`).join(' ')}`;
  return [
    ...steps,
    apiStep<Call>({
      id: `do.firewall ${usable.join(' ')}`,
      title: open
        ? `Close the database to everybody but ${usable.join(', ')}`
        : `Let ${usable.join(', ')} in, beside the ${facts.network.rules.length} present rules`,
      proves: ['C01', 'C04'],
      precondition: open ? 'the list is empty: open to everybody' : 'the list is not empty; what is in it stays',
      request: `PUT /v2/databases/${facts.resource}/firewall {"rules":[…the present ones…,${usable.map((address) => `{"type":"ip_addr","value":"${written(address)}"}`).join(',')}]}`,
      affects: open ? ['everybody else is locked out', ...others.map((address) => `connected now and locked out: ${address}`)] : [],
      call: { kind: 'allow', addresses: usable, closes: open },
      texts: {
        cli,
        console: `Databases → the cluster → Network access → Add trusted sources: ${usable.map(written).join(', ')}`,
        terraform: `# digitalocean_database_firewall owns the whole list: add this to the one that is there\n${usable.map((address) => `  rule {\n    type  = "ip_addr"\n    value = "${written(address)}"\n  }`).join('\n')}`,
      },
    }),
  ];
}

/** A single address without its length. */
export function written(address: string): string {
  return address.replace(/\/32$/, '');
}
