/**
 * Which expressions cannot fail, whatever the row: they alone may run on rows that the written query would not have asked about (below joins, as join keys, on a
 * shared side), so that no error appears that the upstream would not report (I-1). One list of what is certain; everything else may fail. A test holds it against
 * Postgres and the compiled code over random values. Read by `sql/bind`, `plan/rewrite` and `dataflow/graph/fuse.ts`.
 */
import type { Call, Expression } from '../expression.ts';
import { partsOf } from '../walk.ts';
import type { PgType } from '../../values/type.ts';
import { ARRAY_COMPARISONS, COMPARISONS } from './comparison.ts';
import { hasKnownOrder, isKeyType } from './type.ts';

/** Functions of any arguments, beside the comparisons. */
const TOTAL: ReadonlySet<number> = new Set<number>(
  [
    ...Object.values(COMPARISONS),
    // Casts that widen (int2 → int4, int8; int4 → int8; oid → int8; integers and floats → numeric), or round among the floats.
    [313, 754, 481, 1288, 1740, 1781, 1782, 1742, 1743, 235, 236, 316, 318, 482, 652, 311],
    // Casts of booleans, of bpchar to text, of timestamp to date and time, of time to interval.
    [2557, 2558, 2971, 401, 2029, 1316, 1370],
    // Numbers: unary plus; minus, abs and sign where no range ends; bits; round, ceil, floor, trunc, sign of floats.
    [1910, 1911, 1912, 1913, 1914, 1915, 206, 220, 1771, 207, 221, 1394, 1395, 1704, 1705, 1706],
    [1892, 1893, 1894, 1895, 1898, 1899, 1900, 1901, 1902, 1903, 1904, 1905, 1906],
    [1342, 2308, 2320, 2309, 1343, 2310],
    // Text: ||, length, octet_length, lower, upper, trim, substr without a length, left, right, position, reverse, ascii, md5, translate, to_hex.
    [1258, 1257, 1317, 1369, 1381, 1318, 1367, 1372, 1374, 1375, 870, 871, 884, 885, 875, 881, 876, 882, 883, 937, 3060, 3061],
    [849, 868, 3062, 1620, 2311, 878, 2089, 2090],
    // isfinite, time − time; jsonb_typeof; ->, ->>, #>, #>> and ? of jsonb.
    [1373, 1389, 2048, 1390, 1690, 3210, 3478, 3214, 3215, 3216, 3217, 3940, 4047],
  ].flat(),
);

const LIKE = new Set([850, 851, 1569, 1570, 1631, 1632]);
/** extract of a date or timestamp, date_part of a timestamp: of fields that every date has. (One with a zone may leave the calendar by its zone.) */
const FIELD = new Set([6199, 6202, 2021]);
const FIELDS = new Set('year month day quarter week dow doy isoyear isodow decade century millennium'.split(' '));
/** substr and substring with a length. */
const SUBSTRING = new Set([877, 936]);
/** text and varchar: a cast to them prints the value. */
const PRINTED = new Set([25, 1043]);

export function cannotFail(expression: Expression): boolean {
  return isTotal(expression) && partsOf(expression).every(cannotFail);
}

/** Predicates run in order, each on the rows that the earlier ones keep. */
export function safeFirst(predicates: readonly Expression[]): Expression[] {
  return [...predicates.filter(cannotFail), ...predicates.filter((predicate) => !cannotFail(predicate))];
}

/** Over arguments that have a value. */
function isTotal(expression: Expression): boolean {
  switch (expression.kind) {
    case 'fallback':
    case 'raise':
      return false;
    case 'ioCast':
      return PRINTED.has(expression.type.oid) && expression.type.typmod < 0 && isPrintable(expression.arg.type);
    case 'call':
      return isTotalCall(expression.proc, expression.args[0]?.type) || isTotalWithConstant(expression);
    case 'anyAll':
      return isTotalCall(expression.proc, expression.left.type);
    case 'nullIf':
    case 'isDistinct':
      return isTotalCall(expression.equal, expression.args[0].type);
    case 'column':
    case 'outer':
    case 'constant':
    case 'and':
    case 'or':
    case 'not':
    case 'isNull':
    case 'booleanTest':
    case 'case':
    case 'coalesce':
    case 'minMax':
    case 'relabel':
    case 'canonical':
      return true;
  }
}

function isTotalCall(proc: number, first: PgType | undefined): boolean {
  if (TOTAL.has(proc)) return true;
  const element = (first?.base ?? first)?.element;
  return ARRAY_COMPARISONS.includes(proc) && element !== undefined && isKeyType(element) && hasKnownOrder(element);
}

/** A pattern that ends in an escape character is an error, so is a field that a date does not have, and a length below zero. */
function isTotalWithConstant({ proc, args }: Call): boolean {
  const [first, second, third] = args.map((arg) => (arg.kind === 'constant' ? arg.text : null));
  if (LIKE.has(proc)) return typeof second === 'string' && !second.endsWith('\\');
  if (FIELD.has(proc)) return FIELDS.has(first ?? '');
  return SUBSTRING.has(proc) && Number(third ?? -1) >= 0;
}

/** What its output function takes is always a value of its own; of an extension's nothing is known. */
function isPrintable({ kind, foreign }: PgType): boolean {
  return foreign === undefined && (kind === 'base' || kind === 'enum' || kind === 'domain');
}
