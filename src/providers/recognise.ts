/**
 * Which provider this is, and why we think so. Pure. SQL first (settings, then functions, then roles), the endpoint second, the certificate last: a custom DNS name
 * hides the host, and nothing hides `rds.extensions`. The control plane, where asked, knows best; `--provider` overrides everything.
 */
import type { Signals } from './facts.ts';
import type { ControlFacts, ProviderId, Variant } from './model.ts';

export interface Recognised {
  readonly provider: ProviderId;
  readonly variant: Variant | undefined;
  /** Strongest first; for a person: `setting rds.extensions exists`. */
  readonly because: readonly string[];
  /** The endpoint's name says that a pooler listens there. */
  readonly pooler: string | undefined;
  /** A reader endpoint, or another name that cannot stream. */
  readonly reader: boolean;
}

interface Sign {
  readonly provider: ProviderId;
  readonly settings?: readonly string[];
  readonly functions?: readonly string[];
  readonly roles?: readonly string[];
  readonly host?: RegExp;
  readonly issuer?: RegExp;
}

/** In order: what is more special comes before what it also matches (Aurora before RDS, DigitalOcean before its sibling Aiven). */
export const SIGNS: readonly Sign[] = [
  {
    provider: 'aurora',
    functions: ['aurora_version'],
    host: /\.cluster-(?:ro-|custom-)?[a-z0-9]+\.[a-z0-9-]+\.rds\.amazonaws\.com(?:\.cn)?$/,
  },
  {
    provider: 'rds',
    settings: ['rds.extensions', 'rds.logical_replication', 'rds.force_ssl'],
    roles: ['rds_superuser', 'rdsadmin'],
    host: /\.rds\.amazonaws\.com(?:\.cn)?$/,
    issuer: /Amazon RDS/,
  },
  { provider: 'alloydb', settings: ['alloydb.logical_decoding', 'alloydb.enable_pglogical'], roles: ['alloydbsuperuser', 'alloydbadmin'] },
  {
    provider: 'cloudsql',
    settings: ['cloudsql.logical_decoding', 'cloudsql.enable_pglogical', 'cloudsql.iam_authentication'],
    roles: ['cloudsqlsuperuser', 'cloudsqladmin'],
    host: /^\/cloudsql\/|\.sql\.goog$/,
    issuer: /Google Cloud SQL/,
  },
  {
    provider: 'azure',
    settings: ['azure.extensions', 'azure.replication_support'],
    roles: ['azure_pg_admin', 'azuresu', 'azure_superuser'],
    host: /\.postgres\.database\.azure\.com$/,
  },
  { provider: 'neon', settings: ['neon.endpoint_id'], roles: ['neon_superuser'], host: /\.neon\.tech$/ },
  {
    provider: 'supabase',
    settings: ['supautils.privileged_extensions'],
    roles: ['supabase_admin', 'supabase_replication_admin'],
    host: /\.supabase\.(?:co|com)$/,
  },
  { provider: 'planetscale', settings: ['extwlist.pscale_allowed_extensions'], roles: ['pscale_admin'], host: /\.psdb\.cloud$/ },
  { provider: 'digitalocean', roles: ['doadmin', '_doadmin'], host: /\.db\.ondigitalocean\.com$/ },
  { provider: 'timescale', roles: ['tsdbadmin'], host: /\.tsdb\.cloud\.timescale\.com$/ },
  { provider: 'aiven', roles: ['avnadmin', '_aiven'], host: /\.aivencloud\.com$/ },
  { provider: 'crunchy', roles: ['crunchy_superuser', 'crunchy_replication'], host: /\.db\.postgresbridge\.com$/ },
  { provider: 'fly', roles: ['fly-user'], host: /\.flympg\.net$|\.internal$|\.flycast$/ },
  { provider: 'render', host: /(?:^|\.)dpg-[a-z0-9-]+(?:\.[a-z0-9-]+)*$|\.render\.com$/ },
  { provider: 'railway', host: /\.rlwy\.net$|\.railway\.(?:app|internal)$/ },
  { provider: 'heroku', host: /^ec2-[0-9-]+\.(?:compute-1|[a-z0-9-]+\.compute)\.amazonaws\.com$/ },
];

