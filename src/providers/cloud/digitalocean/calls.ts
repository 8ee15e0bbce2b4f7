/** DigitalOcean's API by plain fetch: what is read of its answers, one request, and what its errors mean. */
import { reasonOf } from '../../../base/errors.ts';
import { connectionBroke, type Service, type Trouble } from '../patience.ts';
import { refusal, type Advice } from '../refusal.ts';

const REQUEST_TIMEOUT_MS = 30_000;

export interface Rule {
  readonly uuid?: string;
  readonly type: string;
  readonly value: string;
  readonly description?: string;
}
export interface User {
  readonly name: string;
  readonly role?: string;
  readonly password?: string;
  readonly settings?: { readonly pg_allow_replication?: boolean };
}
export interface Database {
  readonly id?: string;
  readonly name: string;
  readonly engine: string;
  readonly version?: string;
  readonly status?: string;
}
export type Config = Readonly<Record<string, unknown>>;

class HttpError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

export class DigitalOceanCalls {
  readonly #url: string;
  readonly #token: string | undefined;

  constructor(environment: NodeJS.ProcessEnv) {
    this.#url = (environment['DIGITALOCEAN_API_URL'] ?? 'https://api.digitalocean.com').replace(/\/$/, '');
    this.#token = environment['DIGITALOCEAN_ACCESS_TOKEN'] ?? environment['DIGITALOCEAN_TOKEN'];
  }

  async send(method: string, path: string, body: unknown, signal: AbortSignal | undefined): Promise<unknown> {
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
}

export function digitalOceanTrouble(error: unknown): Trouble {
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

const ADVICE: Advice = {
  cloud: 'DigitalOcean',
  login: 'export DIGITALOCEAN_ACCESS_TOKEN=…  (a token with the scopes database:read, database:update, database:create)',
  lookUp: 'Look at `doctl databases list`, and take the ID.',
  right: (operation) => `database:${operation.startsWith('GET') ? 'read' : operation.startsWith('POST') ? 'create' : 'update'}`,
};

export function digitalOceanError(resource: string): Service['translate'] {
  return (cause, operation) => {
    if (!(cause instanceof HttpError)) return cause instanceof Error ? cause : new Error(String(cause));
    const { status } = cause;
    const kind = status === 401 ? 'credentials' : status === 403 ? 'denied' : status === 404 ? 'absent' : 'other';
    return refusal({ kind, operation, resource, reason: `${status}: ${cause.message}`, cause }, ADVICE);
  };
}
