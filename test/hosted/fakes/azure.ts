/**
 * Azure's Resource Manager for one Flexible Server, imitated over one dressed Postgres: asynchronous operations (202, Azure-AsyncOperation, Location), one at a time (409 otherwise),
 * static parameters that are set and not live (isConfigPendingRestart), firewall rules by name, none of them in a virtual network.
 */
import { ControlPlane, json, type Controlled, type FakeAnswer, type FakeRequest, type Vendor } from './control-plane.ts';

interface Parameter {
  value: string;
  readonly initial: string;
  readonly dataType: string;
  readonly allowed: string;
  readonly isStatic: boolean;
  readonly isReadOnly: boolean;
  pending: boolean;
}
interface Operation {
  looksLeft: number;
  failure: string | undefined;
  /** What happens at the end; until it has, the operation runs. */
  done: boolean;
}

const SUBSCRIPTION = '11111111-2222-4333-8444-555555555555';
const ROOT = `/subscriptions/${SUBSCRIPTION}/resourceGroups/shop-rg/providers/Microsoft.DBforPostgreSQL/flexibleServers/shop`;
const LOOKS = 2;

export class AzureFake implements Vendor {
  readonly plane = new ControlPlane(this);
  readonly parameters = new Map<string, Parameter>();
  readonly rules = new Map<string, { startIpAddress: string; endIpAddress: string }>();
  virtualNetwork = false;
  state = 'Ready';
  restartFails = false;
  /** The next operation is accepted and then fails with this. */
  failNext: string | undefined;
  restarts = 0;
  readonly #server: Controlled;
  readonly #operations = new Map<string, Operation>();

  constructor(server: Controlled) {
    this.#server = server;
    const add = (name: string, initial: string, dataType: string, allowed: string, isStatic: boolean, isReadOnly = false): void => {
      this.parameters.set(name, { value: initial, initial, dataType, allowed, isStatic, isReadOnly, pending: false });
    };
    add('wal_level', 'replica', 'Enumeration', 'replica,logical', true);
    add('max_replication_slots', '10', 'Integer', '2-262143', true);
    add('max_wal_senders', '10', 'Integer', '5-100', true);
    add('max_worker_processes', '8', 'Integer', '0-262143', true);
    add('max_slot_wal_keep_size', '-1', 'Integer', '-1-2147483647', false, true);
    add('wal_sender_timeout', '60000', 'Integer', '0-2147483647', false);
    add('require_secure_transport', 'on', 'Boolean', 'on,off', false);
    add('shared_buffers', '4096', 'Integer', '16-1073741823', true);
    this.openGate();
  }

  get url(): string {
    return this.plane.url;
  }

  get resource(): string {
    return `azure:${SUBSCRIPTION}/shop-rg/shop`;
  }

  get environment(): Record<string, string> {
    return { AZURE_RESOURCE_MANAGER_ENDPOINT: this.url };
  }

  operation({ method, path }: FakeRequest): string {
    if (path.includes('/azureAsyncOperation/') || path.includes('/operationResults/')) return 'GET operation';
    const rest = path.slice(ROOT.length).split('/');
    const what = {
      '': 'server',
      configurations: rest[2] === undefined ? 'configurations' : 'configuration',
      firewallRules: rest[2] === undefined ? 'firewallRules' : 'firewallRule',
      restart: 'restart',
    };
    return `${method} ${what[(rest[1] ?? '') as keyof typeof what] ?? path}`;
  }

  answer(request: FakeRequest, operation: string): Promise<FakeAnswer> {
    return Promise.resolve(this.#answer(request, operation));
  }

  throttled(): FakeAnswer {
    return failure(429, 'TooManyRequests', 'Too many requests.', { 'retry-after': '0' });
  }

  busy(): FakeAnswer {
    return failure(409, 'ServerIsBusy', 'The server is busy processing another operation.');
  }

  addRule(name: string, startIpAddress: string, endIpAddress = startIpAddress): void {
    this.rules.set(name, { startIpAddress, endIpAddress });
    this.openGate();
  }

  openGate(): void {
    this.#server.gate.admit(
      this.virtualNetwork
        ? []
        : [...this.rules.values()]
            .filter(({ endIpAddress }) => endIpAddress !== '0.0.0.0')
            .flatMap(({ startIpAddress: first, endIpAddress: last }) => cidrs(first, last)),
    );
  }

