/**
 * Where collected changes lie: keys and tuples in large chunks, numbers in flat arrays, sorted by key and age through an index. No object an entry.
 * Filled by `changes.ts`, read by the merge. Memory grows with what is added; the fold bounds that by the length of log it takes in (I-6).
 */
import { OID_BYTES } from './tuple.ts';

const CHUNK_BYTES = 4 << 20;
const FIRST_CAPACITY = 1024;

export class Arena {
  length = 0;
  ops = new Uint8Array(FIRST_CAPACITY);
  shapes = new Uint16Array(FIRST_CAPACITY);
  /** The key begins at `offset` of its chunk, the tuple right behind it. */
  keyLengths = new Uint16Array(FIRST_CAPACITY);
  tupleLengths = new Uint32Array(FIRST_CAPACITY);
  #chunkOf = new Uint32Array(FIRST_CAPACITY);
  #offsets = new Uint32Array(FIRST_CAPACITY);
  #oids = new Uint32Array(FIRST_CAPACITY);
  /** The first 12 bytes behind the OID, as two exact numbers: most comparisons end here. */
  #highs = new Float64Array(FIRST_CAPACITY);
  #lows = new Float64Array(FIRST_CAPACITY);
  readonly #chunks: Buffer[] = [];
  #used = CHUNK_BYTES;
  /** Entries of a table below this number do not count. */
  readonly #forgotten = new Map<number, number>();
  /** Entry numbers by key, then age. After `sort`. */
  order = new Uint32Array(0);
  #bytes = 0;

  /** Bytes of keys and tuples held. */
  get bytes(): number {
    return this.#bytes;
  }

  add(op: number, shape: number, oid: number, key: Buffer, keyLength: number, tuple: Buffer, tupleAt: number, tupleEnd: number): number {
    const entry = this.length;
    if (entry === this.ops.length) this.#grow();
    const tupleLength = tupleEnd - tupleAt;
    const offset = this.#room(keyLength + tupleLength);
    const chunk = this.#chunks.at(-1)!;
    key.copy(chunk, offset, 0, keyLength);
    tuple.copy(chunk, offset + keyLength, tupleAt, tupleEnd);
    this.ops[entry] = op;
    this.shapes[entry] = shape;
    this.keyLengths[entry] = keyLength;
    this.tupleLengths[entry] = tupleLength;
    this.#chunkOf[entry] = this.#chunks.length - 1;
    this.#offsets[entry] = offset;
    this.#oids[entry] = oid;
    this.#highs[entry] = prefix(key, 4, keyLength);
    this.#lows[entry] = prefix(key, 10, keyLength);
    return this.length++;
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

  /** The whole LMDB key. */
  key(entry: number): Buffer {
    const offset = this.#offsets[entry]!;
    return this.#chunks[this.#chunkOf[entry]!]!.subarray(offset, offset + this.keyLengths[entry]!);
  }

  chunk(entry: number): Buffer {
    return this.#chunks[this.#chunkOf[entry]!]!;
  }

  tupleAt(entry: number): number {
    return this.#offsets[entry]! + this.keyLengths[entry]!;
  }

  tuple(entry: number): Buffer {
    const at = this.tupleAt(entry);
    return this.chunk(entry).subarray(at, at + this.tupleLengths[entry]!);
  }

  /** Another tuple for an entry, whose op stays. */
  replaceTuple(entry: number, tuple: Buffer): void {
    const key = this.key(entry);
    const offset = this.#room(key.length + tuple.length);
    const chunk = this.#chunks.at(-1)!;
    key.copy(chunk, offset);
    tuple.copy(chunk, offset + key.length);
    this.#chunkOf[entry] = this.#chunks.length - 1;
    this.#offsets[entry] = offset;
    this.tupleLengths[entry] = tuple.length;
  }

  sort(): void {
    let count = 0;
    const order = new Uint32Array(this.length);
    for (let entry = 0; entry < this.length; entry++) if (!this.isForgotten(entry)) order[count++] = entry;
    this.order = order.subarray(0, count).sort((a, b) => this.compare(a, b) || a - b);
  }

  compare(a: number, b: number): number {
    return (
      this.#oids[a]! - this.#oids[b]! ||
      this.#highs[a]! - this.#highs[b]! ||
      this.#lows[a]! - this.#lows[b]! ||
      (this.keyLengths[a]! <= 16 && this.keyLengths[b]! <= 16 ? this.keyLengths[a]! - this.keyLengths[b]! : this.#compareWhole(a, b))
    );
  }

  /** Above 0 where the entry's key, without the OID, comes behind `key[from, to)`. */
  compareKey(entry: number, key: Uint8Array, from: number, to: number): number {
    const chunk = this.chunk(entry);
    const at = this.#offsets[entry]! + OID_BYTES;
    const length = this.keyLengths[entry]! - OID_BYTES;
    const shorter = Math.min(length, to - from);
    for (let i = 0; i < shorter; i++) {
      const difference = chunk[at + i]! - key[from + i]!;
      if (difference !== 0) return difference;
    }
    return length - (to - from);
  }

  #compareWhole(a: number, b: number): number {
    const [chunkA, chunkB, atA, atB] = [this.chunk(a), this.chunk(b), this.#offsets[a]!, this.#offsets[b]!];
    return chunkA.compare(chunkB, atB, atB + this.keyLengths[b]!, atA, atA + this.keyLengths[a]!);
  }

  /** The place in `order` behind the last entry that has the key of the one at `place`. */
  runEnd(place: number): number {
    const first = this.order[place]!;
    let end = place + 1;
    while (end < this.order.length && this.compare(first, this.order[end]!) === 0) end++;
    return end;
  }

  #room(bytes: number): number {
    if (this.#used + bytes > CHUNK_BYTES) {
      this.#chunks.push(Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, bytes)));
      this.#used = 0;
    }
    const offset = this.#used;
    this.#used += bytes;
    this.#bytes += bytes;
    return offset;
  }

  #grow(): void {
    const capacity = this.ops.length * 2;
    this.ops = grown(this.ops, new Uint8Array(capacity));
    this.shapes = grown(this.shapes, new Uint16Array(capacity));
    this.keyLengths = grown(this.keyLengths, new Uint16Array(capacity));
    this.tupleLengths = grown(this.tupleLengths, new Uint32Array(capacity));
    this.#chunkOf = grown(this.#chunkOf, new Uint32Array(capacity));
    this.#offsets = grown(this.#offsets, new Uint32Array(capacity));
    this.#oids = grown(this.#oids, new Uint32Array(capacity));
    this.#highs = grown(this.#highs, new Float64Array(capacity));
    this.#lows = grown(this.#lows, new Float64Array(capacity));
  }
}

interface Numbers {
  set(from: this): void;
}

function grown<T extends Numbers>(from: T, to: T): T {
  to.set(from);
  return to;
}

/** Up to six bytes as a number, padded with zeros: orders like the bytes, since keys of one table are never prefixes of each other. */
function prefix(bytes: Uint8Array, at: number, end: number): number {
  const left = end - at;
  if (left >= 6)
    return (
      ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) * 65536 +
      ((bytes[at + 4]! << 8) | bytes[at + 5]!) +
      (bytes[at]! >= 128 ? 2 ** 48 : 0)
    );
  let value = 0;
  for (let i = 0; i < 6; i++) value = value * 256 + (i < left ? bytes[at + i]! : 0);
  return value;
}
