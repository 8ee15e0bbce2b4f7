/**
 * The canonical value: identity of canonical values = equality of the values in the type's default operator class. What hash keys are made of.
 * Types whose identity is their equality need none.
 */
import { mapArray } from './array.ts';
import { lowerFor } from './case-mapping.ts';
import { codecOf, type Value } from './codec.ts';
import { canonicalInterval, type Interval } from './interval.ts';
import { canonicalNumeric, type Numeric } from './numeric.ts';
import type { PgType } from './type.ts';

const BPCHAR = 1042;
const JSONB = 3802;
const INET = 869;
const NUMRANGE = 3906;
const NUMMULTIRANGE = 4532;

export function needsCanonical(type: PgType): boolean {
  return canonicalizer(type) !== undefined;
}

/** undefined: the value itself is canonical. */
export function canonicalizer(type: PgType): ((value: never) => Value) | undefined {
  switch (type.storage) {
    case 'numeric':
      return canonicalNumeric as (value: Numeric) => Numeric;
    case 'float64':
      return canonicalFloat;
    case 'interval':
      return canonicalInterval as (value: Interval) => Interval;
    case 'text':
      return textCanonicalizer(type.base ?? type);
    case 'bool':
    case 'int32':
    case 'int64':
    case 'uuid':
      return undefined;
  }
}

function textCanonicalizer(type: PgType): ((value: string) => string) | undefined {
  if (type.kind === 'array') return type.element === undefined ? undefined : arrayCanonicalizer(type.element);
  if (type.name === 'citext' || type.name.endsWith('.citext')) return lowerFor(type.collation);
  switch (type.oid) {
    case BPCHAR:
      return trimBlanks;
    case INET:
      return withoutFullMask;
    case JSONB:
      return canonicalJson;
    case NUMRANGE:
    case NUMMULTIRANGE:
      return canonicalDecimals;
    default:
      return undefined;
  }
}

function arrayCanonicalizer(element: PgType): ((value: string) => string) | undefined {
  const canonical = canonicalizer(element) as ((value: Value) => Value) | undefined;
  if (canonical === undefined) return undefined;
  const codec = codecOf(element);
  return (text) => mapArray(text, (item) => codec.format(canonical(codec.parse(item))));
}

/** Numbers lose trailing zeros; strings stay. Keys are sorted and single already: jsonb prints them so. */
function canonicalJson(text: string): string {
  return text.replace(/"(?:[^"\\]|\\.)*"|-?\d+\.\d+/g, (token) => (token.startsWith('"') ? token : token.replace(/\.?0+$/, '')));
}

function canonicalDecimals(text: string): string {
  return text.replace(/\d+\.\d+/g, (token) => token.replace(/\.?0+$/, ''));
}

/** -0 becomes 0. */
function canonicalFloat(value: number): number {
  return value + 0;
}

function trimBlanks(text: string): string {
  let end = text.length;
  while (end > 0 && text.charCodeAt(end - 1) === 32) end--;
  return text.slice(0, end);
}

/** A cidr that became an inet keeps its text: 10.0.0.1/32 is the address that an inet writes as 10.0.0.1. */
function withoutFullMask(text: string): string {
  return text.replace(text.includes(':') ? /\/128$/ : /\/32$/, '');
}
