/**
 * (hash32 → row id) in open addressing, 8 bytes an entry, load ≤ 0.75. One segment while small (an empty view costs 64 bytes), 1024 of them when large, each
 * growing by itself: no rehash takes longer than 1/1024 of the table. Several entries may share a hash; the caller compares rows.
 *
 *     for (let id = table.find(hash); id !== 0; id = table.findNext()) if (sameKey(id)) …   // then setHead / remove act on that entry
 *
 * Invariant: no tombstones (removal shifts back), so a miss ends at the first empty slot. Ids are > 0.
 * Called by `row-index.ts` and `table-input.ts`.
 */
const SLOTS_INITIAL = 8;
const SEGMENTS = 1024;
const SEGMENT_BITS = 10;
/** One segment of this many entries splits: a pause of about 1 ms. */
const SPLIT_AT = 24_576;

export class HashTable {
  /** Each: [hash, id] pairs; a power of two of them. */
  #segments: Int32Array[] = [new Int32Array(2 * SLOTS_INITIAL)];
  #counts = new Int32Array(1);
  /** 0 or SEGMENTS − 1. */
  #segmentMask = 0;
  #count = 0;
  // The cursor of the last find: segment number, segment, slot, hash.
  #segment = 0;
  #entries: Int32Array = this.#segments[0]!;
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
    this.#segments = Array.from({ length: SEGMENTS }, () => new Int32Array(2 * slots));
    this.#counts = new Int32Array(SEGMENTS);
    this.#segmentMask = SEGMENTS - 1;
  }

  /** The first entry with this hash, or 0. */
  find(hash: number): number {
    const segment = (hash >>> (32 - SEGMENT_BITS)) & this.#segmentMask;
    const entries = this.#segments[segment]!;
    const mask = (entries.length >> 1) - 1;
    let slot = hash & mask;
    for (;;) {
      const id = entries[2 * slot + 1]!;
      if (id === 0 || entries[2 * slot] === hash) {
        this.#segment = segment;
        this.#entries = entries;
        this.#slot = slot;
        this.#hash = hash;
        return id;
      }
      slot = (slot + 1) & mask;
    }
  }

  /** The next entry with the hash of the last `find`, or 0. */
  findNext(): number {
    const entries = this.#entries;
    const mask = (entries.length >> 1) - 1;
    const hash = this.#hash;
    let slot = this.#slot;
    for (;;) {
      slot = (slot + 1) & mask;
      const id = entries[2 * slot + 1]!;
      if (id === 0 || entries[2 * slot] === hash) {
        this.#slot = slot;
        return id;
      }
    }
  }

  /** Reads the slot where a search would begin: independent loads of many searches overlap, so that the searches after them find it cached. */
  touch(hash: number): number {
    const entries = this.#segments[(hash >>> (32 - SEGMENT_BITS)) & this.#segmentMask]!;
    return entries[2 * (hash & ((entries.length >> 1) - 1)) + 1]!;
  }

  /** Another id for the entry just found. */
  setHead(id: number): void {
    this.#entries[2 * this.#slot + 1] = id;
  }

  /** Adds an entry where the last `find`/`findNext` ended with 0. */
  insertHere(id: number): void {
    const at = 2 * this.#slot;
    this.#entries[at] = this.#hash;
    this.#entries[at + 1] = id;
    this.#count++;
    const held = ++this.#counts[this.#segment]!;
    if (4 * held > 3 * (this.#entries.length >> 1)) this.#grow();
  }

  /** Removes the entry just found and closes the gap. */
  remove(): void {
    const entries = this.#entries;
    const mask = (entries.length >> 1) - 1;
    let gap = this.#slot;
    let slot = gap;
    for (;;) {
      slot = (slot + 1) & mask;
      if (entries[2 * slot + 1] === 0) break;
      const home = entries[2 * slot]! & mask;
      // The entry may move into the gap unless its home lies cyclically in (gap, slot].
      if (((slot - home) & mask) >= ((slot - gap) & mask)) {
        entries[2 * gap] = entries[2 * slot]!;
        entries[2 * gap + 1] = entries[2 * slot + 1]!;
        gap = slot;
      }
    }
    entries[2 * gap + 1] = 0;
    entries[2 * gap] = 0;
    this.#count--;
    const held = --this.#counts[this.#segment]!;
    const slots = entries.length >> 1;
    if (slots > SLOTS_INITIAL && 8 * held < slots) this.#resize(this.#segment, slots >> 1);
  }

  clear(): void {
    if (this.#count === 0) return;
    if (this.#segmentMask !== 0 || this.#segments[0]!.length > 2 * 1024) {
      this.#segments = [new Int32Array(2 * SLOTS_INITIAL)];
      this.#counts = new Int32Array(1);
      this.#segmentMask = 0;
    } else {
      // What one large use has grown shrinks again over the next small ones, which would else zero all of it each time.
      const { length } = this.#segments[0]!;
      if (8 * this.#count < length && length > 2 * SLOTS_INITIAL) this.#segments[0] = new Int32Array(length >> 1);
      else this.#segments[0]!.fill(0);
      this.#counts[0] = 0;
    }
    this.#count = 0;
  }

  bytes(): number {
    let bytes = 4 * this.#counts.length;
    for (const segment of this.#segments) bytes += segment.byteLength;
    return bytes;
  }

  #grow(): void {
    if (this.#segmentMask === 0 && this.#count > SPLIT_AT) this.#split();
    else this.#resize(this.#segment, this.#entries.length);
  }

  #resize(segment: number, slots: number): void {
    const old = this.#segments[segment]!;
    const entries = new Int32Array(2 * slots);
    for (let at = 0; at < old.length; at += 2) if (old[at + 1] !== 0) place(entries, old[at]!, old[at + 1]!);
    this.#segments[segment] = entries;
  }

  #split(): void {
    const old = this.#segments[0]!;
    let slots = SLOTS_INITIAL;
    while (slots * SEGMENTS < 3 * this.#count) slots *= 2;
    this.#segments = Array.from({ length: SEGMENTS }, () => new Int32Array(2 * slots));
    this.#counts = new Int32Array(SEGMENTS);
    this.#segmentMask = SEGMENTS - 1;
    for (let at = 0; at < old.length; at += 2) {
      if (old[at + 1] === 0) continue;
      const segment = (old[at]! >>> (32 - SEGMENT_BITS)) & this.#segmentMask;
      const held = ++this.#counts[segment]!;
      // A poor hash may fill one segment beyond the others.
      if (4 * held > 3 * (this.#segments[segment]!.length >> 1)) this.#resize(segment, this.#segments[segment]!.length);
      place(this.#segments[segment]!, old[at]!, old[at + 1]!);
    }
  }
}

function place(entries: Int32Array, hash: number, id: number): void {
  const mask = (entries.length >> 1) - 1;
  let slot = hash & mask;
  while (entries[2 * slot + 1] !== 0) slot = (slot + 1) & mask;
  entries[2 * slot] = hash;
  entries[2 * slot + 1] = id;
}
