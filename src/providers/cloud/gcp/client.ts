/**
 * Cloud SQL for PostgreSQL through the official client of the Admin API. Flags and authorised networks are lists that a PATCH replaces whole: each is read, added to and written under the
 * settingsVersion it was read with, so that somebody else's edit in between makes the server refuse ours (412) and we read again. A flag that needs it restarts the instance by itself.
 */
import { millraceError } from '../../../base/errors.ts';
import type { CloudApi, Control, Progress, StepState } from '../../model.ts';
import { change, lookRepeatedly, read, waitUntil, type Patience, type Service } from '../patience.ts';
import { controlOf, type CallStep, type Carrier } from '../steps.ts';
import {
  gcpError,
  gcpTrouble,
  type FlagKind,
  type GcpName,
  type Instance,
  type Operation,
  type Options,
  type Reply,
  type SqlAdmin,
} from './calls.ts';
import { factsOf, isRunning, mayRestart } from './database.ts';
import { planGcp, undoGcp } from './plan.ts';
import { changed, type Call } from './requests.ts';

const REQUEST_TIMEOUT_MS = 30_000;

type Step = CallStep<Call>;

export class GcpCloud implements CloudApi, Carrier<Call> {
  readonly resource: string;
  readonly #name: GcpName;
  readonly #api: SqlAdmin;
  readonly #service: Service;
  /** Restarts that this client has brought about: nothing in the control plane shows that one has happened. */
  readonly #restarted = new Set<string>();

  constructor(resource: string, name: GcpName, api: SqlAdmin, patience: Patience) {
    this.resource = resource;
    this.#name = name;
    this.#api = api;
    this.#service = { trouble: gcpTrouble, translate: gcpError(resource), patience };
  }

  async observe(signal?: AbortSignal): Promise<Control> {
    const instance = await this.#instance(signal);
    const kinds = await this.#flagKinds(instance.databaseVersion, signal);
    const running = (await this.#operations(signal)).filter(isRunning);
    const facts = factsOf(this.#name, instance, kinds);
    const restarting = running.filter(mayRestart).map(({ name }) => name);
    return controlOf(
      facts,
      { plan: (wanted) => planGcp(this.#name, facts, restarting, wanted), planUndo: () => undoGcp(this.#name, facts) },
      this,
    );
  }

  async state(step: Step, signal?: AbortSignal): Promise<StepState> {
    const { call } = step;
    if (call.kind === 'restart') {
      if (this.#restarted.has(step.id)) return 'done';
      // A run that was broken off has left this running, and it restarts: that is the restart that was planned.
      const awaited = (await this.#operations(signal)).filter(({ name }) => call.awaits.includes(name));
      if (awaited.some(isRunning)) return 'underway';
      return awaited.some(({ error }) => error === undefined) ? 'done' : 'todo';
    }
    const settings = (await this.#instance(signal)).settings ?? {};
    if (changed(call, settings) !== undefined) return 'todo';
    return (await this.#operations(signal)).some(isRunning) ? 'underway' : 'done';
  }

  async apply(step: Step, progress: Progress, signal?: AbortSignal): Promise<void> {
    const { call } = step;
    await this.#quiet(step, progress, signal);
    if ((await this.state(step, signal)) === 'done') return;
    const before = new Set((await this.#operations(signal)).map(({ name }) => name));
    const outcome = await change<Operation | 'there'>({
      operation: call.kind === 'restart' ? 'POST restart' : 'PATCH instance',
      send: () => this.#send(call, signal),
      done: async () => {
        if (call.kind === 'restart') {
          const ours = ({ name, operationType }: Operation): boolean => !before.has(name) && operationType === 'RESTART';
          return lookRepeatedly(async () => (await this.#operations(signal)).find(ours), this.#service.patience, signal);
        }
        // Whose operation it is cannot be told: what counts is what the settings say when all is quiet.
        await this.#quiet(step, progress, signal);
        return (await this.state(step, signal)) === 'todo' ? undefined : 'there';
      },
      ...this.#service,
      progress,
      signal,
    });
    if (outcome !== 'there') await this.#follow(outcome, step, progress, signal);
    if (call.kind === 'restart') this.#restarted.add(step.id);
    if ((await this.state(step, signal)) === 'todo')
      throw millraceError('CLOUD_CHANGED_MEANWHILE', {
        what: `the instance ${this.#name.instance}`,
        reason: 'What was just written is gone: somebody else writes the settings at the same time.',
      });
  }

  // ------------------------------------------------------------------------------------------------ requests

  async #send(call: Call, signal: AbortSignal | undefined): Promise<Operation | 'there'> {
    const options = this.#options(signal);
    if (call.kind === 'restart') return (await this.#api.instances.restart(this.#name, options)).data;
    // Read at once before the write, at every try: under this version nobody else's edit can be lost.
    const { settings = {} } = (await this.#api.instances.get(this.#name, options)).data;
    const wanted = changed(call, settings);
    if (wanted === undefined) return 'there';
    const requestBody = { settings: { settingsVersion: settings.settingsVersion, ...wanted } };
    return (await this.#api.instances.patch({ ...this.#name, requestBody }, options)).data;
  }

  /** Waits until nothing runs. */
  async #quiet(step: Step, progress: Progress, signal: AbortSignal | undefined): Promise<void> {
    for (const operation of (await this.#operations(signal)).filter(isRunning))
      await this.#follow(operation, step, progress, signal, false);
  }

  async #follow(operation: Operation, step: Step, progress: Progress, signal: AbortSignal | undefined, isOurs = true): Promise<void> {
    await waitUntil(
      this.#service.patience,
      {
        what: `operation ${operation.operationType ?? ''} ${operation.name ?? ''}`,
        where: `gcloud sql operations list --instance ${this.#name.instance} --project ${this.#name.project}`,
        restarts: step.restarts,
        progress,
        signal,
      },
      async () => {
        const named = { project: this.#name.project, operation: operation.name };
        const now = await this.#read('GET operation', (options) => this.#api.operations.get(named, options), signal);
        const failures = now.error?.errors ?? [];
        if (now.status === 'DONE' && failures.length > 0 && isOurs)
          throw millraceError('CLOUD_REFUSED', {
            operation: now.operationType ?? 'the operation',
            resource: this.resource,
            reason: failures.map(({ code, message }) => `${code}: ${message ?? ''}`).join('; '),
          });
        return { done: now.status === 'DONE', seen: now.status ?? 'unknown' };
      },
    );
  }

  /** The library's own retries are off: they would send a restart twice. */
  #options(signal: AbortSignal | undefined): Options {
    return { timeout: REQUEST_TIMEOUT_MS, retry: false, ...(signal === undefined ? {} : { signal }) };
  }

  async #read<T>(operation: string, send: (options: Options) => Promise<Reply<T>>, signal: AbortSignal | undefined): Promise<T> {
    return (await read(this.#service, operation, () => send(this.#options(signal)), signal)).data;
  }

  #instance(signal: AbortSignal | undefined): Promise<Instance> {
    return this.#read('GET instance', (options) => this.#api.instances.get(this.#name, options), signal);
  }

  async #operations(signal: AbortSignal | undefined): Promise<readonly Operation[]> {
    const listed = { ...this.#name, maxResults: 20 };
    return (await this.#read('GET operations', (options) => this.#api.operations.list(listed, options), signal)).items ?? [];
  }

  async #flagKinds(databaseVersion: string | undefined, signal: AbortSignal | undefined): Promise<readonly FlagKind[]> {
    return (await this.#read('GET flags', (options) => this.#api.flags.list({ databaseVersion }, options), signal)).items ?? [];
  }
}
