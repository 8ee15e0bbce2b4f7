/**
 * Sorts many small integers by words that stand for them in flat arrays: digit by digit, without a comparison, and stable. What the words do not decide,
 * a comparison does, among neighbours. Used by `arena.ts`.
 */

/** Few entries are compared: a digit costs a table of its values. */
const COMPARED_MAX = 4096;
const DIGIT_BITS = 16;
const DIGITS = 1 << DIGIT_BITS;

/**
 * `entries`, ascending on entry, by `words` (the least significant first), then `compare`, then their own number. Entries with the same words must be told apart by
 * `compare` alone. May return another array.
 */
export function sortByPrefix(
  entries: Uint32Array<ArrayBuffer>,
  words: readonly Uint32Array[],
  compare: (a: number, b: number) => number,
): Uint32Array<ArrayBuffer> {
  const count = entries.length;
  if (count <= COMPARED_MAX) return entries.sort((a, b) => compare(a, b) || a - b);
  let from = entries;
  let to = new Uint32Array(count);
  const places = new Uint32Array(DIGITS);
  for (const word of words) {
    let same = 0;
    const first = word[from[0]!]!;
    for (let i = 0; i < count; i++) same |= word[from[i]!]! ^ first;
    for (let shift = 0; shift < 32; shift += DIGIT_BITS) {
      // A digit that is the same everywhere decides nothing.
      if (((same >>> shift) & (DIGITS - 1)) === 0) continue;
      places.fill(0);
      for (let i = 0; i < count; i++) {
        const digit = (word[from[i]!]! >>> shift) & (DIGITS - 1);
        places[digit]!++;
      }
      let place = 0;
      for (let digit = 0; digit < DIGITS; digit++) {
        const held = places[digit]!;
        places[digit] = place;
        place += held;
      }
      for (let i = 0; i < count; i++) {
        const entry = from[i]!;
        const digit = (word[entry]! >>> shift) & (DIGITS - 1);
        to[places[digit]!++] = entry;
      }
      [from, to] = [to, from];
    }
  }
  sortUndecided(from, words, compare);
  return from;
}

/** Runs of entries with the same words, by comparison. */
function sortUndecided(entries: Uint32Array, words: readonly Uint32Array[], compare: (a: number, b: number) => number): void {
  const sameWords = (a: number, b: number): boolean => {
    for (const word of words) if (word[a] !== word[b]) return false;
    return true;
  };
  for (let start = 0; start < entries.length;) {
    let end = start + 1;
    let isSorted = true;
    while (end < entries.length && sameWords(entries[start]!, entries[end]!)) {
      isSorted &&= compare(entries[end - 1]!, entries[end]!) <= 0;
      end++;
    }
    if (!isSorted) entries.subarray(start, end).sort((a, b) => compare(a, b) || a - b);
    start = end;
  }
}
