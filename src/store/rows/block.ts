/**
 * A block: neighbouring rows of one table, sorted by key, in one value of the row store. What an LMDB leaf would be, made here: a call into LMDB costs a
 * microsecond, so it is made for a hundred rows instead of one, and a scan is handed a hundred rows at a time.
 *
 *     entry = u16 key length, u32 value length, key (without the table's OID), value         block = entry, entry, …
 *
 * Value: u16 shape and TupleData (keyed tables), or a bucket (`bucket.ts`). Invariant: keys rise within a block and from block to block; a block stands under the lower
 * bound of its keys, and the next one's bound is its upper bound. Read by `table-reader.ts` and `row-store.ts`, merged by `block-merge.ts`.
 */
export const ENTRY_HEADER_BYTES = 6;

/** A block of this size fills one of LMDB's pages to the last byte: 8 KiB less the page's header. Only a row that is larger makes a larger block. */
export const BLOCK_BYTES_MAX = 8192 - 16;

/** Walks the entries of a block without an object an entry. */
export class BlockReader {
  bytes: Uint8Array = new Uint8Array(0);
  /** Of the current entry. The entry itself begins at `entryStart`, and ends where its value does. */
  entryStart = 0;
  keyStart = 0;
  valueStart = 0;
  valueEnd = 0;
  #end = 0;

  /** Begins in front of the first entry. */
  open(bytes: Uint8Array, length: number): void {
    this.bytes = bytes;
    this.valueEnd = 0;
    this.#end = length;
  }

  /** False at the end, with `entryStart` there. */
  next(): boolean {
    const at = this.valueEnd;
    this.entryStart = at;
    if (at >= this.#end) return false;
    const { bytes } = this;
    this.keyStart = at + ENTRY_HEADER_BYTES;
    this.valueStart = this.keyStart + ((bytes[at]! << 8) | bytes[at + 1]!);
    this.valueEnd = this.valueStart + ((bytes[at + 2]! << 24) | (bytes[at + 3]! << 16) | (bytes[at + 4]! << 8) | bytes[at + 5]!);
    return true;
  }

  /** Below 0 where this entry's key comes before the one in `key[from, to)`. */
  compareKey(key: Uint8Array, from: number, to: number): number {
    const { bytes, keyStart } = this;
    const length = this.valueStart - keyStart;
    const shorter = Math.min(length, to - from);
    for (let i = 0; i < shorter; i++) {
      const difference = bytes[keyStart + i]! - key[from + i]!;
      if (difference !== 0) return difference;
    }
    return length - (to - from);
  }

  /** A copy of the value under `key[from, to)`, or undefined. */
  find(key: Uint8Array, from: number, to: number): Buffer | undefined {
    while (this.next()) {
      const compared = this.compareKey(key, from, to);
      if (compared === 0) return Buffer.from(this.bytes.subarray(this.valueStart, this.valueEnd));
      if (compared > 0) return undefined;
    }
    return undefined;
  }
}

/** Packs entries that come in key order into blocks: full ones while more come than two hold, and what is left in halves. */
export class BlockWriter {
  readonly #put: (key: Buffer, block: Buffer) => void;
  readonly #blockBytesMax: number;
  #bytes = Buffer.alloc(INITIAL_BYTES);
  #length = 0;
  /** Where the entries that wait begin. */
  #starts = new Uint32Array(64);
  #count = 0;
  #bound: Buffer | undefined;
  #oid: Uint8Array = new Uint8Array(0);
  /** Blocks put since `begin`. */
  blocks = 0;

  /** `put` takes a block and the key that it stands under; the block's bytes are valid during the call. */
  constructor(put: (key: Buffer, block: Buffer) => void, blockBytesMax: number) {
    this.#put = put;
    this.#blockBytesMax = blockBytesMax;
  }

  /** Bytes that wait for more. */
  get waitingBytes(): number {
    return this.#length;
  }

  /** The first block will stand under `bound`. */
  begin(oid: Uint8Array, bound: Buffer): void {
    this.#oid = oid;
    this.#bound = bound;
    this.#length = 0;
    this.#count = 0;
    this.blocks = 0;
  }

  /** Adds the row under `key[keyAt, keyEnd)` as shape and TupleData: the value of a keyed table. */
  add(key: Uint8Array, keyAt: number, keyEnd: number, shape: number, tuple: Uint8Array, tupleAt: number, tupleEnd: number): void {
    let at = this.#entry(keyEnd - keyAt, 2 + tupleEnd - tupleAt);
    const bytes = this.#bytes;
    for (let i = keyAt; i < keyEnd; i++) bytes[at++] = key[i]!;
    bytes[at++] = shape >> 8;
    bytes[at++] = shape;
    copyBytes(tuple, tupleAt, tupleEnd, bytes, at);
    this.#cut();
  }

