/**
 * numeric as Postgres has it: an exact decimal with a display scale (1.0 and 1.00 are equal, not identical), NaN, ±Infinity.
 *
 * Slot (2 words). While the coefficient is a safe integer and the scale ≤ 511:
 *     word 0 = low 32 bits of the coefficient;  word 1 = (high 22 bits, signed) << 10 | scale << 1 | 0
 * else word 1 = (bytes << 1) | 1, word 0 = heap byte offset of the text; NaN, Infinity and -Infinity have 0 bytes and 0, 1, 2 in word 0.
 * The form is decided by the value alone, so identical values have identical words or identical heap bytes.
 * In JavaScript a Numeric is immutable: number arithmetic while it is exact, BigInt beyond. Arithmetic: `numeric-arithmetic.ts`.
 */
import { normalInt, type Int } from './int64.ts';
import { EXACT_POWER_MAX, POWERS_OF_TEN } from './powers.ts';
import type { RowSpace } from './space.ts';

const TWO_32 = 4294967296;
const PACKED_SCALE_MAX = 511;

export class Numeric {
  /** Normalised: a number when safe. Zero for NaN and infinities. */
  readonly coefficient: Int;
  /** Digits shown behind the point. */
  readonly scale: number;
  readonly special: '' | 'NaN' | 'Infinity' | '-Infinity';

  constructor(coefficient: Int, scale: number, special: Numeric['special'] = '') {
    this.coefficient = coefficient;
    this.scale = scale;
    this.special = special;
  }

  toString(): string {
    return formatNumeric(this);
  }
}

export const NUMERIC_NAN = new Numeric(0, 0, 'NaN');
export const NUMERIC_INFINITY = new Numeric(0, 0, 'Infinity');
export const NUMERIC_MINUS_INFINITY = new Numeric(0, 0, '-Infinity');
export const NUMERIC_ZERO = new Numeric(0, 0);
const SPECIALS = [NUMERIC_NAN, NUMERIC_INFINITY, NUMERIC_MINUS_INFINITY];

const BIG_POWERS: bigint[] = [1n];

export function pow10(n: number): bigint {
  if (n > 4096) return 10n ** BigInt(n);
  while (BIG_POWERS.length <= n) BIG_POWERS.push(BIG_POWERS.at(-1)! * 10n);
  return BIG_POWERS[n]!;
}

/** coefficient × 10^n, exactly, for n ≥ 0. */
export function shiftUp(coefficient: Int, n: number): Int {
  if (n === 0) return coefficient;
  if (typeof coefficient === 'number' && n <= EXACT_POWER_MAX) {
    const shifted = coefficient * POWERS_OF_TEN[n]!;
    if (shifted <= 9007199254740991 && shifted >= -9007199254740991) return shifted;
  }
  return normalInt(BigInt(coefficient) * pow10(n));
}

export function formatNumeric(value: Numeric): string {
  if (value.special !== '') return value.special;
  const { coefficient, scale } = value;
  if (scale === 0) return String(coefficient);
  const negative = coefficient < 0;
  const digits = String(negative ? -coefficient : coefficient).padStart(scale + 1, '0');
  const point = digits.length - scale;
  return `${negative ? '-' : ''}${digits.slice(0, point)}.${digits.slice(point)}`;
}

/** Plain digits, as Postgres prints them: no exponent, no blanks. The input function is `inputNumeric`. */
export function parseNumeric(text: string): Numeric {
  if (text === 'NaN') return NUMERIC_NAN;
  if (text === 'Infinity') return NUMERIC_INFINITY;
  if (text === '-Infinity') return NUMERIC_MINUS_INFINITY;
  const point = text.indexOf('.');
  const digits = point < 0 ? text : text.slice(0, point) + text.slice(point + 1);
  const scale = point < 0 ? 0 : text.length - point - 1;
  return new Numeric(digits.length <= 15 ? Number(digits) + 0 : normalInt(BigInt(digits)), scale);
}

export function decodeNumeric(bytes: Uint8Array, start: number, end: number, into: RowSpace, at: number): void {
  if (end - start <= 16) {
    let index = start;
    const negative = bytes[index] === 45;
    if (negative) index++;
    let value = 0;
    let scale = 0;
    let point = 0;
    for (; index < end; index++) {
      const byte = bytes[index]!;
      if (byte === 46 && point === 0) {
        point = 1;
        continue;
      }
      if (byte < 48 || byte > 57) break;
      value = value * 10 + (byte - 48);
      scale += point;
    }
    // 16 digits without sign and point may pass 2^53: then the long way.
    if (index === end && value <= 9007199254740991) {
      writePacked(negative && value !== 0 ? -value : value, scale, into.words, at);
      return;
    }
  }
  let text = '';
  for (let i = start; i < end; i++) text += String.fromCharCode(bytes[i]!);
  writeNumeric(parseNumeric(text), into, at);
}

