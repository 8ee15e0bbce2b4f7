/**
 * Where collected changes lie: keys and tuples in large chunks, numbers in flat arrays, sorted by key and age through an index. No object an entry.
 * Filled by `changes.ts`, read by the merge. Memory grows with what is added; the fold bounds that by the length of log it takes in (I-6).
 */
import { assert } from '../../base/assert.ts';
import { sortByPrefix } from './prefix-sort.ts';
import { OID_BYTES } from './tuple.ts';

/** An address is a chunk's number and an offset in it; whatever is larger than a chunk has one of its own. */
const CHUNK_BITS = 22;
const CHUNK_BYTES = 1 << CHUNK_BITS;
const OFFSET_MASK = CHUNK_BYTES - 1;
const CHUNKS_MAX = 2 ** (32 - CHUNK_BITS);
/** The first one is small: most readings of a table overlay it with a few changes. */
const FIRST_CHUNK_BYTES = 16 << 10;
const FIRST_CAPACITY = 1024;
/** Keys are compared by so many bytes behind the OID first. */
const PREFIX_BYTES = 12;
const TOUCHED_ENTRIES = 64;

export class Arena {
  length = 0;
  ops = new Uint8Array(FIRST_CAPACITY);
  shapes = new Uint16Array(FIRST_CAPACITY);
  keyLengths = new Uint16Array(FIRST_CAPACITY);
  tupleLengths = new Uint32Array(FIRST_CAPACITY);
  #keys = new Uint32Array(FIRST_CAPACITY);
  #tuples = new Uint32Array(FIRST_CAPACITY);
  #oids = new Uint32Array(FIRST_CAPACITY);
  /** The first bytes behind the OID as three numbers: most comparisons end here. */
  #first = new Uint32Array(FIRST_CAPACITY);
  #second = new Uint32Array(FIRST_CAPACITY);
  #third = new Uint32Array(FIRST_CAPACITY);
  readonly #chunks: Buffer[] = [];
  /** Of the last chunk. */
  #used = 0;
  #size = 0;
  /** Entries of a table below this number do not count. */
  readonly #forgotten = new Map<number, number>();
  /** Entry numbers by key, then age. After `sort`. */
  order = new Uint32Array(0);
  #bytes = 0;
  /** Somewhere for `touch` to write, so that it is not optimised away. */
  touched = 0;

  /** Bytes of keys and tuples held. */
  get bytes(): number {
    return this.#bytes;
  }

  add(op: number, shape: number, oid: number, key: Buffer, keyLength: number, tuple: Buffer, tupleAt: number, tupleEnd: number): number {
    return this.addHeld(op, shape, oid, key, keyLength, this.hold(tuple, tupleAt, tupleEnd), tupleEnd - tupleAt);
  }

  /** The same for a tuple that lies here already, at an address. */
  addHeld(op: number, shape: number, oid: number, key: Buffer, keyLength: number, tuple: number, tupleLength: number): number {
    const entry = this.length;
    if (entry === this.ops.length) this.#grow();
    this.ops[entry] = op;
    this.shapes[entry] = shape;
    this.keyLengths[entry] = keyLength;
    this.tupleLengths[entry] = tupleLength;
    this.#keys[entry] = this.hold(key, 0, keyLength);
    this.#tuples[entry] = tuple;
    this.#oids[entry] = oid;
    this.#first[entry] = word(key, OID_BYTES, keyLength);
    this.#second[entry] = word(key, OID_BYTES + 4, keyLength);
    this.#third[entry] = word(key, OID_BYTES + 8, keyLength);
    return this.length++;
  }

