/** The part of the official SDK for Flexible Server that is used, how it is opened, and what its errors mean. */
import { MillraceError, reasonOf } from '../../../base/errors.ts';
import { connectionBroke, type Service, type Trouble } from '../patience.ts';
import { refusal, type Advice } from '../refusal.ts';
import { loadSdk } from '../sdk.ts';

export interface AzureName {
  readonly subscription: string;
  readonly group: string;
  readonly server: string;
}

export interface Configuration {
  readonly name?: string;
  readonly value?: string;
  readonly dataType?: string;
  readonly isDynamicConfig?: boolean;
  readonly isReadOnly?: boolean;
  readonly isConfigPendingRestart?: boolean;
}
export interface FirewallRule {
  readonly name?: string;
  readonly startIpAddress: string;
  readonly endIpAddress: string;
}
export interface Server {
  readonly state?: string;
  readonly network?: { readonly publicNetworkAccess?: string; readonly delegatedSubnetResourceId?: string };
}
export interface Poller {
  isDone(): boolean;
  poll(): Promise<unknown>;
}
export interface Options {
  readonly abortSignal?: AbortSignal | undefined;
  readonly updateIntervalInMs?: number;
}

/** The part of the SDK that is used. */
export interface Client {
  readonly servers: {
    get(group: string, server: string, options: Options): Promise<Server>;
    beginRestart(group: string, server: string, options: Options): Promise<Poller>;
  };
  readonly configurations: {
    listByServer(group: string, server: string, options: Options): AsyncIterable<Configuration>;
    beginUpdate(group: string, server: string, name: string, value: { value: string; source: string }, options: Options): Promise<Poller>;
  };
  readonly firewallRules: {
    listByServer(group: string, server: string, options: Options): AsyncIterable<FirewallRule>;
    beginCreateOrUpdate(group: string, server: string, name: string, rule: FirewallRule, options: Options): Promise<Poller>;
    beginDelete(group: string, server: string, name: string, options: Options): Promise<Poller>;
  };
  readonly pipeline: { removePolicy(policy: { name: string }): unknown };
}

export function azureClient(name: AzureName, environment: NodeJS.ProcessEnv): Client {
  const [flexible, identity] = loadSdk({ cloud: 'Azure', packages: ['@azure/arm-postgresql-flexible', '@azure/identity'] }) as [
    { PostgreSQLManagementFlexibleServerClient: new (credential: object, subscription: string, options: object) => Client },
    { DefaultAzureCredential: new () => object },
  ];
  const endpoint = environment['AZURE_RESOURCE_MANAGER_ENDPOINT'];
  const local = endpoint !== undefined && /^http:\/\/(127\.0\.0\.1|localhost)[:/]/.test(endpoint);
  // Its own retries are off: they would send a restart twice when an answer gets lost.
  const options = {
    retryOptions: { maxRetries: 0 },
    allowInsecureConnection: local,
    ...(endpoint === undefined ? {} : { endpoint, $host: endpoint }),
  };
  const client = new flexible.PostgreSQLManagementFlexibleServerClient(
    local ? { getToken: () => Promise.resolve(null) } : new identity.DefaultAzureCredential(),
    name.subscription,
    options,
  );
  // The SDK refuses to send a token without TLS; to an imitation on this machine none is sent.
  if (local) client.pipeline.removePolicy({ name: 'bearerTokenAuthenticationPolicy' });
  return client;
}

function statusOf(error: unknown): { status: number | undefined; code: string | undefined } {
  const at = error as { statusCode?: unknown; code?: unknown } | null;
  return {
    status: typeof at?.statusCode === 'number' ? at.statusCode : undefined,
    code: typeof at?.code === 'string' ? at.code : undefined,
  };
}

export function azureTrouble(error: unknown): Trouble {
  const { status, code } = statusOf(error);
  if (status === 429) return 'throttled';
  // Azure's word for it is not documented in one place: any conflict means that something else runs.
  if (status === 409 || /^(ServerIsBusy|OperationInProgress|ConflictingServerOperation)$/.test(code ?? '')) return 'busy';
  if (status !== undefined && status >= 500) return 'lost';
  return connectionBroke(error) || code === 'REQUEST_SEND_ERROR' ? 'lost' : 'final';
}

const ADVICE: Advice = {
  cloud: 'Azure',
  login: 'az login',
  lookUp: 'Look at `az postgres flexible-server list`; write azure:SUBSCRIPTION/RESOURCE-GROUP/SERVER.',
  right: () => 'Microsoft.DBforPostgreSQL/flexibleServers/* (role Contributor of the server)',
};

export function azureError(resource: string): Service['translate'] {
  return (cause, operation) => {
    if (cause instanceof MillraceError) return cause;
    const { status, code } = statusOf(cause);
    const loggedOut = status === 401 || (cause instanceof Error && /Credential|Authentication(Required)?Error/.test(cause.name));
    const kind = loggedOut ? 'credentials' : status === 403 ? 'denied' : status === 404 ? 'absent' : 'other';
    return refusal({ kind, operation, resource, reason: `${code ?? status ?? ''}: ${reasonOf(cause)}`, cause }, ADVICE);
  };
}
