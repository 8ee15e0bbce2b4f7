/**
 * COPY … TO STDOUT in text format → pgoutput TupleData, so that a row of the first copy has the very bytes it would have had in the stream.
 *
 *     a<TAB>\N<TAB>x\ty\n   →   int16 3   t 1 a   n   t 3 x<TAB>y
 *
 * Called by `upstream/snapshot`. The server escapes backslash, \b \f \n \r \t \v in values and nothing else, so a field that begins with `\N` is NULL.
 */
import type { ByteWriter } from './bytes.ts';
import { COLUMN_NULL, COLUMN_TEXT } from './pgoutput.ts';

const TAB = 0x09;
const LINE_FEED = 0x0a;
const BACKSLASH = 0x5c;
const CAPITAL_N = 0x4e;

/** What stands behind a backslash → the byte it means; others mean themselves. */
const UNESCAPED = new Uint8Array(256).map((_, byte) => ({ 98: 8, 102: 12, 110: 10, 114: 13, 116: 9, 118: 11 })[byte] ?? byte);

export interface CopiedLines {
  /** Offset behind the last whole line. */
  readonly end: number;
  readonly rows: number;
}

/** Appends every whole line of bytes[start, end) to `out`. */
export function copyTextToTuples(bytes: Uint8Array, start: number, end: number, columnCount: number, out: ByteWriter): CopiedLines {
  let at = start;
  let rows = 0;
  for (;;) {
    const lineEnd = bytes.indexOf(LINE_FEED, at);
    if (lineEnd < 0 || lineEnd >= end) return { end: at, rows };
    tuple(bytes, at, lineEnd, columnCount, out);
    rows++;
    at = lineEnd + 1;
  }
}

function tuple(bytes: Uint8Array, start: number, lineEnd: number, columnCount: number, out: ByteWriter): void {
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
    while (from < lineEnd) {
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
  out.length = to;
}
