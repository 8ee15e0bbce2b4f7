/**
 * Azure Database for PostgreSQL, Flexible Server, through the official SDK. One management operation at a time, so every step waits for the one before; a parameter that is set and not live
 * says so itself (isConfigPendingRestart); firewall rules are upserts by name, IPv4 only, and there are none in a virtual network. The rule 0.0.0.0 means "all of Azure" and lets no address in.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { must, unreachable } from '../../../base/assert.ts';
import { millraceError, reasonOf } from '../../../base/errors.ts';
import type { ApiStep, CloudApi, CloudWanted, ControlFacts, ControlParameter, HandStep, Progress, StepState } from '../../model.ts';
import { bounds, covers, parseRange } from '../address.ts';
import { change, connectionBroke, lookRepeatedly, read, waitUntil, type Patience, type Trouble } from '../patience.ts';
import { loadSdk } from '../sdk.ts';
import { apiStep, handStep, MARK, spelled, tooLittle, toRaise } from '../steps.ts';

export interface AzureName {
  readonly subscription: string;
  readonly group: string;
  readonly server: string;
}

interface Configuration {
  readonly name?: string;
  readonly value?: string;
  readonly allowedValues?: string;
  readonly dataType?: string;
  readonly isDynamicConfig?: boolean;
  readonly isReadOnly?: boolean;
  readonly isConfigPendingRestart?: boolean;
}
interface FirewallRule {
  readonly name?: string;
  readonly startIpAddress: string;
  readonly endIpAddress: string;
}
interface Server {
  readonly state?: string;
  readonly version?: string;
  readonly minorVersion?: string;
  readonly network?: { readonly publicNetworkAccess?: string; readonly delegatedSubnetResourceId?: string };
  readonly highAvailability?: { readonly mode?: string };
  readonly replicationRole?: string;
  readonly storage?: { readonly autoGrow?: string };
}
interface Poller {
  isDone(): boolean;
  poll(): Promise<unknown>;
}
interface Options {
  readonly abortSignal?: AbortSignal | undefined;
  readonly updateIntervalInMs?: number;
}

/** The part of the SDK that is used. */
interface Client {
  readonly servers: {
    get(group: string, server: string, options: Options): Promise<Server>;
    beginRestart(group: string, server: string, options: Options): Promise<Poller>;
  };
  readonly configurations: {
    listByServer(group: string, server: string, options: Options): AsyncIterable<Configuration>;
    beginUpdate(group: string, server: string, name: string, value: { value: string; source: string }, options: Options): Promise<Poller>;
  };
  readonly firewallRules: {
    listByServer(group: string, server: string, options: Options): AsyncIterable<FirewallRule>;
    beginCreateOrUpdate(group: string, server: string, name: string, rule: FirewallRule, options: Options): Promise<Poller>;
    beginDelete(group: string, server: string, name: string, options: Options): Promise<Poller>;
  };
  readonly pipeline: { removePolicy(policy: { name: string }): unknown };
}

type Call =
  | { kind: 'set'; arguments: { name: string; value: string } }
  | { kind: 'firewall'; arguments: { rule: string; address: string } }
  | { kind: 'firewall-delete'; arguments: { rule: string } }
  | { kind: 'restart'; arguments: { unconditional: boolean } };

const KEPT =
  /^(wal_level|max_replication_slots|max_wal_senders|max_worker_processes|max_logical_replication_workers|max_slot_wal_keep_size|wal_sender_timeout|require_secure_transport|idle_replication_slot_timeout|sync_replication_slots|hot_standby_feedback)$/;
const STOPPED = /^(Stopped|Stopping|Disabled|Dropping|Inaccessible)$/;

export function azureClient(name: AzureName, environment: NodeJS.ProcessEnv): Client {
  const [flexible, identity] = loadSdk({ cloud: 'Azure', packages: ['@azure/arm-postgresql-flexible', '@azure/identity'] }) as [
    { PostgreSQLManagementFlexibleServerClient: new (credential: object, subscription: string, options: object) => Client },
    { DefaultAzureCredential: new () => object },
  ];
  const endpoint = environment['AZURE_RESOURCE_MANAGER_ENDPOINT'];
  const local = endpoint !== undefined && /^http:\/\/(127\.0\.0\.1|localhost)[:/]/.test(endpoint);
  // Its own retries are off: they would send a restart twice when an answer gets lost.
  const options = {
    retryOptions: { maxRetries: 0 },
    allowInsecureConnection: local,
    ...(endpoint === undefined ? {} : { endpoint, $host: endpoint }),
  };
  const client = new flexible.PostgreSQLManagementFlexibleServerClient(
    local ? { getToken: () => Promise.resolve(null) } : new identity.DefaultAzureCredential(),
    name.subscription,
    options,
  );
  // The SDK refuses to send a token without TLS; to an imitation on this machine none is sent.
  if (local) client.pipeline.removePolicy({ name: 'bearerTokenAuthenticationPolicy' });
  return client;
}

