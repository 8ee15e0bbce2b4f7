/**
 * Whether equality of a type is the identity of its canonical value (values/canonical.ts): only then can it be a hash key (GROUP BY, DISTINCT, joins).
 * jsonb (1.0 = 1.00 inside), numeric arrays, composites and nondeterministic collations are not: they are refused by name, or compared without a hash (I-1).
 */
import { millraceError } from '../../base/errors.ts';
import { needsCanonical } from '../../values/canonical.ts';
import type { PgType } from '../../values/type.ts';

/** Base types kept as text whose text form is one to one with the value. */
const TEXT_IS_IDENTITY = new Set([
  17, 18, 19, 25, 1042, 1043, 829, 774, 650, 869, 1560, 1562, 790, 1266, 3220, 3614, 3615, 5069, 27, 28, 29, 24, 2202, 2203, 2204, 2205,
  2206, 4089, 4096, 3734, 3769,
]);
/** int4range, int8range, daterange, tsrange, tstzrange: canonical, or of one text form a bound. */
const RANGES = new Set([3904, 3926, 3912, 3908, 3910]);

export function isKeyType(type: PgType): boolean {
  if (type.collation?.deterministic === false) return false;
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

export function requireKeyType(type: PgType, what: string): void {
  if (isKeyType(type)) return;
  const name =
    type.collation?.deterministic === false ? `${type.name} under the nondeterministic collation ${type.collation.name}` : type.name;
  throw millraceError('KEY_TYPE_UNSUPPORTED', { what, type: name });
}

/** Types whose btree order `values/order.ts` has: for ORDER BY … LIMIT, min and max. */
export function requireOrder(type: PgType, what: string): void {
  const standing = type.base ?? type;
  const known = standing.storage !== 'text' || standing.kind === 'enum' || ORDERED_TEXT.has(standing.oid);
  if (!known) throw millraceError('FEATURE_NOT_SUPPORTED', { feature: `${what} of type ${type.name}` });
}

/** text, varchar, bpchar, name, bytea (its hex sorts as its bytes). */
const ORDERED_TEXT = new Set([25, 1043, 1042, 19, 17]);