/** Endpoints that look like a database and are a pooler. */
const POOLERS: readonly { readonly host?: RegExp; readonly port?: number; readonly provider?: ProviderId; readonly says: string }[] = [
  { host: /\.proxy-[a-z0-9]+\.[a-z0-9-]+\.rds\.amazonaws\.com/, says: 'an RDS Proxy endpoint' },
  { host: /\.pooler\.supabase\.com$/, says: 'Supabase’s pooler (Supavisor)' },
  { host: /^[^.]+-pooler\./, says: 'Neon’s pooled endpoint (-pooler)' },
  { host: /^pgbouncer\./, says: 'a PgBouncer host' },
  { provider: 'digitalocean', port: 25_061, says: 'DigitalOcean’s connection pool port' },
  { provider: 'azure', port: 6432, says: 'Azure’s built-in PgBouncer port' },
  { provider: 'cloudsql', port: 6432, says: 'Cloud SQL’s managed pooling port' },
  { provider: 'alloydb', port: 6432, says: 'AlloyDB’s managed pooling port' },
  { provider: 'planetscale', port: 6432, says: 'PlanetScale’s PgBouncer port' },
  { provider: 'crunchy', port: 5431, says: 'Crunchy Bridge’s PgBouncer port' },
];

export function recognise(signals: Signals, control: ControlFacts | undefined, override: ProviderId | undefined): Recognised {
  const found =
    override !== undefined
      ? { provider: override, because: ['you said so (--provider)'] }
      : control !== undefined
        ? { provider: control.provider, because: [`its control plane says so (${control.resource})`] }
        : bySigns(signals);
  const host = signals.host.toLowerCase();
  const pooler = POOLERS.find(
    (pattern) =>
      (pattern.host === undefined || pattern.host.test(host)) &&
      (pattern.port === undefined || pattern.port === signals.port) &&
      (pattern.provider === undefined || pattern.provider === found.provider),
  );
  return {
    ...found,
    variant: control?.variant ?? variantOf(found.provider, signals),
    pooler: pooler?.says,
    reader: /\.cluster-ro-/.test(host),
  };
}

interface Found {
  readonly provider: ProviderId;
  readonly because: readonly string[];
}

function bySigns(signals: Signals): Found {
  const scored = SIGNS.map((sign) => ({ sign, because: reasons(sign, signals) }));
  const strongest = Math.max(...scored.map(({ because }) => because.at(0)?.weight ?? 0));
  const best = scored.find(({ because }) => strongest > 0 && because.at(0)?.weight === strongest);
  if (best === undefined) return { provider: 'selfhosted', because: ['no sign of a provider in its settings, roles or host name'] };
  return { provider: best.sign.provider, because: best.because.map(({ says }) => says) };
}

function reasons(sign: Sign, signals: Signals): { weight: number; says: string }[] {
  const found: { weight: number; says: string }[] = [];
  // The function that only Aurora has outweighs the settings that it shares with RDS.
  for (const name of sign.functions ?? [])
    if (signals.functions.includes(name)) found.push({ weight: 5, says: `function ${name}() exists` });
  for (const name of sign.settings ?? []) if (name in signals.settings) found.push({ weight: 4, says: `setting ${name} exists` });
  for (const name of sign.roles ?? []) if (signals.roles.includes(name)) found.push({ weight: 3, says: `role ${name} exists` });
  if (sign.host?.test(signals.host.toLowerCase()) === true) found.push({ weight: 2, says: `the host name is ${signals.host}` });
  if (signals.certificateIssuer !== undefined && sign.issuer?.test(signals.certificateIssuer) === true)
    found.push({ weight: 1, says: `its certificate was issued by ${signals.certificateIssuer}` });
  return found;
}

function variantOf(provider: ProviderId, signals: Signals): Variant | undefined {
  if (provider !== 'azure') return undefined;
  return 'azure.replication_support' in signals.settings || signals.roles.includes('azure_superuser') ? 'single' : 'flexible';
}