export class AzureCloud implements CloudApi {
  readonly provider = 'azure';
  readonly resource: string;
  readonly #name: AzureName;
  readonly #client: Client;
  readonly #patience: Patience;
  readonly #restarted = new Set<string>();

  constructor(resource: string, name: AzureName, client: Client, patience: Patience) {
    this.resource = resource;
    this.#name = name;
    this.#client = client;
    this.#patience = patience;
  }

  async observe(signal?: AbortSignal): Promise<ControlFacts> {
    const server = await this.#server(signal);
    const isolated = server.network?.delegatedSubnetResourceId !== undefined || server.network?.publicNetworkAccess === 'Disabled';
    const [configurations, rules] = await Promise.all([this.#configurations(signal), isolated ? [] : this.#rules(signal)]);
    const state = server.state ?? 'unknown';
    return {
      provider: this.provider,
      variant: 'flexible',
      resource: this.#name.server,
      version: [server.version, server.minorVersion].filter((part) => part !== undefined).join('.'),
      status: state,
      quiet: state === 'Ready',
      refused: STOPPED.test(state)
        ? {
            reason: `the server is ${state}`,
            wayOut: `az postgres flexible-server start --resource-group ${this.#name.group} --name ${this.#name.server}`,
          }
        : undefined,
      parameters: Object.fromEntries(configurations.filter(({ name }) => KEPT.test(name ?? '')).map((one) => [one.name, parameter(one)])),
      sharedWith: [],
      pendingChanges: configurations
        .filter((one) => one.isConfigPendingRestart === true && !KEPT.test(one.name ?? ''))
        .map((one) => `${one.name}=${one.value}`),
      network: {
        publicAccess: !isolated,
        openToAll: rules.some((rule) => rule.startIpAddress === '0.0.0.0' && rule.endIpAddress === '255.255.255.255'),
        rules: rules.map((rule) => ({
          id: rule.name ?? '',
          source: allOfAzure(rule) ? 'all of Azure' : `${rule.startIpAddress}-${rule.endIpAddress}`,
        })),
        fixed: isolated ? 'the server is in a virtual network (or without public access), where firewall rules do not apply' : undefined,
      },
      remarks: [
        ...(server.storage?.autoGrow === 'Enabled'
          ? ['Storage grows by itself and never shrinks: a slot that nobody reads becomes a bill.']
          : []),
        'At 95 % of its storage the server turns read-only and drops logical slots that nobody uses.',
      ],
      vendor: undefined,
    };
  }

  plan(facts: ControlFacts, wanted: CloudWanted): readonly (ApiStep | HandStep)[] {
    if (facts.refused !== undefined) return [];
    const values: [string, string][] = [];
    const level = facts.parameters['wal_level'];
    if (wanted.logicalDecoding && level?.value !== 'logical') values.push(['wal_level', 'logical']);
    values.push(...toRaise(facts.parameters, wanted.parameters));
    const pending = Object.values(facts.parameters).some(({ pendingRestart }) => pendingRestart);
    const setNotLive = wanted.logicalDecoding && level?.value === 'logical' && !wanted.logicalDecodingLive;
    const changesStatic = values.some(([name]) => facts.parameters[name]?.restarts !== false);
    return [
      ...values.map(([name, value]) => this.#setStep(name, value)),
      ...this.#firewallSteps(facts, wanted),
      ...(changesStatic || pending || setNotLive ? [this.#restartStep(facts, setNotLive && !pending && !changesStatic)] : []),
    ];
  }

  planUndo(facts: ControlFacts): readonly (ApiStep | HandStep)[] {
    return facts.network.rules
      .filter(({ id }) => id.startsWith(`${MARK}-`))
      .map((rule) =>
        apiStep({
          id: `azure.undo.firewall ${rule.id}`,
          title: `Delete the firewall rule ${rule.id} (${rule.source})`,
          precondition: 'its name bears our mark',
          request: `DELETE ${this.#path}/firewallRules/${rule.id}`,
          call: { kind: 'firewall-delete', arguments: { rule: rule.id } },
          texts: { cli: `az postgres flexible-server firewall-rule delete ${this.#cliNames('--name')} --rule-name ${rule.id}` },
        }),
      );
  }

  async state(step: ApiStep, signal?: AbortSignal): Promise<StepState> {
    const call = step.call as unknown as Call;
    switch (call.kind) {
      case 'set': {
        const { name, value } = call.arguments;
        const present = (await this.#configurations(signal)).find((one) => one.name === name)?.value;
        const isThere = present === value || (/^\d+$/.test(value) && !tooLittle(present, value));
        if (!isThere) return 'todo';
        return (await this.#server(signal)).state === 'Updating' ? 'underway' : 'done';
      }
      case 'firewall':
        return (await this.#rules(signal)).some((rule) => letsIn(rule, call.arguments.address)) ? 'done' : 'todo';
      case 'firewall-delete':
        return (await this.#rules(signal)).some(({ name }) => name === call.arguments.rule) ? 'todo' : 'done';
      case 'restart': {
        const { state } = await this.#server(signal);
        if (state !== undefined && STOPPED.test(state))
          throw millraceError('CLOUD_REFUSED', { operation: 'the restart', resource: this.resource, reason: `the server is ${state}` });
        if (state === 'Restarting') return 'underway';
        if (state !== 'Ready') return this.#restarted.has(step.id) ? 'underway' : 'todo';
        if ((await this.#configurations(signal)).some((one) => one.isConfigPendingRestart === true && KEPT.test(one.name ?? '')))
          return this.#restarted.has(step.id) ? 'underway' : 'todo';
        return call.arguments.unconditional && !this.#restarted.has(step.id) ? 'todo' : 'done';
      }
      default:
        return unreachable(call);
    }
  }

  async apply(step: ApiStep, progress: Progress, signal?: AbortSignal): Promise<void> {
    const call = step.call as unknown as Call;
    const state = await this.state(step, signal);
    if (state === 'done') return;
    const restarts = call.kind === 'restart';
    const wait = {
      what: restarts ? `restart of ${this.#name.server}` : step.title,
      where: `az postgres flexible-server show ${this.#cliNames('--name')}`,
      timeoutMs: restarts ? this.#patience.restartTimeoutMs : this.#patience.operationTimeoutMs,
      patience: this.#patience,
      progress,
      signal,
    };
    if (state === 'todo') {
      const alreadyThere = async (): Promise<'there' | undefined> => ((await this.state(step, signal)) === 'todo' ? undefined : 'there');
      const outcome = await change<Poller | 'there'>({
        operation: operationOf(call),
        send: () => this.#send(call, signal),
        done: restarts ? () => lookRepeatedly(alreadyThere, this.#patience, signal) : alreadyThere,
        trouble,
        translate: (error, operation) => this.#translate(error, operation),
        patience: this.#patience,
        progress,
        signal,
      });
      if (outcome !== 'there') await waitUntil(wait, () => this.#poll(outcome, operationOf(call)));
      if (restarts) this.#restarted.add(step.id);
    }
    await waitUntil(wait, async () => {
      const now = await this.state(step, signal);
      return { done: now === 'done', seen: now === 'done' ? 'done' : ((await this.#server(signal)).state ?? now) };
    });
  }

  // ------------------------------------------------------------------------------------------------ requests

  #send(call: Call, signal: AbortSignal | undefined): Promise<Poller> {
    const { group, server } = this.#name;
    const options = { ...(signal === undefined ? {} : { abortSignal: signal }), updateIntervalInMs: this.#patience.pollMs };
    switch (call.kind) {
      case 'set':
        return this.#client.configurations.beginUpdate(
          group,
          server,
          call.arguments.name,
          { value: call.arguments.value, source: 'user-override' },
          options,
        );
      case 'firewall': {
        const { first, last } = bounds(must(parseRange(call.arguments.address), 'an address'));
        return this.#client.firewallRules.beginCreateOrUpdate(
          group,
          server,
          call.arguments.rule,
          { startIpAddress: first, endIpAddress: last },
          options,
        );
      }
      case 'firewall-delete':
        return this.#client.firewallRules.beginDelete(group, server, call.arguments.rule, options);
      case 'restart':
        return this.#client.servers.beginRestart(group, server, options);
      default:
        return unreachable(call);
    }
  }

  async #poll(poller: Poller, operation: string): Promise<{ done: boolean; seen: string }> {
    if (poller.isDone()) return { done: true, seen: 'Succeeded' };
    try {
      await poller.poll();
    } catch (error) {
      // A look that failed is no failed operation.
      if (trouble(error) === 'final') throw this.#translate(error, operation);
      await sleep(this.#patience.retryMs);
    }
    return { done: poller.isDone(), seen: poller.isDone() ? 'Succeeded' : 'InProgress' };
  }

  #read<T>(operation: string, send: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return read({
      operation,
      send,
      trouble,
      translate: (error, what) => this.#translate(error, what),
      patience: this.#patience,
      signal,
    });
  }

  #server(signal: AbortSignal | undefined): Promise<Server> {
    return this.#read('GET server', () => this.#client.servers.get(this.#name.group, this.#name.server, { abortSignal: signal }), signal);
  }

  #configurations(signal: AbortSignal | undefined): Promise<Configuration[]> {
    return this.#read(
      'GET configurations',
      () => all(this.#client.configurations.listByServer(this.#name.group, this.#name.server, { abortSignal: signal })),
      signal,
    );
  }

  #rules(signal: AbortSignal | undefined): Promise<FirewallRule[]> {
    return this.#read(
      'GET firewallRules',
      () => all(this.#client.firewallRules.listByServer(this.#name.group, this.#name.server, { abortSignal: signal })),
      signal,
    );
  }

  #translate(error: unknown, operation: string): Error {
    if (error instanceof Error && error.name === 'MillraceError') return error;
    const { status, code } = statusOf(error);
    const reason = `${code ?? status ?? ''}: ${reasonOf(error)}`;
    if (status === 401 || (error instanceof Error && /Credential|Authentication(Required)?Error/.test(error.name)))
      return millraceError('CLOUD_CREDENTIALS', { cloud: 'Azure', reason, mend: 'az login' }, error);
    if (status === 403)
      return millraceError(
        'CLOUD_DENIED',
        {
          operation,
          resource: this.resource,
          reason,
          right: 'Microsoft.DBforPostgreSQL/flexibleServers/* (role Contributor of the server)',
        },
        error,
      );
    if (status === 404)
      return millraceError(
        'CLOUD_NOT_FOUND',
        {
          resource: this.resource,
          reason,
          mend: 'Look at `az postgres flexible-server list`; write azure:SUBSCRIPTION/RESOURCE-GROUP/SERVER.',
        },
        error,
      );
    return millraceError('CLOUD_REFUSED', { operation, resource: this.resource, reason }, error);
  }

  // ------------------------------------------------------------------------------------------------ steps

  get #path(): string {
    return `/subscriptions/${this.#name.subscription}/resourceGroups/${this.#name.group}/providers/Microsoft.DBforPostgreSQL/flexibleServers/${this.#name.server}`;
  }

  #cliNames(serverOption: '--name' | '--server-name'): string {
    return `--resource-group ${this.#name.group} ${serverOption} ${this.#name.server}`;
  }

  #setStep(name: string, value: string): ApiStep {
    return apiStep({
      id: `azure.parameter ${name}`,
      title: `Set ${name} = ${value}`,
      proves: name === 'wal_level' ? ['C08'] : name === 'max_replication_slots' ? ['C11'] : name === 'max_wal_senders' ? ['C12'] : [],
      precondition: 'no other operation runs on the server',
      request: `PATCH ${this.#path}/configurations/${name} {"properties":{"value":"${value}","source":"user-override"}}`,
      ...(name === 'wal_level'
        ? { cost: 'More WAL; a slot that nobody reads keeps WAL until storage is nearly full, and is then dropped.' }
        : {}),
      call: { kind: 'set', arguments: { name, value } },
      texts: {
        cli: `az postgres flexible-server parameter set ${this.#cliNames('--server-name')} --name ${name} --value ${value}`,
        console: `The server → Settings → Server parameters: ${name} = ${value}, Save`,
        terraform: `resource "azurerm_postgresql_flexible_server_configuration" "${name}" {\n  server_id = "${this.#path}"\n  name      = "${name}"\n  value     = "${value}"\n}`,
      },
    });
  }

  #firewallSteps(facts: ControlFacts, wanted: CloudWanted): (ApiStep | HandStep)[] {
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
          request: `PUT ${this.#path}/firewallRules/${rule} {"properties":{"startIpAddress":"${usable?.first ?? address}","endIpAddress":"${usable?.last ?? address}"}}`,
          texts: {
            cli: `az postgres flexible-server firewall-rule create ${this.#cliNames('--name')} --rule-name ${rule} --start-ip-address ${usable?.first ?? address} --end-ip-address ${usable?.last ?? address}`,
            console: `The server → Settings → Networking → Firewall rules: ${rule}, ${usable?.first ?? address} to ${usable?.last ?? address}, Save`,
            terraform: `resource "azurerm_postgresql_flexible_server_firewall_rule" "millrace" {\n  name             = "${rule}"\n  server_id        = "${this.#path}"\n  start_ip_address = "${usable?.first ?? address}"\n  end_ip_address   = "${usable?.last ?? address}"\n}`,
          },
        };
        const fixed = facts.network.fixed ?? (usable === undefined ? 'firewall rules take IPv4 addresses only' : undefined);
        return fixed === undefined
          ? apiStep({ ...common, call: { kind: 'firewall', arguments: { rule, address } } })
          : handStep({ ...common, because: `${fixed}.` });
      });
  }

