/**
 * int8 and everything stored as 64 bits (timestamps, time). In JavaScript an `Int` is a number when it is a safe integer, else a bigint:
 * always normalised, so that `===` is equality and `<` is order, also between the two.
 */
import { outOfRange } from './failure.ts';

export type Int = number | bigint;

export const INT64_MAX = 9223372036854775807n;
export const INT64_MIN = -9223372036854775808n;
const TWO_32 = 4294967296;

export function readInt64(words: Int32Array, at: number): Int {
  const low = words[at]!;
  const high = words[at + 1]!;
  if (high < 0x200000 && (high > -0x200000 || (high === -0x200000 && low !== 0))) return high * TWO_32 + (low >>> 0);
  return (BigInt(high) << 32n) | BigInt(low >>> 0);
}

export function writeInt64(words: Int32Array, at: number, value: Int): void {
  if (typeof value === 'number') {
    const high = Math.floor(value / TWO_32);
    words[at] = (value - high * TWO_32) | 0;
    words[at + 1] = high;
  } else {
    words[at] = Number(BigInt.asIntN(32, value));
    words[at + 1] = Number(value >> 32n);
  }
}

/** A bigint of any size as an `Int`: a number when safe. */
export function normalInt(value: bigint): Int {
  return value >= -9007199254740991n && value <= 9007199254740991n ? Number(value) : value;
}

/** The same, refusing what int8 cannot hold (22003). */
export function checkedInt64(value: bigint): Int {
  if (value > INT64_MAX || value < INT64_MIN) outOfRange('bigint');
  return normalInt(value);
}

/** Decimal digits with an optional minus, as Postgres prints them. */
export function decodeInt64(bytes: Uint8Array, start: number, end: number, words: Int32Array, at: number): void {
  let index = start;
  const negative = bytes[index] === 45;
  if (negative) index++;
  if (end - index <= 15) {
    let value = 0;
    for (; index < end; index++) value = value * 10 + (bytes[index]! - 48);
    if (negative && value !== 0) value = -value;
    const high = Math.floor(value / TWO_32);
    words[at] = (value - high * TWO_32) | 0;
    words[at + 1] = high;
    return;
  }
  let text = '';
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i]!);
  writeInt64(words, at, normalInt(BigInt(text)));
}

export function parseInt64(text: string): Int {
  return text.length <= 15 ? Number(text) + 0 : normalInt(BigInt(text));
}
