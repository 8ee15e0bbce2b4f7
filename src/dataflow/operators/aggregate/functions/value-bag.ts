/**
 * Few values in no order, with the places of the least and the greatest: what MIN and MAX keep of a group while it has at most 64 rows of one form.
 *
 *     [count, capacity, least, greatest: a byte each] [code] [double × capacity]
 *
 * A value is a double and a code (`inline-value.ts`); the code is the same for all in a bag, so that two of its values are identical iff their doubles are equal, and ordered as
 * these. One that is there three times is there three times. A value comes at the end, and the last takes the place of one that goes: beside a sorted leaf of
 * `arrangement/ordered.ts` half the memory, and no half of it moved by each change.
 * What does not fit (a 65th value, another code) is the caller's to keep elsewhere. A bag is its address in the pool, 0 = empty; every change returns the new one.
 * Taking out what is not there is a fault (I-1: ABSENT_ROW). Cost: a scan of at most nine cache lines for a value that goes, O(1) for one that comes. Called by `extremes.ts`.
 */
import type { WordPool } from '../../../arrangement/ordered-pool.ts';
import { DataflowFault } from '../../../fault.ts';

const VALUES_MAX = 64;
const HEADER = 2;
const CODE = 1;
/** Of a cache line. */
const LINE_WORDS = 16;
const LINE_VALUES = 8;

export class ValueBags {
  readonly #pool: WordPool;

  constructor(pool: WordPool) {
    this.#pool = pool;
  }

  /** The bag with `copies` (> 0) of the value added, or 0 where they do not fit: then nothing has changed. */
  add(bag: number, value: number, code: number, copies: number): number {
    if (bag === 0) {
      if (copies > VALUES_MAX) return 0;
      const made = this.#make(roomFor(copies));
      this.#pool.words[made + CODE] = code;
      return this.#append(made, 0, value, copies);
    }
    const head = this.#pool.words[bag]!;
    const count = head & 0xff;
    if (this.#pool.words[bag + CODE] !== code || count + copies > VALUES_MAX) return 0;
    return this.#append(count + copies > ((head >>> 8) & 0xff) ? this.#resized(bag, roomFor(count + copies)) : bag, count, value, copies);
  }

  remove(bag: number, value: number, code: number, copies: number): number {
    if (bag === 0 || this.#pool.words[bag + CODE] !== code) throw absent();
    const { words, doubles } = this.#pool;
    const head = words[bag]!;
    const first = (bag + HEADER) >> 1;
    let count = head & 0xff;
    let least = (head >>> 16) & 0xff;
    let greatest = head >>> 24;
    let extremeLeft = false;
    let missing = copies;
    for (let i = 0; missing > 0;) {
      if (i === count) throw absent();
      if (doubles[first + i] !== value) {
        i++;
        continue;
      }
      missing--;
      count--;
      doubles[first + i] = doubles[first + count]!;
      extremeLeft ||= i === least || i === greatest;
      if (least === count) least = i;
      if (greatest === count) greatest = i;
    }
    const room = (head >>> 8) & 0xff;
    if (count === 0) {
      this.free(bag);
      return 0;
    }
    if (extremeLeft) {
      least = 0;
      greatest = 0;
      for (let i = 1; i < count; i++) {
        if (doubles[first + i]! < doubles[first + least]!) least = i;
        if (doubles[first + i]! > doubles[first + greatest]!) greatest = i;
      }
    }
    words[bag] = count | (room << 8) | (least << 16) | (greatest << 24);
    return 4 * count <= room ? this.#resized(bag, roomFor(2 * count)) : bag;
  }

  least(bag: number): number {
    return this.valueAt(bag, (this.#pool.words[bag]! >>> 16) & 0xff);
  }

  greatest(bag: number): number {
    return this.valueAt(bag, this.#pool.words[bag]! >>> 24);
  }

  code(bag: number): number {
    return this.#pool.words[bag + CODE]!;
  }

  count(bag: number): number {
    return this.#pool.words[bag]! & 0xff;
  }

  valueAt(bag: number, place: number): number {
    return this.#pool.doubles[((bag + HEADER) >> 1) + place]!;
  }

  free(bag: number): void {
    this.#pool.free(bag, HEADER + 2 * ((this.#pool.words[bag]! >>> 8) & 0xff));
  }

  /** Reads the bag's first word; with `deep` its further cache lines (see `Ordered.touch`). */
  touch(bag: number, deep: boolean): number {
    const { words } = this.#pool;
    const head = words[bag]!;
    if (!deep) return head;
    let sum = 0;
    for (let at = bag + LINE_WORDS, end = bag + HEADER + 2 * (head & 0xff); at < end; at += LINE_WORDS) sum += words[at]!;
    return sum;
  }

  #append(bag: number, count: number, value: number, copies: number): number {
    const { words, doubles } = this.#pool;
    const first = (bag + HEADER) >> 1;
    for (let i = count; i < count + copies; i++) doubles[first + i] = value;
    const head = words[bag]!;
    let least = (head >>> 16) & 0xff;
    let greatest = head >>> 24;
    if (value < doubles[first + least]!) least = count;
    if (value > doubles[first + greatest]!) greatest = count;
    words[bag] = (count + copies) | (head & 0xff00) | (least << 16) | (greatest << 24);
    return bag;
  }

  #make(room: number): number {
    const bag = this.#pool.allocate(HEADER + 2 * room);
    this.#pool.words[bag] = room << 8;
    return bag;
  }

  #resized(bag: number, room: number): number {
    const resized = this.#make(room);
    const { words, doubles } = this.#pool;
    const head = words[bag]!;
    words[resized] = (head & ~0xff00) | (room << 8);
    words[resized + CODE] = words[bag + CODE]!;
    const from = (bag + HEADER) >> 1;
    const to = (resized + HEADER) >> 1;
    for (let i = 0, count = head & 0xff; i < count; i++) doubles[to + i] = doubles[from + i]!;
    this.free(bag);
    return resized;
  }
}

/** Small bags double, larger ones grow by a cache line. */
function roomFor(values: number): number {
  if (values > LINE_VALUES) return (values + LINE_VALUES - 1) & -LINE_VALUES;
  let room = 2;
  while (room < values) room *= 2;
  return room;
}

function absent(): DataflowFault {
  return new DataflowFault('ABSENT_ROW', 'a value was taken out of a group more often than it is there');
}
