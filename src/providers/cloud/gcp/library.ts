/** The part of the official client library of the Cloud SQL Admin API that is used, and how it is opened. */
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
  readonly expirationTime?: string;
}

export interface Settings {
  readonly settingsVersion?: string;
  readonly activationPolicy?: string;
  readonly databaseFlags?: readonly Flag[];
  readonly storageAutoResize?: boolean;
  readonly ipConfiguration?: {
    readonly ipv4Enabled?: boolean;
    readonly authorizedNetworks?: readonly AclEntry[];
    readonly sslMode?: string;
  };
}

export interface Instance {
  readonly databaseVersion?: string;
  readonly databaseInstalledVersion?: string;
  readonly state?: string;
  readonly masterInstanceName?: string;
  readonly settings?: Settings;
}

export interface FlagKind {
  readonly name?: string;
  readonly type?: string;
  readonly requiresRestart?: boolean;
  readonly minValue?: string;
  readonly maxValue?: string;
  readonly allowedStringValues?: readonly string[];
}

export interface Operation {
  readonly name?: string;
  readonly status?: string;
  readonly operationType?: string;
  readonly error?: { readonly errors?: readonly { readonly code?: string; readonly message?: string }[] };
}

interface Reply<T> {
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