  addValue(key: Uint8Array, keyAt: number, keyEnd: number, value: Uint8Array): void {
    const at = this.#entry(keyEnd - keyAt, value.length);
    copyBytes(key, keyAt, keyEnd, this.#bytes, at);
    copyBytes(value, 0, value.length, this.#bytes, at + keyEnd - keyAt);
    this.#cut();
  }

  /** Entries as they stand in another block. */
  addEntries(block: Uint8Array, start: number, end: number): void {
    if (start === end) return;
    const shift = this.#length - start;
    for (let at = start; at < end;) {
      this.#mark(at + shift);
      at +=
        ENTRY_HEADER_BYTES +
        ((block[at]! << 8) | block[at + 1]!) +
        ((block[at + 2]! << 24) | (block[at + 3]! << 16) | (block[at + 4]! << 8) | block[at + 5]!);
    }
    this.#grow(end + shift);
    copyBytes(block, start, end, this.#bytes, start + shift);
    this.#length = end + shift;
    this.#cut();
  }

  /** Puts all that waits. */
  finish(): void {
    while (this.#count > 0) {
      const length = this.#length;
      this.#putFirst(
        length <= this.#blockBytesMax
          ? this.#count
          : this.#countWithin(length < 2 * this.#blockBytesMax ? length >> 1 : this.#blockBytesMax),
      );
    }
  }

  #entry(keyLength: number, valueLength: number): number {
    const start = this.#length;
    const end = start + ENTRY_HEADER_BYTES + keyLength + valueLength;
    this.#grow(end);
    this.#mark(start);
    this.#length = end;
    const bytes = this.#bytes;
    bytes[start] = keyLength >> 8;
    bytes[start + 1] = keyLength;
    bytes[start + 2] = valueLength >>> 24;
    bytes[start + 3] = valueLength >>> 16;
    bytes[start + 4] = valueLength >>> 8;
    bytes[start + 5] = valueLength;
    return start + ENTRY_HEADER_BYTES;
  }

  #grow(length: number): void {
    if (length <= this.#bytes.length) return;
    const grown = Buffer.alloc(Math.max(length, 2 * this.#bytes.length));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }

  #mark(start: number): void {
    if (this.#count === this.#starts.length) {
      const grown = new Uint32Array(2 * this.#count);
      grown.set(this.#starts);
      this.#starts = grown;
    }
    this.#starts[this.#count++] = start;
  }

  #cut(): void {
    while (this.#length > 2 * this.#blockBytesMax && this.#count > 1) this.#putFirst(this.#countWithin(this.#blockBytesMax));
  }

  /** The first entries that take `bytesMax` together; one at least. */
  #countWithin(bytesMax: number): number {
    let count = 1;
    while (count < this.#count && (count + 1 < this.#count ? this.#starts[count + 1]! : this.#length) <= bytesMax) count++;
    return count;
  }

  #putFirst(count: number): void {
    const bytes = this.#bytes;
    const end = count === this.#count ? this.#length : this.#starts[count]!;
    const keyEnd = ENTRY_HEADER_BYTES + ((bytes[0]! << 8) | bytes[1]!);
    this.#put(this.#bound ?? Buffer.concat([this.#oid, bytes.subarray(ENTRY_HEADER_BYTES, keyEnd)]), bytes.subarray(0, end));
    this.#bound = undefined;
    this.blocks++;
    bytes.copyWithin(0, end, this.#length);
    this.#length -= end;
    this.#count -= count;
    for (let i = 0; i < this.#count; i++) this.#starts[i] = this.#starts[i + count]! - end;
    // What one large row has grown is let go again.
    if (bytes.length > LARGE_BYTES && this.#length <= BLOCK_BYTES_MAX) {
      this.#bytes = Buffer.alloc(INITIAL_BYTES);
      bytes.copy(this.#bytes, 0, 0, this.#length);
    }
  }
}

const INITIAL_BYTES = 4 * BLOCK_BYTES_MAX;
const LARGE_BYTES = 8 << 20;

/** A loop beats the call for short values. */
function copyBytes(from: Uint8Array, start: number, end: number, to: Uint8Array, at: number): void {
  if (end - start < 40) for (let i = start; i < end; i++) to[at++] = from[i]!;
  else to.set(from.subarray(start, end), at);
}
