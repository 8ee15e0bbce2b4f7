/**
 * The one 32-bit hash. Every hash table, the hash word of long text slots and generated row hashes use it, so that equal words give equal hashes
 * wherever they lie. Not the hash of Postgres: nothing outside this process sees it.
 */
export const HASH_SEED = 0x2f0b4437;

/** One round: word `value` into hash `hash`. Inlined as text into generated code (`rows.ts`), which must do the same. */
export function mix(hash: number, value: number): number {
  let k = Math.imul(value, 0xcc9e2d51 | 0);
  k = (k << 15) | (k >>> 17);
  const h = hash ^ Math.imul(k, 0x1b873593);
  return (Math.imul((h << 13) | (h >>> 19), 5) + (0xe6546b64 | 0)) | 0;
}

/** Avalanche at the end. */
export function finish(hash: number): number {
  let h = hash;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b | 0);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35 | 0);
  return (h ^ (h >>> 16)) | 0;
}

export function hashBytes(bytes: Uint8Array, start: number, end: number): number {
  let hash = HASH_SEED;
  let at = start;
  for (; at + 4 <= end; at += 4) {
    hash = mix(hash, bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24));
  }
  if (at < end) {
    let tail = 0;
    for (let shift = 0; at < end; at++, shift += 8) tail |= bytes[at]! << shift;
    hash = mix(hash, tail);
  }
  return finish(hash ^ (end - start));
}