  #restartStep(facts: ControlFacts, unconditional: boolean): ApiStep {
    return apiStep({
      id: 'azure.restart',
      title: `Restart ${this.#name.server}`,
      proves: ['C08', 'C09'],
      precondition: 'no other operation runs on the server',
      request: `POST ${this.#path}/restart {}`,
      restarts: true,
      reversible: false,
      affects: [
        `every connection to ${this.#name.server} is cut`,
        ...(facts.pendingChanges.length === 0 ? [] : [`also pending: ${facts.pendingChanges.join(', ')}`]),
      ],
      cost: 'Usually about a minute without the database.',
      call: { kind: 'restart', arguments: { unconditional } },
      texts: {
        cli: `az postgres flexible-server restart ${this.#cliNames('--name')}`,
        console: 'The server → Overview → Restart',
        terraform: '# Terraform does not restart: use the portal or the command line.',
      },
    });
  }
}

async function all<T>(pages: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of pages) items.push(item);
  return items;
}

function operationOf(call: Call): string {
  return { set: 'PATCH configuration', firewall: 'PUT firewallRule', 'firewall-delete': 'DELETE firewallRule', restart: 'POST restart' }[
    call.kind
  ];
}

function statusOf(error: unknown): { status: number | undefined; code: string | undefined } {
  const at = error as { statusCode?: unknown; code?: unknown } | null;
  return {
    status: typeof at?.statusCode === 'number' ? at.statusCode : undefined,
    code: typeof at?.code === 'string' ? at.code : undefined,
  };
}

function trouble(error: unknown): Trouble {
  const { status, code } = statusOf(error);
  if (status === 429) return 'throttled';
  // Azure's word for it is not documented in one place: any conflict means that something else runs.
  if (status === 409 || /^(ServerIsBusy|OperationInProgress|ConflictingServerOperation)$/.test(code ?? '')) return 'busy';
  if (status !== undefined && status >= 500) return 'lost';
  return connectionBroke(error) || code === 'REQUEST_SEND_ERROR' ? 'lost' : 'final';
}

function allOfAzure(rule: FirewallRule): boolean {
  return rule.startIpAddress === '0.0.0.0' && rule.endIpAddress === '0.0.0.0';
}

function letsIn(rule: FirewallRule, address: string): boolean {
  return !allOfAzure(rule) && covers(`${rule.startIpAddress}-${rule.endIpAddress}`, address);
}

function parameter(one: Configuration): ControlParameter {
  return {
    value: spelled(one.value, one.dataType === 'Boolean'),
    pendingRestart: one.isConfigPendingRestart === true,
    restarts: one.isDynamicConfig !== true,
    modifiable: one.isReadOnly !== true,
    ...(one.allowedValues === undefined ? {} : { allowed: one.allowedValues }),
  };
}
