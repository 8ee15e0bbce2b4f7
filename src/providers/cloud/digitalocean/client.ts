/**
 * DigitalOcean Managed PostgreSQL, by plain fetch: its SDK is 93 MB for six calls of JSON. The traps: a PUT of the firewall replaces all rules and has no guard against a second writer,
 * an empty list lets everybody in, `pg_allow_replication` left out means false, and max_wal_senders can never be lowered. There is no operation to follow: the status is polled.
 */
import { must, unreachable } from '../../../base/assert.ts';
import { millraceError, reasonOf } from '../../../base/errors.ts';
import type { ApiStep, CloudApi, CloudWanted, ControlFacts, ControlParameter, HandStep, Progress, StepState } from '../../model.ts';
import { covers } from '../address.ts';
import { change, connectionBroke, read, waitUntil, type Patience, type Trouble } from '../patience.ts';
import { apiStep, handStep, MARK, tooLittle } from '../steps.ts';
import { configSteps, firewallSteps, RANGES, userSteps, written } from './plan.ts';

const REQUEST_TIMEOUT_MS = 30_000;
/** DigitalOcean's own limit. */
const RULES_MAX = 100;

interface Rule {
  readonly uuid?: string;
  readonly type: string;
  readonly value: string;
  readonly description?: string;
}
interface User {
  readonly name: string;
  readonly role?: string;
  readonly password?: string;
  readonly settings?: { readonly pg_allow_replication?: boolean };
}
interface Database {
  readonly id?: string;
  readonly name: string;
  readonly engine: string;
  readonly version?: string;
  readonly status?: string;
}
type Config = Readonly<Record<string, unknown>>;

type Call =
  | { kind: 'config'; arguments: { values: Record<string, number> } }
  | { kind: 'user'; arguments: { name: string; exists: boolean } }
  | { kind: 'allow'; arguments: { addresses: readonly string[]; closes: boolean } }
  | { kind: 'disallow'; arguments: { address: string } };

class HttpError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export class DigitalOceanCloud implements CloudApi {
  readonly provider = 'digitalocean';
  readonly resource: string;
  readonly #name: string;
  readonly #url: string;
  readonly #token: string | undefined;
  readonly #patience: Patience;
  #id: string | undefined;

  constructor(resource: string, name: string, environment: NodeJS.ProcessEnv, patience: Patience) {
    this.resource = resource;
    this.#name = name;
    this.#url = (environment['DIGITALOCEAN_API_URL'] ?? 'https://api.digitalocean.com').replace(/\/$/, '');
    this.#token = environment['DIGITALOCEAN_ACCESS_TOKEN'] ?? environment['DIGITALOCEAN_TOKEN'];
    this.#patience = patience;
  }

