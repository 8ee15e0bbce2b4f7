/** What may not be compared, sorted or called here, refused by name (I-1): by what plan/facts knows of types. Called while a query is bound. */
import { millraceError } from '../../base/errors.ts';
import { hasKnownOrder, isKeyType } from '../../plan/facts/type.ts';
import { ordersByBytes } from '../../values/order.ts';
import type { Collation, PgType } from '../../values/type.ts';

export function requireKeyType(type: PgType, what: string): void {
  if (isKeyType(type)) return;
  requireKnown(type, what);
  throw millraceError('KEY_TYPE_UNSUPPORTED', { what, type: type.name });
}

/** Refuses what only the upstream can compare: a type of an extension (citext, hstore …), a nondeterministic collation. */
function requireKnown(type: PgType, what: string): void {
  requireOwn(type, what);
  requireDeterministic(type.collation, type.name, what);
}

/** Not of a type of an extension, and without one inside. */
export function requireOwn({ name, foreign }: PgType, what: string): void {
  if (foreign === undefined) return;
  throw millraceError('KEY_TYPE_UNSUPPORTED', { what, type: foreign === name ? name : `${name}, which contains ${foreign},` });
}

function requireDeterministic(collation: Collation | undefined, type: string, what: string): void {
  if (collation?.deterministic !== false) return;
  throw millraceError('COLLATION_UNSUPPORTED', { what, type, collation: collation.name });
}

/** ||, length, lower, upper, btrim: what they answer does not depend on which text is equal. */
const REGARDLESS_OF_EQUALITY = new Set([1258, 1257, 1317, 1374, 870, 871, 884, 885]);
/** Comparisons of arrays, rows and ranges that Postgres runs in the evaluator, whose texts are ordered by bytes. */
const ORDERED_INSIDE = /^(array|record|range|multirange)_(lt|le|gt|ge|larger|smaller)$|^bt(array|record)cmp$|^range_cmp$|^width_bucket$/;

/** Refuses a call whose answer would be another one upstream. */
export function requireCallable(
  { oid, name }: { readonly oid: number; readonly name: string },
  args: readonly PgType[],
  collation: Collation | undefined,
): void {
  const what = `${name}()`;
  for (const arg of args) requireOwn(arg, what);
  if (!REGARDLESS_OF_EQUALITY.has(oid))
    requireDeterministic(collation, args.find((arg) => arg.collation !== undefined)?.name ?? 'text', what);
  if (!ORDERED_INSIDE.test(name)) return;
  if (!ordersByBytes(collation))
    throw millraceError('COLLATION_UNSUPPORTED', { what, type: args[0]?.name ?? 'text', collation: collation!.name });
  // Its columns have collations of their own, which are not told here.
  const row = args.find((arg) => arg.kind === 'composite' || arg.element?.kind === 'composite');
  if (row !== undefined) throw millraceError('KEY_TYPE_UNSUPPORTED', { what, type: row.name });
}

/** Types whose btree order `values/order.ts` has: for ORDER BY … LIMIT, min and max. */
export function requireOrder(type: PgType, what: string): void {
  requireKnown(type, what);
  if (!hasKnownOrder(type)) throw millraceError('FEATURE_NOT_SUPPORTED', { feature: `${what} of type ${type.name}` });
}

/** For GREATEST and LEAST, which also take arrays. */
export function requireOrderOfValues(type: PgType, what: string): void {
  requireKnown(type, what);
  let element = type.base ?? type;
  while (element.kind === 'array' && element.element !== undefined) element = element.element.base ?? element.element;
  if (!hasKnownOrder(element)) throw millraceError('FEATURE_NOT_SUPPORTED', { feature: `${what} of type ${type.name}` });
}
