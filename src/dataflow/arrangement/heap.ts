/**
 * Which bytes of an arrangement's heap are free: long texts and numerics of its rows, given back when the row goes.
 * Four size classes a power of two (waste below 19 %), a free list each, linked through the free bytes themselves.
 * Invariant: an offset is a multiple of 8 and never 0, so that 0 can mean *none*. Called by `row-memory.ts` only, which owns the bytes.
 */

const CLASSES = 128;
const START_BYTES = 8;

export class Heap {
  readonly #free = new Float64Array(CLASSES);
  #end = START_BYTES;
  #used = 0;

  /** Where `bytes` go; the caller makes sure that `end` bytes exist. */
  allocate(bytes: number, heap: Uint8Array): number {
    const index = classOf(bytes);
    const size = sizeOf(index);
    this.#used += size;
    const reused = this.#free[index]!;
    if (reused !== 0) {
      this.#free[index] = readLink(heap, reused);
      return reused;
    }
    const offset = this.#end;
    this.#end += size;
    return offset;
  }

  free(offset: number, bytes: number, heap: Uint8Array): void {
    const index = classOf(bytes);
    writeLink(heap, offset, this.#free[index]!);
    this.#free[index] = offset;
    this.#used -= sizeOf(index);
  }

  /** What the last allocation would end at, were it not from a free list: for growing beforehand. */
  endAfter(bytes: number): number {
    return this.#end + sizeOf(classOf(bytes));
  }

  get end(): number {
    return this.#end;
  }

  /** 0 when everything came back. */
  get usedBytes(): number {
    return this.#used;
  }
}

/** Class 0: 8 bytes; then 16, 24, 32, 40 | 48, 56, 64, 80 | 96, 112, 128, 160 | … */
export function classOf(bytes: number): number {
  const units = Math.max(1, Math.ceil(bytes / 8));
  if (units <= 4) return units - 1;
  const exponent = 31 - Math.clz32(units - 1);
  const quarter = 1 << (exponent - 2);
  return 4 * (exponent - 1) + Math.ceil((units - (1 << exponent)) / quarter) - 1;
}

export function sizeOf(index: number): number {
  if (index < 4) return 8 * (index + 1);
  const exponent = (index >> 2) + 1;
  return 8 * ((1 << exponent) + ((index & 3) + 1) * (1 << (exponent - 2)));
}

function readLink(heap: Uint8Array, at: number): number {
  return (heap[at]! | (heap[at + 1]! << 8) | (heap[at + 2]! << 16) | (heap[at + 3]! << 24)) >>> 0;
}

function writeLink(heap: Uint8Array, at: number, link: number): void {
  heap[at] = link;
  heap[at + 1] = link >>> 8;
  heap[at + 2] = link >>> 16;
  heap[at + 3] = link >>> 24;
}
