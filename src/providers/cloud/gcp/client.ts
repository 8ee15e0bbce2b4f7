/**
 * Cloud SQL for PostgreSQL through the official client of the Admin API. Flags and authorised networks are lists that a PATCH replaces whole: each is read, added to and written under the
 * settingsVersion it was read with, so that somebody else's edit in between makes the server refuse ours (412) and we read again. A flag that needs it restarts the instance by itself.
 */
import { unreachable } from '../../../base/assert.ts';
import { millraceError, reasonOf } from '../../../base/errors.ts';
import type { ApiStep, CloudApi, CloudWanted, ControlFacts, ControlParameter, HandStep, Progress, StepState } from '../../model.ts';
import { cidr, covers, parseRange } from '../address.ts';
import { change, connectionBroke, lookRepeatedly, read, waitUntil, type Patience, type Trouble } from '../patience.ts';
import { apiStep, handStep, MARK, spelled, tooLittle, toRaise } from '../steps.ts';
import type { FlagKind, GcpName, Instance, Operation, Options, Settings, SqlAdmin } from './library.ts';

const REQUEST_TIMEOUT_MS = 30_000;
const SWITCH = 'cloudsql.logical_decoding';
const KEPT =
  /^(cloudsql\.logical_decoding|cloudsql\.iam_authentication|max_replication_slots|max_wal_senders|max_worker_processes|max_logical_replication_workers|max_slot_wal_keep_size|wal_sender_timeout|idle_replication_slot_timeout)$/;

type Call =
  | { kind: 'flags'; arguments: { values: Record<string, string> } }
  | { kind: 'networks'; arguments: { addresses: readonly string[] } }
  | { kind: 'networks-remove'; arguments: { address: string } }
  | { kind: 'restart'; arguments: { awaits: readonly (string | undefined)[] } };

export class GcpCloud implements CloudApi {
  readonly provider = 'cloudsql';
  readonly resource: string;
  readonly #name: GcpName;
  readonly #api: SqlAdmin;
  readonly #patience: Patience;
  /** Restarts that this client has brought about: nothing in the control plane shows that one has happened. */
  readonly #restarted = new Set<string>();

  constructor(resource: string, name: GcpName, api: SqlAdmin, patience: Patience) {
    this.resource = resource;
    this.#name = name;
    this.#api = api;
    this.#patience = patience;
  }

