/** A tuple of pgoutput, read value by value: what tests compare. Imported by tests only. */
import { readInt16, readInt32, readUtf8 } from '../bytes.ts';
import { COLUMN_BINARY, COLUMN_NULL, COLUMN_TEXT } from '../pgoutput.ts';

/** A tuple as text values, NULLs, and undefined where a value was not sent. */
export function parseTuple(bytes: Uint8Array, at: number): (string | null | undefined)[] {
  const values: (string | null | undefined)[] = [];
  let next = at + 2;
  for (let left = readInt16(bytes, at); left > 0; left--) {
    const kind = bytes[next]!;
    if (kind === COLUMN_TEXT || kind === COLUMN_BINARY) {
      const start = next + 5;
      next = start + readInt32(bytes, next + 1);
      values.push(readUtf8(bytes, start, next));
    } else {
      values.push(kind === COLUMN_NULL ? null : undefined);
      next += 1;
    }
  }
  return values;
}
