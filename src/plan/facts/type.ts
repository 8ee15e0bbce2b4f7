/**
 * What a type is: whether identity of its canonical value (values/canonical.ts) is its equality, so that it can be a hash key (GROUP BY, DISTINCT, joins); whether its order
 * is known here; whether its text is a matter of settings. jsonb (1.0 = 1.00 inside), tsquery (its equality ignores weights), numeric arrays, composites and
 * nondeterministic collations are no keys. Pure; conservative: what is not listed is not. Read by `sql/judge`, `sql/bind` and the facts beside it.
 */
import { needsCanonical } from '../../values/canonical.ts';
import type { PgType } from '../../values/type.ts';

/** Base types kept as text whose text form is one to one with the value. */
const TEXT_IS_IDENTITY = new Set([
  17, 18, 19, 25, 1042, 1043, 829, 774, 650, 869, 1560, 1562, 790, 1266, 3220, 3614, 5069, 27, 28, 29, 24, 2202, 2203, 2204, 2205, 2206,
  4089, 4096, 3734, 3769,
]);
/** int4range, int8range, daterange, tsrange, tstzrange: canonical, or of one text form a bound. */
const RANGES = new Set([3904, 3926, 3912, 3908, 3910]);
/** text, varchar, bpchar, name, bytea (its hex sorts as its bytes). */
const ORDERED_TEXT = new Set([25, 1043, 1042, 19, 17]);
/** Their text form depends on DateStyle, IntervalStyle, TimeZone or lc_monetary. */
const PRINTED_BY_SETTINGS = new Set([1082, 1114, 1184, 1186, 790]);

export function isKeyType(type: PgType): boolean {
  if (type.collation?.deterministic === false || type.foreign !== undefined) return false;
  switch (type.kind) {
    case 'base':
      return type.storage !== 'text' || TEXT_IS_IDENTITY.has(type.oid);
    case 'enum':
      return true;
    case 'domain':
      return type.base !== undefined && isKeyType({ ...type.base, ...(type.collation === undefined ? {} : { collation: type.collation }) });
    case 'array':
      return type.element !== undefined && isKeyType(type.element) && !needsCanonical(type.element);
    case 'range':
      return RANGES.has(type.oid);
    case 'composite':
    case 'multirange':
    case 'pseudo':
      return false;
  }
}

/** Its btree order is the one of `values/order.ts`. */
export function hasKnownOrder(type: PgType): boolean {
  const standing = type.base ?? type;
  return standing.storage !== 'text' || standing.kind === 'enum' || ORDERED_TEXT.has(standing.oid);
}

export function isPrintedBySettings(type: PgType): boolean {
  const standing = type.base ?? type;
  if (standing.element !== undefined) return isPrintedBySettings(standing.element);
  return (
    PRINTED_BY_SETTINGS.has(standing.oid) || standing.kind === 'composite' || standing.kind === 'range' || standing.kind === 'multirange'
  );
}

const DATE = 1082;
const TIMESTAMP = 1114;
const JSON_TYPES = new Set([114, 3802]);

export function isJson(type: PgType): boolean {
  return JSON_TYPES.has((type.base ?? type).oid);
}

/** Arrays and rows. */
export function isManifold(type: PgType): boolean {
  const { kind } = type.base ?? type;
  return kind === 'array' || kind === 'composite' || kind === 'pseudo';
}

/** Does its JSON depend on settings? Dates and timestamps are ISO there, whatever DateStyle is. */
export function isSetInJson(type: PgType): boolean {
  const standing = type.base ?? type;
  if (standing.element !== undefined) return isSetInJson(standing.element);
  return isPrintedBySettings(standing) && standing.oid !== DATE && standing.oid !== TIMESTAMP;
}
