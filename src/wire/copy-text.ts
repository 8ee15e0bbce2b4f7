/**
 * COPY … TO STDOUT in text format → pgoutput TupleData, so that a row of the first copy has the very bytes it would have had in the stream.
 *
 *     a<TAB>\N<TAB>x\ty\n   →   int16 3   t 1 a   n   t 3 x<TAB>y
 *
 * Called by `upstream/snapshot`. The server escapes backslash, \b \f \n \r \t \v in values and nothing else, so a field that begins with `\N` is NULL.
 */
import { assert } from '../base/assert.ts';
import type { ByteWriter } from './bytes.ts';
import { COLUMN_NULL, COLUMN_TEXT } from './pgoutput.ts';

const TAB = 0x09;
const BACKSLASH = 0x5c;
const CAPITAL_N = 0x4e;

/** What stands behind a backslash → the byte it means; others mean themselves. */
const UNESCAPED = new Uint8Array(256).map((_, byte) => ({ 98: 8, 102: 12, 110: 10, 114: 13, 116: 9, 118: 11 })[byte] ?? byte);

/** So many bytes of a value (a uuid has 36) are copied one by one; then the rest of it is found and copied at once. */
const LOOP_BYTES = 64;

/** Appends the row whose line is bytes[start, lineEnd). */
export function copyLineToTuple(bytes: Uint8Array, start: number, lineEnd: number, columnCount: number, out: ByteWriter): void {
  out.reserve(2 + 5 * columnCount + (lineEnd - start));
  const target = out.bytes;
  let to = out.length;
  target[to++] = columnCount >> 8;
  target[to++] = columnCount;
  let from = start;
  for (let column = 0; column < columnCount; column++) {
    if (bytes[from] === BACKSLASH && bytes[from + 1] === CAPITAL_N) {
      target[to++] = COLUMN_NULL;
      from += 3;
      continue;
    }
    const header = to;
    target[to] = COLUMN_TEXT;
    to += 5;
    let loopEnd = Math.min(lineEnd, from + LOOP_BYTES);
    for (;;) {
      // An escape may have led past it.
      if (from >= loopEnd) {
        if (from >= lineEnd) break;
        const end = plainEnd(bytes, from, lineEnd);
        target.set(bytes.subarray(from, end), to);
        to += end - from;
        from = end;
        loopEnd = Math.min(lineEnd, from + LOOP_BYTES);
        continue;
      }
      const byte = bytes[from++]!;
      if (byte === TAB) break;
      target[to++] = byte === BACKSLASH ? UNESCAPED[bytes[from++]!]! : byte;
    }
    const length = to - header - 5;
    target[header + 1] = length >>> 24;
    target[header + 2] = length >>> 16;
    target[header + 3] = length >>> 8;
    target[header + 4] = length;
  }
  assert(from >= lineEnd, 'a line has more columns than its table');
  out.length = to;
}

/** Where the next tab or backslash stands. */
function plainEnd(bytes: Uint8Array, from: number, lineEnd: number): number {
  const rest = bytes.subarray(from, lineEnd);
  const tab = rest.indexOf(TAB);
  const value = tab < 0 ? rest : rest.subarray(0, tab);
  const backslash = value.indexOf(BACKSLASH);
  return from + (backslash < 0 ? value.length : backslash);
}
