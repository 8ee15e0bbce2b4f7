/**
 * What Postgres's own catalog says of a function (pg_proc; whether it is an equality: pg_amop), and what a STABLE one depends on, which the catalog does not say.
 * Read by `sql/tree` (which makes it), `sql/judge` and `sql/bind`; `exactness.ts` stands on it.
 */

export interface FunctionFacts {
  readonly oid: number;
  readonly name: string;
  readonly volatility: 'immutable' | 'stable' | 'volatile';
  readonly strict: boolean;
  readonly argumentTypes: readonly number[];
  /** A btree or hash operator class calls it its equality. */
  readonly isEquality: boolean;
}

/** pg_typeof("any"): what it answers is known from the type, and so is a constant. */
export const PG_TYPEOF = 1619;

/** STABLE in pg_proc because of TimeZone, DateStyle, IntervalStyle, lc_*, extra_float_digits or the text-search configuration alone. */
const DEPENDS_ON_SETTINGS = new Set(
  (
    'date_trunc date_part extract timezone timestamptz timestamp date time timetz to_char to_date to_timestamp to_number make_timestamptz date_add date_subtract ' +
    'timestamptz_pl_interval timestamptz_mi_interval interval_pl_timestamptz overlaps ' +
    'date_eq_timestamptz date_ne_timestamptz date_lt_timestamptz date_le_timestamptz date_gt_timestamptz date_ge_timestamptz date_cmp_timestamptz ' +
    'timestamptz_eq_date timestamptz_ne_date timestamptz_lt_date timestamptz_le_date timestamptz_gt_date timestamptz_ge_date timestamptz_cmp_date ' +
    'timestamp_eq_timestamptz timestamp_ne_timestamptz timestamp_lt_timestamptz timestamp_le_timestamptz timestamp_gt_timestamptz timestamp_ge_timestamptz ' +
    'timestamptz_eq_timestamp timestamptz_ne_timestamp timestamptz_lt_timestamp timestamptz_le_timestamp timestamptz_gt_timestamp timestamptz_ge_timestamp ' +
    'anytextcat textanycat concat concat_ws format quote_literal quote_nullable array_to_string array_to_json row_to_json to_json to_jsonb json_build_object ' +
    'jsonb_build_object json_build_array jsonb_build_array json_object jsonb_object json_populate_record jsonb_populate_record money numeric cash_in cash_out ' +
    'to_tsvector to_tsquery plainto_tsquery phraseto_tsquery websearch_to_tsquery ts_headline json_to_tsvector jsonb_to_tsvector ' +
    'jsonb_path_query_tz jsonb_path_exists_tz jsonb_path_match_tz jsonb_path_query_array_tz jsonb_path_query_first_tz ' +
    'enum_in enum_out array_in array_out date_in date_out timestamp_in timestamp_out timestamptz_in timestamptz_out interval_in interval_out'
  ).split(' '),
);

const CLOCKS = /^(now|transaction_timestamp|statement_timestamp|clock_timestamp|timeofday)$/;

/** What its answer depends on beside its arguments. `storage`: how a row is kept; `session`: the session or the system catalog; `chance`: VOLATILE. */
export function dependsOn({
  oid,
  name,
  volatility,
  argumentTypes,
}: FunctionFacts): 'nothing' | 'settings' | 'clock' | 'storage' | 'session' | 'chance' {
  if (volatility === 'immutable' || oid === PG_TYPEOF) return 'nothing';
  if (volatility === 'volatile') return 'chance';
  if (name === 'pg_column_size') return 'storage';
  // Functions of other arities share the name: age(a, b) does not ask what day it is.
  if (CLOCKS.test(name) || (name === 'age' && argumentTypes.length === 1)) return 'clock';
  return DEPENDS_ON_SETTINGS.has(name) || name === 'age' ? 'settings' : 'session';
}
