/**
 * (hash32 → row id) in open addressing, 8 bytes an entry, load ≤ 0.75. One segment while small (an empty view costs 64 bytes), 1024 of them when large, each
 * growing by itself: no rehash takes longer than 1/1024 of the table. Several entries may share a hash; the caller compares rows.
 *
 *     for (let id = table.find(hash); id !== 0; id = table.findNext()) if (sameKey(id)) …   // then setHead / remove act on that entry
 *
 * Invariant: no tombstones (removal shifts back), so a miss ends at the first empty slot. Ids are > 0.
 * Called by `row-index.ts`, `table.ts` and operators.
 */
import { SegmentSpace } from './segment-space.ts';

const SLOTS_INITIAL = 8;
const SEGMENTS = 1024;
const SEGMENT_BITS = 10;
/** One segment of this many entries splits: a pause of about 1 ms. */
const SPLIT_AT = 24_576;

export class HashTable {
  /** [hash, id] pairs; a segment is a power of two of them. */
  #words: Int32Array = new Int32Array(2 * SLOTS_INITIAL);
  /** Of the segments, once there are many. */
  #space: SegmentSpace | undefined;
  /** By segment: its first word, slots − 1, and entries. */
  #bases = new Int32Array(1);
  #masks = Int32Array.of(SLOTS_INITIAL - 1);
  #counts = new Int32Array(1);
  /** 0 or SEGMENTS − 1. */
  #segmentMask = 0;
  #count = 0;
  // The cursor of the last find.
  #segment = 0;
  #slot = 0;
  #hash = 0;

  get count(): number {
    return this.#count;
  }

