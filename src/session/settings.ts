/**
 * A session's settings: what clients may SET and SHOW. Anything that Postgres knows and Millrace does not act on is accepted where a driver
 * or tool sends it unasked; a setting whose other values would change answers is refused by name.
 */
import { constrainedMemory } from 'node:process';
import { totalmem } from 'node:os';
import type { SessionMemory } from '../base/client-memory.ts';
import { millraceError } from '../base/errors.ts';
import { limits } from '../base/limits.ts';

interface Setting {
  readonly default: string;
  /** Sent to the client as ParameterStatus at start and on change. */
  readonly reported?: true;
  /** Captured by a view at CREATE (docs/internals/exactness.md). */
  readonly captured?: true;
  /** Returns the normalised value, or undefined when the value is not one of the setting's. */
  accept?(value: string): string | undefined;
}

const anything = (value: string): string => value;
const oneOf =
  (...values: string[]) =>
  (value: string): string | undefined =>
    values.find((known) => known === value.toLowerCase());
const onOff = (value: string): string | undefined =>
  ['on', 'true', 'yes', '1', 't'].includes(value.toLowerCase())
    ? 'on'
    : ['off', 'false', 'no', '0', 'f'].includes(value.toLowerCase())
      ? 'off'
      : undefined;
/** 0 = no limit. */
const count = (value: string): string | undefined => (/^\s*\d{1,15}\s*$/.test(value) ? value.trim() : undefined);
/** As Postgres writes memory; a bare number is bytes. */
const memory = (value: string): string | undefined => (parseBytes(value) === undefined ? undefined : value);
const fixed = (only: string) => (value: string) => (value.toLowerCase() === only.toLowerCase() ? only : undefined);
/** Postgres's durations: a bare number is milliseconds. */
const duration = (value: string): string | undefined => (parseDurationMs(value) === undefined ? undefined : value);

export const SETTINGS: Readonly<Record<string, Setting>> = {
  application_name: { default: '', reported: true, accept: anything },
  client_encoding: { default: 'UTF8', reported: true, accept: (value) => (/^(utf-?8|unicode)$/i.test(value) ? 'UTF8' : undefined) },
  client_min_messages: { default: 'notice', accept: anything },
  datestyle: {
    default: 'ISO, MDY',
    reported: true,
    captured: true,
    accept: (value) => (/^iso(\s*,\s*(mdy|us))?$/i.test(value) ? 'ISO, MDY' : undefined),
  },
  default_transaction_isolation: { default: 'serializable', accept: anything },
  default_transaction_read_only: { default: 'on', reported: true, accept: onOff },
  extra_float_digits: { default: '1', accept: (value) => (Number(value) >= 1 && Number(value) <= 3 ? '1' : undefined) },
  idle_in_transaction_session_timeout: { default: '120s', accept: duration },
  in_hot_standby: { default: 'off', reported: true },
  integer_datetimes: { default: 'on', reported: true },
  intervalstyle: { default: 'postgres', reported: true, captured: true, accept: fixed('postgres') },
  is_superuser: { default: 'off', reported: true },
  lc_messages: { default: 'C', accept: anything },
  lc_monetary: { default: 'C', captured: true, accept: fixed('C') },
  lc_numeric: { default: 'C', captured: true, accept: fixed('C') },
  lc_time: { default: 'C', captured: true, accept: fixed('C') },
  lock_timeout: { default: '0', accept: duration },
  bytea_output: { default: 'hex', accept: fixed('hex') },
  default_text_search_config: { default: 'pg_catalog.simple', captured: true, accept: anything },
  max_hydration_rows: { default: '1000000000', accept: count },
  max_identifier_length: { default: '63' },
  max_view_bytes: { default: `${halfTheMemoryMb()}MB`, accept: memory },
  real_time_recency: { default: 'off', accept: onOff },
  real_time_recency_timeout: { default: '10s', accept: duration },
  require_exact: { default: 'off', accept: onOff },
  row_security: { default: 'on', accept: onOff },
  search_path: { default: 'public', captured: true, accept: anything },
  server_encoding: { default: 'UTF8', reported: true },
  server_version: { default: '18.6', reported: true },
  server_version_num: { default: '180006' },
  session_authorization: { default: 'millrace', reported: true, accept: anything },
  standard_conforming_strings: { default: 'on', reported: true, accept: fixed('on') },
  statement_timeout: { default: `${limits.statementTimeoutMsDefault}ms`, accept: duration },
  synchronize_seqscans: { default: 'on', accept: onOff },
  synchronous_commit: { default: 'on', accept: anything },
  timezone: {
    default: 'UTC',
    reported: true,
    captured: true,
    accept: (value) => (/^(utc|gmt|etc\/utc|etc\/gmt|z)$/i.test(value) ? 'UTC' : undefined),
  },
  transaction_isolation: {
    default: 'serializable',
    accept: oneOf('serializable', 'repeatable read', 'read committed', 'read uncommitted', 'strict serializable'),
  },
  transaction_read_only: { default: 'on', accept: onOff },
  cluster: { default: 'default', accept: anything },
  database: { default: 'millrace', accept: anything },
  jit: { default: 'off', accept: anything },
  work_mem: { default: '4MB', accept: anything },
  enable_seqscan: { default: 'on', accept: onOff },
};

