/**
 * DigitalOcean Managed PostgreSQL, by plain fetch: its SDK is 93 MB for six calls of JSON. The traps: a PUT of the firewall replaces all rules and has no guard against a second writer,
 * an empty list lets everybody in, `pg_allow_replication` left out means false, and max_wal_senders can never be lowered. There is no operation to follow: the status is polled.
 */
import { millraceError } from '../../../base/errors.ts';
import type { CloudApi, Control, Progress, StepState } from '../../model.ts';
import { change, read, waitUntil, type Patience, type Service } from '../patience.ts';
import { controlOf, tooLittle, type CallStep, type Carrier } from '../steps.ts';
import { DigitalOceanCalls, digitalOceanError, digitalOceanTrouble, type Config, type Database, type Rule, type User } from './calls.ts';
import { factsOf, replicates, text } from './database.ts';
import { planDigitalOcean, undoDigitalOcean } from './plan.ts';
import { isOurs, missing, OPERATIONS, withAllowed, withoutAllowed, type Call } from './requests.ts';

type Step = CallStep<Call>;

export class DigitalOceanCloud implements CloudApi, Carrier<Call> {
  readonly resource: string;
  readonly #name: string;
  readonly #calls: DigitalOceanCalls;
  readonly #service: Service;
  #id: string | undefined;

  constructor(resource: string, name: string, environment: NodeJS.ProcessEnv, patience: Patience) {
    this.resource = resource;
    this.#name = name;
    this.#calls = new DigitalOceanCalls(environment);
    this.#service = { trouble: digitalOceanTrouble, translate: digitalOceanError(resource), patience };
  }

  async observe(signal?: AbortSignal): Promise<Control> {
    const id = await this.#identify(signal);
    const database = await this.#database(signal);
    const [config, rules, users] = await Promise.all([this.#config(signal), this.#rules(signal), this.#users(signal)]);
    const facts = factsOf(id, database, config, rules, users);
    const names = users.map(({ name }) => name);
    return controlOf(facts, { plan: (wanted) => planDigitalOcean(facts, names, wanted), planUndo: () => undoDigitalOcean(facts) }, this);
  }

  async state(step: Step, signal?: AbortSignal): Promise<StepState> {
    const { call } = step;
    switch (call.kind) {
      case 'config': {
        const config = await this.#config(signal);
        if (Object.entries(call.values).some(([name, value]) => tooLittle(text(config[name]), String(value)))) return 'todo';
        return (await this.#database(signal)).status === 'online' ? 'done' : 'underway';
      }
      case 'user':
        return (await this.#users(signal)).some((user) => user.name === call.name && replicates(user)) ? 'done' : 'todo';
      case 'allow': {
        const rules = await this.#rules(signal);
        return missing(rules, call.addresses).length === 0 ? 'done' : 'todo';
      }
      case 'disallow':
        return (await this.#rules(signal)).some((rule) => isOurs(rule, call.address)) ? 'todo' : 'done';
    }
  }

  async apply(step: Step, progress: Progress, signal?: AbortSignal): Promise<void> {
    const { call } = step;
    const state = await this.state(step, signal);
    if (state === 'done') return;
    if (state === 'todo')
      await change({
        operation: OPERATIONS[call.kind],
        send: () => this.#send(call, signal),
        done: async () => ((await this.state(step, signal)) === 'todo' ? undefined : true),
        ...this.#service,
        progress,
        signal,
      });
    await waitUntil(
      this.#service.patience,
      {
        what: step.title,
        where: `doctl databases get ${this.#id ?? this.#name}`,
        restarts: step.restarts,
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

  async #send(call: Call, signal: AbortSignal | undefined): Promise<true> {
    const base = `/v2/databases/${await this.#identify(signal)}`;
    switch (call.kind) {
      case 'config':
        await this.#calls.send('PATCH', `${base}/config`, { config: call.values }, signal);
        return true;
      case 'user': {
        const { name } = call;
        const exists = (await this.#users(signal)).some((user) => user.name === name);
        const settings = { pg_allow_replication: true };
        if (exists) await this.#calls.send('PUT', `${base}/users/${encodeURIComponent(name)}`, { settings }, signal);
        else await this.#calls.send('POST', `${base}/users`, { name, settings }, signal);
        return true;
      }
      case 'allow':
      case 'disallow': {
        // No ETag: the list is read immediately before it is written, and looked at again after.
        const present = await this.#rules(signal);
        const rules = call.kind === 'allow' ? withAllowed(this.resource, present, call) : withoutAllowed(present, call.address);
        if (rules !== undefined) await this.#calls.send('PUT', `${base}/firewall`, { rules }, signal);
        return true;
      }
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
    return (await this.#part<{ database: Database }>('', signal)).database;
  }

  async #config(signal: AbortSignal | undefined): Promise<Config> {
    return (await this.#part<{ config: Config }>('/config', signal)).config;
  }

  async #rules(signal: AbortSignal | undefined): Promise<readonly Rule[]> {
    return (await this.#part<{ rules?: Rule[] }>('/firewall', signal)).rules ?? [];
  }

  async #users(signal: AbortSignal | undefined): Promise<readonly User[]> {
    return (await this.#part<{ users?: User[] }>('/users', signal)).users ?? [];
  }

  async #part<T>(part: string, signal: AbortSignal | undefined): Promise<T> {
    return this.#read<T>(`/v2/databases/${await this.#identify(signal)}${part}`, signal);
  }

  #read<T>(path: string, signal: AbortSignal | undefined): Promise<T> {
    return read(this.#service, `GET ${path}`, () => this.#calls.send('GET', path, undefined, signal) as Promise<T>, signal);
  }
}