  /** Makes an empty table as large as `count` entries will make it: nothing is placed twice on the way there. */
  reserve(count: number): void {
    if (this.#count > 0 || count <= SPLIT_AT) return;
    let slots = SLOTS_INITIAL;
    while (slots * SEGMENTS * 3 < count * 4) slots *= 2;
    this.#segmented(slots);
  }

  /** The first entry with this hash, or 0. */
  find(hash: number): number {
    const segment = (hash >>> (32 - SEGMENT_BITS)) & this.#segmentMask;
    const words = this.#words;
    const base = this.#bases[segment]!;
    const mask = this.#masks[segment]!;
    let slot = hash & mask;
    for (;;) {
      const at = base + 2 * slot;
      const id = words[at + 1]!;
      if (id === 0 || words[at] === hash) {
        this.#segment = segment;
        this.#slot = slot;
        this.#hash = hash;
        return id;
      }
      slot = (slot + 1) & mask;
    }
  }

  /** The next entry with the hash of the last `find`, or 0. */
  findNext(): number {
    const words = this.#words;
    const base = this.#bases[this.#segment]!;
    const mask = this.#masks[this.#segment]!;
    const hash = this.#hash;
    let slot = this.#slot;
    for (;;) {
      slot = (slot + 1) & mask;
      const at = base + 2 * slot;
      const id = words[at + 1]!;
      if (id === 0 || words[at] === hash) {
        this.#slot = slot;
        return id;
      }
    }
  }

  /** Reads the slot where a search would begin: independent loads of many searches overlap, so that the searches after them find them cached. */
  touch(hash: number): number {
    const segment = (hash >>> (32 - SEGMENT_BITS)) & this.#segmentMask;
    return this.#words[this.#bases[segment]! + 2 * (hash & this.#masks[segment]!)]!;
  }

  /** Another id for the entry just found. */
  setHead(id: number): void {
    this.#words[this.#bases[this.#segment]! + 2 * this.#slot + 1] = id;
  }

  /** Adds an entry where the last `find`/`findNext` ended with 0. */
  insertHere(id: number): void {
    const at = this.#bases[this.#segment]! + 2 * this.#slot;
    this.#words[at] = this.#hash;
    this.#words[at + 1] = id;
    this.#count++;
    const held = ++this.#counts[this.#segment]!;
    if (4 * held > 3 * (this.#masks[this.#segment]! + 1)) this.#grow();
  }

  /** Removes the entry with this hash and id; false when there is none. */
  takeOut(hash: number, id: number): boolean {
    let found = this.find(hash);
    while (found !== id && found !== 0) found = this.findNext();
    if (found === 0) return false;
    this.remove();
    return true;
  }

  /** Removes the entry just found and closes the gap. */
  remove(): void {
    const segment = this.#segment;
    const words = this.#words;
    const base = this.#bases[segment]!;
    const mask = this.#masks[segment]!;
    let gap = this.#slot;
    let slot = gap;
    for (;;) {
      slot = (slot + 1) & mask;
      if (words[base + 2 * slot + 1] === 0) break;
      const home = words[base + 2 * slot]! & mask;
      // The entry may move into the gap unless its home lies cyclically in (gap, slot].
      if (((slot - home) & mask) >= ((slot - gap) & mask)) {
        words[base + 2 * gap] = words[base + 2 * slot]!;
        words[base + 2 * gap + 1] = words[base + 2 * slot + 1]!;
        gap = slot;
      }
    }
    words[base + 2 * gap] = 0;
    words[base + 2 * gap + 1] = 0;
    this.#count--;
    const held = --this.#counts[segment]!;
    if (mask >= SLOTS_INITIAL && 8 * held <= mask) this.#resize(segment, (mask + 1) >> 1);
  }

  clear(): void {
    if (this.#count === 0) return;
    if (this.#space !== undefined || this.#words.length > 2 * 1024) {
      this.#become(new Int32Array(2 * SLOTS_INITIAL));
    } else {
      // What one large use has grown shrinks again over the next small ones, which would else zero all of it each time.
      const { length } = this.#words;
      if (8 * this.#count < length && length > 2 * SLOTS_INITIAL) this.#become(new Int32Array(length >> 1));
      else this.#words.fill(0);
      this.#counts[0] = 0;
    }
    this.#count = 0;
  }

  bytes(): number {
    return this.#space === undefined ? this.#words.byteLength : this.#space.bytes() + 3 * this.#counts.byteLength;
  }

  #grow(): void {
    if (this.#segmentMask === 0 && this.#count > SPLIT_AT) this.#split();
    else this.#resize(this.#segment, 2 * (this.#masks[this.#segment]! + 1));
  }

  /** One segment of these words. */
  #become(words: Int32Array): void {
    this.#space = undefined;
    this.#words = words;
    this.#bases = new Int32Array(1);
    this.#masks = Int32Array.of((words.length >> 1) - 1);
    this.#counts = new Int32Array(1);
    this.#segmentMask = 0;
  }

  #resize(segment: number, slots: number): void {
    if (this.#space === undefined) {
      const words = new Int32Array(2 * slots);
      this.#move(this.#words, 0, this.#words.length, words, 0, slots - 1);
      this.#words = words;
    } else {
      const from = this.#bases[segment]!;
      const size = 2 * (this.#masks[segment]! + 1);
      const to = this.#space.allocate(2 * slots);
      this.#words = this.#space.words;
      this.#move(this.#words, from, from + size, this.#words, to, slots - 1);
      this.#space.free(from, size);
      this.#bases[segment] = to;
    }
    this.#masks[segment] = slots - 1;
  }

  /** SEGMENTS empty ones of so many slots each. */
  #segmented(slots: number): void {
    const space = new SegmentSpace();
    this.#space = space;
    this.#bases = Int32Array.from({ length: SEGMENTS }, () => space.allocate(2 * slots));
    this.#masks = new Int32Array(SEGMENTS).fill(slots - 1);
    this.#counts = new Int32Array(SEGMENTS);
    this.#segmentMask = SEGMENTS - 1;
    this.#words = space.words;
  }

  #split(): void {
    const old = this.#words;
    let slots = SLOTS_INITIAL;
    while (slots * SEGMENTS < 3 * this.#count) slots *= 2;
    this.#segmented(slots);
    for (let at = 0; at < old.length; at += 2) {
      if (old[at + 1] === 0) continue;
      const segment = (old[at]! >>> (32 - SEGMENT_BITS)) & this.#segmentMask;
      const held = ++this.#counts[segment]!;
      // A poor hash may fill one segment beyond the others.
      if (4 * held > 3 * (this.#masks[segment]! + 1)) this.#resize(segment, 2 * (this.#masks[segment]! + 1));
      place(this.#words, this.#bases[segment]!, this.#masks[segment]!, old[at]!, old[at + 1]!);
    }
  }

  #move(from: Int32Array, start: number, end: number, to: Int32Array, base: number, mask: number): void {
    for (let at = start; at < end; at += 2) if (from[at + 1] !== 0) place(to, base, mask, from[at]!, from[at + 1]!);
  }
}

function place(words: Int32Array, base: number, mask: number, hash: number, id: number): void {
  let slot = hash & mask;
  while (words[base + 2 * slot + 1] !== 0) slot = (slot + 1) & mask;
  words[base + 2 * slot] = hash;
  words[base + 2 * slot + 1] = id;
}