  async observe(signal?: AbortSignal): Promise<ControlFacts> {
    const database = await this.#database(signal);
    const [config, rules, users] = await Promise.all([this.#config(signal), this.#rules(signal), this.#users(signal)]);
    const open = rules.length === 0;
    return {
      provider: this.provider,
      variant: undefined,
      resource: must(this.#id, 'the id'),
      version: database.version ?? '',
      status: database.status ?? 'unknown',
      quiet: database.status === 'online',
      refused:
        database.engine === 'pg'
          ? undefined
          : {
              reason: `${database.name} is no PostgreSQL cluster (${database.engine})`,
              wayOut: 'Name the PostgreSQL cluster in --cloud do:ID.',
            },
      parameters: Object.fromEntries(
        [
          'max_replication_slots',
          'max_wal_senders',
          'max_slot_wal_keep_size',
          'wal_sender_timeout',
          'max_logical_replication_workers',
          'max_worker_processes',
        ].map((name) => [name, parameter(name, config)]),
      ),
      sharedWith: [],
      pendingChanges: [],
      network: {
        publicAccess: true,
        openToAll: open || rules.some(({ value }) => value === '0.0.0.0/0'),
        rules: rules.map((rule) => ({
          id: rule.uuid ?? rule.value,
          source: rule.type === 'ip_addr' ? rule.value : `${rule.type}:${rule.value}`,
          ...(rule.description === undefined ? {} : { description: rule.description }),
        })),
        fixed: undefined,
      },
      replicationUsers: users.filter(replicates).map(({ name }) => name),
      remarks: open
        ? [
            'No trusted source is set, so everybody may try to connect. The first rule closes the database to all others: setup adds one only with --close-firewall.',
          ]
        : [],
      vendor: { users: users.map(({ name }) => name), rules: rules.length },
    };
  }

  plan(facts: ControlFacts, wanted: CloudWanted): readonly (ApiStep | HandStep)[] {
    if (facts.refused !== undefined) return [];
    return [...configSteps(facts, wanted), ...userSteps(facts, wanted), ...firewallSteps(facts, wanted)];
  }

  planUndo(facts: ControlFacts): readonly (ApiStep | HandStep)[] {
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
        : apiStep({
            id: `do.undo.firewall ${rule.source}`,
            title: `Take away the rule for ${rule.source}`,
            precondition: 'the rule bears our mark, and another rule remains',
            request: `PUT /v2/databases/${facts.resource}/firewall  without ${rule.source}`,
            call: { kind: 'disallow', arguments: { address: rule.source } },
          }),
    );
  }

  async state(step: ApiStep, signal?: AbortSignal): Promise<StepState> {
    const call = step.call as unknown as Call;
    switch (call.kind) {
      case 'config': {
        const config = await this.#config(signal);
        if (Object.entries(call.arguments.values).some(([name, value]) => tooLittle(text(config[name]), String(value)))) return 'todo';
        return (await this.#database(signal)).status === 'online' ? 'done' : 'underway';
      }
      case 'user':
        return (await this.#users(signal)).some((user) => user.name === call.arguments.name && replicates(user)) ? 'done' : 'todo';
      case 'allow': {
        const rules = await this.#rules(signal);
        return missing(rules, call.arguments.addresses).length === 0 ? 'done' : 'todo';
      }
      case 'disallow':
        return (await this.#rules(signal)).some((rule) => isOurs(rule, call.arguments.address)) ? 'todo' : 'done';
      default:
        return unreachable(call);
    }
  }

  async apply(step: ApiStep, progress: Progress, signal?: AbortSignal): Promise<void> {
    const call = step.call as unknown as Call;
    const state = await this.state(step, signal);
    if (state === 'done') return;
    if (state === 'todo')
      await change({
        operation: operationOf(call),
        send: () => this.#send(call, signal),
        done: async () => ((await this.state(step, signal)) === 'todo' ? undefined : true),
        trouble,
        translate: (error, operation) => this.#translate(error, operation),
        patience: this.#patience,
        progress,
        signal,
      });
    await waitUntil(
      {
        what: step.title,
        where: `doctl databases get ${this.#id ?? this.#name}`,
        timeoutMs: step.restarts ? this.#patience.restartTimeoutMs : this.#patience.operationTimeoutMs,
        patience: this.#patience,
        progress,
        signal,
      },
      async () => {
        const now = await this.state(step, signal);
        if (now === 'todo' && call.kind === 'allow')
          throw millraceError('CLOUD_CHANGED_MEANWHILE', {
            what: 'the firewall',
            reason: 'A rule that was just added is gone: somebody else writes the list at the same time.',
          });
        return { done: now === 'done', seen: now === 'done' ? 'done' : ((await this.#database(signal)).status ?? now) };
      },
    );
  }

  async password(role: string, signal?: AbortSignal): Promise<string | undefined> {
    const user = (await this.#users(signal)).find(({ name }) => name === role);
    return user?.password === '' ? undefined : user?.password;
  }

  // ------------------------------------------------------------------------------------------------ writing

  async #send(call: Call, signal: AbortSignal | undefined): Promise<true> {
    const base = `/v2/databases/${await this.#identify(signal)}`;
    switch (call.kind) {
      case 'config':
        await this.#request('PATCH', `${base}/config`, { config: call.arguments.values }, signal);
        return true;
      case 'user': {
        const { name } = call.arguments;
        const exists = (await this.#users(signal)).some((user) => user.name === name);
        const settings = { pg_allow_replication: true };
        if (exists) await this.#request('PUT', `${base}/users/${encodeURIComponent(name)}`, { settings }, signal);
        else await this.#request('POST', `${base}/users`, { name, settings }, signal);
        return true;
      }
      case 'allow': {
        // No ETag: the list is read immediately before it is written, and looked at again after.
        const present = await this.#rules(signal);
        if (present.length === 0 && !call.arguments.closes)
          throw millraceError('CLOUD_CHANGED_MEANWHILE', {
            what: 'the firewall',
            reason: 'Its list has become empty, which lets everybody in; a rule of ours would now close the database to all others.',
          });
        const added = missing(present, call.arguments.addresses).map((value) => ({ type: 'ip_addr', value, description: MARK }));
        if (present.length + added.length > RULES_MAX)
          throw millraceError('CLOUD_REFUSED', {
            operation: 'the rule',
            resource: this.resource,
            reason: `There are ${present.length} rules; DigitalOcean takes ${RULES_MAX}.`,
          });
        if (added.length > 0) await this.#request('PUT', `${base}/firewall`, { rules: [...present.map(writable), ...added] }, signal);
        return true;
      }
      case 'disallow': {
        const present = await this.#rules(signal);
        const kept = present.filter((rule) => !isOurs(rule, call.arguments.address));
        if (kept.length === 0)
          throw millraceError('CLOUD_CHANGED_MEANWHILE', {
            what: 'the firewall',
            reason: 'Ours is the last rule now, and an empty list lets everybody in.',
          });
        await this.#request('PUT', `${base}/firewall`, { rules: kept.map(writable) }, signal);
        return true;
      }
      default:
        return unreachable(call);
    }
  }

  // ------------------------------------------------------------------------------------------------ reading

  async #identify(signal: AbortSignal | undefined): Promise<string> {
    if (this.#id !== undefined) return this.#id;
    if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(this.#name)) this.#id = this.#name.toLowerCase();
    else {
      const { databases = [] } = await this.#read<{ databases?: Database[] }>('/v2/databases', signal);
      this.#id = databases.find(({ name }) => name === this.#name)?.id;
      if (this.#id === undefined)
        throw millraceError('CLOUD_NOT_FOUND', {
          resource: this.resource,
          reason: `No cluster of this account has that name.`,
          mend: 'Look at `doctl databases list`, and take the ID.',
        });
    }
    return this.#id;
  }

  async #database(signal: AbortSignal | undefined): Promise<Database> {
    return (await this.#read<{ database: Database }>(`/v2/databases/${await this.#identify(signal)}`, signal)).database;
  }

  async #config(signal: AbortSignal | undefined): Promise<Config> {
    return (await this.#read<{ config: Config }>(`/v2/databases/${await this.#identify(signal)}/config`, signal)).config;
  }

  async #rules(signal: AbortSignal | undefined): Promise<readonly Rule[]> {
    return (await this.#read<{ rules?: Rule[] }>(`/v2/databases/${await this.#identify(signal)}/firewall`, signal)).rules ?? [];
  }

  async #users(signal: AbortSignal | undefined): Promise<readonly User[]> {
    return (await this.#read<{ users?: User[] }>(`/v2/databases/${await this.#identify(signal)}/users`, signal)).users ?? [];
  }

  #read<T>(path: string, signal: AbortSignal | undefined): Promise<T> {
    return read({
      operation: `GET ${path}`,
      send: () => this.#request('GET', path, undefined, signal) as Promise<T>,
      trouble,
      translate: (error, operation) => this.#translate(error, operation),
      patience: this.#patience,
      signal,
    });
  }

  async #request(method: string, path: string, body: unknown, signal: AbortSignal | undefined): Promise<unknown> {
    if (this.#token === undefined) throw new HttpError(401, 'neither DIGITALOCEAN_ACCESS_TOKEN nor DIGITALOCEAN_TOKEN is set');
    const limit = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
    const response = await fetch(`${this.#url}${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: signal === undefined ? limit : AbortSignal.any([signal, limit]),
    });
    const answer = await response.text();
    if (!response.ok) throw new HttpError(response.status, messageOf(answer) ?? response.statusText);
    return answer === '' ? undefined : JSON.parse(answer);
  }

  #translate(error: unknown, operation: string): Error {
    if (!(error instanceof HttpError)) return error instanceof Error ? error : new Error(String(error));
    const reason = `${error.status}: ${error.message}`;
    if (error.status === 401)
      return millraceError(
        'CLOUD_CREDENTIALS',
        {
          cloud: 'DigitalOcean',
          reason,
          mend: 'export DIGITALOCEAN_ACCESS_TOKEN=…  (a token with the scopes database:read, database:update, database:create)',
        },
        error,
      );
    if (error.status === 403)
      return millraceError(
        'CLOUD_DENIED',
        {
          operation,
          resource: this.resource,
          reason,
          right: operation.startsWith('GET') ? 'database:read' : operation.startsWith('POST') ? 'database:create' : 'database:update',
        },
        error,
      );
    if (error.status === 404)
      return millraceError(
        'CLOUD_NOT_FOUND',
        { resource: this.resource, reason, mend: 'Look at `doctl databases list`, and take the ID.' },
        error,
      );
    return millraceError('CLOUD_REFUSED', { operation, resource: this.resource, reason }, error);
  }
}

function trouble(error: unknown): Trouble {
  if (error instanceof HttpError) {
    if (error.status === 429) return 'throttled';
    if (error.status === 409 || error.status === 412) return 'busy';
    return error.status >= 500 ? 'lost' : 'final';
  }
  return connectionBroke(error) ? 'lost' : 'final';
}

function messageOf(body: string): string | undefined {
  try {
    const parsed: unknown = JSON.parse(body);
    return typeof parsed === 'object' && parsed !== null && 'message' in parsed && typeof parsed.message === 'string'
      ? parsed.message
      : undefined;
  } catch (error) {
    return reasonOf(error);
  }
}

function operationOf(call: Call): string {
  return { config: 'PATCH config', user: 'PUT user', allow: 'PUT firewall', disallow: 'PUT firewall' }[call.kind];
}

function replicates(user: User): boolean {
  return user.role === 'primary' || user.settings?.pg_allow_replication === true;
}

function writable({ type, value, description }: Rule): Rule {
  return { type, value, ...(description === undefined ? {} : { description }) };
}

function missing(rules: readonly Rule[], addresses: readonly string[]): string[] {
  return addresses.filter((address) => !rules.some((rule) => rule.type === 'ip_addr' && covers(rule.value, address))).map(written);
}

function isOurs(rule: Rule, address: string): boolean {
  return rule.type === 'ip_addr' && rule.value === address && rule.description === MARK;
}

function text(value: unknown): string | undefined {
  return typeof value === 'number' || typeof value === 'string' ? String(value) : undefined;
}

function parameter(name: string, config: Config): ControlParameter {
  const range = RANGES[name];
  return {
    value: text(config[name]),
    pendingRestart: false,
    restarts: true,
    modifiable: range !== undefined || name === 'max_slot_wal_keep_size' || name === 'wal_sender_timeout',
    ...(range === undefined ? {} : { allowed: `${range.least}-${range.most}` }),
  };
}
