/**
 * How exact an answer is against the upstream's, by function, order and collation: the classes of docs/internals/exactness.md. Pure. Called by `sql/judge`, which walks a
 * plan, and `sql/tree/load.ts` about what only Postgres evaluates.
 */
import { mapsCaseExactly } from '../../values/case-mapping.ts';
import { ordersByBytes } from '../../values/order.ts';
import type { Collation, PgType } from '../../values/type.ts';
import type { FunctionFacts } from './function.ts';

/** From the best. A view is as exact as its weakest part. */
const CLASSES = ['exact', 'float_aggregate', 'text_order', 'last_digit', 'settings', 'version'] as const;

export type Exactness = (typeof CLASSES)[number];

export function weakest(parts: Iterable<Exactness>): Exactness {
  let worst = 0;
  for (const part of parts) worst = Math.max(worst, CLASSES.indexOf(part));
  return CLASSES[worst]!;
}

const FLOAT8 = 701;
const TEXT = 25;

/** float8 functions whose last digit is the C library's. */
const TRANSCENDENTAL =
  /^(d?(sin|cos|tan|cot|asin|acos|atan|atan2|sinh|cosh|tanh|asinh|acosh|atanh|exp|cbrt|log1|log10|pow|erf|erfc)d?|(sin|cos|tan|cot|asin|acos|atan|atan2)d|power|gamma|lgamma|dpow|dexp|dcbrt)$/;
const CASE_MAPPING = /^(upper|lower|initcap)$/;
const FOLDED_MATCH = /^(text|bpchar|name)ic/;
const REGEX = /^(text|bpchar|name)(ic)?regex(eq|ne)$|^regexp_|^substring$|^textregexsubstr$/;
const TEXT_ORDER = /^(text|bpchar|name)_?(lt|le|gt|ge)$|^(text|bpchar)_(larger|smaller)$|^bttextcmp$/;
/** Character classes and escapes that know letters: `\w`, `[[:alpha:]]`, a-z ranges beyond ASCII do not matter. */
const CLASSY_PATTERN = /\\[wWsSdDmMyY]|\[\[:/;

/** Of one function under one collation; `pattern`: a regular expression that is constant. */
export function exactnessOfFunction(facts: FunctionFacts, collation: Collation | undefined, pattern: string | undefined): Exactness {
  const { name, volatility, argumentTypes } = facts;
  if (volatility !== 'immutable') return 'settings';
  if (isTranscendental(facts)) return 'last_digit';
  if (CASE_MAPPING.test(name) || FOLDED_MATCH.test(name)) {
    return mapsCaseExactly(collation) && !(name === 'initcap' && collation?.provider === 'icu') ? 'exact' : 'last_digit';
  }
  if (REGEX.test(name) && argumentTypes.includes(TEXT)) {
    const isPlain = pattern !== undefined && !CLASSY_PATTERN.test(pattern);
    const isAscii = ordersByBytes(collation) && collation?.provider !== 'builtin';
    return isPlain || isAscii ? 'exact' : 'last_digit';
  }
  return TEXT_ORDER.test(name) && !ordersAlike(collation) ? 'text_order' : 'exact';
}

export function isTranscendental({ name, argumentTypes }: FunctionFacts): boolean {
  return TRANSCENDENTAL.test(name) && (argumentTypes.includes(FLOAT8) || name.startsWith('d'));
}

/** Of an order of values of this type: sort keys, min and max, greatest and least. */
export function exactnessOfOrder(type: PgType, collation: Collation | undefined): Exactness {
  let standing = type.base ?? type;
  while (standing.kind === 'array' && standing.element !== undefined) standing = standing.element.base ?? standing.element;
  return standing.storage !== 'text' || standing.kind !== 'base' || ordersAlike(collation) ? 'exact' : 'text_order';
}

/** Bytes or ICU: the order is the upstream's own. */
function ordersAlike(collation: Collation | undefined): boolean {
  return ordersByBytes(collation) || collation?.provider === 'icu';
}