  /** Copies bytes into a chunk; returns their address. What lies at less than a chunk's size behind it has the address so much greater. */
  hold(bytes: Buffer, start: number, end: number): number {
    const length = end - start;
    if (this.#used + length > this.#size) {
      assert(this.#chunks.length < CHUNKS_MAX, 'more changes than addresses');
      this.#size = Math.max(this.#chunks.length === 0 ? FIRST_CHUNK_BYTES : CHUNK_BYTES, length);
      this.#chunks.push(Buffer.alloc(this.#size));
      this.#used = 0;
    }
    const offset = this.#used;
    const chunk = this.#chunks.at(-1)!;
    // A loop beats the call for short ones.
    if (length < 32) for (let i = 0; i < length; i++) chunk[offset + i] = bytes[start + i]!;
    else bytes.copy(chunk, offset, start, end);
    this.#used += length;
    this.#bytes += length;
    return (this.#chunks.length - 1) * CHUNK_BYTES + offset;
  }

  /** Whatever was added for this table is void. */
  forget(oid: number): void {
    this.#forgotten.set(oid, this.length);
  }

  isForgotten(entry: number): boolean {
    return entry < (this.#forgotten.get(this.#oids[entry]!) ?? 0);
  }

  oidOf(entry: number): number {
    return this.#oids[entry]!;
  }

  /** OID and key. */
  key(entry: number): Buffer {
    const at = this.keyAt(entry);
    return this.keyChunk(entry).subarray(at, at + this.keyLengths[entry]!);
  }

  keyChunk(entry: number): Buffer {
    return this.#chunks[this.#keys[entry]! >>> CHUNK_BITS]!;
  }

  keyAt(entry: number): number {
    return this.#keys[entry]! & OFFSET_MASK;
  }

  tupleChunk(entry: number): Buffer {
    return this.#chunks[this.#tuples[entry]! >>> CHUNK_BITS]!;
  }

  tupleAt(entry: number): number {
    return this.#tuples[entry]! & OFFSET_MASK;
  }

  tuple(entry: number): Buffer {
    const at = this.tupleAt(entry);
    return this.tupleChunk(entry).subarray(at, at + this.tupleLengths[entry]!);
  }

  /** Another tuple for an entry, whose op stays. */
  replaceTuple(entry: number, tuple: Buffer): void {
    this.#tuples[entry] = this.hold(tuple, 0, tuple.length);
    this.tupleLengths[entry] = tuple.length;
  }

  sort(): void {
    let count = 0;
    const order = new Uint32Array(this.length);
    for (let entry = 0; entry < this.length; entry++) if (!this.isForgotten(entry)) order[count++] = entry;
    this.order = sortByPrefix(order.subarray(0, count), [this.#third, this.#second, this.#first, this.#oids], (a, b) => this.compare(a, b));
  }

  compare(a: number, b: number): number {
    return (
      this.#oids[a]! - this.#oids[b]! ||
      this.#first[a]! - this.#first[b]! ||
      this.#second[a]! - this.#second[b]! ||
      this.#third[a]! - this.#third[b]! ||
      (this.keyLengths[a]! <= OID_BYTES + PREFIX_BYTES && this.keyLengths[b]! <= OID_BYTES + PREFIX_BYTES
        ? this.keyLengths[a]! - this.keyLengths[b]!
        : this.compareKey(a, this.keyChunk(b), this.keyAt(b) + OID_BYTES, this.keyAt(b) + this.keyLengths[b]!))
    );
  }

  /** Above 0 where the entry's key, without the OID, comes behind `key[from, to)`. */
  compareKey(entry: number, key: Uint8Array, from: number, to: number): number {
    const chunk = this.keyChunk(entry);
    const at = this.keyAt(entry) + OID_BYTES;
    const length = this.keyLengths[entry]! - OID_BYTES;
    const shorter = Math.min(length, to - from);
    for (let i = 0; i < shorter; i++) {
      const difference = chunk[at + i]! - key[from + i]!;
      if (difference !== 0) return difference;
    }
    return length - (to - from);
  }

  /**
   * Reads what stands at the places from `from` on a little, so that it is cached when it is used: under random keys each entry lies elsewhere, and loads that
   * do not wait for each other overlap. Returns the place behind them.
   */
  touch(from: number): number {
    const { order } = this;
    const to = Math.min(order.length, from + TOUCHED_ENTRIES);
    let sum = 0;
    for (let place = from; place < to; place++) {
      const entry = order[place]!;
      sum += this.ops[entry]! + this.shapes[entry]! + this.#oids[entry]! + this.#first[entry]! + this.#second[entry]! + this.#third[entry]!;
      const key = this.#keys[entry]!;
      sum += this.#chunks[key >>> CHUNK_BITS]![key & OFFSET_MASK]! + this.keyLengths[entry]!;
      const tuple = this.#tuples[entry]!;
      const length = this.tupleLengths[entry]!;
      // Both ends: most lie across two cache lines. An empty one may end where its chunk does.
      if (length > 0) {
        const chunk = this.#chunks[tuple >>> CHUNK_BITS]!;
        sum += chunk[tuple & OFFSET_MASK]! + chunk[(tuple & OFFSET_MASK) + length - 1]!;
      }
    }
    this.touched = sum | 0;
    return to;
  }

  /** The place in `order` behind the last entry that has the key of the one at `place`. */
  runEnd(place: number): number {
    const first = this.order[place]!;
    let end = place + 1;
    while (end < this.order.length && this.compare(first, this.order[end]!) === 0) end++;
    return end;
  }

  #grow(): void {
    const capacity = this.ops.length * 2;
    this.ops = grown(this.ops, new Uint8Array(capacity));
    this.shapes = grown(this.shapes, new Uint16Array(capacity));
    this.keyLengths = grown(this.keyLengths, new Uint16Array(capacity));
    this.tupleLengths = grown(this.tupleLengths, new Uint32Array(capacity));
    this.#keys = grown(this.#keys, new Uint32Array(capacity));
    this.#tuples = grown(this.#tuples, new Uint32Array(capacity));
    this.#oids = grown(this.#oids, new Uint32Array(capacity));
    this.#first = grown(this.#first, new Uint32Array(capacity));
    this.#second = grown(this.#second, new Uint32Array(capacity));
    this.#third = grown(this.#third, new Uint32Array(capacity));
  }
}

interface Numbers {
  set(from: this): void;
}

function grown<T extends Numbers>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** Up to four bytes as a number, padded with zeros: orders like the bytes, since keys of one table are never prefixes of each other. */
function word(bytes: Uint8Array, at: number, end: number): number {
  if (at + 4 <= end) return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
  let value = 0;
  for (let i = at; i < at + 4; i++) value = value * 256 + (i < end ? bytes[i]! : 0);
  return value;
}