/** Names as Postgres writes them in ParameterStatus. */
const REPORTED_NAMES: Readonly<Record<string, string>> = { datestyle: 'DateStyle', intervalstyle: 'IntervalStyle', timezone: 'TimeZone' };

/** What ROLLBACK TO puts back. */
export interface SavedSettings {
  readonly values: ReadonlyMap<string, string>;
  readonly local: ReadonlyMap<string, string>;
}

/** Of a map around a name and a value. */
const ENTRY_BYTES = 100;
const DAY_MS = 24 * 3600 * 1000;

export class Settings {
  readonly #values = new Map<string, string>();
  readonly #defaults = new Map<string, string>();
  /** Values before the transaction block, to be put back by ROLLBACK. */
  #before: Map<string, string> | undefined;
  #local = new Map<string, string>();
  readonly #memory: SessionMemory;

  constructor(startup: ReadonlyMap<string, string>, memory: SessionMemory) {
    this.#memory = memory;
    for (const [name, setting] of Object.entries(SETTINGS)) this.#defaults.set(name, setting.default);
    for (const [name, value] of startup) {
      const known = SETTINGS[name.toLowerCase()];
      const accepted = known?.accept?.(value);
      if (accepted !== undefined) this.#defaults.set(name.toLowerCase(), accepted);
    }
  }

  get(name: string): string {
    const key = name.toLowerCase();
    const value = this.#local.get(key) ?? this.#values.get(key) ?? this.#defaults.get(key);
    if (value === undefined) throw millraceError('SETTING_UNKNOWN', { name });
    return value;
  }

  /** `value` undefined = to the default. Returns what must be reported to the client. */
  set(name: string, value: string | undefined, scope: 'session' | 'local'): ReadonlyMap<string, string> {
    const key = name.toLowerCase();
    const setting = SETTINGS[key];
    if (setting === undefined) {
      // Custom names with a dot are anybody's, as in Postgres.
      if (!key.includes('.')) throw millraceError('SETTING_UNKNOWN', { name });
      if (!this.#values.has(key) && this.#values.size >= limits.customSettingsMax)
        throw millraceError('SETTINGS_EXHAUSTED', { customSettingsMax: limits.customSettingsMax });
      this.#put(this.#values, key, value ?? '');
      return new Map();
    }
    const accepted = value === undefined ? this.#defaults.get(key) : setting.accept === undefined ? undefined : setting.accept(value);
    if (accepted === undefined) {
      if (setting.accept === undefined) throw millraceError('SETTING_READ_ONLY', { name });
      throw millraceError('SETTING_REFUSED', { name, value: value ?? '', accepted: setting.default });
    }
    if (scope === 'session') this.#put(this.#values, key, accepted);
    // Outside a block a local setting ends with its own statement, as in Postgres.
    else if (this.#before === undefined) return new Map();
    else this.#put(this.#local, key, accepted);
    return setting.reported === true ? new Map([[REPORTED_NAMES[key] ?? key, accepted]]) : new Map();
  }

  #put(values: Map<string, string>, key: string, value: string): void {
    const bytes = ENTRY_BYTES + key.length + value.length;
    this.#memory.take('settings', bytes);
    values.set(key, value);
    this.#count();
  }

  /** Of the values in force, and of those that a rollback brings back. */
  #count(): void {
    this.#memory.set('settings', this.heldBytes + (this.#before === undefined ? 0 : bytesOf(this.#before)));
  }

