/**
 * Text slots (4 words): length in bytes; then at most 12 bytes inline, zero padded; or a 4-byte prefix, the heap byte offset and the hash of the bytes.
 * Every type without a storage of its own lies like this, in its Postgres text form as UTF-8. Bytes stay bytes until the edge: a JavaScript string is made
 * only where a function needs one. Called by generated code, codecs and arrangements.
 */
import { hashBytes } from './hash.ts';
import type { RowSpace } from './space.ts';

export const INLINE_BYTES_MAX = 12;

const encoder = new TextEncoder();
let scratch = new Uint8Array(1 << 12);

/** Length, prefix and hash decide nearly always; the offset is never compared. */
export function sameText(wordsA: Int32Array, heapA: Uint8Array, a: number, wordsB: Int32Array, heapB: Uint8Array, b: number): boolean {
  const length = wordsA[a]!;
  if (length !== wordsB[b]! || wordsA[a + 1]! !== wordsB[b + 1]! || wordsA[a + 3]! !== wordsB[b + 3]!) return false;
  if (length <= INLINE_BYTES_MAX) return wordsA[a + 2] === wordsB[b + 2];
  return sameBytes(heapA, wordsA[a + 2]! >>> 0, heapB, wordsB[b + 2]! >>> 0, length);
}

export function sameBytes(a: Uint8Array, offsetA: number, b: Uint8Array, offsetB: number, length: number): boolean {
  for (let i = 0; i < length; i++) if (a[offsetA + i] !== b[offsetB + i]) return false;
  return true;
}

/** By bytes: the order of C, and of code points. */
export function compareText(wordsA: Int32Array, heapA: Uint8Array, a: number, wordsB: Int32Array, heapB: Uint8Array, b: number): number {
  const lengthA = wordsA[a]!;
  const lengthB = wordsB[b]!;
  if (lengthA > 0 && lengthB > 0 && wordsA[a + 1]! !== wordsB[b + 1]!) {
    return bigEndian(wordsA[a + 1]!) < bigEndian(wordsB[b + 1]!) ? -1 : 1;
  }
  const shorter = lengthA < lengthB ? lengthA : lengthB;
  for (let i = 4; i < shorter; i++) {
    const byteA = textByte(wordsA, heapA, a, lengthA, i);
    const byteB = textByte(wordsB, heapB, b, lengthB, i);
    if (byteA !== byteB) return byteA - byteB;
  }
  return lengthA - lengthB;
}

function bigEndian(word: number): number {
  return ((word << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24)) >>> 0;
}

function textByte(words: Int32Array, heap: Uint8Array, at: number, length: number, index: number): number {
  if (length > INLINE_BYTES_MAX) return heap[(words[at + 2]! >>> 0) + index]!;
  return (words[at + 1 + (index >> 2)]! >>> ((index & 3) << 3)) & 0xff;
}

export function readText(words: Int32Array, heap: Uint8Array, at: number): string {
  const length = words[at]!;
  if (length === 0) return '';
  if (length > INLINE_BYTES_MAX) return decodeUtf8(heap, words[at + 2]! >>> 0, length);
  let ascii = '';
  for (let i = 0; i < length; i++) {
    const byte = (words[at + 1 + (i >> 2)]! >>> ((i & 3) << 3)) & 0xff;
    if (byte > 127) return readInlineUtf8(words, at, length);
    ascii += String.fromCharCode(byte);
  }
  return ascii;
}

function readInlineUtf8(words: Int32Array, at: number, length: number): string {
  for (let i = 0; i < length; i++) scratch[i] = (words[at + 1 + (i >> 2)]! >>> ((i & 3) << 3)) & 0xff;
  return decodeUtf8(scratch, 0, length);
}

/** Node's own decoder over any bytes: it saves making a Buffer a value (half the cost of a short one). Not in the typings. */
const { utf8Slice } = Buffer.prototype as unknown as { readonly utf8Slice?: (this: Uint8Array, start: number, end: number) => string };

function decodeUtf8(bytes: Uint8Array, offset: number, length: number): string {
  if (utf8Slice !== undefined) return utf8Slice.call(bytes, offset, offset + length);
  return Buffer.from(bytes.buffer, bytes.byteOffset + offset, length).toString('utf8');
}

/** Copies the bytes of a text slot into `target` at `offset` (for the wire); returns how many. The caller made room. */
export function readTextBytes(words: Int32Array, heap: Uint8Array, at: number, target: Uint8Array, offset: number): number {
  const length = words[at]!;
  if (length > INLINE_BYTES_MAX) {
    const from = words[at + 2]! >>> 0;
    target.set(heap.subarray(from, from + length), offset);
  } else for (let i = 0; i < length; i++) target[offset + i] = (words[at + 1 + (i >> 2)]! >>> ((i & 3) << 3)) & 0xff;
  return length;
}

export function writeTextBytes(bytes: Uint8Array, start: number, end: number, into: RowSpace, at: number): void {
  const length = end - start;
  if (length <= INLINE_BYTES_MAX) {
    const words = into.words;
    words[at] = length;
    let word = 0;
    for (let i = 0; i < length; i++) {
      word |= bytes[start + i]! << ((i & 3) << 3);
      if ((i & 3) === 3 || i === length - 1) {
        words[at + 1 + (i >> 2)] = word;
        word = 0;
      }
    }
    return;
  }
  const offset = into.allocateHeap(length);
  const heap = into.heap;
  if (length < 64) for (let i = 0; i < length; i++) heap[offset + i] = bytes[start + i]!;
  else heap.set(bytes.subarray(start, end), offset);
  const words = into.words;
  words[at] = length;
  words[at + 1] = bytes[start]! | (bytes[start + 1]! << 8) | (bytes[start + 2]! << 16) | (bytes[start + 3]! << 24);
  words[at + 2] = offset | 0;
  words[at + 3] = hashBytes(bytes, start, end);
}

export function writeText(text: string, into: RowSpace, at: number): void {
  if (text.length <= SHORT_CHARACTERS_MAX) {
    let count = 0;
    for (; count < text.length; count++) {
      const unit = text.charCodeAt(count);
      if (unit > 127) break;
      scratch[count] = unit;
    }
    if (count === text.length) return writeTextBytes(scratch, 0, count, into, at);
  }
  if (text.length * 3 > scratch.length) scratch = new Uint8Array(text.length * 4);
  const { written } = encoder.encodeInto(text, scratch);
  writeTextBytes(scratch, 0, written, into, at);
  if (scratch.length > SCRATCH_KEPT_BYTES_MAX) scratch = new Uint8Array(1 << 12);
}

const SCRATCH_KEPT_BYTES_MAX = 1 << 20;
/** Up to here a loop beats the encoder. */
const SHORT_CHARACTERS_MAX = 48;

/** Slot to slot between spaces: words as they are, heap bytes copied. */
export function copyText(fromWords: Int32Array, fromHeap: Uint8Array, from: number, into: RowSpace, at: number): void {
  const length = fromWords[from]!;
  let place = fromWords[from + 2]!;
  if (length > INLINE_BYTES_MAX) {
    const source = place >>> 0;
    const offset = into.allocateHeap(length);
    const heap = into.heap;
    if (length < 64) for (let i = 0; i < length; i++) heap[offset + i] = fromHeap[source + i]!;
    else heap.set(fromHeap.subarray(source, source + length), offset);
    place = offset | 0;
  }
  const words = into.words;
  words[at] = length;
  words[at + 1] = fromWords[from + 1]!;
  words[at + 2] = place;
  words[at + 3] = fromWords[from + 3]!;
}
