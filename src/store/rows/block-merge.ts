/**
 * Changes into blocks: takes sorted changes and, block by block, merges those in its range with the rows that it holds. Keeps I-1: what is stored is seen for every
 * key that changes, so a contradiction never passes. Called by the fold, inside a transaction; each call leaves every change before the returned place applied,
 * and no other, so that an interrupted pass goes on behind its last key.
 */
import { BLOCK_BYTES_MAX, BlockReader, BlockWriter } from './block.ts';
import { change, type Changes } from './changes.ts';
import { CONTRADICTION, mergeRun } from './merge.ts';
import type { RowStore } from './row-store.ts';
import { OID_BYTES, tablePrefix } from './tuple.ts';

const NO_BYTES = Buffer.alloc(0);

export class BlockMerge {
  readonly #rows: RowStore;
  readonly #writer: BlockWriter;
  readonly #reader = new BlockReader();
  /** A block smaller than this, after rows left it, takes the next one in. */
  readonly #smallBytes: number;

  constructor(rows: RowStore, blockBytesMax: number = BLOCK_BYTES_MAX) {
    this.#rows = rows;
    this.#smallBytes = blockBytesMax >> 2;
    this.#writer = new BlockWriter((bound, block) => rows.putBlock(bound, block), blockBytesMax);
  }

  /** Blocks written by the last `merge`. */
  get blocks(): number {
    return this.#writer.blocks;
  }

  /**
   * Merges the changes from place `from` on that fall in one block's range, of about `keysMax` keys at most. Returns the place behind them. Contradictions are noted by
   * table.
   */
  merge(changes: Changes, from: number, keysMax: number, contradictions: Map<number, string>): number {
    const { arena } = changes;
    const { order } = arena;
    const oid = arena.oidOf(order[from]!);
    const place = this.#rows.blockAt(arena.key(order[from]!));
    const bound = place.bound ?? tablePrefix(oid);
    const writer = this.#writer;
    const reader = this.#reader;
    writer.begin(tablePrefix(oid), bound);
    let block = place.block ?? NO_BYTES;
    let next = place.next;
    let at = from;
    let keys = 0;
    let touchedTo = from;
    for (;;) {
      reader.open(block, block.length);
      let isOpen = reader.next();
      for (; at < order.length && keys < keysMax; keys++) {
        if (at >= touchedTo) touchedTo = arena.touch(at);
        const entry = order[at]!;
        if (arena.oidOf(entry) !== oid || (next !== undefined && arena.compareKey(entry, next, OID_BYTES, next.length) >= 0)) break;
        const start = reader.entryStart;
        let compared = 1;
        while (isOpen && (compared = arena.compareKey(entry, block, reader.keyStart, reader.valueStart)) > 0) isOpen = reader.next();
        writer.addEntries(block, start, reader.entryStart);
        const isThere = isOpen && compared === 0;
        at = this.#row(changes, at, isThere, contradictions);
        if (isThere) isOpen = reader.next();
      }
      writer.addEntries(block, reader.entryStart, block.length);
      const { waitingBytes } = writer;
      if (next === undefined || waitingBytes === 0 || waitingBytes >= this.#smallBytes || writer.blocks > 0) break;
      // Small: the next block comes in, and its range with it.
      block = this.#rows.block(next) ?? NO_BYTES;
      this.#rows.removeBlock(next);
      next = this.#rows.blockAt(next).next;
    }
    writer.finish();
    if (writer.blocks === 0 && place.bound !== undefined) this.#rows.removeBlock(place.bound);
    return at;
  }

  /** Adds what the changes of one key make of its row: of the reader's current one where that `isThere`. */
  #row(changes: Changes, from: number, isThere: boolean, contradictions: Map<number, string>): number {
    const { arena } = changes;
    const entry = arena.order[from]!;
    const op = arena.ops[entry]!;
    const to = arena.runEnd(from);
    const key = arena.keyChunk(entry);
    const keyAt = arena.keyAt(entry) + OID_BYTES;
    const keyEnd = keyAt - OID_BYTES + arena.keyLengths[entry]!;
    let contradiction: string | undefined;
    if (to === from + 1 && (op === change.insert || op === change.update)) {
      if (op === change.insert && isThere) contradiction = CONTRADICTION.insertOfPresent;
      if (op === change.update && !isThere) contradiction = CONTRADICTION.changeOfAbsent;
      const tupleAt = arena.tupleAt(entry);
      this.#writer.add(key, keyAt, keyEnd, arena.shapes[entry]!, arena.tupleChunk(entry), tupleAt, tupleAt + arena.tupleLengths[entry]!);
    } else {
      const reader = this.#reader;
      const merged = mergeRun(changes, from, to, () =>
        isThere
          ? Buffer.from(reader.bytes.buffer, reader.bytes.byteOffset + reader.valueStart, reader.valueEnd - reader.valueStart)
          : undefined,
      );
      ({ contradiction } = merged);
      if (merged.wasThere === true && !isThere) contradiction ??= CONTRADICTION.changeOfAbsent;
      if (merged.wasThere === false && isThere) contradiction ??= CONTRADICTION.insertOfPresent;
      if (merged.value !== undefined) this.#writer.addValue(key, keyAt, keyEnd, merged.value);
    }
    if (contradiction !== undefined) contradictions.set(arena.oidOf(entry), contradiction);
    return to;
  }
}