  /** What a copy of the values in force holds. */
  get heldBytes(): number {
    return bytesOf(this.#values) + bytesOf(this.#local);
  }

  resetAll(): ReadonlyMap<string, string> {
    this.#values.clear();
    this.#count();
    return this.reported();
  }

  begin(): void {
    this.#before = new Map(this.#values);
  }

  /** SET LOCAL ends with the block; a rolled-back block undoes its SETs. */
  end(committed: boolean): void {
    if (!committed && this.#before !== undefined) {
      this.#values.clear();
      for (const [name, value] of this.#before) this.#values.set(name, value);
    }
    this.#before = undefined;
    this.#local = new Map();
    this.#count();
  }

  save(): SavedSettings {
    return { values: new Map(this.#values), local: new Map(this.#local) };
  }

  restore({ values, local }: SavedSettings): void {
    this.#values.clear();
    for (const [name, value] of values) this.#values.set(name, value);
    this.#local = new Map(local);
    this.#count();
  }

  reported(): ReadonlyMap<string, string> {
    const entries = Object.entries(SETTINGS).filter(([, setting]) => setting.reported === true);
    return new Map(entries.map(([name]) => [REPORTED_NAMES[name] ?? name, this.get(name)]));
  }

  all(): [string, string][] {
    return Object.keys(SETTINGS)
      .sort()
      .map((name) => [REPORTED_NAMES[name] ?? name, this.get(name)]);
  }

  captured(): Record<string, string> {
    const entries = Object.entries(SETTINGS).filter(([, setting]) => setting.captured === true);
    return Object.fromEntries(entries.map(([name]) => [name, this.get(name)]));
  }

  get searchPath(): string[] {
    return schemasOf(this.get('search_path'));
  }

  get statementTimeoutMs(): number {
    const ms = parseDurationMs(this.get('statement_timeout')) ?? 0;
    return ms === 0 ? DAY_MS : ms;
  }

  /** Making a view or an index of rows that are here holds nobody up: it takes as long as it takes, unless a time was asked for. */
  get hydrationTimeoutMs(): number {
    return this.get('statement_timeout') === SETTINGS['statement_timeout']!.default ? DAY_MS : this.statementTimeoutMs;
  }

  /** What bringing in a view may take. */
  get hydrationBudget(): { rowsMax: number; bytesMax: number } {
    return { rowsMax: Number(this.get('max_hydration_rows')) || Infinity, bytesMax: parseBytes(this.get('max_view_bytes')) || Infinity };
  }

  durationMs(name: string): number {
    return parseDurationMs(this.get(name)) ?? 0;
  }
}

function bytesOf(values: ReadonlyMap<string, string>): number {
  let bytes = 0;
  for (const [name, value] of values) bytes += ENTRY_BYTES + name.length + value.length;
  return bytes;
}

export function parseDurationMs(text: string): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(us|ms|s|min|h|d)?\s*$/.exec(text);
  if (match === null) return undefined;
  const unitMs = { us: 0.001, ms: 1, s: 1000, min: 60_000, h: 3_600_000, d: 86_400_000 }[
    (match[2] ?? 'ms') as 'us' | 'ms' | 's' | 'min' | 'h' | 'd'
  ];
  return Number(match[1]) * unitMs;
}

export function parseBytes(text: string): number | undefined {
  const match = /^\s*(\d+(?:\.\d+)?)\s*(b|kb|mb|gb|tb)?\s*$/i.exec(text);
  if (match === null) return undefined;
  return Math.floor(Number(match[1]) * 1024 ** ['b', 'kb', 'mb', 'gb', 'tb'].indexOf((match[2] ?? 'b').toLowerCase()));
}

/** Of this machine, or of the container that this runs in. */
function halfTheMemoryMb(): number {
  const limit = constrainedMemory();
  return Math.floor(Math.min(totalmem(), limit > 0 ? limit : Infinity) / 2 / 2 ** 20);
}

/** The schemas of a search_path. */
export function schemasOf(searchPath: string): string[] {
  return searchPath
    .split(',')
    .map((part) => part.trim().replace(/^"(.*)"$/, '$1'))
    .filter((part) => part !== '' && part !== '$user');
}
