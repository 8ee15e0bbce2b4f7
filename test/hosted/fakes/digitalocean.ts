/**
 * DigitalOcean's database API, imitated over one dressed Postgres: rules that a PUT replaces whole, an empty list that lets everybody in, `pg_allow_replication` that is false when left out,
 * max_wal_senders that never falls, and a status in the place of operations.
 */
import { ControlPlane, json, type Controlled, type FakeAnswer, type FakeRequest, type Vendor } from './control-plane.ts';

export interface Rule {
  uuid: string;
  cluster_uuid: string;
  type: string;
  value: string;
  created_at: string;
  description?: string;
}
export interface User {
  name: string;
  role: 'primary' | 'normal';
  password: string;
  settings: { pg_allow_replication: boolean };
}

const ID = '9cc10173-e9ea-4176-9dbc-a4cee4c4ff30';
const TYPES = ['droplet', 'k8s', 'ip_addr', 'tag', 'app'];
const CONFIG: Readonly<Record<string, { least: number; most: number }>> = {
  max_replication_slots: { least: 8, most: 64 },
  max_wal_senders: { least: 20, most: 64 },
  max_slot_wal_keep_size: { least: -1, most: 2_147_483_647 },
  wal_sender_timeout: { least: 0, most: 10_800_000 },
};

export class DigitalOceanFake implements Vendor {
  readonly plane = new ControlPlane(this);
  readonly id = ID;
  rules: Rule[] = [];
  readonly users: User[];
  readonly config: Record<string, number> = { max_replication_slots: 20, max_wal_senders: 20, max_slot_wal_keep_size: -1 };
  status = 'online';
  restartFails = false;
  readonly #server: Controlled;
  #number = 0;

  constructor(server: Controlled) {
    this.#server = server;
    this.users = [{ name: server.admin.user, role: 'primary', password: server.admin.password, settings: { pg_allow_replication: true } }];
    this.#openGate();
  }

  get url(): string {
    return this.plane.url;
  }

  get environment(): Record<string, string> {
    return { DIGITALOCEAN_API_URL: this.url, DIGITALOCEAN_ACCESS_TOKEN: 'dop_v1_example' };
  }

  operation({ method, path }: FakeRequest): string {
    const [, , , id, what, name] = path.split('/');
    return `${method} ${id === undefined ? 'databases' : what === undefined ? 'database' : what === 'users' && name !== undefined ? 'user' : what}`;
  }

