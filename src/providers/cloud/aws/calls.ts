/**
 * The calls of RDS and EC2 that Millrace makes, through the official SDK, with only the fields that it reads. The SDK's own retries are off: it would send a reboot twice
 * when an answer gets lost; `patience.ts` looks first. What an error means is decided here.
 */
import { reasonOf } from '../../../base/errors.ts';
import { connectionBroke, type Service, type Trouble } from '../patience.ts';
import { refusal, type Advice } from '../refusal.ts';
import { loadSdk } from '../sdk.ts';

export interface DbInstance {
  readonly DBInstanceIdentifier?: string;
  readonly DBInstanceStatus?: string;
  readonly Engine?: string;
  readonly EngineVersion?: string;
  readonly Endpoint?: { readonly Port?: number };
  readonly DBParameterGroups?: readonly { readonly DBParameterGroupName?: string; readonly ParameterApplyStatus?: string }[];
  readonly VpcSecurityGroups?: readonly { readonly VpcSecurityGroupId?: string }[];
  readonly PubliclyAccessible?: boolean;
  readonly PendingModifiedValues?: Readonly<Record<string, unknown>>;
  readonly DBClusterIdentifier?: string;
  readonly ReadReplicaSourceDBInstanceIdentifier?: string;
}

export interface DbCluster {
  readonly DBClusterIdentifier?: string;
  readonly Status?: string;
  readonly Engine?: string;
  readonly EngineVersion?: string;
  readonly EngineMode?: string;
  readonly Port?: number;
  readonly DBClusterParameterGroup?: string;
  readonly DBClusterMembers?: readonly {
    readonly DBInstanceIdentifier?: string;
    readonly IsClusterWriter?: boolean;
    readonly DBClusterParameterGroupStatus?: string;
  }[];
  readonly VpcSecurityGroups?: readonly { readonly VpcSecurityGroupId?: string }[];
  readonly ServerlessV2ScalingConfiguration?: object;
  readonly PubliclyAccessible?: boolean;
  readonly PendingModifiedValues?: Readonly<Record<string, unknown>>;
  readonly ClusterScalabilityType?: string;
}

export interface DbParameter {
  readonly ParameterName?: string;
  readonly ParameterValue?: string;
  readonly ApplyType?: string;
  readonly DataType?: string;
  readonly IsModifiable?: boolean;
  readonly Source?: string;
}

export interface ParameterGroup {
  readonly DBParameterGroupName?: string;
  readonly DBClusterParameterGroupName?: string;
  readonly DBParameterGroupFamily?: string;
  readonly Description?: string;
}

export interface IpPermission {
  readonly IpProtocol?: string;
  readonly FromPort?: number;
  readonly ToPort?: number;
  readonly IpRanges?: readonly { readonly CidrIp?: string; readonly Description?: string }[];
  readonly Ipv6Ranges?: readonly { readonly CidrIpv6?: string; readonly Description?: string }[];
}

export interface SecurityGroup {
  readonly GroupId?: string;
  readonly IpPermissions?: readonly IpPermission[];
}

type Change =
  | `${'Create' | 'Copy' | 'Modify' | 'Delete'}DB${'' | 'Cluster'}ParameterGroup`
  | `${'Modify' | 'Reboot'}DB${'Instance' | 'Cluster'}`
  | `${'Authorize' | 'Revoke'}SecurityGroupIngress`;

/** What each call brings back; of a change nothing is read. */
interface Answers extends Record<Change, object> {
  DescribeDBInstances: { readonly DBInstances?: readonly DbInstance[]; readonly Marker?: string };
  DescribeDBClusters: { readonly DBClusters?: readonly DbCluster[]; readonly Marker?: string };
  DescribeDBEngineVersions: { readonly DBEngineVersions?: readonly { readonly DBParameterGroupFamily?: string }[] };
  DescribeDBParameterGroups: { readonly DBParameterGroups?: readonly ParameterGroup[] };
  DescribeDBClusterParameterGroups: { readonly DBClusterParameterGroups?: readonly ParameterGroup[] };
  DescribeDBParameters: { readonly Parameters?: readonly DbParameter[]; readonly Marker?: string };
  DescribeDBClusterParameters: { readonly Parameters?: readonly DbParameter[]; readonly Marker?: string };
  DescribeSecurityGroups: { readonly SecurityGroups?: readonly SecurityGroup[] };
}
export type Operation = keyof Answers;

interface SdkClient {
  send(command: object, options?: { abortSignal?: AbortSignal }): Promise<unknown>;
  destroy(): void;
}
type SdkModule = Record<string, (new (input: object) => object) | undefined> & {
  readonly RDSClient?: new (options: object) => SdkClient;
  readonly EC2Client?: new (options: object) => SdkClient;
};

