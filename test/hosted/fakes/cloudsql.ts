/**
 * The Cloud SQL Admin API for one instance, imitated over one dressed Postgres: lists that a PATCH replaces whole, a settingsVersion that must be the present one (412), one operation at a time
 * (409), operations PENDING → RUNNING → DONE (with an error, perhaps), and a restart of its own when a flag needs one.
 */
import { ControlPlane, json, type Controlled, type FakeAnswer, type FakeRequest, type Vendor } from './control-plane.ts';

interface Flag {
  readonly name: string;
  readonly value: string;
}
interface AclEntry {
  readonly kind?: string;
  readonly name?: string;
  readonly value: string;
}
interface Operation {
  readonly name: string;
  readonly operationType: 'UPDATE' | 'RESTART';
  status: 'PENDING' | 'RUNNING' | 'DONE';
  /** Takes effect when it starts to run; the operation is done when this has ended. */
  readonly effect: () => Promise<void>;
  failure: string | undefined;
}

interface FlagKind {
  readonly name: string;
  readonly type: 'BOOLEAN' | 'INTEGER';
  readonly requiresRestart: boolean;
  readonly minValue?: string;
  readonly maxValue?: string;
}
const FLAGS: readonly FlagKind[] = [
  { name: 'cloudsql.logical_decoding', type: 'BOOLEAN', requiresRestart: true },
  { name: 'cloudsql.iam_authentication', type: 'BOOLEAN', requiresRestart: false },
  { name: 'max_replication_slots', type: 'INTEGER', requiresRestart: true, minValue: '10', maxValue: '262143' },
  { name: 'max_wal_senders', type: 'INTEGER', requiresRestart: true, minValue: '10', maxValue: '262143' },
  { name: 'log_min_duration_statement', type: 'INTEGER', requiresRestart: false, minValue: '-1', maxValue: '2147483647' },
];
const ROOT = '/v1/projects/shop-project/instances/shop';

export class CloudSqlFake implements Vendor {
  readonly plane = new ControlPlane(this);
  readonly resource = 'gcp:shop-project:shop';
  flags: Flag[] = [];
  networks: AclEntry[] = [];
  settingsVersion = 7;
  ipv4Enabled = true;
  restartFails = false;
  failNext: string | undefined;
  restarts = 0;
  readonly #server: Controlled;
  readonly #operations: Operation[] = [];

  constructor(server: Controlled) {
    this.#server = server;
    this.#openGate();
  }

  get url(): string {
    return this.plane.url;
  }

  get environment(): Record<string, string> {
    return { CLOUDSDK_API_ENDPOINT_OVERRIDES_SQL: this.url, GOOGLE_OAUTH_ACCESS_TOKEN: 'example' };
  }

  operation({ method, path }: FakeRequest): string {
    if (path.startsWith('/v1/flags')) return `${method} flags`;
    if (path.includes('/operations/')) return `${method} operation`;
    if (path.endsWith('/operations')) return `${method} operations`;
    return `${method} ${path.endsWith('/restart') ? 'restart' : 'instance'}`;
  }

