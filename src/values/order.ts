/**
 * The btree order of each type, over slots and over JavaScript values. Text follows its collation: C and the builtin provider by bytes, ICU through
 * `Intl.Collator` with a byte tie-break; libc is stood in for by ICU (exactness `text_order`). NULLs and direction are the caller's.
 */
import { arrayOrder } from './array.ts';
import { lowerFor } from './case-mapping.ts';
import { codecOf, type Value } from './codec.ts';
import { compareInterval, type Interval } from './interval.ts';
import { compareNumeric, type Numeric } from './numeric.ts';
import type { RowSpace } from './space.ts';
import { compareText, readText } from './text.ts';
import type { Collation, PgType } from './type.ts';
import { compareUuid } from './uuid.ts';

export type SlotOrder = (a: RowSpace, atA: number, b: RowSpace, atB: number) => number;

const BPCHAR = 1042;

/** Is text of this collation ordered by its UTF-8 bytes? */
export function ordersByBytes(collation: Collation | undefined): boolean {
  if (collation === undefined || collation.provider === 'c' || collation.provider === 'builtin') return true;
  return collation.provider === 'libc' && /^(C|POSIX)(\.|$)/i.test(collation.locale);
}

/** Strings by collation. Code units are not code points: beyond U+FFFF they differ from bytes, so the byte order is made of code points. */
export function textOrder(collation: Collation | undefined): (a: string, b: string) => number {
  if (ordersByBytes(collation)) return compareCodePoints;
  const collator = collatorOf(collation!);
  return (a, b) => collator.compare(a, b) || compareCodePoints(a, b);
}

const collators = new Map<string, Intl.Collator>();
const COLLATORS_MAX = 100;

function collatorOf(collation: Collation): Intl.Collator {
  const locale = collation.locale.replace(/[.@].*$/, '').replaceAll('_', '-') || 'und';
  let collator = collators.get(locale);
  if (collator === undefined) {
    if (collators.size >= COLLATORS_MAX) collators.clear();
    collator = collatorFor(locale);
    collators.set(locale, collator);
  }
  return collator;
}

function collatorFor(locale: string): Intl.Collator {
  try {
    return new Intl.Collator(locale);
  } catch {
    // A libc locale that is no BCP 47 tag: the root collation stands in.
    return new Intl.Collator('und');
  }
}

export function compareCodePoints(a: string, b: string): number {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x !== y) {
      const highX = x >= 0xd800 && x < 0xe000;
      const highY = y >= 0xd800 && y < 0xe000;
      return highX === highY ? x - y : highX ? 1 : -1;
    }
  }
  return a.length - b.length;
}

/** NaN is the greatest float and equals itself; -0 equals 0. */
export function compareFloat(a: number, b: number): number {
  if (a < b) return -1;
  if (a > b) return 1;
  if (a === b) return 0;
  return Number.isNaN(a) ? (Number.isNaN(b) ? 0 : 1) : -1;
}

/** JavaScript values of one type. */
export function valueOrder(type: PgType, collation: Collation | undefined = type.collation): (a: Value, b: Value) => number {
  switch (type.storage) {
    case 'float64':
      return (a, b) => compareFloat(a as number, b as number);
    case 'numeric':
      return (a, b) => compareNumeric(a as Numeric, b as Numeric);
    case 'interval':
      return (a, b) => compareInterval(a as Interval, b as Interval);
    case 'text':
      return textValueOrder(type, collation) as (a: Value, b: Value) => number;
    case 'bool':
    case 'int32':
    case 'int64':
    case 'uuid':
      return (a, b) => (a < b ? -1 : a > b ? 1 : 0);
  }
}

function isCitext(type: PgType): boolean {
  return type.name === 'citext' || type.name.endsWith('.citext');
}

/** Types in text form whose btree order is not the order of that text: jsonb, json, inet, cidr, money, timetz, xid8, pg_lsn, tsvector, tsquery, tid, ranges. */
const UNORDERED: ReadonlySet<number> = new Set([3802, 114, 869, 650, 790, 1266, 5069, 3220, 3614, 3615, 27]);

/** Is the order of this type known here? Where not, the planner refuses to sort by it. Its equality is known all the same. */
export function ordersNatively(type: PgType): boolean {
  const standing = type.base ?? type;
  if (standing.storage !== 'text') return true;
  if (standing.kind === 'array') return standing.element !== undefined && ordersNatively(standing.element);
  return standing.kind !== 'range' && standing.kind !== 'multirange' && standing.kind !== 'composite' && !UNORDERED.has(standing.oid);
}

function textValueOrder(type: PgType, collation: Collation | undefined): (a: string, b: string) => number {
  const standing = type.base ?? type;
  if (standing.labels !== undefined) {
    const place = new Map(standing.labels.map((label, index) => [label, index]));
    return (a, b) => (place.get(a) ?? -1) - (place.get(b) ?? -1);
  }
  if (standing.kind === 'array' && standing.element !== undefined) {
    const codec = codecOf(standing.element);
    const order = valueOrder(standing.element, collation);
    return arrayOrder((a, b) => order(codec.parse(a), codec.parse(b)));
  }
  const order = textOrder(collation);
  if (isCitext(standing)) {
    const lower = lowerFor(collation);
    return (a, b) => order(lower(a), lower(b));
  }
  if (standing.oid !== BPCHAR) return order;
  return (a, b) => order(a.replace(/ +$/, ''), b.replace(/ +$/, ''));
}

function isPlainText(type: PgType): boolean {
  return type.labels === undefined && type.kind !== 'array' && type.oid !== BPCHAR && !isCitext(type);
}

/** Slots of one type; neither is NULL. */
export function slotOrder(type: PgType, collation: Collation | undefined = type.collation): SlotOrder {
  if (type.storage === 'uuid') return (a, atA, b, atB) => compareUuid(a.words, atA, b.words, atB);
  if (type.storage === 'text' && isPlainText(type.base ?? type)) {
    if (ordersByBytes(collation)) return (a, atA, b, atB) => compareText(a.words, a.heap, atA, b.words, b.heap, atB);
    const order = textOrder(collation);
    return (a, atA, b, atB) => order(readText(a.words, a.heap, atA), readText(b.words, b.heap, atB));
  }
  const codec = codecOf(type);
  const order = valueOrder(type, collation);
  return (a, atA, b, atB) => order(codec.read(a, atA), codec.read(b, atB));
}
