/** The part of the official client library of the Cloud SQL Admin API that is used, how it is opened, and what its errors mean. */
import { MillraceError, reasonOf } from '../../../base/errors.ts';
import { connectionBroke, type Service, type Trouble } from '../patience.ts';
import { refusal, type Advice } from '../refusal.ts';
import { loadSdk } from '../sdk.ts';

export interface GcpName {
  readonly project: string;
  readonly instance: string;
}

interface Flag {
  readonly name?: string;
  readonly value?: string;
}

interface AclEntry {
  readonly kind?: string;
  readonly name?: string;
  readonly value?: string;
}

export interface Settings {
  readonly settingsVersion?: string;
  readonly activationPolicy?: string;
  readonly databaseFlags?: readonly Flag[];
  readonly ipConfiguration?: {
    readonly ipv4Enabled?: boolean;
    readonly authorizedNetworks?: readonly AclEntry[];
  };
}

export interface Instance {
  readonly databaseVersion?: string;
  readonly state?: string;
  readonly masterInstanceName?: string;
  readonly settings?: Settings;
}

export interface FlagKind {
  readonly name?: string;
  readonly type?: string;
  readonly requiresRestart?: boolean;
}

export interface Operation {
  readonly name?: string;
  readonly status?: string;
  readonly operationType?: string;
  readonly error?: { readonly errors?: readonly { readonly code?: string; readonly message?: string }[] };
}

export interface Reply<T> {
  readonly data: T;
}

export interface Options {
  readonly signal?: AbortSignal;
  readonly timeout: number;
  readonly retry: false;
}

/** The part of the client library that is used. */
export interface SqlAdmin {
  readonly instances: {
    get(parameters: object, options: Options): Promise<Reply<Instance>>;
    patch(parameters: object, options: Options): Promise<Reply<Operation>>;
    restart(parameters: object, options: Options): Promise<Reply<Operation>>;
  };
  readonly operations: {
    get(parameters: object, options: Options): Promise<Reply<Operation>>;
    list(parameters: object, options: Options): Promise<Reply<{ readonly items?: readonly Operation[] }>>;
  };
  readonly flags: { list(parameters: object, options: Options): Promise<Reply<{ readonly items?: readonly FlagKind[] }>> };
}

const SCOPE = 'https://www.googleapis.com/auth/sqlservice.admin';

export function sqlAdmin(environment: NodeJS.ProcessEnv): SqlAdmin {
  const [library] = loadSdk({ cloud: 'Google Cloud', packages: ['@googleapis/sqladmin'] }) as [
    {
      sqladmin(options: object): SqlAdmin;
      auth: { GoogleAuth: new (options: object) => object; OAuth2: new () => { setCredentials(credentials: object): void } };
    },
  ];
  // The names that gcloud and Terraform use.
  const [rootUrl, token] = [environment['CLOUDSDK_API_ENDPOINT_OVERRIDES_SQL'], environment['GOOGLE_OAUTH_ACCESS_TOKEN']];
  let auth: object;
  if (token === undefined) auth = new library.auth.GoogleAuth({ scopes: [SCOPE] });
  else {
    const holder = new library.auth.OAuth2();
    holder.setCredentials({ access_token: token });
    auth = holder;
  }
  return library.sqladmin({
    version: 'v1',
    auth,
    ...(rootUrl === undefined ? {} : { rootUrl: rootUrl.endsWith('/') ? rootUrl : `${rootUrl}/` }),
  });
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

export function gcpTrouble(error: unknown): Trouble {
  const { status, reason } = failureOf(error);
  if (status === 429 || reason === 'rateLimitExceeded' || reason === 'quotaExceeded' || reason === 'userRateLimitExceeded')
    return 'throttled';
  // The settings have changed since they were read: not carried out, and to be read again.
  if (status === 412 || reason === 'conditionNotMet') return 'throttled';
  if (status === 409) return 'busy';
  if (status !== undefined) return status >= 500 ? 'lost' : 'final';
  return connectionBroke(error) ? 'lost' : 'final';
}

const ADVICE: Advice = {
  cloud: 'Google Cloud',
  login: 'gcloud auth application-default login',
  lookUp: 'Look at `gcloud sql instances list`; write gcp:PROJECT:INSTANCE.',
  right: (operation) => `cloudsql.instances.${operation.startsWith('GET') ? 'get' : operation.includes('restart') ? 'restart' : 'update'}`,
};

export function gcpError(resource: string): Service['translate'] {
  return (cause, operation) => {
    if (cause instanceof MillraceError) return cause;
    const { status, reason: why } = failureOf(cause);
    const reason = [status, why, reasonOf(cause)].filter((part) => part !== undefined).join(' ');
    const kind =
      status === 401 || /default credentials|invalid_grant|invalid_rapt/i.test(reason)
        ? 'credentials'
        : status === 403
          ? 'denied'
          : status === 404
            ? 'absent'
            : 'other';
    return refusal({ kind, operation, resource, reason, cause }, ADVICE);
  };
}