  answer(request: FakeRequest, operation: string): Promise<FakeAnswer> {
    return Promise.resolve(this.#answer(request, operation));
  }

  throttled(): FakeAnswer {
    return failure(429, 'rateLimitExceeded', 'Quota exceeded.');
  }

  busy(): FakeAnswer {
    return failure(409, 'operationInProgress', 'Operation failed because another operation was already in progress.');
  }

  /** Somebody else's edit: as any, it raises the version. */
  edit(change: { flags?: readonly Flag[]; networks?: readonly AclEntry[] }): void {
    if (change.flags !== undefined) this.flags = [...change.flags];
    if (change.networks !== undefined) this.networks = [...change.networks];
    this.settingsVersion++;
    this.#openGate();
  }

  #answer(request: FakeRequest, operation: string): FakeAnswer {
    if (request.headers.authorization !== 'Bearer example') return failure(401, 'authError', 'Invalid Credentials');
    for (const running of this.#operations) this.#age(running);
    if (operation === 'GET flags')
      return json(200, {
        kind: 'sql#flagsList',
        items: FLAGS.map((flag) => ({ kind: 'sql#flag', appliesTo: [this.#databaseVersion], ...flag })),
      });
    if (operation === 'GET operations')
      return json(200, { kind: 'sql#operationsList', items: this.#operations.map((one) => this.#operationShown(one)).toReversed() });
    if (operation === 'GET operation') {
      const found = this.#operations.find(({ name }) => name === request.path.split('/').at(-1));
      return found === undefined
        ? failure(404, 'operationDoesNotExist', 'The Cloud SQL operation does not exist.')
        : json(200, this.#operationShown(found));
    }
    if (request.path !== ROOT && request.path !== `${ROOT}/restart`)
      return failure(404, 'instanceDoesNotExist', 'The Cloud SQL instance does not exist.');
    if (operation === 'GET instance') return json(200, this.#shown());
    if (this.#operations.some(({ status }) => status !== 'DONE')) return this.busy();
    if (operation === 'POST restart') return json(200, this.#operationShown(this.#begin('RESTART', () => this.#restart())));
    if (operation === 'PATCH instance') return this.#patch(JSON.parse(request.body) as PatchBody);
    return failure(404, 'notFound', `${operation} is not known here.`);
  }

  #patch({ settings = {} }: PatchBody): FakeAnswer {
    if (settings.settingsVersion !== undefined && settings.settingsVersion !== String(this.settingsVersion))
      return failure(412, 'conditionNotMet', 'Condition does not match.');
    const flags = settings.databaseFlags;
    for (const { name, value } of flags ?? []) {
      const kind = FLAGS.find((flag) => flag.name === name);
      if (kind === undefined) return failure(400, 'invalidFlagName', `Invalid flag name: ${name}`);
      if (kind.type === 'BOOLEAN' && value !== 'on' && value !== 'off')
        return failure(400, 'invalidFlagValue', `Invalid flag value for ${name}: ${value}`);
      if (kind.type === 'INTEGER' && (Number(value) < Number(kind.minValue) || Number(value) > Number(kind.maxValue)))
        return failure(400, 'invalidFlagValue', `Invalid flag value for ${name}: ${value}`);
    }
    const networks = settings.ipConfiguration?.authorizedNetworks;
    if (networks?.some(({ value }) => !/^\d+(\.\d+){3}\/\d+$/.test(value)) === true)
      return failure(400, 'invalid', 'Invalid authorized network.');
    const old = new Map(this.flags.map(({ name, value }) => [name, value]));
    const touched =
      flags === undefined ? [] : FLAGS.filter(({ name }) => flags.find((flag) => flag.name === name)?.value !== old.get(name));
    return json(
      200,
      this.#operationShown(
        this.#begin('UPDATE', async () => {
          // Lists are replaced whole.
          if (flags !== undefined) this.flags = [...flags];
          if (networks !== undefined) this.networks = [...networks];
          this.settingsVersion++;
          this.#openGate();
          if (touched.some(({ requiresRestart }) => requiresRestart)) await this.#restart();
        }),
      ),
    );
  }

  #begin(operationType: Operation['operationType'], effect: () => Promise<void>): Operation {
    const operation: Operation = {
      name: `00000000-0000-4000-8000-${String(this.#operations.length + 1).padStart(12, '0')}`,
      operationType,
      status: 'PENDING',
      effect,
      failure: this.failNext,
    };
    this.failNext = undefined;
    this.#operations.push(operation);
    return operation;
  }

  /** One look later: what was pending runs. */
  #age(operation: Operation): void {
    if (operation.status !== 'PENDING') return;
    operation.status = 'RUNNING';
    if (operation.failure !== undefined) operation.status = 'DONE';
    else void operation.effect().then(() => (operation.status = 'DONE'));
  }

  async #restart(): Promise<void> {
    this.restarts++;
    if (this.restartFails) await new Promise<never>(() => undefined);
    const logical = this.flags.some(({ name, value }) => name === 'cloudsql.logical_decoding' && value === 'on');
    this.#server.configure({
      'cloudsql.logical_decoding': logical ? 'on' : 'off',
      wal_level: logical ? 'logical' : 'replica',
      ...Object.fromEntries(this.flags.filter(({ name }) => name.startsWith('max_')).map(({ name, value }) => [name, value])),
    });
    await this.#server.restart();
  }

  #openGate(): void {
    this.#server.gate.admit(this.ipv4Enabled ? this.networks.map(({ value }) => value) : []);
  }

  get #databaseVersion(): string {
    return `POSTGRES_${this.#server.major}`;
  }

  #operationShown(one: Operation): unknown {
    return {
      kind: 'sql#operation',
      name: one.name,
      status: one.status,
      operationType: one.operationType,
      targetProject: 'shop-project',
      targetId: 'shop',
      insertTime: '2026-11-24T12:00:00.000Z',
      ...(one.status === 'DONE' && one.failure !== undefined
        ? { error: { kind: 'sql#operationErrors', errors: [{ kind: 'sql#operationError', code: 'INTERNAL_ERROR', message: one.failure }] } }
        : {}),
    };
  }

  #shown(): unknown {
    return {
      kind: 'sql#instance',
      name: 'shop',
      project: 'shop-project',
      region: 'europe-west1',
      state: 'RUNNABLE',
      databaseVersion: this.#databaseVersion,
      databaseInstalledVersion: `${this.#databaseVersion}_4`,
      instanceType: 'CLOUD_SQL_INSTANCE',
      ipAddresses: [{ type: 'PRIMARY', ipAddress: this.#server.host }],
      settings: {
        kind: 'sql#settings',
        settingsVersion: String(this.settingsVersion),
        tier: 'db-custom-2-7680',
        activationPolicy: 'ALWAYS',
        availabilityType: 'ZONAL',
        storageAutoResize: true,
        databaseFlags: this.flags,
        ipConfiguration: { ipv4Enabled: this.ipv4Enabled, authorizedNetworks: this.networks, sslMode: 'ENCRYPTED_ONLY' },
      },
    };
  }
}

interface PatchBody {
  readonly settings?: {
    readonly settingsVersion?: string;
    readonly databaseFlags?: readonly Flag[];
    readonly ipConfiguration?: { readonly authorizedNetworks?: readonly AclEntry[] };
  };
}

function failure(status: number, reason: string, message: string): FakeAnswer {
  return json(status, { error: { code: status, message, errors: [{ domain: 'global', reason, message }] } });
}
