/**
 * The canonical value: identity of canonical values = equality of the values in the type's default operator class (DESIGN 3.1). What hash keys are made of.
 * Types whose identity is their equality need none.
 */
import { baseOid, type Value } from './codec.ts';
import { canonicalInterval, type Interval } from './interval.ts';
import { canonicalNumeric, type Numeric } from './numeric.ts';
import type { PgType } from './type.ts';

const BPCHAR = 1042;

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
      return baseOid(type) === BPCHAR ? trimBlanks : undefined;
    case 'bool':
    case 'int32':
    case 'int64':
    case 'uuid':
      return undefined;
  }
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
