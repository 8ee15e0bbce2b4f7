/**
 * Azure Database for PostgreSQL, Flexible Server, through the official SDK. One management operation at a time, so every step waits for the one before; a parameter that is set and not live
 * says so itself (isConfigPendingRestart); firewall rules are upserts by name, IPv4 only, and there are none in a virtual network. The rule 0.0.0.0 means "all of Azure" and lets no address in.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { millraceError } from '../../../base/errors.ts';
import type { CloudApi, Control, Progress, StepState } from '../../model.ts';
import { change, lookRepeatedly, read, waitUntil, type Patience, type Service } from '../patience.ts';
import { controlOf, tooLittle, type CallStep, type Carrier } from '../steps.ts';
import {
  azureError,
  azureTrouble,
  type AzureName,
  type Client,
  type Configuration,
  type FirewallRule,
  type Poller,
  type Server,
} from './calls.ts';
import { factsOf, isIsolated, letsIn, STOPPED, waitsForRestart } from './database.ts';
import { cliNames, planAzure, undoAzure } from './plan.ts';
import { OPERATIONS, request, type Call } from './requests.ts';

type Step = CallStep<Call>;

export class AzureCloud implements CloudApi, Carrier<Call> {
  readonly resource: string;
  readonly #name: AzureName;
  readonly #client: Client;
  readonly #service: Service;
  readonly #restarted = new Set<string>();

  constructor(resource: string, name: AzureName, client: Client, patience: Patience) {
    this.resource = resource;
    this.#name = name;
    this.#client = client;
    this.#service = { trouble: azureTrouble, translate: azureError(resource), patience };
  }

  async observe(signal?: AbortSignal): Promise<Control> {
    const server = await this.#server(signal);
    const [configurations, rules] = await Promise.all([this.#configurations(signal), isIsolated(server) ? [] : this.#rules(signal)]);
    const facts = factsOf(this.#name, server, configurations, rules);
    return controlOf(facts, { plan: (wanted) => planAzure(this.#name, facts, wanted), planUndo: () => undoAzure(this.#name, facts) }, this);
  }

  async state(step: Step, signal?: AbortSignal): Promise<StepState> {
    const { call } = step;
    switch (call.kind) {
      case 'set': {
        const { name, value } = call;
        const present = (await this.#configurations(signal)).find((one) => one.name === name)?.value;
        const isThere = present === value || (/^\d+$/.test(value) && !tooLittle(present, value));
        if (!isThere) return 'todo';
        return (await this.#server(signal)).state === 'Updating' ? 'underway' : 'done';
      }
      case 'firewall':
        return (await this.#rules(signal)).some((rule) => letsIn(rule, call.address)) ? 'done' : 'todo';
      case 'firewall-delete':
        return (await this.#rules(signal)).some(({ name }) => name === call.rule) ? 'todo' : 'done';
      case 'restart': {
        const { state } = await this.#server(signal);
        if (state !== undefined && STOPPED.test(state))
          throw millraceError('CLOUD_REFUSED', { operation: 'the restart', resource: this.resource, reason: `the server is ${state}` });
        if (state === 'Restarting') return 'underway';
        if (state !== 'Ready') return this.#restarted.has(step.id) ? 'underway' : 'todo';
        if ((await this.#configurations(signal)).some(waitsForRestart)) return this.#restarted.has(step.id) ? 'underway' : 'todo';
        return call.unconditional && !this.#restarted.has(step.id) ? 'todo' : 'done';
      }
    }
  }

  async apply(step: Step, progress: Progress, signal?: AbortSignal): Promise<void> {
    const { call } = step;
    const state = await this.state(step, signal);
    if (state === 'done') return;
    const restarts = call.kind === 'restart';
    const wait = {
      what: restarts ? `restart of ${this.#name.server}` : step.title,
      where: `az postgres flexible-server show ${cliNames(this.#name)}`,
      restarts: step.restarts,
      progress,
      signal,
    };
    if (state === 'todo') {
      const options = { ...(signal === undefined ? {} : { abortSignal: signal }), updateIntervalInMs: this.#service.patience.pollMs };
      const alreadyThere = async (): Promise<'there' | undefined> => ((await this.state(step, signal)) === 'todo' ? undefined : 'there');
      const outcome = await change<Poller | 'there'>({
        operation: OPERATIONS[call.kind],
        send: () => request(this.#client, this.#name, call, options),
        done: restarts ? () => lookRepeatedly(alreadyThere, this.#service.patience, signal) : alreadyThere,
        ...this.#service,
        progress,
        signal,
      });
      if (outcome !== 'there') await waitUntil(this.#service.patience, wait, () => this.#poll(outcome, OPERATIONS[call.kind]));
      if (restarts) this.#restarted.add(step.id);
    }
    await waitUntil(this.#service.patience, wait, async () => {
      const now = await this.state(step, signal);
      return { done: now === 'done', seen: now === 'done' ? 'done' : ((await this.#server(signal)).state ?? now) };
    });
  }

  async #poll(poller: Poller, operation: string): Promise<{ done: boolean; seen: string }> {
    if (poller.isDone()) return { done: true, seen: 'Succeeded' };
    try {
      await poller.poll();
    } catch (error) {
      // A look that failed is no failed operation.
      if (azureTrouble(error) === 'final') throw this.#service.translate(error, operation);
      await sleep(this.#service.patience.retryMs);
    }
    return { done: poller.isDone(), seen: poller.isDone() ? 'Succeeded' : 'InProgress' };
  }

  #read<T>(what: string, send: (group: string, server: string) => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    return read(this.#service, `GET ${what}`, () => send(this.#name.group, this.#name.server), signal);
  }

  #server(signal: AbortSignal | undefined): Promise<Server> {
    return this.#read('server', (group, server) => this.#client.servers.get(group, server, { abortSignal: signal }), signal);
  }

  #configurations(signal: AbortSignal | undefined): Promise<Configuration[]> {
    const { configurations } = this.#client;
    return this.#read('configurations', (...names) => all(configurations.listByServer(...names, { abortSignal: signal })), signal);
  }

  #rules(signal: AbortSignal | undefined): Promise<FirewallRule[]> {
    const { firewallRules } = this.#client;
    return this.#read('firewallRules', (...names) => all(firewallRules.listByServer(...names, { abortSignal: signal })), signal);
  }
}

async function all<T>(pages: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of pages) items.push(item);
  return items;
}
