/**
 * text[] in Postgres's binary form, one dimension: how batches travel to and from the evaluator, without quoting.
 * Int32 dimensions, flags (1 = has NULLs), element OID, length, lower bound; then per element Int32 length (−1 = NULL) and its UTF-8.
 */
const TEXT_OID = 25;
const HEADER_BYTES = 20;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export function encodeTextArray(length: number, element: (i: number) => string | null): Uint8Array<ArrayBuffer> {
  let bytes = new Uint8Array(HEADER_BYTES + 16 * length);
  let view = new DataView(bytes.buffer);
  view.setInt32(0, 1);
  view.setInt32(4, 1);
  view.setInt32(8, TEXT_OID);
  view.setInt32(12, length);
  view.setInt32(16, 1);
  let at = HEADER_BYTES;
  for (let i = 0; i < length; i++) {
    const text = element(i);
    // UTF-8 takes at most three bytes a UTF-16 unit.
    const needed = at + 4 + 3 * (text?.length ?? 0);
    if (needed > bytes.length) {
      const larger = new Uint8Array(2 * needed);
      larger.set(bytes.subarray(0, at));
      bytes = larger;
      view = new DataView(bytes.buffer);
    }
    if (text === null) {
      view.setInt32(at, -1);
      at += 4;
    } else {
      const { written } = encoder.encodeInto(text, bytes.subarray(at + 4));
      view.setInt32(at, written);
      at += 4 + written;
    }
  }
  return bytes.slice(0, at);
}

export function decodeTextArray(bytes: Uint8Array): (string | null)[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getInt32(0) === 0 ? 0 : view.getInt32(12);
  const result: (string | null)[] = [];
  let at = HEADER_BYTES;
  for (let i = 0; i < length; i++) {
    const size = view.getInt32(at);
    at += 4;
    if (size < 0) result.push(null);
    else {
      result.push(decoder.decode(bytes.subarray(at, at + size)));
      at += size;
    }
  }
  return result;
}

/** Elements from … to (exclusive) as an array of their own. */
export function sliceTextArray(bytes: Uint8Array, from: number, to: number): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = HEADER_BYTES;
  let start = at;
  for (let i = 0; i < to; i++) {
    if (i === from) start = at;
    at += 4 + Math.max(0, view.getInt32(at));
  }
  const slice = new Uint8Array(HEADER_BYTES + at - start);
  slice.set(bytes.subarray(0, HEADER_BYTES));
  slice.set(bytes.subarray(start, at), HEADER_BYTES);
  new DataView(slice.buffer).setInt32(12, to - from);
  return slice;
}
