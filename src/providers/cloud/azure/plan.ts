/** What has to be changed at Azure: parameters, one firewall rule an address that no rule covers, and one restart, last. Pure. */
import type { CloudWanted, ControlFacts } from '../../model.ts';
import { handStep } from '../../steps.ts';
import { bounds, covers, parseRange } from '../address.ts';
import { apiStep, MARK, provesOf, toRaise, type CloudStep } from '../steps.ts';
import type { AzureName } from './calls.ts';
import type { Call } from './requests.ts';

type Step = CloudStep<Call>;

export function planAzure(name: AzureName, facts: ControlFacts, wanted: CloudWanted): Step[] {
  const values: [string, string][] = [];
  const level = facts.parameters['wal_level'];
  if (wanted.logicalDecoding && level?.value !== 'logical') values.push(['wal_level', 'logical']);
  values.push(...toRaise(facts.parameters, wanted.parameters));
  const pending = Object.values(facts.parameters).some(({ pendingRestart }) => pendingRestart);
  const setNotLive = wanted.logicalDecoding && level?.value === 'logical' && !wanted.logicalDecodingLive;
  const changesStatic = values.some(([parameter]) => facts.parameters[parameter]?.restarts !== false);
  return [
    ...values.map(([parameter, value]) => setStep(name, parameter, value)),
    ...firewallSteps(name, facts, wanted),
    ...(changesStatic || pending || setNotLive ? [restartStep(name, facts, setNotLive && !pending && !changesStatic)] : []),
  ];
}

export function undoAzure(name: AzureName, facts: ControlFacts): Step[] {
  return facts.network.rules
    .filter(({ id }) => id.startsWith(`${MARK}-`))
    .map((rule) =>
      apiStep<Call>({
        id: `azure.undo.firewall ${rule.id}`,
        title: `Delete the firewall rule ${rule.id} (${rule.source})`,
        precondition: 'its name bears our mark',
        request: `DELETE ${path(name)}/firewallRules/${rule.id}`,
        call: { kind: 'firewall-delete', rule: rule.id },
        texts: { cli: `az postgres flexible-server firewall-rule delete ${cliNames(name)} --rule-name ${rule.id}` },
      }),
    );
}

function path({ subscription, group, server }: AzureName): string {
  return `/subscriptions/${subscription}/resourceGroups/${group}/providers/Microsoft.DBforPostgreSQL/flexibleServers/${server}`;
}

export function cliNames({ group, server }: AzureName, serverOption: '--name' | '--server-name' = '--name'): string {
  return `--resource-group ${group} ${serverOption} ${server}`;
}

function setStep(server: AzureName, name: string, value: string): Step {
  return apiStep<Call>({
    id: `azure.parameter ${name}`,
    title: `Set ${name} = ${value}`,
    proves: provesOf([name], 'wal_level'),
    precondition: 'no other operation runs on the server',
    request: `PATCH ${path(server)}/configurations/${name} {"properties":{"value":"${value}","source":"user-override"}}`,
    ...(name === 'wal_level'
      ? { cost: 'More WAL; a slot that nobody reads keeps WAL until storage is nearly full, and is then dropped.' }
      : {}),
    call: { kind: 'set', name, value },
    texts: {
      cli: `az postgres flexible-server parameter set ${cliNames(server, '--server-name')} --name ${name} --value ${value}`,
      console: `The server → Settings → Server parameters: ${name} = ${value}, Save`,
      terraform: `resource "azurerm_postgresql_flexible_server_configuration" "${name}" {\n  server_id = "${path(server)}"\n  name      = "${name}"\n  value     = "${value}"\n}`,
    },
  });
}

function firewallSteps(name: AzureName, facts: ControlFacts, wanted: CloudWanted): Step[] {
  return wanted.allow
    .filter((address) => !facts.network.rules.some(({ source }) => covers(source, address)))
    .map((address) => {
      const range = parseRange(address);
      const usable = range?.family === 'ipv4' ? bounds(range) : undefined;
      const rule = `${MARK}-${address.replaceAll(/[^0-9A-Za-z]+/g, '-')}`;
      const common = {
        id: `azure.firewall ${address}`,
        title: `Let ${address} in (firewall rule ${rule})`,
        proves: ['C01', 'C04'] as const,
        precondition: 'no rule covers the address yet',
        request: `PUT ${path(name)}/firewallRules/${rule} {"properties":{"startIpAddress":"${usable?.first ?? address}","endIpAddress":"${usable?.last ?? address}"}}`,
        texts: {
          cli: `az postgres flexible-server firewall-rule create ${cliNames(name)} --rule-name ${rule} --start-ip-address ${usable?.first ?? address} --end-ip-address ${usable?.last ?? address}`,
          console: `The server → Settings → Networking → Firewall rules: ${rule}, ${usable?.first ?? address} to ${usable?.last ?? address}, Save`,
          terraform: `resource "azurerm_postgresql_flexible_server_firewall_rule" "millrace" {\n  name             = "${rule}"\n  server_id        = "${path(name)}"\n  start_ip_address = "${usable?.first ?? address}"\n  end_ip_address   = "${usable?.last ?? address}"\n}`,
        },
      };
      const fixed = facts.network.fixed ?? (usable === undefined ? 'firewall rules take IPv4 addresses only' : undefined);
      return fixed === undefined
        ? apiStep<Call>({ ...common, call: { kind: 'firewall', rule, address } })
        : handStep({ ...common, because: `${fixed}.` });
    });
}

function restartStep(name: AzureName, facts: ControlFacts, unconditional: boolean): Step {
  return apiStep<Call>({
    id: 'azure.restart',
    title: `Restart ${name.server}`,
    proves: ['C08', 'C09'],
    precondition: 'no other operation runs on the server',
    request: `POST ${path(name)}/restart {}`,
    restarts: true,
    reversible: false,
    affects: [
      `every connection to ${name.server} is cut`,
      ...(facts.pendingChanges.length === 0 ? [] : [`also pending: ${facts.pendingChanges.join(', ')}`]),
    ],
    cost: 'Usually about a minute without the database.',
    call: { kind: 'restart', unconditional },
    texts: {
      cli: `az postgres flexible-server restart ${cliNames(name)}`,
      console: 'The server → Overview → Restart',
      terraform: '# Terraform does not restart: use the portal or the command line.',
    },
  });
}