  async answer(request: FakeRequest, operation: string): Promise<FakeAnswer> {
    if (request.headers.authorization !== 'Bearer dop_v1_example') return failure(401, 'Unauthorized', 'Unable to authenticate you');
    if (operation === 'GET databases') return json(200, { databases: [this.#shown()] });
    const [, , , id, , name] = request.path.split('/');
    if (id !== ID) return failure(404, 'not_found', 'The resource you were accessing could not be found.');
    const body = (request.body === '' ? {} : JSON.parse(request.body)) as Record<string, unknown>;
    switch (operation) {
      case 'GET database':
        return json(200, { database: this.#shown() });
      case 'GET config':
        return json(200, { config: this.config });
      case 'PATCH config':
        return this.#configure(body['config'] as Record<string, unknown>);
      case 'GET firewall':
        return json(200, { rules: this.rules });
      case 'PUT firewall':
        return this.#replaceRules(body['rules'] as Partial<Rule>[] | undefined);
      case 'GET users':
        return json(200, { users: this.users });
      case 'POST users':
        return this.#createUser(body['name'] as string, body['settings']);
      case 'PUT user': {
        const user = this.users.find((one) => one.name === decodeURIComponent(name ?? ''));
        if (user === undefined) return failure(404, 'not_found', 'user not found');
        // What is left out is false.
        user.settings.pg_allow_replication =
          (body['settings'] as { pg_allow_replication?: boolean } | undefined)?.pg_allow_replication ?? false;
        await this.#server.superuser(`ALTER ROLE "${user.name}" ${user.settings.pg_allow_replication ? 'REPLICATION' : 'NOREPLICATION'}`);
        return json(201, { user });
      }
      default:
        return failure(404, 'not_found', 'The resource you were accessing could not be found.');
    }
  }

  throttled(): FakeAnswer {
    return failure(429, 'too_many_requests', 'API Rate limit exceeded.');
  }

  busy(): FakeAnswer {
    return failure(412, 'precondition_failed', 'cluster is not online');
  }

  /** Somebody else adds a rule. */
  addRule(type: string, value: string, description?: string): void {
    this.rules.push(this.#rule({ type, value, ...(description === undefined ? {} : { description }) }));
    this.#openGate();
  }

  #rule({ type = '', value = '', description }: Partial<Rule>): Rule {
    return {
      uuid: `79f26d28-ea8a-41f2-8ad8-${String(++this.#number).padStart(12, '0')}`,
      cluster_uuid: ID,
      type,
      value,
      created_at: '2026-11-24T12:00:00Z',
      ...(description === undefined ? {} : { description }),
    };
  }

  #replaceRules(rules: Partial<Rule>[] | undefined): FakeAnswer {
    if (!Array.isArray(rules)) return failure(422, 'unprocessable_entity', 'rules is required');
    for (const rule of rules) {
      if (!TYPES.includes(rule.type ?? '') || rule.value === undefined) return failure(422, 'unprocessable_entity', 'invalid rule');
      if (rule.type === 'ip_addr' && rule.value.includes(':'))
        return failure(422, 'unprocessable_entity', 'IPv6 addresses are not supported');
    }
    if (rules.length > 100) return failure(422, 'unprocessable_entity', 'too many rules');
    this.rules = rules.map((rule) => this.#rule(rule));
    this.#openGate();
    return { status: 204 };
  }

  async #createUser(name: string, settings: unknown): Promise<FakeAnswer> {
    if (this.users.some((one) => one.name === name)) return failure(409, 'conflict', 'user already exists');
    const replicates = (settings as { pg_allow_replication?: boolean } | undefined)?.pg_allow_replication ?? false;
    const user: User = { name, role: 'normal', password: `made-for-${name}`, settings: { pg_allow_replication: replicates } };
    this.users.push(user);
    await this.#server.superuser(`CREATE ROLE "${name}" LOGIN ${replicates ? 'REPLICATION' : 'NOREPLICATION'} PASSWORD '${user.password}'`);
    return json(201, { user });
  }

  #configure(wanted: Record<string, unknown>): FakeAnswer {
    for (const [name, value] of Object.entries(wanted)) {
      const range = CONFIG[name];
      if (range === undefined || typeof value !== 'number' || value < range.least || value > range.most)
        return failure(422, 'unprocessable_entity', `invalid value for ${name}`);
      if (name === 'max_wal_senders' && value < (this.config[name] ?? 0))
        return failure(422, 'unprocessable_entity', 'max_wal_senders cannot be lowered');
    }
    for (const [name, value] of Object.entries(wanted)) {
      this.config[name] = value as number;
      this.#server.configure({ [name]: String(value) });
    }
    this.status = 'resizing';
    if (!this.restartFails) void this.#server.restart().then(() => (this.status = 'online'));
    return { status: 200 };
  }

  #openGate(): void {
    this.#server.gate.admit(
      this.rules.length === 0
        ? 'everybody'
        : this.rules.filter(({ type }) => type === 'ip_addr').map(({ value }) => (value.includes('/') ? value : `${value}/32`)),
    );
  }

  #shown(): Record<string, unknown> {
    return {
      id: ID,
      name: 'shop',
      engine: 'pg',
      version: String(this.#server.major),
      num_nodes: 1,
      size: 'db-s-1vcpu-2gb',
      region: 'fra1',
      status: this.status,
      created_at: '2026-11-01T12:00:00Z',
      connection: {
        uri: '',
        database: this.#server.database,
        host: this.#server.host,
        port: this.#server.port,
        user: this.#server.admin.user,
        password: this.#server.admin.password,
        ssl: true,
      },
    };
  }
}

function failure(status: number, id: string, message: string): FakeAnswer {
  return json(status, { id, message });
}
