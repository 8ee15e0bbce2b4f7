/**
 * Which functions a view may call. Immutable ones: all. STABLE ones: those whose answer depends on nothing but their arguments and captured settings
 * (class *settings*). Everything that reads a clock, a sequence, the session or the catalog is refused with its reason; so is code of users.
 * In an ad hoc query a STABLE call over constants is a constant: it is asked once. Called by `load.ts` for every function of a tree.
 */
import { millraceError, type MillraceError } from '../../base/errors.ts';
import type { FunctionFacts } from '../tree/context.ts';

/** pg_typeof("any"). */
export const PG_TYPEOF = 1619;

export type Purpose = 'view' | 'query';

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

/** Aggregates and casts share names with functions of other arities; these forms read the clock. */
function readsClock({ name, argumentTypes }: FunctionFacts): boolean {
  return (
    /^(now|transaction_timestamp|statement_timestamp|clock_timestamp|timeofday)$/.test(name) ||
    (name === 'age' && argumentTypes.length === 1)
  );
}

/** The error, or undefined when it may be called over rows. `constant`: all its arguments are constants. */
export function refusedCall(facts: FunctionFacts, purpose: Purpose, constant: boolean): MillraceError | undefined {
  // What it answers is known from the type: `bind-expression.ts` makes it a constant.
  if (facts.volatility === 'immutable' || facts.oid === PG_TYPEOF) return undefined;
  const name = `${facts.name}()`;
  if (facts.volatility === 'volatile') {
    if (purpose === 'query') return millraceError('VOLATILE_IN_QUERY', { function: name });
    return millraceError('NOT_DETERMINISTIC', { function: name, why: 'It is VOLATILE: every call may give another answer.' });
  }
  if (purpose === 'query' && constant) return undefined;
  const refused = (why: string): MillraceError =>
    purpose === 'query'
      ? millraceError('DEPENDS_ON_SESSION', { function: name, why })
      : millraceError('NOT_DETERMINISTIC', { function: name, why });
  if (facts.name === 'pg_column_size') return refused('It measures how a row is stored upstream; here it is stored in another form.');
  if (readsClock(facts)) {
    return refused('It reads the clock, so rows would change although no table does.');
  }
  if (DEPENDS_ON_SETTINGS.has(facts.name) || (facts.name === 'age' && facts.argumentTypes.length === 2)) return undefined;
  return refused('It is STABLE: it depends on the session or on the system catalog.');
}

/** SQLValueFunctionOp, in the order of primnodes.h. */
const SQL_VALUES = [
  'CURRENT_DATE',
  'CURRENT_TIME',
  'CURRENT_TIME',
  'CURRENT_TIMESTAMP',
  'CURRENT_TIMESTAMP',
  'LOCALTIME',
  'LOCALTIME',
  'LOCALTIMESTAMP',
  'LOCALTIMESTAMP',
  'CURRENT_ROLE',
  'CURRENT_USER',
  'USER',
  'SESSION_USER',
  'CURRENT_CATALOG',
  'CURRENT_SCHEMA',
] as const;

export function refusedSqlValue(op: number, purpose: Purpose): MillraceError | undefined {
  if (purpose === 'query') return undefined;
  const name = SQL_VALUES[op] ?? 'this value';
  const why =
    op <= 8 ? 'It reads the clock, so rows would change although no table does.' : 'It depends on the session, and a view has none.';
  return millraceError('NOT_DETERMINISTIC', { function: name, why });
}