/** One request. Clouds answer within seconds; a silent connection counts as a lost answer. */
const REQUEST_TIMEOUT_MS = 30_000;

export class AwsCalls {
  readonly #rds: SdkClient;
  readonly #ec2: SdkClient;
  readonly #rdsModule: SdkModule;
  readonly #ec2Module: SdkModule;

  constructor(region: string | undefined, environment: NodeJS.ProcessEnv) {
    const [rds, ec2] = loadSdk({ cloud: 'AWS', packages: ['@aws-sdk/client-rds', '@aws-sdk/client-ec2'] }) as [SdkModule, SdkModule];
    const options = (service: 'RDS' | 'EC2'): object => {
      // The SDK reads process.env itself; an environment given by hand (a test) is passed on piece by piece.
      const endpoint = environment[`AWS_ENDPOINT_URL_${service}`];
      const [accessKeyId, secretAccessKey] = [environment['AWS_ACCESS_KEY_ID'], environment['AWS_SECRET_ACCESS_KEY']];
      const at = region ?? environment['AWS_REGION'] ?? environment['AWS_DEFAULT_REGION'];
      return {
        maxAttempts: 1,
        ...(at === undefined ? {} : { region: at }),
        ...(endpoint === undefined ? {} : { endpoint }),
        ...(environment === process.env || accessKeyId === undefined || secretAccessKey === undefined
          ? {}
          : { credentials: { accessKeyId, secretAccessKey } }),
      };
    };
    this.#rdsModule = rds;
    this.#ec2Module = ec2;
    this.#rds = new rds.RDSClient!(options('RDS'));
    this.#ec2 = new ec2.EC2Client!(options('EC2'));
  }

  async send<O extends Operation>(operation: O, input: object, signal?: AbortSignal): Promise<Answers[O]> {
    const network = operation.includes('SecurityGroup');
    const command = (network ? this.#ec2Module : this.#rdsModule)[`${operation}Command`]!;
    const limit = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
    const abortSignal = signal === undefined ? limit : AbortSignal.any([signal, limit]);
    return (await (network ? this.#ec2 : this.#rds).send(new command(input), { abortSignal })) as Answers[O];
  }

  close(): void {
    this.#rds.destroy();
    this.#ec2.destroy();
  }
}

/** The error's name as AWS sends it; the SDK appends `Fault` to some. */
export function awsCode(error: unknown): string {
  return error instanceof Error ? error.name.replace(/(Fault|Exception)$/, '') : '';
}

const THROTTLED = new Set(['Throttling', 'ThrottledException', 'RequestLimitExceeded', 'TooManyRequests', 'RequestThrottled', 'SlowDown']);
const BUSY = new Set(['InvalidDBInstanceState', 'InvalidDBClusterState', 'InvalidDBParameterGroupState', 'InvalidDBClusterStateFault']);
const SERVER_SIDE = new Set(['InternalFailure', 'InternalError', 'ServiceUnavailable', 'Unavailable']);

export function awsTrouble(error: unknown): Trouble {
  const code = awsCode(error);
  if (THROTTLED.has(code)) return 'throttled';
  if (BUSY.has(code)) return 'busy';
  if (SERVER_SIDE.has(code) || connectionBroke(error)) return 'lost';
  return 'final';
}

const DENIED = /^(AccessDenied|UnauthorizedOperation|OptInRequired)/;
const NO_CREDENTIALS =
  /^(CredentialsProviderError|ExpiredToken|InvalidClientTokenId|SignatureDoesNotMatch|AuthFailure|UnrecognizedClient|TokenProviderError|MissingAuthenticationToken)/;

const ADVICE: Advice = {
  cloud: 'AWS',
  login: 'aws sso login  (or set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)',
  lookUp: 'Look at `aws rds describe-db-instances`; name the region too: --cloud aws:eu-central-1/shop.',
  right: (operation) => `${operation.includes('SecurityGroup') ? 'ec2' : 'rds'}:${operation}`,
};
const WITHOUT_REGION: Advice = { ...ADVICE, login: 'Set AWS_REGION, or write --cloud aws:eu-central-1/shop.' };

export function awsError(resource: string): Service['translate'] {
  return (cause, operation) => {
    const code = awsCode(cause);
    const reason = `${code}: ${reasonOf(cause)}`;
    const loggedOut = NO_CREDENTIALS.test(cause instanceof Error ? cause.name : '');
    const noRegion = !loggedOut && /[Rr]egion is missing/.test(reason);
    const kind = loggedOut || noRegion ? 'credentials' : DENIED.test(code) ? 'denied' : code.endsWith('NotFound') ? 'absent' : 'other';
    return refusal({ kind, operation, resource, reason, cause }, noRegion ? WITHOUT_REGION : ADVICE);
  };
}
