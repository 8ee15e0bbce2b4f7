/**
 * What a row is after a run of changes to it: stored value and entries in, new value out. The same for the fold, which writes it, and the table reader, which shows
 * it; so rows read in the middle equal rows folded later (I-1). A contradiction (a row deleted that is not there) is reported, never smoothed over.
 */
import { must } from '../../base/assert.ts';
import { ByteWriter } from '../../wire/bytes.ts';
import { readBucket, writeBucket, type BucketEntry } from './bucket.ts';
import { change, type Changes } from './changes.ts';
import { shapeMap } from './table-state.ts';
import { writeFilled } from './tuple.ts';

/** What stands in the row store: keyed rows are u16 shape and TupleData, keyless ones a bucket (`bucket.ts`). */
export const SHAPE_BYTES = 2;

/** What is stored for the key, or undefined. Asked at most once, and not at all when the changes say everything. */
export type Stored = () => Buffer | undefined;

export interface Merged {
  /** The new value; undefined: the row is gone. */
  readonly value: Buffer | undefined;
  /** The changes say that the row was (true) or was not (false) there before; undefined: they do not say, or it was looked at. */
  readonly wasThere: boolean | undefined;
  /** Why the changes contradict each other or what is stored. */
  readonly contradiction?: string;
}

export const CONTRADICTION = {
  insertOfPresent: 'a row was inserted that is there already',
  changeOfAbsent: 'a row was changed that is not there',
  deleteOfAbsent: 'a row was deleted that is not there',
} as const;

/** Merges the entries at places `from` to `to` of `changes.arena.order`, which have one key. */
export function mergeRun(changes: Changes, from: number, to: number, stored: Stored): Merged {
  const { arena } = changes;
  const op = arena.ops[arena.order[from]!]!;
  return op === change.more || op === change.fewer ? mergeBucket(changes, from, to, stored) : mergeKeyed(changes, from, to, stored);
}

function mergeKeyed(changes: Changes, from: number, to: number, stored: Stored): Merged {
  const { arena } = changes;
  const first = arena.ops[arena.order[from]!]!;
  let contradiction: string | undefined;
  for (let place = from + 1; place < to; place++) {
    const wasDeleted = arena.ops[arena.order[place - 1]!] === change.delete;
    const inserts = arena.ops[arena.order[place]!] === change.insert;
    if (inserts && !wasDeleted) contradiction = CONTRADICTION.insertOfPresent;
    if (!inserts && wasDeleted) contradiction = CONTRADICTION.changeOfAbsent;
  }
  // Back to the last entry that does not build on the one before it.
  let base = to - 1;
  while (base >= from && arena.ops[arena.order[base]!] === change.merge) base--;
  let value: Buffer | undefined;
  let wasThere: boolean | undefined = first !== change.insert;
  if (base < from) {
    value = stored();
    if (value === undefined) contradiction = CONTRADICTION.changeOfAbsent;
    wasThere = undefined;
  } else {
    const entry = arena.order[base]!;
    value = arena.ops[entry] === change.delete ? undefined : keyedValue(changes, entry);
  }
  for (let place = base + 1; place < to; place++) if (value !== undefined) value = filled(changes, arena.order[place]!, value);
  return contradiction === undefined ? { value, wasThere } : { value, wasThere, contradiction };
}

function keyedValue(changes: Changes, entry: number): Buffer {
  const { arena } = changes;
  const value = Buffer.alloc(SHAPE_BYTES + arena.tupleLengths[entry]!);
  value.writeUInt16BE(arena.shapes[entry]!, 0);
  const at = arena.tupleAt(entry);
  arena.tupleChunk(entry).copy(value, SHAPE_BYTES, at, at + arena.tupleLengths[entry]!);
  return value;
}

const scratch = new ByteWriter(4096);

/** The entry's tuple with what was not sent taken from `before`. */
export function filled(changes: Changes, entry: number, before: Buffer): Buffer {
  const { arena } = changes;
  const oldShape = before.readUInt16BE(0);
  const newShape = arena.shapes[entry]!;
  const state = must(changes.tables.get(arena.oidOf(entry)), 'the state of a table with changes');
  const map = oldShape === newShape ? undefined : shapeMap(state, oldShape, newShape);
  scratch.reset();
  scratch.int16(newShape);
  writeFilled(scratch, arena.tupleChunk(entry), arena.tupleAt(entry), before, SHAPE_BYTES, (column) =>
    map === undefined ? column : map[column]!,
  );
  return scratch.copy();
}

function mergeBucket(changes: Changes, from: number, to: number, stored: Stored): Merged {
  const { arena } = changes;
  const before = stored();
  const entries: BucketEntry[] = before === undefined ? [] : readBucket(before);
  for (let place = from; place < to; place++) {
    const entry = arena.order[place]!;
    const tuple = arena.tuple(entry);
    const step = arena.ops[entry] === change.more ? 1 : -1;
    const found = entries.find((row) => row.tuple.equals(tuple));
    if (found === undefined) entries.push({ count: step, shape: arena.shapes[entry]!, tuple });
    else found.count += step;
  }
  const left = entries.filter((row) => row.count > 0);
  const merged = { value: left.length === 0 ? undefined : writeBucket(left), wasThere: undefined };
  // Judged at the end: one transaction may delete before it inserts.
  return entries.some((row) => row.count < 0) ? { ...merged, contradiction: CONTRADICTION.deleteOfAbsent } : merged;
}

/**
 * Gives every entry that moved to another key its unsent values, in the order of the log, so that a row that moved twice is followed. `storedAt` reads the row
 * store as it was before the first of these changes. Returns the new tuples, one for each of `changes.carries`, empty where there was nothing to do.
 */
export function resolveCarries(changes: Changes, storedAt: (key: Buffer) => Buffer | undefined): Buffer[] {
  const { arena, carries } = changes;
  if (carries.length === 0) return [];
  const placeOf = new Map<number, number>();
  const wanted = new Set(carries.map((carry) => carry.from));
  arena.order.forEach((entry, place) => {
    if (wanted.has(entry)) placeOf.set(entry, place);
  });
  return carries.map(({ from, into }) => {
    const place = placeOf.get(from);
    const nothing = Buffer.alloc(0);
    // Dropped by a later TRUNCATE, and so is the entry it leads to.
    if (place === undefined) return nothing;
    let first = place;
    while (first > 0 && arena.compare(arena.order[first - 1]!, from) === 0) first--;
    const oid = arena.oidOf(from);
    const stored = (): Buffer | undefined => (changes.cleared.has(oid) ? undefined : storedAt(arena.key(from)));
    const before = first === place ? stored() : mergeRun(changes, first, place, stored).value;
    if (before === undefined) {
      changes.breakTable(oid, CONTRADICTION.changeOfAbsent);
      return nothing;
    }
    const value = filled(changes, into, before);
    arena.replaceTuple(into, value.subarray(SHAPE_BYTES));
    return value.subarray(SHAPE_BYTES);
  });
}