  async observe(signal?: AbortSignal): Promise<ControlFacts> {
    const instance = await this.#instance(signal);
    const settings = instance.settings ?? {};
    const kinds = await this.#flagKinds(instance.databaseVersion, signal);
    const running = (await this.#operations(signal)).filter(isRunning);
    const networks = settings.ipConfiguration?.authorizedNetworks ?? [];
    const state = instance.state ?? 'unknown';
    const stopped = settings.activationPolicy === 'NEVER' || state === 'SUSPENDED' || state === 'STOPPED';
    const isPublic = settings.ipConfiguration?.ipv4Enabled !== false;
    return {
      provider: this.provider,
      variant: instance.masterInstanceName === undefined ? 'instance' : 'read-replica',
      resource: `${this.#name.project}:${this.#name.instance}`,
      version: instance.databaseInstalledVersion ?? instance.databaseVersion ?? '',
      status: state,
      quiet: state === 'RUNNABLE' && running.length === 0,
      refused: stopped
        ? {
            reason: `the instance is ${state === 'RUNNABLE' ? 'stopped' : state}`,
            wayOut: `gcloud sql instances patch ${this.#name.instance} --activation-policy=ALWAYS --project ${this.#name.project}`,
          }
        : undefined,
      parameters: Object.fromEntries(
        kinds
          .filter(({ name }) => KEPT.test(name ?? ''))
          .map((kind) => [kind.name, parameter(kind, settings.databaseFlags?.find(({ name }) => name === kind.name)?.value)]),
      ),
      sharedWith: [],
      pendingChanges: [],
      network: {
        publicAccess: isPublic,
        openToAll: networks.some(({ value }) => value === '0.0.0.0/0'),
        rules: networks.map((entry) => ({
          id: entry.name ?? entry.value ?? '',
          source: entry.value ?? '',
          ...(entry.name === undefined ? {} : { description: entry.name }),
        })),
        fixed: isPublic ? undefined : 'the instance has a private address only, where authorised networks do not apply',
      },
      remarks: [
        ...(settings.storageAutoResize === false
          ? []
          : ['Storage grows by itself and never shrinks: a slot that nobody reads becomes a bill.']),
        ...(settings.ipConfiguration?.sslMode === 'TRUSTED_CLIENT_CERTIFICATE_REQUIRED'
          ? ['Clients need a certificate of their own (sslMode TRUSTED_CLIENT_CERTIFICATE_REQUIRED).']
          : []),
      ],
      vendor: { restarting: running.filter(mayRestart).map(({ name }) => name) },
    };
  }

  plan(facts: ControlFacts, wanted: CloudWanted): readonly (ApiStep | HandStep)[] {
    if (facts.refused !== undefined) return [];
    const values: Record<string, string> = {};
    const isOn = facts.parameters[SWITCH]?.value === 'on';
    if (wanted.logicalDecoding && !isOn) values[SWITCH] = 'on';
    for (const [name, least] of toRaise(facts.parameters, wanted.parameters)) values[name] = least;
    const steps = this.#networkSteps(facts, wanted);
    // The change of a flag restarts by itself, so it comes last, in the place of a restart.
    if (Object.keys(values).length > 0) steps.push(this.#flagStep(facts, values));
    else if (wanted.logicalDecoding && isOn && !wanted.logicalDecodingLive)
      steps.push(this.#restartStep((facts.vendor as { restarting: readonly (string | undefined)[] }).restarting));
    return steps;
  }

  planUndo(facts: ControlFacts): readonly (ApiStep | HandStep)[] {
    return facts.network.rules
      .filter(({ description }) => description === MARK)
      .map(({ source }) =>
        apiStep({
          id: `gcp.undo.network ${source}`,
          title: `Take the authorised network ${source} away`,
          precondition: 'its name is our mark',
          request: `PATCH ${this.#path} settings.ipConfiguration.authorizedNetworks without ${source}`,
          call: { kind: 'networks-remove', arguments: { address: source } },
        }),
      );
  }

  async state(step: ApiStep, signal?: AbortSignal): Promise<StepState> {
    const call = step.call as unknown as Call;
    if (call.kind === 'restart') {
      if (this.#restarted.has(step.id)) return 'done';
      // A run that was broken off has left this running, and it restarts: that is the restart that was planned.
      const awaited = (await this.#operations(signal)).filter(({ name }) => call.arguments.awaits.includes(name));
      if (awaited.some(isRunning)) return 'underway';
      return awaited.some(({ error }) => error === undefined) ? 'done' : 'todo';
    }
    const settings = (await this.#instance(signal)).settings ?? {};
    if (changed(call, settings) !== undefined) return 'todo';
    return (await this.#operations(signal)).some(isRunning) ? 'underway' : 'done';
  }

  async apply(step: ApiStep, progress: Progress, signal?: AbortSignal): Promise<void> {
    const call = step.call as unknown as Call;
    await this.#quiet(step, progress, signal);
    if ((await this.state(step, signal)) === 'done') return;
    const before = new Set((await this.#operations(signal)).map(({ name }) => name));
    const outcome = await change<Operation | 'there'>({
      operation: call.kind === 'restart' ? 'POST restart' : 'PATCH instance',
      send: () => this.#send(call, signal),
      done: async () => {
        const find = async (): Promise<Operation | undefined> =>
          (await this.#operations(signal)).find(
            ({ name, operationType }) => !before.has(name) && operationType === (call.kind === 'restart' ? 'RESTART' : 'UPDATE'),
          );
        const ours = call.kind === 'restart' ? await lookRepeatedly(find, this.#patience, signal) : await find();
        if (call.kind === 'restart') return ours;
        // Whose operation it is cannot be told: what counts is what the settings say when all is quiet.
        await this.#quiet(step, progress, signal);
        return (await this.state(step, signal)) === 'todo' ? undefined : 'there';
      },
      trouble,
      translate: (error, operation) => this.#translate(error, operation),
      patience: this.#patience,
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
    return (
      await this.#api.instances.patch(
        { ...this.#name, requestBody: { settings: { settingsVersion: settings.settingsVersion, ...wanted } } },
        options,
      )
    ).data;
  }

  /** Waits until nothing runs. */
  async #quiet(step: ApiStep, progress: Progress, signal: AbortSignal | undefined): Promise<void> {
    for (const operation of (await this.#operations(signal)).filter(isRunning))
      await this.#follow(operation, step, progress, signal, false);
  }

  async #follow(operation: Operation, step: ApiStep, progress: Progress, signal: AbortSignal | undefined, isOurs = true): Promise<void> {
    await waitUntil(
      {
        what: `operation ${operation.operationType ?? ''} ${operation.name ?? ''}`,
        where: `gcloud sql operations list --instance ${this.#name.instance} --project ${this.#name.project}`,
        timeoutMs: step.restarts ? this.#patience.restartTimeoutMs : this.#patience.operationTimeoutMs,
        patience: this.#patience,
        progress,
        signal,
      },
      async () => {
        const { data } = await this.#read(
          'GET operation',
          () => this.#api.operations.get({ project: this.#name.project, operation: operation.name }, this.#options(signal)),
          signal,
        );
        const failures = data.error?.errors ?? [];
        if (data.status === 'DONE' && failures.length > 0 && isOurs)
          throw millraceError('CLOUD_REFUSED', {
            operation: data.operationType ?? 'the operation',
            resource: this.resource,
            reason: failures.map(({ code, message }) => `${code}: ${message ?? ''}`).join('; '),
          });
        return { done: data.status === 'DONE', seen: data.status ?? 'unknown' };
      },
    );
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

  async #instance(signal: AbortSignal | undefined): Promise<Instance> {
    return (await this.#read('GET instance', () => this.#api.instances.get(this.#name, this.#options(signal)), signal)).data;
  }

  async #operations(signal: AbortSignal | undefined): Promise<readonly Operation[]> {
    return (
      (
        await this.#read(
          'GET operations',
          () => this.#api.operations.list({ ...this.#name, maxResults: 20 }, this.#options(signal)),
          signal,
        )
      ).data.items ?? []
    );
  }

  async #flagKinds(databaseVersion: string | undefined, signal: AbortSignal | undefined): Promise<readonly FlagKind[]> {
    return (await this.#read('GET flags', () => this.#api.flags.list({ databaseVersion }, this.#options(signal)), signal)).data.items ?? [];
  }

  /** The library's own retries are off: they would send a restart twice. */
  #options(signal: AbortSignal | undefined): Options {
    return { timeout: REQUEST_TIMEOUT_MS, retry: false, ...(signal === undefined ? {} : { signal }) };
  }

  #translate(error: unknown, operation: string): Error {
    if (error instanceof Error && error.name === 'MillraceError') return error;
    const { status, reason: why } = failureOf(error);
    const reason = [status, why, reasonOf(error)].filter((part) => part !== undefined).join(' ');
    if (status === 401 || /default credentials|invalid_grant|invalid_rapt/i.test(reason))
      return millraceError('CLOUD_CREDENTIALS', { cloud: 'Google Cloud', reason, mend: 'gcloud auth application-default login' }, error);
    if (status === 403)
      return millraceError(
        'CLOUD_DENIED',
        {
          operation,
          resource: this.resource,
          reason,
          right: operation.startsWith('GET')
            ? 'cloudsql.instances.get'
            : operation.includes('restart')
              ? 'cloudsql.instances.restart'
              : 'cloudsql.instances.update',
        },
        error,
      );
    if (status === 404)
      return millraceError(
        'CLOUD_NOT_FOUND',
        { resource: this.resource, reason, mend: 'Look at `gcloud sql instances list`; write gcp:PROJECT:INSTANCE.' },
        error,
      );
    return millraceError('CLOUD_REFUSED', { operation, resource: this.resource, reason }, error);
  }

  // ------------------------------------------------------------------------------------------------ steps

  get #path(): string {
    return `/v1/projects/${this.#name.project}/instances/${this.#name.instance}`;
  }

  #flagStep(facts: ControlFacts, values: Record<string, string>): ApiStep {
    const list = Object.entries(values).map(([name, value]) => `${name}=${value}`);
    const restarts = Object.keys(values).some((name) => facts.parameters[name]?.restarts !== false);
    return apiStep({
      id: 'gcp.flags',
      title: `Set ${list.join(', ')}; the other flags stay${restarts ? '; Cloud SQL restarts the instance' : ''}`,
      proves: [
        ...(SWITCH in values ? (['C08', 'C09'] as const) : []),
        ...('max_replication_slots' in values ? (['C11'] as const) : []),
        ...('max_wal_senders' in values ? (['C12'] as const) : []),
      ],
      precondition: 'no other operation runs on the instance',
      request: `PATCH ${this.#path} {"settings":{"settingsVersion":…,"databaseFlags":[…the present ones…,${Object.entries(values)
        .map(([name, value]) => JSON.stringify({ name, value }))
        .join(',')}]}}`,
      restarts,
      affects: restarts ? [`every connection to ${this.#name.instance} is cut`] : [],
      cost: `${SWITCH in values ? 'More WAL; a slot that nobody reads fills the disk. ' : ''}Usually about a minute without the database.`,
      call: { kind: 'flags', arguments: { values } },
      texts: {
        cli: `gcloud sql instances patch ${this.#name.instance} --project ${this.#name.project} --database-flags=${list.join(',')}   # replaces the whole list: name the present flags, too`,
        console: `SQL → ${this.#name.instance} → Edit → Flags: add ${list.join(', ')}, Save`,
        terraform: `# in settings of google_sql_database_instance\n${Object.entries(values)
          .map(([name, value]) => `  database_flags {\n    name  = "${name}"\n    value = "${value}"\n  }`)
          .join('\n')}`,
      },
    });
  }

  #networkSteps(facts: ControlFacts, wanted: CloudWanted): (ApiStep | HandStep)[] {
    const lacking = wanted.allow.filter((address) => !facts.network.rules.some(({ source }) => covers(source, address)));
    return lacking.map((address) => {
      const range = parseRange(address);
      const fixed = facts.network.fixed ?? (range?.family === 'ipv4' ? undefined : 'authorised networks take IPv4 ranges only');
      const common = {
        id: `gcp.network ${address}`,
        title: `Authorise the network ${address}, beside the ${facts.network.rules.length} present ones`,
        proves: ['C01', 'C04'] as const,
        precondition: 'no authorised network covers the address yet',
        request: `PATCH ${this.#path} {"settings":{"settingsVersion":…,"ipConfiguration":{"authorizedNetworks":[…the present ones…,{"kind":"sql#aclEntry","name":"${MARK}","value":"${address}"}]}}}`,
        texts: {
          cli: `gcloud sql instances patch ${this.#name.instance} --project ${this.#name.project} --authorized-networks=${[...facts.network.rules.map(({ source }) => source), address].join(',')}`,
          console: `SQL → ${this.#name.instance} → Connections → Networking → Add a network: ${address}, Save`,
          terraform: `# in settings.ip_configuration of google_sql_database_instance\n  authorized_networks {\n    name  = "${MARK}"\n    value = "${address}"\n  }`,
        },
      };
      return fixed === undefined
        ? apiStep({ ...common, call: { kind: 'networks', arguments: { addresses: [address] } } })
        : handStep({ ...common, because: `${fixed}.` });
    });
  }

  #restartStep(awaits: readonly (string | undefined)[]): ApiStep {
    return apiStep({
      id: 'gcp.restart',
      title: `Restart ${this.#name.instance}: the flag is set and not live`,
      proves: ['C08', 'C09'],
      precondition: 'no other operation runs on the instance',
      request: `POST ${this.#path}/restart`,
      restarts: true,
      reversible: false,
      affects: [`every connection to ${this.#name.instance} is cut`],
      cost: 'Usually about a minute without the database.',
      call: { kind: 'restart', arguments: { awaits } },
      texts: {
        cli: `gcloud sql instances restart ${this.#name.instance} --project ${this.#name.project}`,
        console: `SQL → ${this.#name.instance} → Restart`,
      },
    });
  }
}

/** The part of the settings to write, whole; undefined: nothing is missing. */
function changed(call: Exclude<Call, { kind: 'restart' }>, settings: Settings): object | undefined {
  switch (call.kind) {
    case 'flags': {
      const present = settings.databaseFlags ?? [];
      const missing = Object.entries(call.arguments.values).filter(([name, value]) => {
        const now = present.find((flag) => flag.name === name)?.value;
        return /^\d+$/.test(value) ? tooLittle(now, value) : now !== value;
      });
      if (missing.length === 0) return undefined;
      const names = new Set(missing.map(([name]) => name));
      return {
        databaseFlags: [...present.filter(({ name }) => !names.has(name ?? '')), ...missing.map(([name, value]) => ({ name, value }))],
      };
    }
    case 'networks': {
      const present = settings.ipConfiguration?.authorizedNetworks ?? [];
      const missing = call.arguments.addresses.filter((address) => !present.some(({ value }) => covers(value ?? '', address)));
      if (missing.length === 0) return undefined;
      return {
        ipConfiguration: {
          authorizedNetworks: [
            ...present,
            ...missing.map((address) => ({ kind: 'sql#aclEntry', name: MARK, value: cidr(parseRange(address)!) })),
          ],
        },
      };
    }
    case 'networks-remove': {
      const present = settings.ipConfiguration?.authorizedNetworks ?? [];
      const kept = present.filter(({ name, value }) => name !== MARK || value !== call.arguments.address);
      return kept.length === present.length ? undefined : { ipConfiguration: { authorizedNetworks: kept } };
    }
    default:
      return unreachable(call);
  }
}

function mayRestart({ operationType }: Operation): boolean {
  return operationType === 'RESTART' || operationType === 'UPDATE';
}

function isRunning({ status }: Operation): boolean {
  return status !== 'DONE';
}

function failureOf(error: unknown): { status: number | undefined; reason: string | undefined } {
  const at = error as {
    status?: unknown;
    code?: unknown;
    response?: { status?: unknown; data?: { error?: { errors?: readonly { reason?: string }[] } } };
  } | null;
  const status = [at?.response?.status, at?.status, at?.code].map(Number).find((one) => one >= 100 && one < 600);
  return { status, reason: at?.response?.data?.error?.errors?.[0]?.reason };
}

function trouble(error: unknown): Trouble {
  const { status, reason } = failureOf(error);
  if (status === 429 || reason === 'rateLimitExceeded' || reason === 'quotaExceeded' || reason === 'userRateLimitExceeded')
    return 'throttled';
  // The settings have changed since they were read: not carried out, and to be read again.
  if (status === 412 || reason === 'conditionNotMet') return 'throttled';
  if (status === 409) return 'busy';
  if (status !== undefined) return status >= 500 ? 'lost' : 'final';
  return connectionBroke(error) ? 'lost' : 'final';
}

function parameter(kind: FlagKind, value: string | undefined): ControlParameter {
  const allowed = kind.minValue === undefined ? kind.allowedStringValues?.join(',') : `${kind.minValue}-${kind.maxValue}`;
  return {
    value: spelled(value ?? (kind.type === 'BOOLEAN' ? 'off' : undefined), kind.type === 'BOOLEAN'),
    pendingRestart: false,
    restarts: kind.requiresRestart === true,
    modifiable: true,
    ...(allowed === undefined || allowed === '' ? {} : { allowed }),
  };
}