  #answer(request: FakeRequest, operation: string): FakeAnswer {
    if (request.query.get('api-version') !== '2025-08-01' && operation !== 'GET operation')
      return failure(400, 'InvalidApiVersionParameter', 'The api-version is invalid.');
    const name = decodeURIComponent(request.path.slice(ROOT.length).split('/')[2] ?? '');
    if (operation === 'GET operation') return this.#look(request.path);
    if (!`${request.path}/`.toLowerCase().startsWith(`${ROOT}/`.toLowerCase()))
      return failure(404, 'ResourceNotFound', `The Resource '${request.path}' was not found.`);
    const body = (request.body === '' ? {} : JSON.parse(request.body)) as { properties?: Record<string, string> };
    const changes = request.method !== 'GET';
    if (changes && [...this.#operations.values()].some(({ done }) => !done)) return this.busy();
    switch (operation) {
      case 'GET server':
        // Time passes, whether or not anybody follows the operation.
        for (const running of this.#operations.values()) this.#age(running);
        return json(200, this.#shown());
      case 'GET configuration':
        return this.parameters.has(name) ? json(200, this.#parameterShown(name)) : failure(404, 'ConfigurationNotFound', name);
      case 'GET firewallRule':
        return this.rules.has(name) ? json(200, this.#ruleShown(name)) : failure(404, 'ResourceNotFound', name);
      case 'GET configurations':
        return json(200, { value: [...this.parameters.keys()].map((one) => this.#parameterShown(one)) });
      case 'GET firewallRules':
        return this.virtualNetwork
          ? failure(400, 'FirewallRulesNotSupported', 'Firewall rules are not supported with private access.')
          : json(200, { value: [...this.rules.keys()].map((one) => this.#ruleShown(one)) });
      case 'PATCH configuration':
      case 'PUT configuration': {
        const parameter = this.parameters.get(name);
        const value = body.properties?.['value'];
        if (parameter === undefined) return failure(404, 'ConfigurationNotFound', `The configuration ${name} does not exist.`);
        if (parameter.isReadOnly) return failure(400, 'ParameterReadOnly', `${name} is read-only.`);
        if (value === undefined || !isAllowed(value, parameter.allowed))
          return failure(400, 'InvalidParameterValue', `Allowed values are ${parameter.allowed}.`);
        return this.#begin('Updating', () => {
          if (parameter.value !== value) parameter.pending ||= parameter.isStatic;
          parameter.value = value;
        });
      }
      case 'PUT firewallRule': {
        const { startIpAddress, endIpAddress } = body.properties ?? {};
        if (this.virtualNetwork) return failure(400, 'FirewallRulesNotSupported', 'Firewall rules are not supported with private access.');
        if (!isIpv4(startIpAddress) || !isIpv4(endIpAddress)) return failure(400, 'InvalidParameterValue', 'Not an IPv4 address.');
        return this.#begin('Updating', () => this.addRule(name, startIpAddress, endIpAddress));
      }
      case 'DELETE firewallRule':
        return this.#begin('Updating', () => {
          this.rules.delete(name);
          this.openGate();
        });
      case 'POST restart':
        return this.#restart();
      default:
        return failure(404, 'NotFound', `${operation} is not known here.`);
    }
  }

  #begin(state: string, effect: () => void): FakeAnswer {
    const operation: Operation = { looksLeft: LOOKS, failure: this.failNext, done: false };
    this.failNext = undefined;
    // The effect is there at once and the operation still runs for a while, as it is with Azure.
    if (operation.failure === undefined) effect();
    this.state = state;
    return this.#accepted(operation);
  }

  #restart(): FakeAnswer {
    const operation: Operation = { looksLeft: LOOKS, failure: undefined, done: false };
    this.restarts++;
    this.state = 'Restarting';
    if (this.restartFails) operation.looksLeft = Infinity;
    else {
      this.#server.configure(
        Object.fromEntries(
          [...this.parameters].filter(([name]) => /^(wal_level|max_)/.test(name)).map(([name, { value }]) => [name, value]),
        ),
      );
      operation.looksLeft = Infinity;
      void this.#server.restart().then(() => {
        for (const parameter of this.parameters.values()) parameter.pending = false;
        operation.looksLeft = 1;
      });
    }
    return this.#accepted(operation);
  }

  #accepted(operation: Operation): FakeAnswer {
    const id = `op-${this.#operations.size + 1}`;
    this.#operations.set(id, operation);
    const location = `${this.url}/subscriptions/${SUBSCRIPTION}/providers/Microsoft.DBforPostgreSQL/locations/westeurope`;
    return {
      status: 202,
      headers: {
        'azure-asyncoperation': `${location}/azureAsyncOperation/${id}?api-version=2025-08-01`,
        location: `${location}/operationResults/${id}?api-version=2025-08-01`,
        'retry-after': '0',
      },
    };
  }

  #look(path: string): FakeAnswer {
    const id = path.split('/').at(-1)!;
    const operation = this.#operations.get(id);
    if (operation === undefined) return failure(404, 'OperationNotFound', id);
    this.#age(operation);
    const times = { name: id, startTime: '2026-11-24T12:00:00Z' };
    if (path.includes('/operationResults/')) return operation.done ? json(200, {}) : json(202, times, { 'retry-after': '0' });
    if (!operation.done) return json(200, { ...times, status: 'InProgress' }, { 'retry-after': '0' });
    return operation.failure === undefined
      ? json(200, { ...times, status: 'Succeeded', properties: {} })
      : json(200, { ...times, status: 'Failed', error: { code: 'InternalServerError', message: operation.failure } });
  }

