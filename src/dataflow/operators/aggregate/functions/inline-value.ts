/**
 * Values that an entry of an ordered multiset holds by itself: the prefix (a double) and a negative code together are the whole value, and no row is kept for it.
 * Most numbers and times are; others (code 0) keep a row. Called by `extremes.ts`.
 * Law: write(prefix, code) gives back the very words that `code` saw.
 */
import type { RowSpace } from '../../../../values/space.ts';
import { writeInt64 } from '../../../../values/int64.ts';
import { writePacked } from '../../../../values/numeric.ts';
import { EXACT_POWER_MAX, POWERS_OF_TEN } from '../../../../values/powers.ts';
import type { PgType, Storage } from '../../../../values/type.ts';

export interface InlineForm {
  /** < 0, or 0: needs a row. `prefix` is the value's. */
  code(space: RowSpace, at: number, prefix: number): number;
  write(prefix: number, code: number, into: RowSpace, at: number): void;
}

/** Decimals of so many digits differ as doubles, so that the double and the scale say which one it is. */
const COEFFICIENT_MAX = 1e15;

const PLAIN = -1;
const MINUS_ZERO = -2;
const NOT_A_NUMBER = -3;

const word: InlineForm = {
  code: () => PLAIN,
  write: (prefix, _code, into, at) => void (into.words[at] = prefix),
};

const forms: Partial<Record<Storage, InlineForm>> = {
  bool: word,
  int32: word,
  int64: {
    code: (_space, _at, prefix) => (Number.isSafeInteger(prefix) ? PLAIN : 0),
    write: (prefix, _code, into, at) => writeInt64(into.words, at, prefix),
  },
  float64: {
    code(space, at) {
      const value = space.doubles[at >> 1]!;
      return Number.isNaN(value) ? NOT_A_NUMBER : Object.is(value, -0) ? MINUS_ZERO : PLAIN;
    },
    write: (prefix, code, into, at) => void (into.doubles[at >> 1] = code === PLAIN ? prefix : code === MINUS_ZERO ? -0 : NaN),
  },
  numeric: {
    code(space, at) {
      const packed = space.words[at + 1]!;
      const scale = (packed >>> 1) & 511;
      if ((packed & 1) !== 0 || scale > EXACT_POWER_MAX) return 0;
      const coefficient = (packed >> 10) * 4294967296 + (space.words[at]! >>> 0);
      return coefficient <= COEFFICIENT_MAX && coefficient >= -COEFFICIENT_MAX ? PLAIN - scale : 0;
    },
    write(prefix, code, into, at) {
      const scale = PLAIN - code;
      // The quotient was rounded once, the product is once more: off by less than a half, so rounding finds the coefficient.
      writePacked(Math.round(prefix * POWERS_OF_TEN[scale]!) + 0, scale, into.words, at);
    },
  },
};

export function inlineForm(type: PgType): InlineForm | undefined {
  return forms[type.storage];
}