/** A safe integer over 10^scale, scale ≤ 511. */
export function writePacked(coefficient: number, scale: number, words: Int32Array, at: number): void {
  const high = Math.floor(coefficient / TWO_32);
  words[at] = (coefficient - high * TWO_32) | 0;
  words[at + 1] = (high << 10) | (scale << 1);
}

export function writeNumeric(value: Numeric, into: RowSpace, at: number): void {
  if (value.special !== '') {
    into.words[at] = value.special === 'NaN' ? 0 : value.special === 'Infinity' ? 1 : 2;
    into.words[at + 1] = 1;
    return;
  }
  if (typeof value.coefficient === 'number' && value.scale <= PACKED_SCALE_MAX) {
    writePacked(value.coefficient, value.scale, into.words, at);
    return;
  }
  const text = formatNumeric(value);
  const offset = into.allocateHeap(text.length);
  const heap = into.heap;
  for (let i = 0; i < text.length; i++) heap[offset + i] = text.charCodeAt(i);
  into.words[at] = offset | 0;
  into.words[at + 1] = (text.length << 1) | 1;
}

export function readNumeric(words: Int32Array, heap: Uint8Array, at: number): Numeric {
  const low = words[at]!;
  const packed = words[at + 1]!;
  if ((packed & 1) === 0) return new Numeric((packed >> 10) * TWO_32 + (low >>> 0), (packed >>> 1) & PACKED_SCALE_MAX);
  const length = packed >>> 1;
  if (length === 0) return SPECIALS[low]!;
  return parseNumeric(Buffer.from(heap.buffer, heap.byteOffset + (low >>> 0), length).toString('latin1'));
}

/** Bytes of heap that the slot refers to. */
export function numericHeapBytes(words: Int32Array, at: number): number {
  const packed = words[at + 1]!;
  return (packed & 1) === 0 ? 0 : packed >>> 1;
}

export function sameNumeric(wordsA: Int32Array, heapA: Uint8Array, a: number, wordsB: Int32Array, heapB: Uint8Array, b: number): boolean {
  if (wordsA[a + 1]! !== wordsB[b + 1]!) return false;
  const bytes = numericHeapBytes(wordsA, a);
  if (bytes === 0) return wordsA[a] === wordsB[b];
  const offsetA = wordsA[a]! >>> 0;
  const offsetB = wordsB[b]! >>> 0;
  for (let i = 0; i < bytes; i++) if (heapA[offsetA + i] !== heapB[offsetB + i]) return false;
  return true;
}

export function copyNumeric(fromWords: Int32Array, fromHeap: Uint8Array, from: number, into: RowSpace, at: number): void {
  let place = fromWords[from]!;
  const bytes = numericHeapBytes(fromWords, from);
  if (bytes > 0) {
    const source = place >>> 0;
    const offset = into.allocateHeap(bytes);
    into.heap.set(fromHeap.subarray(source, source + bytes), offset);
    place = offset | 0;
  }
  into.words[at] = place;
  into.words[at + 1] = fromWords[from + 1]!;
}

/** −1, 0, 1 in numeric's btree order: NaN is the greatest and equals itself. */
export function compareNumeric(a: Numeric, b: Numeric): number {
  if (a.special !== '' || b.special !== '') return rank(a) - rank(b);
  if (a.scale === b.scale) return a.coefficient < b.coefficient ? -1 : a.coefficient > b.coefficient ? 1 : 0;
  const left = a.scale < b.scale ? shiftUp(a.coefficient, b.scale - a.scale) : a.coefficient;
  const right = b.scale < a.scale ? shiftUp(b.coefficient, a.scale - b.scale) : b.coefficient;
  return left < right ? -1 : left > right ? 1 : 0;
}

function rank(value: Numeric): number {
  if (value.special === '') return 0;
  return value.special === 'NaN' ? 2 : value.special === 'Infinity' ? 1 : -1;
}

/** The representative of an equality class: trailing zeros behind the point are gone. */
export function canonicalNumeric(value: Numeric): Numeric {
  if (value.scale === 0 || value.special !== '') return value;
  let { coefficient, scale } = value;
  if (coefficient === 0) return NUMERIC_ZERO;
  if (typeof coefficient === 'bigint') {
    while (scale > 0 && coefficient % 10n === 0n) {
      coefficient /= 10n;
      scale--;
    }
    return new Numeric(normalInt(coefficient), scale);
  }
  while (scale > 0 && coefficient % 10 === 0) {
    coefficient /= 10;
    scale--;
  }
  return new Numeric(coefficient, scale);
}