  #age(operation: Operation): void {
    if (operation.done || --operation.looksLeft > 0) return;
    operation.done = true;
    this.state = 'Ready';
  }

  #shown(): unknown {
    return {
      id: ROOT,
      name: 'shop',
      type: 'Microsoft.DBforPostgreSQL/flexibleServers',
      location: 'West Europe',
      sku: { name: 'Standard_D2ds_v5', tier: 'GeneralPurpose' },
      properties: {
        administratorLogin: this.#server.admin.user,
        version: String(this.#server.major),
        minorVersion: '4',
        state: this.state,
        fullyQualifiedDomainName: this.#server.host,
        storage: { storageSizeGB: 128, autoGrow: 'Disabled' },
        network: this.virtualNetwork
          ? {
              publicNetworkAccess: 'Disabled',
              delegatedSubnetResourceId: `/subscriptions/${SUBSCRIPTION}/resourceGroups/net/providers/Microsoft.Network/virtualNetworks/v/subnets/s`,
            }
          : { publicNetworkAccess: 'Enabled' },
        highAvailability: { mode: 'Disabled' },
        replicationRole: 'Primary',
      },
    };
  }

  #parameterShown(name: string): unknown {
    const one = this.parameters.get(name)!;
    return {
      id: `${ROOT}/configurations/${name}`,
      name,
      type: 'Microsoft.DBforPostgreSQL/flexibleServers/configurations',
      properties: {
        value: one.value,
        description: name,
        defaultValue: one.initial,
        dataType: one.dataType,
        allowedValues: one.allowed,
        source: one.value === one.initial ? 'system-default' : 'user-override',
        isDynamicConfig: !one.isStatic,
        isReadOnly: one.isReadOnly,
        isConfigPendingRestart: one.pending,
      },
    };
  }

  #ruleShown(name: string): unknown {
    return {
      id: `${ROOT}/firewallRules/${name}`,
      name,
      type: 'Microsoft.DBforPostgreSQL/flexibleServers/firewallRules',
      properties: this.rules.get(name),
    };
  }
}

function failure(status: number, code: string, message: string, headers: Readonly<Record<string, string>> = {}): FakeAnswer {
  return json(status, { error: { code, message } }, headers);
}

function isAllowed(value: string, allowed: string): boolean {
  const range = /^(-?\d+)-(\d+)$/.exec(allowed);
  if (range === null) return allowed.split(',').includes(value.toLowerCase());
  return /^-?\d+$/.test(value) && Number(value) >= Number(range[1]) && Number(value) <= Number(range[2]);
}

function isIpv4(text: string | undefined): text is string {
  return text !== undefined && /^\d{1,3}(\.\d{1,3}){3}$/.test(text);
}

/** A range that is a power of two becomes one CIDR; others become single addresses (tests use small ones). */
function cidrs(first: string, last: string): string[] {
  const number = (text: string): number => text.split('.').reduce((sum, part) => sum * 256 + Number(part), 0);
  const size = number(last) - number(first) + 1;
  const bits = 32 - Math.log2(size);
  return Number.isInteger(bits) ? [`${first}/${bits}`] : [`${first}/32`, `${last}/32`];
}
