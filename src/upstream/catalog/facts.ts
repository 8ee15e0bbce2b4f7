/**
 * Facts of the server and its database: which server it is, how it sorts, which time-zone data it has. Read at CREATE SOURCE and at every reconnect.
 * Works on Postgres 10 to 18: `to_jsonb(row) ->> 'column'` reads columns that only newer versions have.
 */
import { must } from '../../base/assert.ts';
import { millraceError } from '../../base/errors.ts';
import { parseLsn, type Lsn } from '../../base/lsn.ts';
import type { UpstreamConnection } from '../connection/connect.ts';
import type { UpstreamCollation, UpstreamFacts } from '../table.ts';

export interface SystemIdentity {
  readonly systemId: string;
  readonly timeline: number;
  /** The server's flushed WAL end. */
  readonly walEnd: Lsn;
}

/** IDENTIFY_SYSTEM: needs a replication connection, and finds out a pooler that only says that it is one. */
export async function identifySystem(replication: UpstreamConnection): Promise<SystemIdentity> {
  try {
    const [row] = await replication.query('IDENTIFY_SYSTEM');
    return {
      systemId: must(row?.['systemid'], 'systemid'),
      timeline: Number(row!['timeline']),
      walEnd: parseLsn(must(row!['xlogpos'], 'xlogpos')),
    };
  } catch (error) {
    throw replication.failure(error, { doing: 'asking who the server is', replication: true });
  }
}

/**
 * A fingerprint of the time-zone rules: local times of many zones at many instants. Run the same text on another Postgres to compare.
 * The zones are in every edition of the time-zone data since 2000, and in all of them rules have changed.
 */
export const TIME_ZONE_PROBE_SQL = `SELECT md5(string_agg((at AT TIME ZONE zone)::text, ',' ORDER BY zone COLLATE "C", at)) AS hash
  FROM unnest('{UTC,Africa/Cairo,Africa/Casablanca,America/Caracas,America/Chicago,America/Godthab,America/Los_Angeles,America/Mexico_City,America/New_York,America/Sao_Paulo,America/Santiago,Asia/Amman,Asia/Gaza,Asia/Kolkata,Asia/Pyongyang,Asia/Shanghai,Asia/Tehran,Asia/Tokyo,Australia/Sydney,Europe/Berlin,Europe/Istanbul,Europe/Kiev,Europe/London,Europe/Moscow,Pacific/Apia,Pacific/Auckland}'::text[]) zone,
       generate_series(timestamptz '1970-01-01 00:00+00', timestamptz '2037-12-31 00:00+00', interval '50 days') at`;

export async function readFacts(connection: UpstreamConnection, identity: SystemIdentity): Promise<UpstreamFacts> {
  const [row] = await connection.query(
    `SELECT current_setting('server_version_num') AS version_num, version() AS version, d.datname AS database, pg_encoding_to_char(d.encoding) AS encoding,
        coalesce(current_setting('effective_wal_level', true), current_setting('wal_level')) AS wal_level, coalesce(to_jsonb(d) ->> 'datlocprovider', 'c') AS provider, d.datcollate AS libc_locale,
        coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale') AS locale, to_jsonb(d) ->> 'datcollversion' AS collation_version
     FROM pg_catalog.pg_database d WHERE d.datname = current_database()`,
  );
  const facts = must(row, 'a row of pg_database');
  const [zone] = await connection.query(TIME_ZONE_PROBE_SQL);
  return {
    systemId: identity.systemId,
    timeline: identity.timeline,
    versionNum: Number(facts['version_num']),
    version: facts['version']!,
    database: facts['database']!,
    encoding: facts['encoding']!,
    databaseCollation: {
      oid: DEFAULT_COLLATION_OID,
      schema: 'pg_catalog',
      name: 'default',
      ...providerAndLocale(facts['provider']!, facts['libc_locale'] ?? null, facts['locale'] ?? null),
      deterministic: true,
      version: facts['collation_version'] ?? null,
    },
    timeZoneDataHash: zone!['hash']!,
    walLevel: facts['wal_level']!,
  };
}

/** Throws WAL_LEVEL_TOO_LOW. From 19 on the server turns logical decoding on by itself when the first slot is made. */
export async function requireLogicalDecoding(connection: UpstreamConnection): Promise<void> {
  const [row] = await connection.query(
    `SELECT coalesce(current_setting('effective_wal_level', true), current_setting('wal_level')) AS level`,
  );
  const walLevel = row?.['level'] ?? 'unknown';
  if (walLevel !== 'logical' && connection.versionNum < 190_000) throw millraceError('WAL_LEVEL_TOO_LOW', { walLevel });
}

export const DEFAULT_COLLATION_OID = 100;

/** As catalogs say it: provider b, i, c; libc's C and POSIX are by bytes. */
export function providerAndLocale(
  provider: string,
  libcLocale: string | null,
  locale: string | null,
): Pick<UpstreamCollation, 'provider' | 'locale'> {
  if (provider === 'b') return { provider: 'builtin', locale: locale ?? 'C' };
  if (provider === 'i') return { provider: 'icu', locale: locale ?? libcLocale ?? '' };
  const name = libcLocale ?? 'C';
  return name === 'C' || name === 'POSIX' ? { provider: 'c', locale: name } : { provider: 'libc', locale: name };
}
