/**
 * A double for each value that never contradicts the order of the values: a < b ⇒ prefix(a) ≤ prefix(b). It decides nearly every step in `ordered.ts` without
 * touching a row; equal prefixes leave it to the full comparison. Types without an obvious one have the prefix 0: correct, only slower.
 */
import { ordersByBytes } from '../../values/order.ts';
import type { ColumnLayout } from '../../values/layout.ts';
import { formatNumeric, readNumeric } from '../../values/numeric.ts';
import { EXACT_POWER_MAX, POWERS_OF_TEN } from '../../values/powers.ts';
import type { RowSpace } from '../../values/space.ts';
import type { Collation, PgType } from '../../values/type.ts';

export type PrefixFunction = (space: RowSpace, row: number) => number;

const OID = 26;
const XID = 28;
/** Types in text form whose order is that of their bytes (under C). */
const BY_TEXT = new Set([25, 1043, 19, 17]);
const TWO_32 = 2 ** 32;
/** Of a packed numeric slot's second word, shifted (`values/numeric.ts`). */
const PACKED_SCALE = 511;

export interface PrefixKey {
  readonly descending: boolean;
  readonly nullsFirst: boolean;
  readonly collation?: Collation | undefined;
}

export function prefixOf(column: ColumnLayout, key: PrefixKey): PrefixFunction {
  const value = valuePrefix(column, key.collation ?? column.type.collation);
  const onNull = key.nullsFirst ? -Infinity : Infinity;
  const { nullWord, nullBit } = column;
  const sign = key.descending ? -1 : 1;
  return (space, row) => ((space.words[row + nullWord]! & nullBit) !== 0 ? onNull : sign * value(space, row));
}

function isUnsigned(type: PgType): boolean {
  const oid = type.base?.oid ?? type.oid;
  return oid === OID || oid === XID;
}

function valuePrefix(column: ColumnLayout, collation: Collation | undefined): PrefixFunction {
  const { type, offset } = column;
  switch (column.storage) {
    case 'bool':
      return (space, row) => space.words[row + offset]!;
    case 'int32':
      return isUnsigned(type) ? (space, row) => space.words[row + offset]! >>> 0 : (space, row) => space.words[row + offset]!;
    case 'int64':
      return (space, row) => space.words[row + offset + 1]! * TWO_32 + (space.words[row + offset]! >>> 0);
    case 'float64':
      return (space, row) => {
        const value = space.doubles[(row + offset) >> 1]!;
        // −0 and 0 are equal, so they have one prefix: what is written back from it must not depend on which came last (`inline-value.ts`).
        return Number.isNaN(value) ? Infinity : value + 0;
      };
    case 'numeric':
      return (space, row) => {
        const packed = space.words[row + offset + 1]!;
        const scale = (packed >>> 1) & PACKED_SCALE;
        // A quotient that is rounded once keeps the order. The same as below, without an object a value.
        if ((packed & 1) === 0 && scale <= EXACT_POWER_MAX)
          return ((packed >> 10) * TWO_32 + (space.words[row + offset]! >>> 0)) / POWERS_OF_TEN[scale]!;
        const value = readNumeric(space.words, space.heap, row + offset);
        if (value.special !== '') return value.special === '-Infinity' ? -Infinity : Infinity;
        if (typeof value.coefficient === 'number' && value.scale <= EXACT_POWER_MAX) return value.coefficient / POWERS_OF_TEN[value.scale]!;
        return Number(formatNumeric(value));
      };
    case 'uuid':
      return (space, row) => (space.words[row + offset]! >>> 0) * 2 ** 16 + (space.words[row + offset + 1]! >>> 16);
    case 'text': {
      if (!ordersByBytes(collation) || type.labels !== undefined || !BY_TEXT.has(type.base?.oid ?? type.oid)) return () => 0;
      return (space, row) => textPrefix(space, row + offset);
    }
    case 'interval':
      return () => 0;
  }
}

/** The first six bytes, as one number; zeros behind a shorter text sort it first. */
function textPrefix(space: RowSpace, at: number): number {
  const length = space.words[at]!;
  const four = space.words[at + 1]!;
  const first = ((four << 24) | ((four & 0xff00) << 8) | ((four >>> 8) & 0xff00) | (four >>> 24)) >>> 0;
  if (length <= 12) {
    const next = space.words[at + 2]!;
    return first * 65_536 + ((next & 0xff) << 8) + ((next >>> 8) & 0xff);
  }
  const heap = space.words[at + 2]! >>> 0;
  return first * 65_536 + (space.heap[heap + 4]! << 8) + space.heap[heap + 5]!;
}
